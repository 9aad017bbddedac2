/* SPDX-License-Identifier: MIT */
/*
 * Watchpoints without debug registers: while there is one, the engine steps every vCPU, one at a
 * time, and compares after each step. Slow, but exact on any host. They are by guest-physical address,
 * so that it makes no difference who writes, or through which mapping.
 *
 * A change is pending until it is reported, or the debugger itself writes there. So a watchpoint that
 * the debugger removes at a stop is forgotten only at soft_watchpoints_sync(): one that it sets again
 * until then, as gdb does with all of them, goes on where it was.
 */
#ifndef VMGDB_CORE_SOFT_WATCHPOINT_H
#define VMGDB_CORE_SOFT_WATCHPOINT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/breakpoints/bp_location.h"
#include "core/breakpoints/breakpoints.h"

/* Each costs a read of guest memory at every step, so there are not many. */
enum { SOFT_WATCHPOINTS_MAX = 64, SOFT_WATCHPOINT_LEN_MAX = 64, SOFT_WATCHPOINT_RANGES = 2 };

/* Memory in one piece. */
struct soft_watch_range {
	uint64_t gpa;
	size_t len;
};

struct soft_watchpoint {
	uint64_t addr, len; /* as the debugger named it */
	/* the second where the next page is elsewhere */
	struct soft_watch_range range[SOFT_WATCHPOINT_RANGES];
	bool removed;
	uint8_t old[SOFT_WATCHPOINT_LEN_MAX]; /* what is there, as far as the debugger knows */
};

struct soft_watchpoints {
	const struct breakpoints_config *config;
	struct bp_locations *locations; /* memory is read through them */
	struct soft_watchpoint all[SOFT_WATCHPOINTS_MAX];
	unsigned int n;
	atomic_uint nset; /* those that are not removed */
};

/*
 * Watch len bytes at addr, as that vCPU's tables have it, for a change. 0, also when it is watched
 * already; -EINVAL: too long; -EFAULT: not mapped, or no memory there; -ENOSPC. *why is for a person.
 */
int soft_watchpoints_insert(struct soft_watchpoints *s, unsigned int vcpu, uint64_t addr,
			    uint64_t len, const char **why);

/* Removing what is not there is no error. */
void soft_watchpoints_remove(struct soft_watchpoints *s, uint64_t addr, uint64_t len);
void soft_watchpoints_remove_all(struct soft_watchpoints *s);

/* The one that is set at that address, or that is the i-th of those that are set; or NULL. */
const struct soft_watchpoint *soft_watchpoints_find(const struct soft_watchpoints *s,
						    uint64_t addr);
const struct soft_watchpoint *soft_watchpoints_get(const struct soft_watchpoints *s,
						   unsigned int i);

/* Forget those that were removed. Just before vCPUs run. */
void soft_watchpoints_sync(struct soft_watchpoints *s);

/* The debugger has written there: it knows of that change. */
void soft_watchpoints_wrote(struct soft_watchpoints *s, uint64_t gpa, const void *buf, size_t len);

/* One that has changed, or NULL: from now on it counts as reported. */
const struct soft_watchpoint *soft_watchpoints_changed(struct soft_watchpoints *s);

#endif
