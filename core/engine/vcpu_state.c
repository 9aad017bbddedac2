// SPDX-License-Identifier: MIT
/* A vCPU's registers, fetched by bank when somebody looks and kept until it runs again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine/state.h"

enum { WORD_BITS = 64 };

static struct vmgdb_vcpu *vcpu_of(struct cpu_view *view)
{
	return (struct vmgdb_vcpu *)view; /* the view is its first member */
}

static size_t bitmap_bytes(const struct vmgdb_vcpu *v)
{
	return (v->view.cpu->nbanks + WORD_BITS - 1) / WORD_BITS * sizeof(uint64_t);
}

static bool bit(const uint64_t *map, unsigned int n)
{
	return map[n / WORD_BITS] >> n % WORD_BITS & 1;
}

static void set_bit(uint64_t *map, unsigned int n)
{
	map[n / WORD_BITS] |= 1ULL << n % WORD_BITS;
}

static void clear_bit(uint64_t *map, unsigned int n)
{
	map[n / WORD_BITS] &= ~(1ULL << n % WORD_BITS);
}

static int need(struct cpu_view *view, unsigned int bank)
{
	struct vmgdb_vcpu *v = vcpu_of(view);
	int ret;

	if (bank >= view->cpu->nbanks)
		return -EINVAL;
	if (bit(v->valid, bank))
		return 0;
	ret = v->ops->fetch(v->ctx, bank, view->state);
	if (!ret)
		set_bit(v->valid, bank);
	return ret;
}

static void dirty(struct cpu_view *view, unsigned int bank)
{
	set_bit(vcpu_of(view)->dirty, bank);
}

static ssize_t read_phys(struct cpu_view *view, uint64_t gpa, void *buf, size_t len)
{
	struct vmgdb_vcpu *v = vcpu_of(view);
	size_t n = read_ahead(&v->reads, v->engine->bps, gpa, buf, len);

	return n || !len ? (ssize_t)n : -EFAULT;
}

static int write_phys(struct cpu_view *view, uint64_t gpa, const void *buf, size_t len)
{
	struct vmgdb_vcpu *v = vcpu_of(view);

	read_ahead_expire(&v->reads);
	return breakpoints_write_as_guest(v->engine->bps, gpa, buf, len);
}

int vcpu_state_init(struct vmgdb_vcpu *v)
{
	v->view.cpu = v->ops->cpu;
	v->view.need = need;
	v->view.dirty = dirty;
	v->view.read_phys = read_phys;
	v->view.write_phys = write_phys;
	v->view.state = calloc(1, v->view.cpu->state_size);
	v->valid = calloc(1, bitmap_bytes(v));
	v->dirty = calloc(1, bitmap_bytes(v));
	return v->view.state && v->valid && v->dirty ? 0 : -ENOMEM;
}

void vcpu_state_fini(struct vmgdb_vcpu *v)
{
	free(v->view.state);
	free(v->valid);
	free(v->dirty);
}

void vcpu_state_forget(struct vmgdb_vcpu *v)
{
	v->runnable = false;
	memset(v->valid, 0, bitmap_bytes(v));
	memset(v->dirty, 0, bitmap_bytes(v));
	read_ahead_expire(&v->reads);
}

static int store(struct vmgdb_vcpu *v, unsigned int bank)
{
	int ret = v->ops->store(v->ctx, bank, v->view.state);

	clear_bit(v->dirty, bank);
	if (ret)
		clear_bit(v->valid, bank);
	return ret;
}

/* All that can be stored is, also after a failure; the first one is returned. */
int vcpu_state_flush(struct vmgdb_vcpu *v)
{
	unsigned int w, words = bitmap_bytes(v) / sizeof(uint64_t);
	int ret = 0, err;

	for (w = 0; w < words; w++)
		while (v->dirty[w]) {
			err = store(v, w * WORD_BITS + __builtin_ctzll(v->dirty[w]));
			ret = ret ? ret : err;
		}
	return ret;
}

int vcpu_pc(struct vmgdb_vcpu *v, uint64_t *pc)
{
	int ret = need(&v->view, 0);

	if (!ret)
		*pc = v->view.cpu->pc(v->view.state);
	return ret;
}

int vcpu_code(struct vmgdb_vcpu *v, uint64_t *addr)
{
	const struct cpu *cpu = v->view.cpu;
	uint64_t pc = 0;
	int ret = vcpu_pc(v, &pc);

	if (!ret && cpu->code_addr)
		return cpu->code_addr(&v->view, pc, addr);
	*addr = pc;
	return ret;
}

const char *vcpu_halted(const struct vmgdb_vcpu *v)
{
	return !v->runnable && v->ops->halted ? v->ops->halted(v->ctx) : NULL;
}

void expire_reads(struct engine *e)
{
	struct vmgdb_vcpu *v;

	for_each_vcpu(e, v) read_ahead_expire(&v->reads);
}
