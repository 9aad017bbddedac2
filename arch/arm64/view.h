/* SPDX-License-Identifier: MIT */
/* Short ways from a view to what it holds. */
#ifndef VMGDB_ARCH_ARM64_VIEW_H
#define VMGDB_ARCH_ARM64_VIEW_H

#include "arch/arm64/state.h"
#include "core/cpu.h"

static inline struct arm64_state *arm64_state(const struct cpu_view *v)
{
	return v->state;
}

/* A system register's value: 0 or the error of reading it. */
static inline int arm64_sys(struct cpu_view *v, enum arm64_sys reg, uint64_t *out)
{
	int ret = v->need(v, ARM64_BANK_SYS + reg);

	if (!ret)
		*out = arm64_state(v)->sys[reg];
	return ret;
}

#endif
