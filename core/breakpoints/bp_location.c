// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/breakpoints/state.h"

enum { PAGE = 4096 }; /* no host has smaller ones */

static struct bp_location *location_of(struct hash_node *n)
{
	return (struct bp_location *)n; /* the node is its first member */
}

static uint8_t *hva_of(const struct bp_location *l)
{
	return (uint8_t *)(uintptr_t)l->node.key;
}

bool bp_locations_init(struct bp_locations *ls, struct memory *mem, size_t max)
{
	ls->mem = mem;
	list_init(&ls->events);
	ls->places = calloc(max, sizeof(*ls->places));
	return ls->places;
}

void bp_locations_fini(struct bp_locations *ls)
{
	hash_table_fini(&ls->table);
	free(ls->places);
}

/* ---- places ------------------------------------------------------------------------------ */

static bool is_inserted(const struct bp_locations *ls, const struct bp_location *l)
{
	return !l->lost && l->place < ls->ninserted;
}

static void swap_places(struct bp_locations *ls, size_t i, size_t k)
{
	struct bp_place p;

	if (i == k)
		return;
	p = ls->places[i];
	ls->places[i] = ls->places[k];
	ls->places[k] = p;
	ls->places[i].l->place = i;
	ls->places[k].l->place = k;
}

static void add_event(struct bp_locations *ls, struct bp_location *l)
{
	list_move(&ls->events, &l->event_link);
}

static void set_unwritable(struct bp_locations *ls, struct bp_location *l, bool unwritable)
{
	if (l->unwritable == unwritable)
		return;
	l->unwritable = unwritable;
	add_event(ls, l);
}

static bool is_brk(const struct bp_locations *ls, const uint8_t *bytes)
{
	const struct cpu *c = ls->cpu;

	return *bytes == *c->brk && (c->brk_size == 1 || !memcmp(bytes, c->brk, c->brk_size));
}

/* ---- insert and remove -------------------------------------------------------------------- */

/* Make a piece reach to that end: by how many bytes it grows, or 0: that is too far off. */
static size_t extend(struct iovec *piece, const uint8_t *to)
{
	uintptr_t start = (uintptr_t)piece->iov_base, end = (uintptr_t)to;
	size_t grows = end - (start + piece->iov_len);

	if (grows > BP_SPAN || start / PAGE != (end - 1) / PAGE)
		return 0;
	piece->iov_len += grows;
	return grows;
}

/*
 * Read what is at n places. Neighbours are read together with what lies between them, because for the
 * kernel a piece costs as much as some hundred bytes.
 */
static void read_places(struct bp_locations *ls, const struct bp_place *p, unsigned int n)
{
	const size_t size = ls->cpu->brk_size;
	const uint8_t *end = ls->bytes;
	unsigned int i, npieces = 0;
	size_t grows;

	for (i = 0; i < n; i++) {
		grows = npieces ? extend(&ls->pieces[npieces - 1], p[i].hva + size) : 0;
		if (!grows)
			ls->pieces[npieces++] = (struct iovec){ p[i].hva, grows = size };
		end += grows;
		ls->seen[i] = end - size;
		ls->piece_of[i] = npieces - 1;
	}
	memory_gather(ls->mem, ls->pieces, npieces, ls->bytes, ls->ok);
}

/* Is what was seen there to be replaced? What the guest wrote over a breakpoint stays. */
static bool check_seen(struct bp_locations *ls, struct bp_place *p, const uint8_t *seen,
		       bool insert)
{
	if (!seen) {
		if (insert)
			set_unwritable(ls, p->l, true);
		return false;
	}
	if (insert) {
		memcpy(p->saved, seen, BRK_SIZE_MAX);
		return true;
	}
	if (is_brk(ls, seen))
		return true;
	p->l->overwritten = true;
	add_event(ls, p->l);
	return false;
}

/* Write to n places: ok[i]. Each copy is a store of BRK_SIZE_MAX bytes; the next one begins behind the
 * instruction. */
static void write_places(struct bp_locations *ls, const struct bp_place *p, unsigned int n,
			 bool insert)
{
	const size_t size = ls->cpu->brk_size;
	uint8_t brk[BRK_SIZE_MAX] = { 0 };
	unsigned int i;

	memcpy(brk, ls->cpu->brk, size);
	for (i = 0; i < n; i++) {
		ls->pieces[i] = (struct iovec){ p[i].hva, size };
		memcpy(ls->bytes + i * size, insert ? brk : p[i].saved, BRK_SIZE_MAX);
	}
	memory_scatter(ls->mem, ls->pieces, n, ls->bytes, ls->ok);
	for (i = 0; i < n && ls->sync_icache; i++)
		if (ls->ok[i])
			ls->sync_icache(p[i].hva, size);
}

/* Those that are in memory afterwards go to the end of the places that are. */
static void patch_some(struct bp_locations *ls, size_t from, unsigned int n, bool insert)
{
	struct bp_place *p = ls->places + from;
	unsigned int i, good = 0;
	const uint8_t *seen;

	read_places(ls, p, n);
	for (i = 0; i < n; i++) {
		seen = ls->ok[ls->piece_of[i]] ? ls->seen[i] : NULL;
		if (check_seen(ls, &p[i], seen, insert))
			swap_places(ls, from + i, from + good++);
	}
	write_places(ls, p, good, insert);
	for (i = 0; i < good; i++) {
		if (insert)
			set_unwritable(ls, p[i].l, !ls->ok[i]);
		if (ls->ok[i] == insert)
			swap_places(ls, from + i, ls->ninserted++);
	}
}

/*
 * Insert or remove [from, to), which is behind the inserted ones. The lock is held for writing, as for all
 * that changes a location.
 */
static void patch(struct bp_locations *ls, size_t from, size_t to, bool insert)
{
	size_t n;

	for (; from < to; from += n) {
		n = to - from < MEMORY_PIECES_MAX ? to - from : MEMORY_PIECES_MAX;
		patch_some(ls, from, (unsigned int)n, insert);
	}
}

static void remove_one(struct bp_locations *ls, struct bp_location *l)
{
	swap_places(ls, l->place, --ls->ninserted);
	patch(ls, l->place, l->place + 1, false);
}

static void withdraw(struct bp_locations *ls)
{
	size_t n = ls->ninserted;

	ls->lifted = NULL;
	ls->ninserted = 0;
	patch(ls, 0, n, false);
}

bool bp_locations_withdraw(struct bp_locations *ls)
{
	bool any;

	pthread_rwlock_wrlock(&ls->mem->lock);
	withdraw(ls);
	any = ls->ninserted;
	pthread_rwlock_unlock(&ls->mem->lock);
	return any;
}

static bool is_wanted(const struct bp_location *l)
{
	return l->nusers > l->nin_slots && !l->nno_brk;
}

bool bp_locations_insert(struct bp_locations *ls)
{
	size_t i, to;
	bool any;

	pthread_rwlock_wrlock(&ls->mem->lock);
	withdraw(ls);
	for (i = to = ls->ninserted; i < ls->table.count; i++)
		if (is_wanted(ls->places[i].l))
			swap_places(ls, i, to++);
	patch(ls, ls->ninserted, to, true);
	any = ls->ninserted;
	pthread_rwlock_unlock(&ls->mem->lock);
	return any;
}

/* ---- creation and end -------------------------------------------------------------------- */

static struct bp_location *new_location(struct bp_locations *ls, uint8_t *hva)
{
	struct bp_location *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->node.key = (uintptr_t)hva;
	l->place = ls->table.count;
	list_init(&l->users);
	list_init(&l->event_link);
	if (hash_table_add(&ls->table, &l->node)) {
		free(l);
		return NULL;
	}
	ls->places[l->place] = (struct bp_place){ .l = l, .hva = hva };
	return l;
}

/* Out of memory if it can be, and not to be found any more. */
static void forget(struct bp_locations *ls, struct bp_location *l)
{
	if (is_inserted(ls, l))
		remove_one(ls, l);
	if (is_inserted(ls, l))
		swap_places(ls, l->place, --ls->ninserted);
	hash_table_del(&ls->table, &l->node);
	swap_places(ls, l->place, ls->table.count);
	if (ls->lifted == l)
		ls->lifted = NULL;
}

/* What is there is written once more, which shows whether it can be. */
static void try_to_write(struct bp_locations *ls, struct bp_location *l)
{
	const struct iovec at = { hva_of(l), ls->cpu->brk_size };
	uint8_t bytes[BRK_SIZE_MAX];
	bool ok;

	memory_gather(ls->mem, &at, 1, bytes, &ok);
	if (ok)
		memory_scatter(ls->mem, &at, 1, bytes, &ok);
	set_unwritable(ls, l, !ok);
}

static int get(struct bp_locations *ls, uint64_t gpa, struct bp_location **out)
{
	struct hash_node *n;
	uint8_t *hva;
	size_t run;

	hva = memory_hva(ls->mem, gpa, &run);
	if (!hva || run < ls->cpu->brk_size)
		return -EFAULT;
	n = hash_table_find(&ls->table, (uintptr_t)hva);
	*out = n ? location_of(n) : new_location(ls, hva);
	if (!*out)
		return -ENOMEM;
	if (!n || (*out)->unwritable)
		try_to_write(ls, *out);
	return 0;
}

int bp_locations_get(struct bp_locations *ls, uint64_t gpa, struct bp_location **out)
{
	int ret;

	pthread_rwlock_wrlock(&ls->mem->lock);
	ret = get(ls, gpa, out);
	pthread_rwlock_unlock(&ls->mem->lock);
	return ret;
}

void bp_locations_put(struct bp_locations *ls, struct bp_location *l)
{
	pthread_rwlock_wrlock(&ls->mem->lock);
	if (!l->lost)
		forget(ls, l);
	list_remove(&l->event_link);
	pthread_rwlock_unlock(&ls->mem->lock);
	free(l);
}

struct bp_location *bp_locations_event(struct bp_locations *ls, enum bp_location_event *what)
{
	struct bp_location *l = NULL;

	pthread_rwlock_wrlock(&ls->mem->lock);
	if (!list_is_empty(&ls->events)) {
		l = list_owner(ls->events.next, struct bp_location, event_link);
		list_remove(&l->event_link);
		*what = l->lost		 ? LOCATION_LOST
			: l->overwritten ? LOCATION_OVERWRITTEN
					 : LOCATION_WRITABLE;
		l->overwritten = false;
	}
	pthread_rwlock_unlock(&ls->mem->lock);
	return l;
}

/* ---- one, while a vCPU runs -------------------------------------------------------------- */

static struct bp_location *inserted_at(const struct bp_locations *ls, uint64_t gpa)
{
	size_t run;
	uint8_t *hva = ls->ninserted ? memory_hva(ls->mem, gpa, &run) : NULL;
	struct hash_node *n = hva ? hash_table_find(&ls->table, (uintptr_t)hva) : NULL;

	return n && is_inserted(ls, location_of(n)) ? location_of(n) : NULL;
}

struct bp_location *breakpoints_location(struct breakpoints *b, uint64_t gpa)
{
	struct bp_locations *ls = &b->sw.locations;
	struct bp_location *l;

	pthread_rwlock_rdlock(&ls->mem->lock);
	l = inserted_at(ls, gpa);
	pthread_rwlock_unlock(&ls->mem->lock);
	return l;
}

void breakpoints_lift(struct breakpoints *b, struct bp_location *l)
{
	struct bp_locations *ls = &b->sw.locations;

	pthread_rwlock_wrlock(&ls->mem->lock);
	if (is_inserted(ls, l)) {
		remove_one(ls, l);
		ls->lifted = l;
	}
	pthread_rwlock_unlock(&ls->mem->lock);
}

void breakpoints_put_back(struct breakpoints *b, struct bp_location *l)
{
	struct bp_locations *ls = &b->sw.locations;

	pthread_rwlock_wrlock(&ls->mem->lock);
	if (ls->lifted == l && !is_inserted(ls, l))
		patch(ls, l->place, l->place + 1, true);
	ls->lifted = NULL;
	pthread_rwlock_unlock(&ls->mem->lock);
}

/* ---- reads and writes beneath what is inserted ------------------------------------------- */

/* Is the instruction in what was read, or, if not all of it was read, still in memory? */
static bool is_brk_in(struct bp_locations *ls, const struct bp_location *l, const uint8_t *buf,
		      ptrdiff_t at, size_t len)
{
	const struct iovec piece = { hva_of(l), ls->cpu->brk_size };
	uint8_t bytes[BRK_SIZE_MAX];
	bool ok;

	if (at >= 0 && at + piece.iov_len <= len)
		return is_brk(ls, buf + at);
	memory_gather(ls->mem, &piece, 1, bytes, &ok);
	return ok && is_brk(ls, bytes);
}

/* Put the guest's own bytes in what was read. What it wrote over a breakpoint is there already. */
static void hide_inserted(struct bp_locations *ls, uint64_t gpa, uint8_t *buf, size_t len)
{
	const ptrdiff_t size = ls->cpu->brk_size, end = (ptrdiff_t)len;
	struct bp_location *l;
	ptrdiff_t at, i; /* the first location may begin before buf */

	for (at = -(ptrdiff_t)(gpa % size); at < end; at += size) {
		l = inserted_at(ls, gpa + at);
		if (!l || !is_brk_in(ls, l, buf, at, len))
			continue;
		for (i = 0; i < size; i++)
			if (at + i >= 0 && at + i < end)
				buf[at + i] = ls->places[l->place].saved[i];
	}
}

size_t breakpoints_read(struct breakpoints *b, uint64_t gpa, void *buf, size_t len)
{
	struct bp_locations *ls = &b->sw.locations;
	size_t n;

	pthread_rwlock_rdlock(&ls->mem->lock);
	n = memory_read(ls->mem, gpa, buf, len);
	if (ls->ninserted)
		hide_inserted(ls, gpa, buf, n);
	pthread_rwlock_unlock(&ls->mem->lock);
	return n;
}

/* A piece that can be read in one go. */
static bool find_piece(const struct bp_locations *ls, const struct bp_piece *p, struct iovec *at)
{
	size_t run;
	uint8_t *hva = memory_hva(ls->mem, p->gpa, &run);

	*at = (struct iovec){ hva, p->len };
	return hva && run >= p->len;
}

void breakpoints_read_pieces(struct breakpoints *b, struct bp_piece *pieces, unsigned int n)
{
	struct bp_locations *ls = &b->sw.locations;
	uint8_t bytes[BP_PIECES_MAX * BP_PIECE_SIZE], *next = bytes;
	struct bp_piece *found[BP_PIECES_MAX];
	struct iovec at[BP_PIECES_MAX];
	bool ok[BP_PIECES_MAX];
	unsigned int i, m = 0;

	pthread_rwlock_rdlock(&ls->mem->lock);
	for (i = 0; i < n && i < BP_PIECES_MAX; i++) {
		pieces[i].ok = false;
		if (find_piece(ls, &pieces[i], &at[m]))
			found[m++] = &pieces[i];
	}
	memory_gather(ls->mem, at, m, bytes, ok);
	for (i = 0; i < m; next += found[i++]->len) {
		found[i]->ok = ok[i];
		if (ok[i])
			memcpy(found[i]->bytes, next, found[i]->len);
		if (ok[i] && ls->ninserted)
			hide_inserted(ls, found[i]->gpa, found[i]->bytes, found[i]->len);
	}
	pthread_rwlock_unlock(&ls->mem->lock);
}

static void remove_in(struct bp_locations *ls, uint64_t gpa, size_t len)
{
	const size_t size = ls->cpu->brk_size, before = gpa % size;
	struct bp_location *l;
	size_t i;

	for (i = 0; i < before + len; i += size) {
		l = inserted_at(ls, gpa - before + i);
		if (l)
			remove_one(ls, l);
	}
}

static void sync_icache(struct bp_locations *ls, uint64_t gpa, size_t len)
{
	size_t run;
	uint8_t *hva;

	for (; ls->sync_icache && len; gpa += run, len -= run) {
		hva = memory_hva(ls->mem, gpa, &run);
		if (!hva)
			return;
		run = run < len ? run : len;
		ls->sync_icache(hva, run);
	}
}

int breakpoints_write_as_guest(struct breakpoints *b, uint64_t gpa, const void *buf, size_t len)
{
	struct bp_locations *ls = &b->sw.locations;
	size_t ninserted;
	int ret;

	pthread_rwlock_wrlock(&ls->mem->lock);
	ninserted = ls->ninserted;
	if (ninserted)
		remove_in(ls, gpa, len);
	ret = memory_write(ls->mem, gpa, buf, len);
	if (!ret)
		sync_icache(ls, gpa, len);
	patch(ls, ls->ninserted, ninserted, true); /* those that were set aside */
	pthread_rwlock_unlock(&ls->mem->lock);
	return ret;
}

/* ---- memory that goes -------------------------------------------------------------------- */

/* The slot is gone from now on, the mapping is still there. */
int breakpoints_remove_memory(struct breakpoints *b, uint64_t gpa)
{
	struct bp_locations *ls = &b->sw.locations;
	struct bp_location *l;
	size_t i;
	int ret;

	pthread_rwlock_wrlock(&ls->mem->lock);
	ret = memory_remove(ls->mem, gpa);
	for (i = ls->table.count; i--;) {
		l = ls->places[i].l;
		if (memory_has_hva(ls->mem, hva_of(l)))
			continue;
		forget(ls, l); /* its place is taken by the last ones, which were looked at */
		l->lost = true;
		add_event(ls, l);
	}
	pthread_rwlock_unlock(&ls->mem->lock);
	return ret;
}
