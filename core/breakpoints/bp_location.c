// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/breakpoints/bp_location.h"

enum { PAGE = 4096 }; /* no host has smaller ones */

static struct bp_location *location_of(struct hash_node *n)
{
	return (struct bp_location *)n; /* the node is its first member */
}

static uint8_t *hva_of(const struct bp_location *l)
{
	return (uint8_t *)(uintptr_t)l->node.key;
}

void bp_locations_init(struct bp_locations *ls, struct memory *mem)
{
	*ls = (struct bp_locations){ .mem = mem };
	list_init(&ls->events);
}

void bp_locations_fini(struct bp_locations *ls)
{
	hash_table_fini(&ls->table);
	free(ls->all);
}

/* ---- many at once ------------------------------------------------------------------------ */

/* Locations that are read or written together, and what is there or is to be there. */
struct batch {
	unsigned int n;
	struct bp_location *l[MEMORY_PIECES_MAX];
	struct iovec at[MEMORY_PIECES_MAX];
	bool failed[MEMORY_PIECES_MAX];
	uint8_t bytes[MEMORY_PIECES_MAX * BRK_SIZE_MAX];
};

static void batch_add(const struct bp_locations *ls, struct batch *b, struct bp_location *l)
{
	b->l[b->n] = l;
	b->failed[b->n] = false;
	b->at[b->n++] = (struct iovec){ hva_of(l), ls->cpu->brk_size };
}

static uint8_t *bytes_of(const struct bp_locations *ls, struct batch *b, unsigned int i)
{
	return b->bytes + i * (size_t)ls->cpu->brk_size;
}

typedef size_t (*copy_fn)(struct memory *m, const struct iovec *pieces, unsigned int n, void *buf);

static size_t scatter(struct memory *m, const struct iovec *pieces, unsigned int n, void *buf)
{
	return memory_scatter(m, pieces, n, buf);
}

/* All of the batch; those that can't be accessed are marked. */
static void batch_copy(const struct bp_locations *ls, struct batch *b, copy_fn copy)
{
	unsigned int i;

	for (i = 0; i < b->n; i++) {
		i += copy(ls->mem, b->at + i, b->n - i, bytes_of(ls, b, i)) / ls->cpu->brk_size;
		if (i < b->n)
			b->failed[i] = true;
	}
}

/* Go on with those that are not marked. */
static void batch_drop_failed(const struct bp_locations *ls, struct batch *b)
{
	unsigned int i, n = 0;

	for (i = 0; i < b->n; i++) {
		if (b->failed[i])
			continue;
		b->l[n] = b->l[i];
		b->at[n] = b->at[i];
		memmove(bytes_of(ls, b, n), bytes_of(ls, b, i), ls->cpu->brk_size);
		b->failed[n++] = false;
	}
	b->n = n;
}

static bool is_brk(const struct bp_locations *ls, const uint8_t *bytes)
{
	return !memcmp(bytes, ls->cpu->brk, ls->cpu->brk_size);
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

static void set_inserted(struct bp_locations *ls, struct bp_location *l, bool inserted)
{
	ls->ninserted += (size_t)inserted - (size_t)l->inserted;
	l->inserted = inserted;
}

static void patched(struct bp_locations *ls, struct bp_location *l, bool inserted)
{
	set_inserted(ls, l, inserted);
	if (ls->sync_icache)
		ls->sync_icache(hva_of(l), ls->cpu->brk_size);
}

/* Read the batch, and go on with those that can be read. */
static void batch_read(struct bp_locations *ls, struct batch *b)
{
	unsigned int i;

	batch_copy(ls, b, memory_gather);
	for (i = 0; i < b->n; i++)
		if (b->failed[i])
			set_unwritable(ls, b->l[i], true);
	batch_drop_failed(ls, b);
}

static void batch_write(struct bp_locations *ls, struct batch *b)
{
	unsigned int i;

	batch_copy(ls, b, scatter);
	for (i = 0; i < b->n; i++)
		set_unwritable(ls, b->l[i], b->failed[i]);
}

/* The lock is held for writing, as for all that changes a location. */
static void insert_batch(struct bp_locations *ls, struct batch *b)
{
	unsigned int i;

	batch_read(ls, b);
	for (i = 0; i < b->n; i++) {
		memcpy(b->l[i]->saved, bytes_of(ls, b, i), ls->cpu->brk_size);
		memcpy(bytes_of(ls, b, i), ls->cpu->brk, ls->cpu->brk_size);
	}
	batch_write(ls, b);
	for (i = 0; i < b->n; i++)
		if (!b->failed[i])
			patched(ls, b->l[i], true);
	b->n = 0;
}

/* What is there is not the breakpoint: it stays as it is. */
static void set_overwritten(struct bp_locations *ls, struct bp_location *l)
{
	set_inserted(ls, l, false);
	l->overwritten = true;
	add_event(ls, l);
}

static void remove_batch(struct bp_locations *ls, struct batch *b)
{
	unsigned int i;

	batch_copy(ls, b, memory_gather);
	for (i = 0; i < b->n; i++) {
		if (b->failed[i]) {
			set_inserted(ls, b->l[i], false);
		} else if (!is_brk(ls, bytes_of(ls, b, i))) {
			set_overwritten(ls, b->l[i]);
			b->failed[i] = true;
		} else {
			memcpy(bytes_of(ls, b, i), b->l[i]->saved, ls->cpu->brk_size);
		}
	}
	batch_drop_failed(ls, b);
	batch_copy(ls, b, scatter);
	for (i = 0; i < b->n; i++)
		if (!b->failed[i])
			patched(ls, b->l[i], false);
	b->n = 0;
}

typedef void (*batch_fn)(struct bp_locations *ls, struct batch *b);

static void one(struct bp_locations *ls, struct bp_location *l, batch_fn fn)
{
	struct batch b;

	b.n = 0;
	batch_add(ls, &b, l);
	fn(ls, &b);
}

static bool is_wanted(const struct bp_location *l)
{
	return l->nusers > l->nin_slots;
}

/* fn for those that are not as `inserted` says but are wanted so; all: wanted or not. */
static void change_all(struct bp_locations *ls, bool inserted, bool all, batch_fn fn)
{
	struct bp_location *l;
	struct batch b;
	size_t i;

	b.n = 0;
	for (i = 0; i < ls->table.count; i++) {
		l = ls->all[i];
		if (l->inserted != inserted && (all || is_wanted(l) == inserted))
			batch_add(ls, &b, l);
		if (b.n == MEMORY_PIECES_MAX)
			fn(ls, &b);
	}
	if (b.n)
		fn(ls, &b);
}

void bp_locations_insert(struct bp_locations *ls)
{
	pthread_rwlock_wrlock(&ls->mem->lock);
	if (ls->ninserted)
		change_all(ls, false, false, remove_batch);
	change_all(ls, true, false, insert_batch);
	pthread_rwlock_unlock(&ls->mem->lock);
}

void bp_locations_withdraw(struct bp_locations *ls)
{
	pthread_rwlock_wrlock(&ls->mem->lock);
	ls->lifted = NULL;
	if (ls->ninserted)
		change_all(ls, false, true, remove_batch);
	pthread_rwlock_unlock(&ls->mem->lock);
}

bool bp_locations_inserted(struct bp_locations *ls)
{
	bool any;

	pthread_rwlock_rdlock(&ls->mem->lock);
	any = ls->ninserted;
	pthread_rwlock_unlock(&ls->mem->lock);
	return any;
}

/* ---- creation and end -------------------------------------------------------------------- */

static int reserve(struct bp_locations *ls)
{
	size_t room = ls->room ? 2 * ls->room : 16;
	struct bp_location **grown;

	if (ls->table.count < ls->room)
		return 0;
	grown = realloc(ls->all, room * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	ls->all = grown;
	ls->room = room;
	return 0;
}

static struct bp_location *new_location(struct bp_locations *ls, const uint8_t *hva)
{
	struct bp_location *l = reserve(ls) ? NULL : calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->node.key = (uintptr_t)hva;
	l->index = ls->table.count;
	list_init(&l->users);
	list_init(&l->event_link);
	if (hash_table_add(&ls->table, &l->node)) {
		free(l);
		return NULL;
	}
	ls->all[l->index] = l;
	return l;
}

/* Not to be found any more. */
static void forget(struct bp_locations *ls, struct bp_location *l)
{
	struct bp_location *last = ls->all[ls->table.count - 1];

	hash_table_del(&ls->table, &l->node);
	ls->all[l->index] = last;
	last->index = l->index;
	if (ls->lifted == l)
		ls->lifted = NULL;
}

/* What is there is written once more, which shows whether it can be. */
static void try_to_write(struct bp_locations *ls, struct bp_location *l)
{
	struct batch b;

	b.n = 0;
	batch_add(ls, &b, l);
	batch_read(ls, &b);
	batch_write(ls, &b);
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
	if (l->inserted)
		one(ls, l, remove_batch);
	if (!l->lost) {
		set_inserted(ls, l, false);
		forget(ls, l);
	}
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

struct bp_location *bp_locations_at(struct bp_locations *ls, uint64_t gpa)
{
	struct hash_node *n = NULL;
	uint8_t *hva;
	size_t run;

	pthread_rwlock_rdlock(&ls->mem->lock);
	hva = ls->ninserted ? memory_hva(ls->mem, gpa, &run) : NULL;
	if (hva)
		n = hash_table_find(&ls->table, (uintptr_t)hva);
	if (n && !location_of(n)->inserted)
		n = NULL;
	pthread_rwlock_unlock(&ls->mem->lock);
	return n ? location_of(n) : NULL;
}

void bp_locations_lift(struct bp_locations *ls, struct bp_location *l)
{
	pthread_rwlock_wrlock(&ls->mem->lock);
	if (l->inserted) {
		one(ls, l, remove_batch);
		ls->lifted = l;
	}
	pthread_rwlock_unlock(&ls->mem->lock);
}

void bp_locations_put_back(struct bp_locations *ls, struct bp_location *l)
{
	pthread_rwlock_wrlock(&ls->mem->lock);
	if (ls->lifted == l && !l->inserted)
		one(ls, l, insert_batch);
	ls->lifted = NULL;
	pthread_rwlock_unlock(&ls->mem->lock);
}

/* ---- reads and writes beneath what is inserted ------------------------------------------- */

/* A piece of guest memory that is contiguous in the host, and what was read from there. */
struct range {
	const uint8_t *hva;
	size_t len;
	uint8_t *buf;
};

typedef void (*range_fn)(struct bp_locations *ls, struct bp_location *l, const struct range *r);

static bool overlaps(const struct bp_locations *ls, const struct bp_location *l,
		     const struct range *r)
{
	return hva_of(l) < r->hva + r->len && r->hva < hva_of(l) + ls->cpu->brk_size;
}

/* fn for every inserted location that overlaps the range, by the shorter walk: of all locations, or
 * of the addresses. */
static void each_inserted(struct bp_locations *ls, uint64_t gpa, const struct range *r, range_fn fn)
{
	size_t step = ls->cpu->brk_size, i;
	const uint8_t *a;
	struct hash_node *n;

	if (ls->table.count < r->len / step) {
		for (i = 0; i < ls->table.count; i++)
			if (ls->all[i]->inserted && overlaps(ls, ls->all[i], r))
				fn(ls, ls->all[i], r);
		return;
	}
	for (a = r->hva - gpa % step; a < r->hva + r->len; a += step) {
		n = hash_table_find(&ls->table, (uintptr_t)a);
		if (n && location_of(n)->inserted)
			fn(ls, location_of(n), r);
	}
}

/* ... that overlaps guest-physical memory. */
static void each_below(struct bp_locations *ls, uint64_t gpa, uint8_t *buf, size_t len, range_fn fn)
{
	struct range r = { .buf = buf };
	size_t done;

	for (done = 0; ls->ninserted && done < len; done += r.len) {
		r.hva = memory_hva(ls->mem, gpa + done, &r.len);
		if (!r.hva)
			return;
		r.len = r.len < len - done ? r.len : len - done;
		r.buf = buf ? buf + done : NULL;
		each_inserted(ls, gpa + done, &r, fn);
	}
}

/* Only where the instruction still is: what the guest wrote over it is what it sees. */
static void hide(struct bp_locations *ls, struct bp_location *l, const struct range *r)
{
	const struct iovec at = { hva_of(l), ls->cpu->brk_size };
	const uint8_t *start = hva_of(l), *end = start + ls->cpu->brk_size;
	const uint8_t *from = start > r->hva ? start : r->hva;
	const uint8_t *to = end < r->hva + r->len ? end : r->hva + r->len;
	uint8_t *out = r->buf + (from - r->hva), all[BRK_SIZE_MAX];
	bool whole = (size_t)(to - from) == at.iov_len;

	if (!whole && memory_gather(ls->mem, &at, 1, all) < at.iov_len)
		return;
	if (is_brk(ls, whole ? out : all))
		memcpy(out, l->saved + (from - start), (size_t)(to - from));
}

size_t bp_locations_read(struct bp_locations *ls, uint64_t gpa, void *buf, size_t len)
{
	size_t n;

	pthread_rwlock_rdlock(&ls->mem->lock);
	n = memory_read(ls->mem, gpa, buf, len);
	each_below(ls, gpa, buf, n, hide);
	pthread_rwlock_unlock(&ls->mem->lock);
	return n;
}

/* A piece that can be read in one go: it is in one page of the host. */
static bool find_piece(const struct bp_locations *ls, const struct bp_piece *p, struct iovec *at)
{
	size_t run;
	uint8_t *hva = memory_hva(ls->mem, p->gpa, &run);

	*at = (struct iovec){ hva, p->len };
	return hva && run >= p->len && (uintptr_t)hva % PAGE + p->len <= PAGE;
}

static void take_piece(struct bp_locations *ls, struct bp_piece *p, const uint8_t *bytes)
{
	memcpy(p->bytes, bytes, p->len);
	each_below(ls, p->gpa, p->bytes, p->len, hide);
	p->ok = true;
}

void bp_locations_read_pieces(struct bp_locations *ls, struct bp_piece *pieces, unsigned int n)
{
	uint8_t bytes[BP_PIECES_MAX * BP_PIECE_SIZE];
	struct bp_piece *found[BP_PIECES_MAX];
	struct iovec at[BP_PIECES_MAX];
	unsigned int i, m = 0;
	size_t got, done = 0;

	pthread_rwlock_rdlock(&ls->mem->lock);
	for (i = 0; i < n && i < BP_PIECES_MAX; i++) {
		pieces[i].ok = false;
		if (find_piece(ls, &pieces[i], &at[m]))
			found[m++] = &pieces[i];
	}
	got = m ? memory_gather(ls->mem, at, m, bytes) : 0;
	for (i = 0; i < m && done + found[i]->len <= got; done += found[i++]->len)
		take_piece(ls, found[i], bytes + done);
	pthread_rwlock_unlock(&ls->mem->lock);
}

static void set_aside(struct bp_locations *ls, struct bp_location *l, const struct range *r)
{
	(void)r;
	one(ls, l, remove_batch);
	l->next_aside = ls->aside;
	ls->aside = l;
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

int bp_locations_write(struct bp_locations *ls, uint64_t gpa, const void *buf, size_t len)
{
	struct bp_location *l;
	int ret;

	pthread_rwlock_wrlock(&ls->mem->lock);
	each_below(ls, gpa, NULL, len, set_aside);
	ret = memory_write(ls->mem, gpa, buf, len);
	if (!ret)
		sync_icache(ls, gpa, len);
	while ((l = ls->aside)) {
		ls->aside = l->next_aside;
		one(ls, l, insert_batch);
	}
	pthread_rwlock_unlock(&ls->mem->lock);
	return ret;
}

/* ---- memory that goes -------------------------------------------------------------------- */

/* The slots are gone already, the mapping is not. */
static void lose(struct bp_locations *ls, struct bp_location *l)
{
	if (l->inserted)
		one(ls, l, remove_batch);
	set_inserted(ls, l, false);
	forget(ls, l);
	l->lost = true;
	add_event(ls, l);
}

void bp_locations_memory_gone(struct bp_locations *ls, uint64_t gpa, uint64_t len)
{
	size_t i;

	pthread_rwlock_wrlock(&ls->mem->lock);
	memory_leave(ls->mem, gpa, len);
	for (i = ls->table.count; i--;) /* one that is lost has its place taken by the last */
		if (!memory_has_hva(ls->mem, hva_of(ls->all[i])))
			lose(ls, ls->all[i]);
	pthread_rwlock_unlock(&ls->mem->lock);
}
