/* SPDX-License-Identifier: MIT */
/*
 * What a debugger sent along with a breakpoint, to be decided and done without it: conditions, and
 * commands (GDB manual, "Packets", Z0: cond_list and cmd_list).
 */
#ifndef VMGDB_CORE_RULES_H
#define VMGDB_CORE_RULES_H

#include <stdbool.h>

#include "core/breakpoints/agent.h"
#include "core/breakpoint.h"

struct rules;

/* A copy of n codes, to be freed with free(); NULL when n is 0 (*err is 0 then) or on -ENOMEM. */
struct rules *rules_copy(const struct agent_code *codes, unsigned int n, int *err);

/*
 * A hit: is it to be told? It is not while all its conditions are false, nor if it has commands,
 * which are run instead. A condition that can't be evaluated holds: better one stop too many. r may
 * be NULL: no rules.
 */
bool rules_hit(const struct rules *r, const struct agent_env *env);

#endif
