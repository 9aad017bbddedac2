// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/points.h"

static struct site *site_of(struct table_node *n)
{
	return (struct site *)n; /* the node is its first member */
}

static struct point *point_of(struct table_node *n)
{
	return (struct point *)n;
}

void points_fini(struct points *p)
{
	struct table_node *n, *next;

	for (n = table_first(&p->points); n; n = next) {
		next = table_next(&p->points, n);
		free(point_of(n)->rules);
		free(point_of(n));
	}
	for (n = table_first(&p->sites); n; n = next) {
		next = table_next(&p->sites, n);
		free(site_of(n));
	}
	table_fini(&p->points);
	table_fini(&p->sites);
}

/* ---- guest memory ------------------------------------------------------------------------ */

/* The host address of a site's instruction, or NULL when that memory is gone. Lock held. */
static uint8_t *site_hva(const struct points *p, const struct site *s)
{
	size_t run;
	uint8_t *hva = memory_hva(p->mem, s->node.key, &run);

	return hva && run >= p->cpu->brk_size ? hva : NULL;
}

static bool is_brk(const struct points *p, const uint8_t *bytes)
{
	return !memcmp(bytes, p->cpu->brk, p->cpu->brk_size);
}

/* Is the breakpoint instruction still where it was planted? */
static bool in_memory(const struct points *p, const struct site *s)
{
	const uint8_t *hva;
	bool yes;

	pthread_rwlock_rdlock(&p->mem->lock);
	hva = site_hva(p, s);
	yes = hva && is_brk(p, hva);
	pthread_rwlock_unlock(&p->mem->lock);
	return yes;
}

/* A whole instruction at once: another vCPU may be fetching it. */
static void patch(const struct points *p, uint8_t *hva, const uint8_t *bytes)
{
	uint32_t word;

	if (p->cpu->brk_size == 1) {
		__atomic_store_n(hva, *bytes, __ATOMIC_RELEASE);
	} else {
		memcpy(&word, bytes, sizeof(word));
		__atomic_store_n((uint32_t *)(void *)hva, word, __ATOMIC_RELEASE);
	}
	if (p->sync_icache)
		p->sync_icache(hva, p->cpu->brk_size);
}

void points_plant(struct points *p, struct site *s)
{
	uint8_t *hva;

	pthread_rwlock_rdlock(&p->mem->lock);
	hva = site_hva(p, s);
	if (hva && !s->planted) {
		memcpy(s->saved, hva, p->cpu->brk_size);
		patch(p, hva, p->cpu->brk);
		s->planted = true;
	}
	pthread_rwlock_unlock(&p->mem->lock);
}

/* What the guest wrote over a breakpoint stays. */
void points_lift(struct points *p, struct site *s)
{
	uint8_t *hva;

	pthread_rwlock_rdlock(&p->mem->lock);
	hva = site_hva(p, s);
	if (hva && s->planted && is_brk(p, hva))
		patch(p, hva, s->saved);
	s->planted = false;
	pthread_rwlock_unlock(&p->mem->lock);
}

/* ---- wishes ------------------------------------------------------------------------------ */

static void mark_dirty(struct points *p, struct site *s)
{
	if (s->dirty)
		return;
	s->dirty = true;
	s->next_dirty = p->dirty;
	p->dirty = s;
}

static int site_get(struct points *p, uint64_t gpa, struct site **out)
{
	struct table_node *n = table_find(&p->sites, gpa);
	struct site *s = n ? site_of(n) : NULL;

	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return -ENOMEM;
		s->node.key = gpa;
		if (table_add(&p->sites, &s->node)) {
			free(s);
			return -ENOMEM;
		}
	}
	s->refs++;
	mark_dirty(p, s);
	*out = s;
	return 0;
}

static bool is_memory(const struct points *p, uint64_t gpa)
{
	const struct site s = { .node.key = gpa };
	bool yes;

	pthread_rwlock_rdlock(&p->mem->lock);
	yes = site_hva(p, &s);
	pthread_rwlock_unlock(&p->mem->lock);
	return yes;
}

/* Give a pending point its site if it is mapped by now. */
static int resolve(struct points *p, struct point *pt)
{
	uint64_t gpa;
	int ret;

	if (p->mmu.translate(p->mmu.opaque, pt->vcpu, pt->node.key, &gpa))
		return 0;
	if (!is_memory(p, gpa))
		return -EFAULT;
	ret = site_get(p, gpa, &pt->site);
	if (!ret)
		p->npending--;
	return ret;
}

static void unresolve(struct points *p, struct point *pt)
{
	if (!pt->site)
		return;
	pt->site->refs--;
	mark_dirty(p, pt->site);
	pt->site = NULL;
	p->npending++;
}

static void drop(struct points *p, struct point *pt)
{
	unresolve(p, pt);
	p->npending--;
	table_del(&p->points, &pt->node);
	free(pt->rules);
	free(pt);
}

int points_insert(struct points *p, unsigned int vcpu, uint64_t va)
{
	struct point *pt;
	int ret;

	if (va % p->cpu->brk_size)
		return -EINVAL;
	if (table_find(&p->points, va))
		return 0;
	pt = calloc(1, sizeof(*pt));
	if (!pt)
		return -ENOMEM;
	pt->node.key = va;
	pt->vcpu = vcpu;
	ret = table_add(&p->points, &pt->node);
	if (ret) {
		free(pt);
		return ret;
	}
	p->npending++;
	ret = resolve(p, pt);
	if (ret)
		drop(p, pt);
	return ret;
}

struct point *points_find(const struct points *p, uint64_t va)
{
	struct table_node *n = table_find(&p->points, va);

	return n ? point_of(n) : NULL;
}

void points_remove(struct points *p, uint64_t va)
{
	struct point *pt = points_find(p, va);

	if (pt)
		drop(p, pt);
}

void points_remove_all(struct points *p)
{
	struct table_node *n, *next;

	for (n = table_first(&p->points); n; n = next) {
		next = table_next(&p->points, n);
		drop(p, point_of(n));
	}
}

/* ---- commit ------------------------------------------------------------------------------ */

static int resolve_pending(struct points *p)
{
	struct table_node *n;

	for (n = table_first(&p->points); n && p->npending; n = table_next(&p->points, n))
		if (!point_of(n)->site && resolve(p, point_of(n)) == -ENOMEM)
			return -ENOMEM;
	return 0;
}

static void commit_site(struct points *p, struct site *s)
{
	if (s->refs) {
		points_plant(p, s);
		return;
	}
	points_lift(p, s);
	table_del(&p->sites, &s->node);
	free(s);
}

int points_commit(struct points *p)
{
	int ret = resolve_pending(p);
	struct site *s;

	while ((s = p->dirty)) {
		p->dirty = s->next_dirty;
		s->dirty = false;
		commit_site(p, s);
	}
	return ret;
}

/* The instruction is not in memory though it should be: the guest wrote over it, or the memory that
 * it was in, or was to be put in, is gone. */
static bool is_lost(struct points *p, const struct site *s)
{
	return s->planted ? !in_memory(p, s) : s->refs && !s->dirty;
}

/* Points at lost sites look for their memory anew. */
static void orphan_lost(struct points *p)
{
	struct table_node *n;

	for (n = table_first(&p->points); n; n = table_next(&p->points, n))
		if (point_of(n)->site && point_of(n)->site->lost)
			unresolve(p, point_of(n));
}

void points_verify(struct points *p)
{
	struct table_node *n;
	bool any = false;

	for (n = table_first(&p->sites); n; n = table_next(&p->sites, n)) {
		struct site *s = site_of(n);

		s->lost = is_lost(p, s);
		if (!s->lost)
			continue;
		any = true;
		s->planted = false;
		mark_dirty(p, s);
	}
	if (any)
		orphan_lost(p);
}

struct site *points_site(const struct points *p, uint64_t gpa)
{
	struct table_node *n = table_find(&p->sites, gpa);

	return n && site_of(n)->planted ? site_of(n) : NULL;
}

/* ---- what the debugger sees -------------------------------------------------------------- */

/* A range of guest memory, and what a debugger reads from it or writes to it. */
struct range {
	uint64_t gpa;
	size_t len;
	uint8_t *buf;
};

typedef void (*range_fn)(struct points *p, struct site *s, const struct range *r);

static bool in_range(const struct points *p, const struct site *s, const struct range *r)
{
	return s->node.key < r->gpa + r->len && r->gpa < s->node.key + p->cpu->brk_size;
}

/* fn for every site that overlaps the range, by whichever walk is shorter: sites or addresses. */
static void each_site(struct points *p, const struct range *r, range_fn fn)
{
	uint64_t step = p->cpu->brk_size, a;
	struct table_node *n;

	if (p->sites.count < r->len / step) {
		for (n = table_first(&p->sites); n; n = table_next(&p->sites, n))
			if (in_range(p, site_of(n), r))
				fn(p, site_of(n), r);
		return;
	}
	for (a = r->gpa & ~(step - 1); p->sites.count && a < r->gpa + r->len; a += step) {
		n = table_find(&p->sites, a);
		if (n)
			fn(p, site_of(n), r);
	}
}

/* Only where the instruction still is: what the guest wrote over it is the truth. */
static void hide(struct points *p, struct site *s, const struct range *r)
{
	uint64_t start = s->node.key, end = start + p->cpu->brk_size;
	uint64_t from = start > r->gpa ? start : r->gpa;
	uint64_t to = end < r->gpa + r->len ? end : r->gpa + r->len;

	if (s->planted && in_memory(p, s))
		memcpy(r->buf + (from - r->gpa), s->saved + (from - start), to - from);
}

static void lift_in_range(struct points *p, struct site *s, const struct range *r)
{
	(void)r;
	s->again = s->planted;
	points_lift(p, s);
}

static void plant_in_range(struct points *p, struct site *s, const struct range *r)
{
	(void)r;
	if (s->again)
		points_plant(p, s);
	s->again = false;
}

size_t points_read(struct points *p, uint64_t gpa, void *buf, size_t len)
{
	const struct range r = { gpa, memory_read(p->mem, gpa, buf, len), buf };

	each_site(p, &r, hide);
	return r.len;
}

size_t points_write(struct points *p, uint64_t gpa, const void *buf, size_t len)
{
	const struct range r = { gpa, len, NULL };
	size_t n;

	each_site(p, &r, lift_in_range);
	n = memory_write(p->mem, gpa, buf, len);
	each_site(p, &r, plant_in_range);
	return n;
}
