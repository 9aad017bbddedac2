// SPDX-License-Identifier: MIT
/* Virtual memory as a vCPU sees it, breakpoints hidden. */
#include <errno.h>

#include "core/engine/engine.h"

int vcpu_translate(struct vmgdb_vcpu *v, uint64_t va, uint64_t *gpa)
{
	struct xlat x;
	int ret = v->view.cpu->translate(&v->view, va, &x);

	if (!ret)
		*gpa = x.gpa;
	return ret;
}

/* From va to the end of its page, at most len: where it is, and how much of it. */
static int next_run(struct vmgdb_vcpu *v, uint64_t va, size_t len, uint64_t *gpa, size_t *run)
{
	struct xlat x;
	int ret = v->view.cpu->translate(&v->view, va, &x);
	uint64_t left;

	if (ret)
		return ret;
	left = x.page - (x.gpa & (x.page - 1));
	*gpa = x.gpa;
	*run = left < len ? left : len;
	return 0;
}

size_t vcpu_read(struct vmgdb_vcpu *v, uint64_t addr, void *buf, size_t len)
{
	size_t done = 0, run, got;
	uint64_t gpa;

	while (done < len && !next_run(v, addr + done, len - done, &gpa, &run)) {
		got = points_read(&v->engine->points, gpa, (uint8_t *)buf + done, run);
		done += got;
		if (got < run)
			break;
	}
	return done;
}

static bool is_memory(struct memory *m, uint64_t gpa, size_t len)
{
	size_t n, there;

	pthread_rwlock_rdlock(&m->lock);
	for (n = 0; n < len && memory_hva(m, gpa + n, &there); n += there)
		;
	pthread_rwlock_unlock(&m->lock);
	return n >= len;
}

/* Is all of it memory? So that a write is all or nothing. */
static bool writable(struct vmgdb_vcpu *v, uint64_t addr, size_t len)
{
	size_t done, run;
	uint64_t gpa;

	for (done = 0; done < len; done += run)
		if (next_run(v, addr + done, len - done, &gpa, &run) ||
		    !is_memory(&v->engine->mem, gpa, run))
			return false;
	return true;
}

/* Code is data until it runs: caches are made coherent for all that a debugger writes. */
static void sync_icache(struct engine *e, uint64_t gpa, size_t len)
{
	size_t there, n;
	uint8_t *hva;

	if (!e->points.sync_icache)
		return;
	pthread_rwlock_rdlock(&e->mem.lock);
	for (; len && (hva = memory_hva(&e->mem, gpa, &there)); gpa += n, len -= n) {
		n = len < there ? len : there;
		e->points.sync_icache(hva, n);
	}
	pthread_rwlock_unlock(&e->mem.lock);
}

int vcpu_write(struct vmgdb_vcpu *v, uint64_t addr, const void *buf, size_t len)
{
	size_t done, run;
	uint64_t gpa;

	if (!writable(v, addr, len))
		return -EFAULT;
	for (done = 0; done < len && !next_run(v, addr + done, len - done, &gpa, &run);
	     done += run) {
		points_write(&v->engine->points, gpa, (const uint8_t *)buf + done, run);
		soft_watchpoint_wrote(&v->engine->soft, gpa, (const uint8_t *)buf + done, run);
		sync_icache(v->engine, gpa, run);
	}
	return done < len ? -EFAULT : 0;
}
