/* SPDX-License-Identifier: MIT */
/* What breakpoints.h is made of: what all files of this folder share. */
#ifndef VMGDB_CORE_BREAKPOINTS_STATE_H
#define VMGDB_CORE_BREAKPOINTS_STATE_H

#include <stdatomic.h>

#include "core/breakpoints/bp_condition.h"
#include "core/breakpoints/breakpoints.h"
#include "core/cpu.h"
#include "core/lib/hash_table.h"
#include "core/lib/list.h"

/* Are these another process's tables? What was located without paging belongs to none. */
static inline bool is_other_process(uint64_t located_by, uint64_t tables)
{
	return located_by != XLAT_FLAT && located_by != tables;
}

static inline int refuse(int err, const char *reason, const char **why)
{
	*why = reason;
	return err;
}

/* ---- bp_location.c ----------------------------------------------------------------------- */

/*
 * Where breakpoint instructions are in guest memory, or are to be. A location is named by its host
 * address, so that it is the same one through every guest-physical address of that memory.
 *
 * Locations are created and freed by the server thread alone, every vCPU parked. Everything in them
 * is under the memory's lock, which these functions take.
 */
enum { BRK_SIZE_MAX = 4 };

struct bp_location {
	struct hash_node node;		/* first member; key: the host address */
	struct list users;		/* the breakpoints that are here: sw_breakpoint.c's */
	unsigned int nusers, nin_slots; /* how many these are, how many of them have a slot */
	unsigned int nno_brk;		/* ... and .no_brk */
	size_t place;			/* in bp_locations.places, unless lost */
	struct list event_link;		/* in bp_locations.events */

	bool lost;	  /* its memory has gone: it waits to be freed */
	bool unwritable;  /* the last try to insert it has failed */
	bool overwritten; /* by the guest, and not in an event yet */
};

/* What every stop and resume goes through. */
struct bp_place {
	uint8_t *hva;
	struct bp_location *l;
	uint8_t saved[BRK_SIZE_MAX]; /* the guest's own bytes, while it is inserted */
};

struct bp_locations {
	struct memory *mem;
	const struct cpu *cpu;
	void (*sync_icache)(void *hva, size_t len); /* NULL: not needed */
	struct hash_table table;
	struct bp_place *places; /* of all but lost ones: first those that are in guest memory */
	size_t ninserted;
	struct bp_location *lifted;
	struct list events; /* locations with an event that was not given yet */

	/* Those that are read or written together. */
	struct iovec pieces[MEMORY_PIECES_MAX];
	bool ok[MEMORY_PIECES_MAX]; /* of pieces */
	unsigned int piece_of[MEMORY_PIECES_MAX];
	const uint8_t *seen[MEMORY_PIECES_MAX]; /* in bytes */
	uint8_t bytes[MEMORY_WINDOW + BRK_SIZE_MAX];
};

/* Locations that are at most so far apart are one piece to read. */
enum { BP_SPAN = MEMORY_WINDOW / MEMORY_PIECES_MAX };

/* No more than max of them. false: out of memory. */
bool bp_locations_init(struct bp_locations *ls, struct memory *mem, size_t max);
void bp_locations_fini(struct bp_locations *ls);

/* The location of that memory, a new one if need be; whether it can be written is tried. 0, -EFAULT:
 * no memory there; -ENOMEM. */
int bp_locations_get(struct bp_locations *ls, uint64_t gpa, struct bp_location **out);

/* A location that has no user any more: it is removed from memory and freed. */
void bp_locations_put(struct bp_locations *ls, struct bp_location *l);

/* What has happened to one; if more than one thing has, the first of these. */
enum bp_location_event {
	LOCATION_LOST,	      /* its memory has gone */
	LOCATION_OVERWRITTEN, /* by the guest */
	LOCATION_WRITABLE,    /* .unwritable is another */
};

/* The next one that something has happened to, or NULL. */
struct bp_location *bp_locations_event(struct bp_locations *ls, enum bp_location_event *what);

/*
 * Insert all that have a user without a slot and none with .no_brk, and no other; remove all. What can't
 * be written any more stays inserted, and hidden. Is any inserted now?
 */
bool bp_locations_insert(struct bp_locations *ls);
bool bp_locations_withdraw(struct bp_locations *ls);

/* ---- hw_breakpoint.c --------------------------------------------------------------------- */

/*
 * Hardware breakpoints and watchpoints: which the debugger has set, and how they and the software
 * breakpoints that get a free slot are laid out. The same for every vCPU. By the server thread.
 */

/* One of them, in as many slots as its length and alignment need. */
struct hw_breakpoint {
	enum bp_type type;
	uint64_t addr, len;
	struct bp_conditions *conditions; /* NULL: none */
	unsigned int nslots;
	struct hw_slot slots[4];
};

struct hw_breakpoints {
	const struct breakpoints_host *host;
	struct hw_breakpoint set[HW_SLOTS_MAX]; /* in no order */
	unsigned int nset;
	struct hw_breakpoint removed[HW_SLOTS_MAX]; /* since the last layout, for the list alone */
	unsigned int nremoved;
	struct bp_slot layout[HW_SLOTS_MAX];
	unsigned int nlayout;
};

/*
 * Set one that is not set, beside as many execution slots as software breakpoints need. 0; -EINVAL,
 * -EOPNOTSUPP, -ENOSPC with *why for a person.
 */
int hw_breakpoints_insert(struct hw_breakpoints *h, enum bp_type type, uint64_t addr, uint64_t len,
			  unsigned int needed, const char **why);

/* The one that is set, or NULL; until the next insert or remove. */
struct hw_breakpoint *hw_breakpoints_find(struct hw_breakpoints *h, enum bp_type type,
					  uint64_t addr, uint64_t len);

void hw_breakpoints_remove(struct hw_breakpoints *h, struct hw_breakpoint *bp);
void hw_breakpoints_remove_all(struct hw_breakpoints *h);

/* Is one set that stops for accesses (or execution) of that kind, by that name? */
bool hw_breakpoints_watching(const struct hw_breakpoints *h, enum hw_kind kind, uint64_t addr);

/* How many execution slots there are, and how many are left beside what is set. */
unsigned int hw_exec_slots(const struct hw_breakpoints *h);
unsigned int hw_exec_slots_left(const struct hw_breakpoints *h);

/* Lay out what is set, from the start, and forget what was removed; without exec, watchpoints alone. */
void hw_breakpoints_lay_out(struct hw_breakpoints *h, bool exec);

/* ... and a software breakpoint behind that. */
void hw_breakpoints_lay_out_sw(struct hw_breakpoints *h, uint64_t addr);

/* ---- sw_breakpoint.c --------------------------------------------------------------------- */

/*
 * Software breakpoints: each is named by a virtual address. It may have an execution slot, whatever its
 * state. One without a slot is inserted in memory at its location; a slot needs no byte of guest memory, no
 * step with all other vCPUs held, and survives a loader that writes over the address. So as many as there
 * are free slots have one: in the order of these states, of those in one state the oldest first.
 *
 * A breakpoint that is removed is marked. Only sw_breakpoints_update() forgets it, so that a debugger
 * which removes all at a stop and sets them again before it resumes changes nothing.
 *
 * By the server thread, but for sw_breakpoints_find(), which changes nothing.
 */
enum sw_state {
	SW_UNWRITABLE, /* its location can't be written */
	SW_NO_BRK,     /* it has a location, and .no_brk */
	SW_WAITS,      /* it has no location: its address is not mapped to memory */
	SW_LOCATED,    /* its location can be written */
	SW_STATES,
};

struct sw_breakpoint {
	struct hash_node node;		  /* first member; key: the virtual address */
	struct bp_location *location;	  /* NULL: none */
	uint64_t tables;		  /* by which it was located; as in struct xlat */
	struct list user;		  /* in location->users */
	struct list link;		  /* in sw_breakpoints.in[state] */
	struct list recent;		  /* in sw_breakpoints.asked or .removed, or in neither */
	struct list report;		  /* in sw_breakpoints.reports, or not */
	struct bp_conditions *conditions; /* NULL: none */
	size_t index;			  /* in sw_breakpoints.set, unless removed */
	unsigned int vcpu;		  /* through whose tables the debugger named it */
	const char *no_brk; /* why no instruction traps in the mode it was located in */
	bool removed, has_slot;
	enum sw_state state;
	enum sw_state reported; /* what was reported of it last; SW_LOCATED: nothing */
	bool overwritten;	/* by the guest, and not reported yet */
};

struct sw_breakpoints {
	const struct breakpoints_config *config;
	struct bp_locations locations;
	bool never_in_memory; /* breakpoint instructions never trap on this host */
	bool out_of_memory;   /* one could not be located */
	struct hash_table table;
	struct sw_breakpoint **set; /* those that are not removed, in no order */
	size_t nset;
	struct list in[SW_STATES];
	size_t nwaiting;
	size_t nneed_slot;  /* in one of these two states, of those that are set */
	struct list *retry; /* in in[SW_WAITS]: the next one to try */
	struct list asked;  /* set or lost since they were tried last */
	struct list removed;
	struct list reports; /* perhaps there is something to report of these */
	unsigned int nreports;
	struct sw_breakpoint *in_slots[HW_SLOTS_MAX];
	unsigned int nin_slots;
};

/* false: out of memory. */
bool sw_breakpoints_init(struct sw_breakpoints *s, const struct breakpoints_config *config);
void sw_breakpoints_fini(struct sw_breakpoints *s);

/* Set one, or set it again. 0 or -ENOMEM. */
int sw_breakpoints_insert(struct sw_breakpoints *s, unsigned int vcpu, uint64_t va);

/* The one that is set at va, or NULL. */
struct sw_breakpoint *sw_breakpoints_find(const struct sw_breakpoints *s, uint64_t va);

void sw_breakpoints_remove(struct sw_breakpoints *s, struct sw_breakpoint *bp);

/* Remove one that was set just now, and forget it. */
void sw_breakpoints_refuse(struct sw_breakpoints *s, struct sw_breakpoint *bp);

void sw_breakpoints_remove_all(struct sw_breakpoints *s);

/* The i-th of all in the table: first those that are set, then those that were removed. */
const struct sw_breakpoint *sw_breakpoints_get(const struct sw_breakpoints *s, size_t i);

/* How many are set that can only hit by an execution slot. */
unsigned int sw_breakpoints_need_slots(const struct sw_breakpoints *s);

/* Forget what was removed, and follow what has happened to locations. */
void sw_breakpoints_update(struct sw_breakpoints *s);

/* Try those that wait: all that were asked for since the last time, and some of the others. */
void sw_breakpoints_try_waiting(struct sw_breakpoints *s);

/* Lay out those that get one of the slots that are left. guest_uses_slots: none that can be in memory
 * instead. */
void sw_breakpoints_take_slots(struct sw_breakpoints *s, struct hw_breakpoints *h,
			       bool guest_uses_slots);

/* After both: the next breakpoints_notice() is of what is to be reported. */
void sw_breakpoints_collect_reports(struct sw_breakpoints *s);

static inline bool sw_state_needs_slot(enum sw_state state)
{
	return state == SW_UNWRITABLE || state == SW_NO_BRK;
}

/* For breakpoints_info(). */
const char *sw_breakpoint_state(const struct sw_breakpoint *bp);

/* ---- soft_watchpoint.c ------------------------------------------------------------------- */

/*
 * Watchpoints without debug registers: while there is one, the engine steps every vCPU, one at a
 * time, and compares after each step. Slow, but exact on any host. They are by guest-physical address,
 * so that it makes no difference who writes, or through which mapping.
 *
 * A change is pending until it is reported, or the debugger itself writes there. So a watchpoint that
 * the debugger removes at a stop is forgotten only at soft_watchpoints_sync(): one that it sets again
 * until then, as gdb does with all of them, goes on where it was.
 */

/* Each costs a read of guest memory at every step, so there are not many. */
enum { SOFT_WATCHPOINTS_MAX = 64, SOFT_WATCHPOINT_LEN_MAX = 64, SOFT_WATCHPOINT_RANGES = 2 };

/* Memory in one piece. */
struct soft_watch_range {
	uint64_t gpa;
	size_t len;
};

struct soft_watchpoint {
	uint64_t addr, len; /* as the debugger named it */
	uint64_t tables;    /* by which it was found; as in struct xlat */
	/* the second one may be in another page */
	struct soft_watch_range range[SOFT_WATCHPOINT_RANGES];
	bool removed;
	uint8_t old[SOFT_WATCHPOINT_LEN_MAX]; /* what is there, as far as the debugger knows */
};

struct soft_watchpoints {
	struct soft_watchpoint all[SOFT_WATCHPOINTS_MAX];
	unsigned int n;
	atomic_uint nset; /* those that are not removed */
};

/*
 * Watch len bytes at addr, as that vCPU's tables have it, for a change. 0, also when it is watched
 * already; -EINVAL: too long; -EFAULT: not mapped, or no memory there; -ENOSPC. *why is for a person.
 */
int soft_watchpoints_insert(struct breakpoints *b, unsigned int vcpu, uint64_t addr, uint64_t len,
			    const char **why);

/* Removing what is not there is no error. */
void soft_watchpoints_remove(struct soft_watchpoints *s, uint64_t addr, uint64_t len);
void soft_watchpoints_remove_all(struct soft_watchpoints *s);

/* The one that is set at that address, or NULL. */
const struct soft_watchpoint *soft_watchpoints_find(const struct soft_watchpoints *s,
						    uint64_t addr);

/* Forget those that were removed. Just before vCPUs run. */
void soft_watchpoints_sync(struct soft_watchpoints *s);

/* The debugger has written there: it knows of that change. */
void soft_watchpoints_wrote(struct soft_watchpoints *s, uint64_t gpa, const void *buf, size_t len);

/* ---- breakpoints.c ----------------------------------------------------------------------- */

struct breakpoints {
	struct breakpoints_config config;
	struct breakpoints_host host;
	struct sw_breakpoints sw;
	struct hw_breakpoints hw;
	struct soft_watchpoints soft;
	size_t conditions_size;
	atomic_bool in_memory;
};

#endif
