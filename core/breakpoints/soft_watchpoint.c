// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "core/breakpoints/state.h"

static struct soft_watchpoint *find(struct soft_watchpoints *s, uint64_t addr, uint64_t len)
{
	struct soft_watchpoint *w;

	for (w = s->all; w < s->all + s->n; w++)
		if (w->addr == addr && w->len == len)
			return w;
	return NULL;
}

const struct soft_watchpoint *soft_watchpoints_find(const struct soft_watchpoints *s, uint64_t addr)
{
	const struct soft_watchpoint *w;

	for (w = s->all; w < s->all + s->n; w++)
		if (!w->removed && w->addr == addr)
			return w;
	return NULL;
}

/* ---- set and remove ---------------------------------------------------------------------- */

/* Where the bytes are: in one or two aligned blocks, none of which crosses a page. 0 or -EFAULT. */
static int find_ranges(const struct breakpoints *b, struct soft_watchpoint *w, unsigned int vcpu)
{
	const struct breakpoints_config *c = &b->config;
	struct soft_watch_range *r = w->range;
	size_t room = SOFT_WATCHPOINT_LEN_MAX - w->addr % SOFT_WATCHPOINT_LEN_MAX;
	struct xlat x[SOFT_WATCHPOINT_RANGES];

	r[0].len = w->len < room ? w->len : room;
	r[1].len = w->len - r[0].len;
	if (c->translate(c->opaque, vcpu, w->addr, &x[0], NULL))
		return -EFAULT;
	if (r[1].len && c->translate(c->opaque, vcpu, w->addr + room, &x[1], NULL))
		return -EFAULT;
	r[0].gpa = x[0].gpa;
	r[1].gpa = r[1].len ? x[1].gpa : 0;
	w->tables = x[0].tables;
	return 0;
}

/* All of it, or false. */
static bool read_ranges(struct breakpoints *b, const struct soft_watchpoint *w, uint8_t *buf)
{
	const struct soft_watch_range *r;

	for (r = w->range; r < w->range + SOFT_WATCHPOINT_RANGES; buf += r->len, r++)
		if (breakpoints_read(b, r->gpa, buf, r->len) < r->len)
			return false;
	return true;
}

static void mark(struct soft_watchpoints *s, struct soft_watchpoint *w, bool removed)
{
	atomic_fetch_add(&s->nset, (unsigned int)w->removed - (unsigned int)removed);
	w->removed = removed;
}

static int append(struct soft_watchpoints *s, const struct soft_watchpoint *w, const char **why)
{
	if (s->n == SOFT_WATCHPOINTS_MAX)
		soft_watchpoints_sync(s);
	if (s->n == SOFT_WATCHPOINTS_MAX)
		return refuse(-ENOSPC, "there are too many software watchpoints", why);
	s->all[s->n++] = *w;
	atomic_fetch_add(&s->nset, 1);
	return 0;
}

/* Where it is, and what is there. */
static int look_up(struct breakpoints *b, unsigned int vcpu, struct soft_watchpoint *w,
		   const char **why)
{
	if (find_ranges(b, w, vcpu))
		return refuse(-EFAULT, "the address is not mapped", why);
	if (!read_ranges(b, w, w->old))
		return refuse(-EFAULT, "there is no memory at that address", why);
	return 0;
}

/* One that is watched already goes on, unless the tables by which it was found map it elsewhere now. */
int soft_watchpoints_insert(struct breakpoints *b, unsigned int vcpu, uint64_t addr, uint64_t len,
			    const char **why)
{
	struct soft_watchpoint w = { .addr = addr, .len = len };
	struct soft_watchpoint *there = find(&b->soft, addr, len);
	int ret;

	if (!len || len > sizeof(w.old))
		return refuse(-EINVAL, "a software watchpoint is 1 to 64 bytes long", why);
	ret = look_up(b, vcpu, &w, why);
	if (!there)
		return ret ? ret : append(&b->soft, &w, why);
	mark(&b->soft, there, false);
	if (!ret && !is_other_process(there->tables, w.tables) &&
	    memcmp(there->range, w.range, sizeof(w.range)))
		*there = w;
	return 0;
}

void soft_watchpoints_remove(struct soft_watchpoints *s, uint64_t addr, uint64_t len)
{
	struct soft_watchpoint *w = find(s, addr, len);

	if (w)
		mark(s, w, true);
}

void soft_watchpoints_remove_all(struct soft_watchpoints *s)
{
	s->n = 0;
	atomic_store(&s->nset, 0);
}

void soft_watchpoints_sync(struct soft_watchpoints *s)
{
	unsigned int i;

	for (i = s->n; i--;)
		if (s->all[i].removed)
			s->all[i] = s->all[--s->n];
}

/* ---- changes ----------------------------------------------------------------------------- */

/* What of [gpa, gpa + len) is in a range. */
static void wrote(uint8_t *old, const struct soft_watch_range *r, uint64_t gpa, const uint8_t *buf,
		  size_t len)
{
	uint64_t from = gpa > r->gpa ? gpa : r->gpa;
	uint64_t to = gpa + len < r->gpa + r->len ? gpa + len : r->gpa + r->len;

	if (from < to)
		memcpy(old + (from - r->gpa), buf + (from - gpa), to - from);
}

void soft_watchpoints_wrote(struct soft_watchpoints *s, uint64_t gpa, const void *buf, size_t len)
{
	struct soft_watchpoint *w;

	for (w = s->all; w < s->all + s->n; w++) {
		wrote(w->old, &w->range[0], gpa, buf, len);
		wrote(w->old + w->range[0].len, &w->range[1], gpa, buf, len);
	}
}

/* Memory that has gone has not changed. */
static bool has_changed(struct breakpoints *b, struct soft_watchpoint *w)
{
	uint8_t now[SOFT_WATCHPOINT_LEN_MAX];

	if (!read_ranges(b, w, now) || !memcmp(now, w->old, w->len))
		return false;
	memcpy(w->old, now, w->len);
	return true;
}

bool breakpoints_changed(struct breakpoints *b, uint64_t *addr)
{
	struct soft_watchpoint *w;

	for (w = b->soft.all; w < b->soft.all + b->soft.n; w++)
		if (has_changed(b, w)) {
			*addr = w->addr;
			return true;
		}
	return false;
}

bool breakpoints_by_steps(const struct breakpoints *b)
{
	return atomic_load(&b->soft.nset);
}
