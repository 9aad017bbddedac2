/* SPDX-License-Identifier: MIT */
/*
 * Watchpoints without debug registers: while there is one, the engine steps every vCPU, one at a
 * time, and compares after each step. Slow, but exact on any host, however many there are. By
 * guest-physical address, so that it makes no difference who writes, or through which mapping.
 *
 * A change stays one until it is told, or the debugger itself writes there. So a watch that the
 * debugger takes out at a stop is forgotten only at softwatch_commit(): one that it puts back until
 * then, as gdb does with all of them, goes on where it was.
 */
#ifndef VMGDB_CORE_SOFTWATCH_H
#define VMGDB_CORE_SOFTWATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/breakpoints/sw_breakpoint.h"
#include "core/target.h"

enum { SOFTWATCH_LEN_MAX = 64, SOFTWATCH_RUNS = 2 };

/* Memory in one piece. */
struct softwatch_run {
	uint64_t gpa;
	size_t len;
};

struct softwatch {
	uint64_t addr, len;			  /* as the debugger named it */
	struct softwatch_run run[SOFTWATCH_RUNS]; /* the second where the next page is elsewhere */
	bool wished;
	uint8_t old[SOFTWATCH_LEN_MAX]; /* what is there, as far as the debugger knows */
};

struct softwatches {
	struct softwatch *w;
	size_t n;
};

void softwatch_fini(struct softwatches *s);

/*
 * Watch len bytes at addr, as that vCPU's tables have it, for a change. 0, also when it is watched
 * already; -EINVAL: too long; -EFAULT: not mapped, or no memory there; -ENOMEM. *why tells a person.
 */
int softwatch_insert(struct softwatches *s, struct points *mem, unsigned int vcpu, uint64_t addr,
		     uint64_t len, const char **why);

/* Removing what is not there is no error. */
void softwatch_remove(struct softwatches *s, uint64_t addr, uint64_t len);
void softwatch_remove_all(struct softwatches *s);

/* The watch with that name, or NULL. */
struct softwatch *softwatch_find(const struct softwatches *s, uint64_t addr);

/* Forget those that are not wished any more. Just before vCPUs run. */
void softwatch_commit(struct softwatches *s);

/* The debugger has written there: that is no news to it. */
void softwatch_wrote(struct softwatches *s, uint64_t gpa, const void *buf, size_t len);

/* One that has changed, or NULL: it counts as told. */
const struct softwatch *softwatch_changed(struct softwatches *s, struct points *mem);

#endif
