/* SPDX-License-Identifier: MIT */
/*
 * Hardware breakpoints and watchpoints: which debug slots there are, who wished for them, and how
 * they are to be armed. The same for every vCPU. Locked as points.h.
 */
#ifndef VMGDB_CORE_HWPOINTS_H
#define VMGDB_CORE_HWPOINTS_H

#include "core/breakpoints/sw_breakpoint.h"
#include "core/breakpoint.h"
#include "core/accel.h"

/* One control of a debugger, in as many slots as its length and alignment need. */
struct hw_breakpoint {
	enum bp_type type;
	uint64_t addr;
	uint64_t len;
	struct rules *rules; /* NULL: none */
	unsigned int nslots;
	struct hw_slot slots[4];
};

/* A slot as it is armed, and what a stop by it is reported as. */
struct armed {
	struct hw_slot slot;
	enum bp_type type;
	uint64_t addr; /* as the debugger named it */
};

struct hw_breakpoints {
	const struct cpu *cpu;
	struct vcpu_caps caps;
	struct hw_breakpoint *points;
	size_t npoints;
	struct armed armed[HW_SLOTS_MAX];
	unsigned int narmed;
};

void hw_breakpoints_fini(struct hw_breakpoints *h);

/*
 * Wish for one. 0, also when it is there already; -EINVAL, -EOPNOTSUPP, -ENOSPC with *why for a
 * person; -ENOMEM.
 */
int hw_breakpoints_insert(struct hw_breakpoints *h, enum bp_type type, uint64_t addr, uint64_t len,
			  const char **why);

/* The control, or NULL; until the next insert or remove. */
struct hw_breakpoint *hw_breakpoints_find(const struct hw_breakpoints *h, enum bp_type type,
					  uint64_t addr, uint64_t len);

/* No more control for it; what is not there is no error. */
void hw_breakpoints_remove(struct hw_breakpoints *h, enum bp_type type, uint64_t addr,
			   uint64_t len);
void hw_breakpoints_remove_all(struct hw_breakpoints *h);

/*
 * Lay out .armed: the wishes, and in execution slots that are left the software breakpoints that
 * have no memory yet.
 */
void hw_breakpoints_commit(struct hw_breakpoints *h, const struct points *p);

#endif
