/* SPDX-License-Identifier: MIT */
/*
 * What a debugger sent along with a breakpoint, to be evaluated without it: conditions, and commands
 * (GDB manual, "Packets", Z0: cond_list and cmd_list).
 */
#ifndef VMGDB_CORE_BP_CONDITION_H
#define VMGDB_CORE_BP_CONDITION_H

#include <stdbool.h>

#include "core/breakpoint.h"
#include "core/breakpoints/agent.h"

/* Of one breakpoint: programs, and bytes of them all. Of all breakpoints: memory. */
enum { BP_PROGRAMS_MAX = 64, BP_PROGRAM_BYTES_MAX = 1 << 14, BP_CONDITIONS_MAX = 1 << 25 };

struct bp_conditions;

/*
 * A copy of n programs in *out, NULL when n is 0. *used: how much memory all copies take, until they are
 * freed. 0, -EINVAL: more than a breakpoint may have; -ENOMEM, also when all take too much.
 */
int bp_conditions_copy(struct bp_conditions **out, size_t *used, const struct agent_code *codes,
		       unsigned int n);
void bp_conditions_free(struct bp_conditions *c);

/*
 * A vCPU has hit the breakpoint: is that to be reported? It is not while all conditions are false, nor
 * if there are commands, which are run instead. A condition that can't be evaluated, or has no value,
 * counts as true: better one stop too many. All programs of a hit have one budget (agent.h). c may be
 * NULL.
 */
bool bp_conditions_hit(const struct bp_conditions *c, const struct agent_env *env);

#endif
