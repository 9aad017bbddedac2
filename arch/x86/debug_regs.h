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

/*
 * Which slots a debug exception was for, a bit each. DR6 may have the bit of one whose condition is
 * not met (SDM vol. 3, 17.2.3): an execution slot has hit only at its address.
 */
uint32_t x86_hit_slots(const struct hw_slot *slots, unsigned int n, uint64_t dr6, uint64_t pc);

#endif
