/* SPDX-License-Identifier: MIT */
/* Debug registers: what DR0 to DR3 can hold, and DR7 and DR6 of them. SDM vol. 3, 17.2. */
#ifndef VMGDB_ARCH_X86_DEBUG_REGS_H
#define VMGDB_ARCH_X86_DEBUG_REGS_H

#include "core/cpu.h"

enum { X86_HW_SLOTS = 4 };

/* As struct cpu.hw_split. */
int x86_hw_split(enum hw_kind kind, uint64_t addr, uint64_t len, struct hw_slot *out,
		 unsigned int max, const char **why);

/*
 * DR0 to DR3 and DR7 for these slots, globally enabled; the others stay as they are. 0, -EINVAL,
 * -EOPNOTSUPP (a kind that there is not), -ENOSPC.
 */
int x86_hw_encode(const struct hw_slot *slots, unsigned int n, uint64_t dr[8]);

#endif
