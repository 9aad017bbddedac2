// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/breakpoints/state.h"

enum {
	TRIES_MAX = 16,	  /* waiting ones that are tried at a resume though nobody asked for them */
	REPORTS_MAX = 16, /* lines for a person at a resume; the rest is a number */
};

static struct sw_breakpoint *breakpoint_of(struct hash_node *n)
{
	return (struct sw_breakpoint *)n; /* the node is its first member */
}

bool sw_breakpoints_init(struct sw_breakpoints *s, const struct breakpoints_config *config)
{
	unsigned int i;

	s->config = config;
	for (i = 0; i < SW_STATES; i++)
		list_init(&s->in[i]);
	list_init(&s->asked);
	list_init(&s->removed);
	list_init(&s->reports);
	s->retry = &s->in[SW_WAITS];
	s->set = calloc(config->max, sizeof(*s->set));
	/* one that moves has two for a moment */
	return bp_locations_init(&s->locations, config->mem, config->max + 1) && s->set;
}

void sw_breakpoints_fini(struct sw_breakpoints *s)
{
	sw_breakpoints_remove_all(s);
	bp_locations_fini(&s->locations);
	hash_table_fini(&s->table);
	free(s->set);
}

/* ---- states ------------------------------------------------------------------------------ */

static void leave_state(struct sw_breakpoints *s, struct sw_breakpoint *bp)
{
	if (s->retry == &bp->link)
		s->retry = bp->link.next;
	s->nwaiting -= bp->state == SW_WAITS;
	s->nneed_slot -= sw_state_needs_slot(bp->state) && !bp->removed;
	list_remove(&bp->link);
}

static void enter_state(struct sw_breakpoints *s, struct sw_breakpoint *bp, enum sw_state state)
{
	bp->state = state;
	s->nwaiting += state == SW_WAITS;
	s->nneed_slot += sw_state_needs_slot(state) && !bp->removed;
	list_append(&s->in[state], &bp->link);
	if (state == SW_LOCATED)
		bp->reported = SW_LOCATED;
	if (state == SW_WAITS && !bp->removed)
		list_move(&s->asked, &bp->recent);
}

static void update_state(struct sw_breakpoints *s, struct sw_breakpoint *bp)
{
	const struct bp_location *l = bp->location;
	enum sw_state state = !l	      ? SW_WAITS
			      : bp->no_brk    ? SW_NO_BRK
			      : l->unwritable ? SW_UNWRITABLE
					      : SW_LOCATED;

	if (bp->state == state)
		return;
	leave_state(s, bp);
	enter_state(s, bp, state);
}

/* ---- where it is ------------------------------------------------------------------------- */

static void leave_location(struct sw_breakpoints *s, struct sw_breakpoint *bp)
{
	struct bp_location *l = bp->location;

	if (!l)
		return;
	bp->location = NULL;
	list_remove(&bp->user);
	l->nusers--;
	l->nin_slots -= bp->has_slot;
	l->nno_brk -= !!bp->no_brk;
	bp->no_brk = NULL;
	if (!l->nusers)
		bp_locations_put(&s->locations, l);
}

static void set_no_brk(struct sw_breakpoint *bp, const char *no_brk)
{
	bp->location->nno_brk -= !!bp->no_brk;
	bp->location->nno_brk += !!no_brk;
	bp->no_brk = no_brk;
}

static void move_to(struct sw_breakpoints *s, struct sw_breakpoint *bp, struct bp_location *l,
		    uint64_t tables)
{
	bp->tables = tables;
	if (bp->location == l)
		return;
	leave_location(s, bp);
	bp->location = l;
	list_append(&l->users, &bp->user);
	l->nusers++;
	l->nin_slots += bp->has_slot;
}

/*
 * Through the tables of now. keep: one that has a location keeps it where these do not map its address,
 * and where they are not the tables by which it was located but another process's.
 */
static int find_location(struct sw_breakpoints *s, struct sw_breakpoint *bp, bool keep,
			 const char **no_brk)
{
	const struct breakpoints_config *c = s->config;
	struct bp_location *l;
	struct xlat x;
	int ret = c->translate(c->opaque, bp->vcpu, bp->node.key, &x, no_brk);

	if (ret || (keep && bp->location && is_other_process(bp->tables, x.tables)))
		return ret;
	ret = bp_locations_get(&s->locations, x.gpa, &l);
	if (!ret)
		move_to(s, bp, l, x.tables);
	return ret;
}

static void locate(struct sw_breakpoints *s, struct sw_breakpoint *bp, bool keep)
{
	const char *no_brk;
	int ret = find_location(s, bp, keep, &no_brk);

	if (!ret)
		set_no_brk(bp, no_brk);
	else if (ret == -ENOMEM)
		s->out_of_memory = true;
	else if (!keep)
		leave_location(s, bp);
	update_state(s, bp);
}

/* ---- set and remove ---------------------------------------------------------------------- */

static struct sw_breakpoint *new_breakpoint(struct sw_breakpoints *s, uint64_t va)
{
	struct sw_breakpoint *bp = calloc(1, sizeof(*bp));

	if (!bp)
		return NULL;
	bp->node.key = va;
	bp->removed = true; /* not in .set yet */
	list_init(&bp->user);
	list_init(&bp->link);
	list_init(&bp->recent);
	list_init(&bp->report);
	if (hash_table_add(&s->table, &bp->node)) {
		free(bp);
		return NULL;
	}
	bp->reported = SW_LOCATED;
	enter_state(s, bp, SW_WAITS);
	return bp;
}

static void mark_set(struct sw_breakpoints *s, struct sw_breakpoint *bp)
{
	if (!bp->removed)
		return;
	bp->removed = false;
	bp->index = s->nset++;
	s->set[bp->index] = bp;
	s->nneed_slot += sw_state_needs_slot(bp->state);
	list_remove(&bp->recent);
}

int sw_breakpoints_insert(struct sw_breakpoints *s, unsigned int vcpu, uint64_t va)
{
	struct hash_node *n = hash_table_find(&s->table, va);
	struct sw_breakpoint *bp = n ? breakpoint_of(n) : new_breakpoint(s, va);

	if (!bp)
		return -ENOMEM;
	bp->vcpu = vcpu;
	mark_set(s, bp);
	s->out_of_memory = false;
	locate(s, bp, true);
	if (!bp->location)
		list_move(&s->asked, &bp->recent);
	if (!s->out_of_memory)
		return 0;
	if (!n)
		sw_breakpoints_refuse(s, bp);
	return -ENOMEM;
}

struct sw_breakpoint *sw_breakpoints_find(const struct sw_breakpoints *s, uint64_t va)
{
	struct hash_node *n = hash_table_find(&s->table, va);

	return n && !breakpoint_of(n)->removed ? breakpoint_of(n) : NULL;
}

const struct sw_breakpoint *sw_breakpoints_get(const struct sw_breakpoints *s, size_t i)
{
	const struct list *l = s->removed.next;

	if (i < s->nset)
		return s->set[i];
	for (i -= s->nset; i; i--)
		l = l->next;
	return list_owner(l, struct sw_breakpoint, recent);
}

void sw_breakpoints_remove(struct sw_breakpoints *s, struct sw_breakpoint *bp)
{
	struct sw_breakpoint *last = s->set[--s->nset];

	s->set[bp->index] = last;
	last->index = bp->index;
	s->nneed_slot -= sw_state_needs_slot(bp->state);
	bp->removed = true;
	bp_conditions_free(bp->conditions);
	bp->conditions = NULL;
	list_move(&s->removed, &bp->recent);
}

static void drop_slot(struct sw_breakpoints *s, const struct sw_breakpoint *bp)
{
	unsigned int i;

	for (i = 0; i < s->nin_slots; i++)
		if (s->in_slots[i] == bp)
			s->in_slots[i--] = s->in_slots[--s->nin_slots];
}

static void forget(struct sw_breakpoints *s, struct sw_breakpoint *bp)
{
	if (bp->has_slot)
		drop_slot(s, bp);
	leave_location(s, bp);
	leave_state(s, bp);
	list_remove(&bp->recent);
	list_remove(&bp->report);
	hash_table_del(&s->table, &bp->node);
	free(bp);
}

void sw_breakpoints_refuse(struct sw_breakpoints *s, struct sw_breakpoint *bp)
{
	sw_breakpoints_remove(s, bp);
	forget(s, bp);
}

static void forget_removed(struct sw_breakpoints *s)
{
	while (!list_is_empty(&s->removed))
		forget(s, list_owner(s->removed.next, struct sw_breakpoint, recent));
}

void sw_breakpoints_remove_all(struct sw_breakpoints *s)
{
	bp_locations_withdraw(&s->locations);
	while (s->nset)
		sw_breakpoints_remove(s, s->set[s->nset - 1]);
	forget_removed(s);
}

unsigned int sw_breakpoints_need_slots(const struct sw_breakpoints *s)
{
	return (unsigned int)(s->never_in_memory ? s->nset : s->nneed_slot);
}

/* ---- what has happened to locations ------------------------------------------------------ */

/*
 * What the guest has written over a breakpoint is the guest's. The breakpoint goes where its address is now,
 * which may be nowhere: then that memory serves another purpose.
 */
static void handle_event(struct sw_breakpoints *s, struct bp_location *l,
			 enum bp_location_event what)
{
	unsigned int n = l->nusers; /* the last one that leaves frees it */
	struct sw_breakpoint *bp;

	for (; n; n--) {
		bp = list_owner(l->users.next, struct sw_breakpoint, user);
		list_move(&l->users, &bp->user);
		list_move(&s->reports, &bp->report);
		if (what == LOCATION_LOST)
			leave_location(s, bp);
		bp->overwritten |= what == LOCATION_OVERWRITTEN;
		if (what == LOCATION_OVERWRITTEN)
			locate(s, bp, false);
		else
			update_state(s, bp);
	}
}

void sw_breakpoints_update(struct sw_breakpoints *s)
{
	enum bp_location_event what;
	struct bp_location *l;

	forget_removed(s);
	while ((l = bp_locations_event(&s->locations, &what)))
		handle_event(s, l, what);
}

/* ---- those that wait --------------------------------------------------------------------- */

/* The vCPU may be in another mode by now. There are about as many of these as slots. */
static void try_other_modes(struct sw_breakpoints *s)
{
	struct list *l, *next;

	for (l = s->in[SW_NO_BRK].next; l != &s->in[SW_NO_BRK]; l = next) {
		next = l->next;
		locate(s, list_owner(l, struct sw_breakpoint, link), true);
	}
}

/* When the guest changes its tables is not known here. So each is tried in its turn, a few at a resume:
 * 100,000 that wait cost a resume no more than these. */
static void try_some(struct sw_breakpoints *s)
{
	size_t n = s->nwaiting < TRIES_MAX ? s->nwaiting : TRIES_MAX;
	struct sw_breakpoint *bp;

	for (; n && s->nwaiting; n--) {
		if (s->retry == &s->in[SW_WAITS])
			s->retry = s->retry->next;
		bp = list_owner(s->retry, struct sw_breakpoint, link);
		s->retry = s->retry->next;
		if (list_is_empty(&bp->recent))
			locate(s, bp, true);
	}
}

void sw_breakpoints_try_waiting(struct sw_breakpoints *s)
{
	struct list *l;

	for (l = s->asked.next; l != &s->asked; l = l->next)
		locate(s, list_owner(l, struct sw_breakpoint, recent), true);
	try_other_modes(s);
	try_some(s);
}

/* ---- slots ------------------------------------------------------------------------------- */

static void set_slot(struct sw_breakpoint *bp, bool has_slot)
{
	if (bp->location) {
		bp->location->nin_slots -= bp->has_slot;
		bp->location->nin_slots += has_slot;
	}
	bp->has_slot = has_slot;
}

static void take_slot(struct sw_breakpoints *s, struct hw_breakpoints *h, struct sw_breakpoint *bp)
{
	set_slot(bp, true);
	s->in_slots[s->nin_slots++] = bp;
	hw_breakpoints_lay_out_sw(h, bp->node.key);
}

void sw_breakpoints_take_slots(struct sw_breakpoints *s, struct hw_breakpoints *h,
			       bool guest_uses_slots)
{
	unsigned int i, n = s->nin_slots, room = hw_exec_slots_left(h);
	bool all = !guest_uses_slots || s->never_in_memory;
	struct sw_breakpoint *had[HW_SLOTS_MAX];
	enum sw_state state;
	struct list *l;

	memcpy(had, s->in_slots, n * sizeof(*had));
	for (i = 0; i < n; i++)
		set_slot(had[i], false);
	s->nin_slots = 0;
	room = room < HW_SLOTS_MAX - h->nlayout ? room : HW_SLOTS_MAX - h->nlayout;
	for (state = 0; state < (all ? SW_STATES : SW_LOCATED); state++)
		for (l = s->in[state].next; room && l != &s->in[state]; l = l->next, room--)
			take_slot(s, h, list_owner(l, struct sw_breakpoint, link));
	for (i = 0; i < n; i++)
		if (!had[i]->has_slot)
			list_move(&s->reports, &had[i]->report);
}

/* ---- for a person ------------------------------------------------------------------------ */

void sw_breakpoints_collect_reports(struct sw_breakpoints *s)
{
	struct sw_breakpoint *bp;

	while (!list_is_empty(&s->asked)) {
		bp = list_owner(s->asked.next, struct sw_breakpoint, recent);
		list_remove(&bp->recent);
		list_move(&s->reports, &bp->report);
	}
	s->nreports = 0;
}

/* What is to be reported of it, or NULL; from then on it counts as reported. */
static const char *next_report(struct sw_breakpoint *bp)
{
	static const char *const texts[][2] = {
		[SW_LOCATED] = { NULL, "was overwritten by the guest; it is inserted again" },
		[SW_WAITS] = { "waits: the address is not mapped yet",
			       "waits: the guest has overwritten it, and the address is not mapped" },
		[SW_UNWRITABLE] = { "can't be hit: the memory can't be written, and no debug "
				    "register is free",
				    "can't be hit: the guest has overwritten it, and the memory "
				    "can't be written" },
		[SW_NO_BRK] = { "can't be hit: breakpoint instructions do not trap in this CPU "
				"mode, and no debug register is free",
				"can't be hit: the guest has overwritten it, and breakpoint "
				"instructions do not trap in this CPU mode" },
	};
	enum sw_state now = bp->has_slot ? SW_LOCATED : bp->state;
	bool overwritten = bp->overwritten;

	bp->overwritten = false;
	if (now == bp->reported && !overwritten)
		return NULL;
	if (now != SW_LOCATED)
		bp->reported = now;
	return texts[now][overwritten];
}

bool breakpoints_notice(struct breakpoints *b, char *buf, size_t len)
{
	struct sw_breakpoints *s = &b->sw;
	struct sw_breakpoint *bp;
	const char *text;
	size_t more = 0;

	while (!list_is_empty(&s->reports)) {
		bp = list_owner(s->reports.next, struct sw_breakpoint, report);
		list_remove(&bp->report);
		/* one that was asked for since is not tried yet */
		text = bp->removed || !list_is_empty(&bp->recent) ? NULL : next_report(bp);
		if (text && s->nreports == REPORTS_MAX) {
			more++;
		} else if (text) {
			s->nreports++;
			snprintf(buf, len, "breakpoint at 0x%llx %s",
				 (unsigned long long)bp->node.key, text);
			return true;
		}
	}
	if (more)
		snprintf(buf, len, "%zu more breakpoints wait or were overwritten", more);
	return more;
}

const char *sw_breakpoint_state(const struct sw_breakpoint *bp)
{
	static const char *const texts[] = {
		[SW_LOCATED] = "inserted",
		[SW_WAITS] = "waits: the address is not mapped to memory",
		[SW_UNWRITABLE] = "can't be inserted: the memory can't be written",
		[SW_NO_BRK] =
			"can't be inserted: breakpoint instructions do not trap in this CPU mode",
	};

	return bp->has_slot ? "in a debug register" : texts[bp->state];
}
