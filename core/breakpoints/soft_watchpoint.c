// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/breakpoints/soft_watchpoint.h"

void soft_watchpoint_fini(struct soft_watchpoints *s)
{
	free(s->w);
}

struct soft_watchpoint *soft_watchpoint_find(const struct soft_watchpoints *s, uint64_t addr)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->w[i].wished && s->w[i].addr == addr)
			return &s->w[i];
	return NULL;
}

static struct soft_watchpoint *find(const struct soft_watchpoints *s, uint64_t addr, uint64_t len)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->w[i].addr == addr && s->w[i].len == len)
			return &s->w[i];
	return NULL;
}

static int append(struct soft_watchpoints *s, const struct soft_watchpoint *w)
{
	struct soft_watchpoint *grown = realloc(s->w, (s->n + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	s->w = grown;
	s->w[s->n++] = *w;
	return 0;
}

/* Where the bytes are: 0 or -EFAULT. */
static int find_runs(struct soft_watchpoint *w, const struct points_mmu *mmu, unsigned int vcpu)
{
	struct soft_watch_range *r = w->run;
	uint64_t i, gpa;

	for (i = 0; i < w->len; i++) {
		if (mmu->translate(mmu->opaque, vcpu, w->addr + i, &gpa))
			return -EFAULT;
		if (r->len && gpa != r->gpa + r->len)
			r++;
		if (r == w->run + SOFT_WATCHPOINT_RUNS)
			return -EFAULT;
		if (!r->len)
			r->gpa = gpa;
		r->len++;
	}
	return 0;
}

static bool same_runs(const struct soft_watchpoint *a, const struct soft_watchpoint *b)
{
	unsigned int i;

	for (i = 0; i < SOFT_WATCHPOINT_RUNS; i++)
		if (a->run[i].gpa != b->run[i].gpa || a->run[i].len != b->run[i].len)
			return false;
	return true;
}

/* All of it, or false. */
static bool read_runs(const struct soft_watchpoint *w, struct points *mem, uint8_t *buf)
{
	const struct soft_watch_range *r;

	for (r = w->run; r < w->run + SOFT_WATCHPOINT_RUNS; buf += r->len, r++)
		if (points_read(mem, r->gpa, buf, r->len) < r->len)
			return false;
	return true;
}

int soft_watchpoint_insert(struct soft_watchpoints *s, struct points *mem, unsigned int vcpu,
			   uint64_t addr, uint64_t len, const char **why)
{
	struct soft_watchpoint w = { .addr = addr, .len = len, .wished = true };
	struct soft_watchpoint *there = find(s, addr, len);

	if (!len || len > sizeof(w.old)) {
		*why = "a software watchpoint is 1 to 64 bytes long";
		return -EINVAL;
	}
	if (find_runs(&w, &mem->mmu, vcpu)) {
		*why = "the address is not mapped";
		return -EFAULT;
	}
	if (there && same_runs(there, &w)) {
		there->wished = true;
		return 0;
	}
	if (!read_runs(&w, mem, w.old)) {
		*why = "there is no memory at that address";
		return -EFAULT;
	}
	if (!there)
		return append(s, &w);
	*there = w;
	return 0;
}

void soft_watchpoint_remove(struct soft_watchpoints *s, uint64_t addr, uint64_t len)
{
	struct soft_watchpoint *w = find(s, addr, len);

	if (w)
		w->wished = false;
}

void soft_watchpoint_remove_all(struct soft_watchpoints *s)
{
	s->n = 0;
}

void soft_watchpoint_commit(struct soft_watchpoints *s)
{
	size_t i;

	for (i = s->n; i--;)
		if (!s->w[i].wished)
			s->w[i] = s->w[--s->n];
}

/* What of [gpa, gpa + len) is in a run. */
static void wrote(uint8_t *old, const struct soft_watch_range *r, uint64_t gpa, const uint8_t *buf,
		  size_t len)
{
	uint64_t from = gpa > r->gpa ? gpa : r->gpa;
	uint64_t to = gpa + len < r->gpa + r->len ? gpa + len : r->gpa + r->len;

	if (from < to)
		memcpy(old + (from - r->gpa), buf + (from - gpa), to - from);
}

void soft_watchpoint_wrote(struct soft_watchpoints *s, uint64_t gpa, const void *buf, size_t len)
{
	struct soft_watchpoint *w;

	for (w = s->w; w < s->w + s->n; w++) {
		wrote(w->old, &w->run[0], gpa, buf, len);
		wrote(w->old + w->run[0].len, &w->run[1], gpa, buf, len);
	}
}

/* Memory that has gone has not changed. */
static bool changed(struct soft_watchpoint *w, struct points *mem)
{
	uint8_t now[SOFT_WATCHPOINT_LEN_MAX];

	if (!read_runs(w, mem, now) || !memcmp(now, w->old, w->len))
		return false;
	memcpy(w->old, now, w->len);
	return true;
}

const struct soft_watchpoint *soft_watchpoint_changed(struct soft_watchpoints *s,
						      struct points *mem)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (changed(&s->w[i], mem))
			return &s->w[i];
	return NULL;
}
