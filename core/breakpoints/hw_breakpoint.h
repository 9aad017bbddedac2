/* SPDX-License-Identifier: MIT */
/*
 * Hardware breakpoints and watchpoints: which debug slots there are, who wished for them, and how
 * they are to be armed. The same for every vCPU. Locked as points.h.
 */
#ifndef VMGDB_CORE_HWPOINTS_H
#define VMGDB_CORE_HWPOINTS_H

#include "core/breakpoints/sw_breakpoint.h"
#include "core/target.h"
#include "core/accel.h"

/* One wish of a debugger, in as many slots as its length and alignment need. */
struct hwpoint {
	enum point_type type;
	uint64_t addr;
	uint64_t len;
	struct rules *rules; /* NULL: none */
	unsigned int nslots;
	struct hw_slot slots[4];
};

/* A slot as it is armed, and what a stop by it is reported as. */
struct armed {
	struct hw_slot slot;
	enum point_type type;
	uint64_t addr; /* as the debugger named it */
};

struct hwpoints {
	const struct cpu *cpu;
	struct vcpu_caps caps;
	struct hwpoint *points;
	size_t npoints;
	struct armed armed[HW_SLOTS_MAX];
	unsigned int narmed;
};

void hwpoints_fini(struct hwpoints *h);

/*
 * Wish for one. 0, also when it is there already; -EINVAL, -EOPNOTSUPP, -ENOSPC with *why for a
 * person; -ENOMEM.
 */
int hwpoints_insert(struct hwpoints *h, enum point_type type, uint64_t addr, uint64_t len,
		    const char **why);

/* The wish, or NULL; until the next insert or remove. */
struct hwpoint *hwpoints_find(const struct hwpoints *h, enum point_type type, uint64_t addr,
			      uint64_t len);

/* No more wish for it; what is not there is no error. */
void hwpoints_remove(struct hwpoints *h, enum point_type type, uint64_t addr, uint64_t len);
void hwpoints_remove_all(struct hwpoints *h);

/*
 * Lay out .armed: the wishes, and in execution slots that are left the software breakpoints that
 * have no memory yet.
 */
void hwpoints_commit(struct hwpoints *h, const struct points *p);

#endif
