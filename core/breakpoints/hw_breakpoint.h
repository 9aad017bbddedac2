/* SPDX-License-Identifier: MIT */
/*
 * Hardware breakpoints and watchpoints: which the debugger has set, and how they and the software
 * breakpoints that get a free slot are laid out. The same for every vCPU. By the server thread.
 */
#ifndef VMGDB_CORE_HW_BREAKPOINT_H
#define VMGDB_CORE_HW_BREAKPOINT_H

#include "core/accel.h"
#include "core/breakpoint.h"
#include "core/breakpoints/bp_condition.h"
#include "core/breakpoints/breakpoints.h"

/* One of them, in as many slots as its length and alignment need. */
struct hw_breakpoint {
	enum bp_type type;
	uint64_t addr, len;
	struct bp_conditions *conditions; /* NULL: none */
	unsigned int nslots;
	struct hw_slot slots[4];
};

struct hw_breakpoints {
	const struct cpu *cpu;
	struct vcpu_caps caps;
	struct hw_breakpoint *set; /* in no order */
	size_t nset;
	/* Execution slots that software breakpoints need because they can't be in memory. */
	unsigned int nreserved;
	struct bp_slot layout[HW_SLOTS_MAX];
	unsigned int nlayout;
};

void hw_breakpoints_fini(struct hw_breakpoints *h);

/* Set one that is not set. 0; -EINVAL, -EOPNOTSUPP, -ENOSPC with *why for a person; -ENOMEM. */
int hw_breakpoints_insert(struct hw_breakpoints *h, enum bp_type type, uint64_t addr, uint64_t len,
			  const char **why);

/* The one that is set, or NULL; until the next insert or remove. */
struct hw_breakpoint *hw_breakpoints_find(const struct hw_breakpoints *h, enum bp_type type,
					  uint64_t addr, uint64_t len);

/* Removing what is not set is no error. */
void hw_breakpoints_remove(struct hw_breakpoints *h, enum bp_type type, uint64_t addr,
			   uint64_t len);
void hw_breakpoints_remove_all(struct hw_breakpoints *h);

/* Is one set that stops for accesses (or execution) of that kind, by that name? */
bool hw_breakpoints_watching(const struct hw_breakpoints *h, enum hw_kind kind, uint64_t addr);

/* Do all that are set and all that are reserved fit into the slots? */
bool hw_breakpoints_fit(const struct hw_breakpoints *h);

/* How many execution slots are left beside what is set; reserved ones count as left. */
unsigned int hw_breakpoints_exec_left(const struct hw_breakpoints *h);

/* How many slots could be execution slots besides those of watchpoints. */
unsigned int hw_breakpoints_exec_room(const struct hw_breakpoints *h);

/* Lay out what is set, from the start; without exec, watchpoints alone. */
void hw_breakpoints_lay_out(struct hw_breakpoints *h, bool exec);

/* ... and a software breakpoint behind that. */
void hw_breakpoints_lay_out_sw(struct hw_breakpoints *h, uint64_t addr);

#endif
