// SPDX-License-Identifier: MIT
/* Virtual memory as a vCPU sees it, breakpoints hidden. */
#include <errno.h>
#include <stdlib.h>

#include "core/engine/state.h"

static int translate(struct vmgdb_vcpu *v, uint64_t va, uint64_t *gpa)
{
	struct xlat x;
	int ret = v->view.cpu->translate(&v->view, va, &x);

	if (!ret)
		*gpa = x.gpa;
	return ret;
}

struct bp_location *vcpu_location(struct vmgdb_vcpu *v, uint64_t addr)
{
	struct breakpoints *b = v->engine->bps;
	uint64_t gpa;

	if (!breakpoints_in_memory(b) || translate(v, addr, &gpa))
		return NULL;
	return breakpoints_location(b, gpa);
}

struct vmgdb_vcpu *vcpu_that_maps(struct vmgdb_vcpu *v, uint64_t addr)
{
	struct vmgdb_vcpu *o;
	uint64_t gpa;

	if (!translate(v, addr, &gpa))
		return v;
	for_each_vcpu(v->engine, o) if (o != v && !translate(o, addr, &gpa)) return o;
	return v;
}

/* The part of [va, va + len) that is in the first page: where it is, and how much of it. The address
 * space ends at 2^64. any: as vcpu_read(). */
static int first_page(struct vmgdb_vcpu *v, bool any, uint64_t va, size_t len, uint64_t *gpa,
		      size_t *n)
{
	const struct cpu *cpu = v->view.cpu;
	struct xlat x;
	int ret = cpu->translate(&v->view, va, &x);
	uint64_t left;

	if (ret && any)
		ret = cpu->translate(&vcpu_that_maps(v, va)->view, va, &x);
	if (ret)
		return ret;
	left = x.page - (x.gpa & (x.page - 1));
	*gpa = x.gpa;
	*n = left < len ? left : len;
	return 0;
}

/* How much of [addr, addr + len) is below 2^64. */
static size_t below_end(uint64_t addr, size_t len)
{
	return addr && len > -addr ? -addr : len;
}

size_t vcpu_read(struct vmgdb_vcpu *v, bool any, uint64_t addr, void *buf, size_t len)
{
	size_t done = 0, n, got;
	uint64_t gpa;

	len = below_end(addr, len);
	while (done < len && !first_page(v, any, addr + done, len - done, &gpa, &n)) {
		got = breakpoints_read(v->engine->bps, gpa, (uint8_t *)buf + done, n);
		done += got;
		if (got < n)
			break;
	}
	return done;
}

/* Piece by piece; *done is how much was written. */
static int write_pages(struct vmgdb_vcpu *v, uint64_t addr, const uint8_t *bytes, size_t len,
		       size_t *done)
{
	uint64_t gpa;
	size_t n;
	int ret = 0;

	for (*done = 0; *done < len; *done += n) {
		ret = first_page(v, true, addr + *done, len - *done, &gpa, &n);
		if (!ret)
			ret = breakpoints_write(v->engine->bps, gpa, bytes + *done, n);
		if (ret)
			break;
	}
	return ret;
}

/* What was written before a page that can't be is put back. */
static int write_or_undo(struct vmgdb_vcpu *v, uint64_t addr, const void *bytes, size_t len)
{
	uint8_t *old = malloc(len);
	size_t done;
	int ret = old ? 0 : -ENOMEM;

	if (!ret && vcpu_read(v, true, addr, old, len) < len)
		ret = -EFAULT;
	if (!ret) {
		ret = write_pages(v, addr, bytes, len, &done);
		if (ret)
			write_pages(v, addr, old, done, &done);
	}
	free(old);
	return ret;
}

int vcpu_write(struct vmgdb_vcpu *v, uint64_t addr, const void *buf, size_t len)
{
	uint64_t gpa;
	size_t n;

	if (!len)
		return 0;
	if (below_end(addr, len) < len || first_page(v, true, addr, len, &gpa, &n))
		return -EFAULT;
	if (n < len)
		return write_or_undo(v, addr, buf, len);
	return breakpoints_write(v->engine->bps, gpa, buf, len);
}
