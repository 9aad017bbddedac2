// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/breakpoints/sw_breakpoint.h"

static struct site *site_of(struct hash_node *n)
{
	return (struct site *)n; /* the node is its first member */
}

static struct point *point_of(struct hash_node *n)
{
	return (struct point *)n;
}

void points_fini(struct points *p)
{
	struct hash_node *n, *next;

	for (n = hash_table_first(&p->points); n; n = next) {
		next = hash_table_next(&p->points, n);
		free(point_of(n)->rules);
		free(point_of(n));
	}
	for (n = hash_table_first(&p->sites); n; n = next) {
		next = hash_table_next(&p->sites, n);
		free(site_of(n));
	}
	hash_table_fini(&p->points);
	hash_table_fini(&p->sites);
	free(p->places);
}

/* ---- guest memory ------------------------------------------------------------------------ */

/* The host address of a site's instruction, or NULL when that memory is gone. Lock held. */
static uint8_t *site_hva(const struct points *p, const struct site *s)
{
	size_t run;
	uint8_t *hva = memory_hva(p->mem, s->node.key, &run);

	return hva && run >= p->cpu->brk_size ? hva : NULL;
}

static uint32_t insn_at(const struct points *p, const uint8_t *bytes)
{
	uint32_t word;

	if (p->cpu->brk_size == 1)
		return *bytes;
	memcpy(&word, bytes, sizeof(word));
	return word;
}

static bool is_brk(const struct points *p, const uint8_t *bytes)
{
	return insn_at(p, bytes) == insn_at(p, p->cpu->brk);
}

/* Is the breakpoint instruction where it was planted? Lock held. */
static bool in_memory(const struct points *p, const struct site *s)
{
	const uint8_t *hva = s->planted ? site_hva(p, s) : NULL;

	return hva && is_brk(p, hva);
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

static void mark_dirty(struct points *p, struct site *s)
{
	if (s->dirty)
		return;
	s->dirty = true;
	s->next_dirty = p->dirty;
	p->dirty = s;
}

static void set_planted(struct points *p, struct site *s, const uint8_t *hva)
{
	s->planted = true;
	s->place = p->nplaces++;
	p->places[s->place] = (struct place){ hva, s };
}

static void set_unplanted(struct points *p, struct site *s)
{
	if (!s->planted)
		return;
	s->planted = false;
	p->places[s->place] = p->places[--p->nplaces];
	p->places[s->place].site->place = s->place;
}

/* What finds no memory is tried again at the next commit. */
void points_plant(struct points *p, struct site *s)
{
	uint8_t *hva;

	pthread_rwlock_rdlock(&p->mem->lock);
	hva = site_hva(p, s);
	if (!hva) {
		mark_dirty(p, s);
	} else if (!s->planted) {
		memcpy(s->saved, hva, p->cpu->brk_size);
		patch(p, hva, p->cpu->brk);
		set_planted(p, s, hva);
	}
	pthread_rwlock_unlock(&p->mem->lock);
}

/* What the guest wrote over a breakpoint stays. Lock held. */
static void take_out(struct points *p, struct site *s)
{
	uint8_t *hva = site_hva(p, s);

	if (hva && s->planted && is_brk(p, hva))
		patch(p, hva, s->saved);
	set_unplanted(p, s);
}

void points_lift(struct points *p, struct site *s)
{
	pthread_rwlock_rdlock(&p->mem->lock);
	take_out(p, s);
	pthread_rwlock_unlock(&p->mem->lock);
}

/* ---- wishes ------------------------------------------------------------------------------ */

/* Room for one more site to be planted. */
static int reserve_place(struct points *p)
{
	size_t room = p->room ? 2 * p->room : 16;
	struct place *grown;

	if (p->sites.count < p->room)
		return 0;
	grown = realloc(p->places, room * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	p->places = grown;
	p->room = room;
	return 0;
}

static struct site *new_site(struct points *p, uint64_t gpa)
{
	struct site *s = reserve_place(p) ? NULL : calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->node.key = gpa;
	if (!hash_table_add(&p->sites, &s->node))
		return s;
	free(s);
	return NULL;
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

static void add_pending(struct points *p, struct point *pt)
{
	if (!p->pending)
		p->pending_end = &p->pending;
	pt->site = NULL;
	pt->next = NULL;
	pt->pending_link = p->pending_end;
	*p->pending_end = pt;
	p->pending_end = &pt->next;
	p->npending++;
}

static void del_pending(struct points *p, struct point *pt)
{
	*pt->pending_link = pt->next;
	if (pt->next)
		pt->next->pending_link = pt->pending_link;
	else
		p->pending_end = pt->pending_link;
	p->npending--;
}

/* Give a pending point its site if it is mapped to memory by now. */
static int resolve(struct points *p, struct point *pt)
{
	struct hash_node *n;
	struct site *s;
	uint64_t gpa;

	if (p->mmu.translate(p->mmu.opaque, pt->vcpu, pt->node.key, &gpa) || !is_memory(p, gpa))
		return 0;
	n = hash_table_find(&p->sites, gpa);
	s = n ? site_of(n) : new_site(p, gpa);
	if (!s)
		return -ENOMEM;
	del_pending(p, pt);
	pt->site = s;
	pt->next = s->points;
	s->points = pt;
	mark_dirty(p, s);
	return 0;
}

static void unresolve(struct points *p, struct point *pt)
{
	struct point **link = &pt->site->points;

	while (*link != pt)
		link = &(*link)->next;
	*link = pt->next;
	mark_dirty(p, pt->site);
	add_pending(p, pt);
}

/* The debugger names it once more: through the tables of now. */
static int rename_point(struct points *p, unsigned int vcpu, struct point *pt)
{
	uint64_t gpa;

	pt->vcpu = vcpu;
	if (!pt->site || p->mmu.translate(p->mmu.opaque, vcpu, pt->node.key, &gpa) ||
	    gpa == pt->site->node.key || !is_memory(p, gpa))
		return 0;
	unresolve(p, pt);
	return resolve(p, pt);
}

static void drop(struct points *p, struct point *pt)
{
	if (pt->site)
		unresolve(p, pt);
	del_pending(p, pt);
	hash_table_del(&p->points, &pt->node);
	free(pt->rules);
	free(pt);
}

int points_insert(struct points *p, unsigned int vcpu, uint64_t va)
{
	struct point *pt;
	int ret;

	if (va % p->cpu->brk_size)
		return -EINVAL;
	pt = points_find(p, va);
	if (pt)
		return rename_point(p, vcpu, pt);
	pt = calloc(1, sizeof(*pt));
	if (!pt)
		return -ENOMEM;
	pt->node.key = va;
	pt->vcpu = vcpu;
	ret = hash_table_add(&p->points, &pt->node);
	if (ret) {
		free(pt);
		return ret;
	}
	add_pending(p, pt);
	ret = resolve(p, pt);
	if (ret)
		drop(p, pt);
	return ret;
}

struct point *points_find(const struct points *p, uint64_t va)
{
	struct hash_node *n = hash_table_find(&p->points, va);

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
	struct hash_node *n, *next;

	for (n = hash_table_first(&p->points); n; n = next) {
		next = hash_table_next(&p->points, n);
		drop(p, point_of(n));
	}
}

/* ---- commit ------------------------------------------------------------------------------ */

static int resolve_pending(struct points *p)
{
	struct point *pt, *next;

	for (pt = p->pending; pt; pt = next) {
		next = pt->next;
		if (resolve(p, pt))
			return -ENOMEM;
	}
	return 0;
}

/* The instruction is not in memory though it should be: the guest wrote over it, or that memory is
 * gone. Its points look for their memory anew. */
static void lose(struct points *p, struct site *s)
{
	set_unplanted(p, s);
	mark_dirty(p, s);
	while (s->points)
		unresolve(p, s->points);
}

static void commit_site(struct points *p, struct site *s)
{
	if (s->points) {
		points_plant(p, s);
		if (!s->planted)
			lose(p, s);
		return;
	}
	points_lift(p, s);
	hash_table_del(&p->sites, &s->node);
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

/* Slots of memory came or went. */
static void find_places(struct points *p)
{
	size_t i;

	if (p->generation == p->mem->generation)
		return;
	for (i = 0; i < p->nplaces; i++)
		p->places[i].hva = site_hva(p, p->places[i].site);
	p->generation = p->mem->generation;
}

/* The one thing whose cost grows with the number of breakpoints: nothing but loads and comparisons,
 * none of which depends on another. */
void points_verify(struct points *p)
{
	const uint32_t brk = insn_at(p, p->cpu->brk);
	size_t i;

	pthread_rwlock_rdlock(&p->mem->lock);
	find_places(p);
	for (i = p->nplaces; i--;) /* one that is lost has its place taken by the last */
		if (!p->places[i].hva || insn_at(p, p->places[i].hva) != brk)
			lose(p, p->places[i].site);
	pthread_rwlock_unlock(&p->mem->lock);
}

struct site *points_site(const struct points *p, uint64_t gpa)
{
	struct hash_node *n = hash_table_find(&p->sites, gpa);

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
	struct hash_node *n;

	if (p->sites.count < r->len / step) {
		for (n = hash_table_first(&p->sites); n; n = hash_table_next(&p->sites, n))
			if (in_range(p, site_of(n), r))
				fn(p, site_of(n), r);
		return;
	}
	for (a = r->gpa & ~(step - 1); p->sites.count && a < r->gpa + r->len; a += step) {
		n = hash_table_find(&p->sites, a);
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

	pthread_rwlock_rdlock(&p->mem->lock);
	if (in_memory(p, s))
		memcpy(r->buf + (from - r->gpa), s->saved + (from - start), to - from);
	pthread_rwlock_unlock(&p->mem->lock);
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

/* ---- memory that goes -------------------------------------------------------------------- */

static void leave_site(struct points *p, struct site *s, const struct range *r)
{
	(void)r;
	take_out(p, s);
	lose(p, s);
}

void points_leave(struct points *p, uint64_t gpa, size_t len)
{
	const struct range r = { gpa, len, NULL };

	if (!len || !p->sites.count)
		return;
	pthread_rwlock_wrlock(&p->mem->lock);
	each_site(p, &r, leave_site);
	pthread_rwlock_unlock(&p->mem->lock);
}
