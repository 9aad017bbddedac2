/* SPDX-License-Identifier: MIT */
/*
 * Watchpoints without debug registers: while there is one, the engine steps every vCPU, one at a
 * time, and compares after each step. Slow, but exact on any host, however many there are. By
 * guest-physical address, so that it makes no difference who writes, or through which mapping.
 *
 * A change stays one until it is told, or the debugger itself writes there. So a watch that the
 * debugger takes out at a stop is forgotten only at soft_watchpoint_commit(): one that it puts back until
 * then, as gdb does with all of them, goes on where it was.
 */
#ifndef VMGDB_CORE_SOFTWATCH_H
#define VMGDB_CORE_SOFTWATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/breakpoints/sw_breakpoint.h"
#include "core/breakpoint.h"

enum { SOFT_WATCHPOINT_LEN_MAX = 64, SOFT_WATCHPOINT_RUNS = 2 };

/* Memory in one piece. */
struct soft_watch_range {
	uint64_t gpa;
	size_t len;
};

struct soft_watchpoint {
	uint64_t addr, len; /* as the debugger named it */
	struct soft_watch_range
		run[SOFT_WATCHPOINT_RUNS]; /* the second where the next page is elsewhere */
	bool wished;
	uint8_t old[SOFT_WATCHPOINT_LEN_MAX]; /* what is there, as far as the debugger knows */
};

struct soft_watchpoints {
	struct soft_watchpoint *w;
	size_t n;
};

void soft_watchpoint_fini(struct soft_watchpoints *s);

/*
 * Watch len bytes at addr, as that vCPU's tables have it, for a change. 0, also when it is watched
 * already; -EINVAL: too long; -EFAULT: not mapped, or no memory there; -ENOMEM. *why tells a person.
 */
int soft_watchpoint_insert(struct soft_watchpoints *s, struct points *mem, unsigned int vcpu,
			   uint64_t addr, uint64_t len, const char **why);

/* Removing what is not there is no error. */
void soft_watchpoint_remove(struct soft_watchpoints *s, uint64_t addr, uint64_t len);
void soft_watchpoint_remove_all(struct soft_watchpoints *s);

/* The watch with that name, or NULL. */
struct soft_watchpoint *soft_watchpoint_find(const struct soft_watchpoints *s, uint64_t addr);

/* Forget those that are not wished any more. Just before vCPUs run. */
void soft_watchpoint_commit(struct soft_watchpoints *s);

/* The debugger has written there: that is no news to it. */
void soft_watchpoint_wrote(struct soft_watchpoints *s, uint64_t gpa, const void *buf, size_t len);

/* One that has changed, or NULL: it counts as told. */
const struct soft_watchpoint *soft_watchpoint_changed(struct soft_watchpoints *s,
						      struct points *mem);

#endif
