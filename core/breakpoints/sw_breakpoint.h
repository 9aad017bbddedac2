/* SPDX-License-Identifier: MIT */
/*
 * Software breakpoints: each is named by a virtual address and is in one of three lists,
 *
 *	waiting		it has no location: its address is not mapped to memory
 *	slot_only	its location can't be written
 *	located		its location can be written
 *
 * and besides may have an execution slot, whichever list it is in. One without a slot is inserted in
 * memory at its location; a slot needs no byte of guest memory, no step with all other vCPUs held, and
 * survives a loader that writes over the address. So as many as there are free slots have one: those
 * that need it first, then those that wait, then the rest, in each list the oldest first.
 *
 * A breakpoint that is removed is marked. Only sw_breakpoints_update() forgets it, so that a debugger
 * which removes all at a stop and sets them again before it resumes changes nothing.
 *
 * By the server thread, but for sw_breakpoints_find(), which changes nothing.
 */
#ifndef VMGDB_CORE_SW_BREAKPOINT_H
#define VMGDB_CORE_SW_BREAKPOINT_H

#include "core/breakpoint.h"
#include "core/breakpoints/bp_condition.h"
#include "core/breakpoints/bp_location.h"
#include "core/breakpoints/breakpoints.h"
#include "core/breakpoints/hw_breakpoint.h"

enum sw_report { SW_NOTHING, SW_WAITS, SW_UNWRITABLE };

struct sw_breakpoint {
	struct hash_node node;		  /* first member; key: the virtual address */
	struct bp_location *location;	  /* NULL: none */
	struct list user;		  /* in location->users */
	struct list *list;		  /* one of the three lists */
	struct list link;		  /* in that */
	struct list recent;		  /* in sw_breakpoints.asked or .removed, or in neither */
	struct list report;		  /* in sw_breakpoints.reports, or not */
	struct bp_conditions *conditions; /* NULL: none */
	size_t index;			  /* in sw_breakpoints.set, unless removed */
	unsigned int vcpu;		  /* through whose tables the debugger named it */
	bool removed, has_slot;
	bool overwritten;	 /* by the guest, and not reported yet */
	enum sw_report reported; /* what was reported of it last */
};

struct sw_breakpoints {
	struct breakpoints_config config;
	struct bp_locations locations;
	bool never_in_memory; /* breakpoint instructions never trap on this host */
	struct hash_table table;
	struct sw_breakpoint **set; /* those that are not removed, in no order */
	size_t nset, room;
	struct list waiting, slot_only, located;
	size_t nwaiting;
	size_t nslot_only;  /* of those that are set */
	struct list *retry; /* in waiting: the next one to try */
	struct list asked;  /* set or lost since they were tried last */
	struct list removed;
	struct list reports; /* perhaps there is something to report of these */
	unsigned int nreports;
	struct sw_breakpoint *in_slots[HW_SLOTS_MAX];
	unsigned int nin_slots;
};

void sw_breakpoints_init(struct sw_breakpoints *s, const struct breakpoints_config *config);
void sw_breakpoints_fini(struct sw_breakpoints *s);

/* Set one, or set it again. 0 or -ENOMEM. */
int sw_breakpoints_insert(struct sw_breakpoints *s, unsigned int vcpu, uint64_t va);

/* The one that is set at va, or NULL. */
struct sw_breakpoint *sw_breakpoints_find(const struct sw_breakpoints *s, uint64_t va);

void sw_breakpoints_remove(struct sw_breakpoints *s, struct sw_breakpoint *bp);
void sw_breakpoints_remove_all(struct sw_breakpoints *s);

/* Can it only hit by an execution slot? How many of these are set. */
bool sw_breakpoint_needs_slot(const struct sw_breakpoints *s, const struct sw_breakpoint *bp);
unsigned int sw_breakpoints_need_slots(const struct sw_breakpoints *s);

/* Forget what was removed, and follow what has happened to locations. 0 or -ENOMEM. */
int sw_breakpoints_update(struct sw_breakpoints *s);

/* Try those that wait: all that were asked for since the last time, and some of the others. 0 or
 * -ENOMEM. */
int sw_breakpoints_try_waiting(struct sw_breakpoints *s);

/* Lay out those that get one of the `room` slots that are left. guest_uses_slots: none that can be in
 * memory instead. */
void sw_breakpoints_take_slots(struct sw_breakpoints *s, struct hw_breakpoints *h,
			       unsigned int room, bool guest_uses_slots);

/* After both: what is to be reported? */
void sw_breakpoints_collect_reports(struct sw_breakpoints *s);
bool sw_breakpoints_notice(struct sw_breakpoints *s, char *buf, size_t len);

/* For breakpoints_info(). */
const char *sw_breakpoint_state(const struct sw_breakpoint *bp);

#endif
