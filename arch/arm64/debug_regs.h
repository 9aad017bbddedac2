/* SPDX-License-Identifier: MIT */
/* Hardware breakpoints and watchpoints. Arm ARM D2.8 to D2.10, DBGBCR<n>_EL1, DBGWCR<n>_EL1. */
#ifndef VMGDB_ARCH_ARM64_DEBUG_REGS_H
#define VMGDB_ARCH_ARM64_DEBUG_REGS_H

#include "core/cpu.h"

/*
 * As struct cpu.hw_split. A data slot is 1 to 8 bytes within a doubleword (byte address select), or
 * 2^n bytes, aligned, up to 2 GiB (mask).
 */
int arm64_hw_split(enum hw_kind kind, uint64_t addr, uint64_t len, struct hw_slot *out,
		   unsigned int max, const char **why);

/* One debug register pair. */
struct arm64_debug_pair {
	uint64_t value;	  /* DBGBVR, DBGWVR */
	uint64_t control; /* DBGBCR, DBGWCR: enabled, at EL0 and EL1 */
};

struct arm64_debug_pair arm64_hw_encode(const struct hw_slot *s);

/*
 * Which data slots a watchpoint exception was for, a bit each. far may be below what is watched,
 * where a wide access began (Arm ARM D2.10.5): then it is the nearest slot.
 *
 * @far:   address of the access, from FAR
 * @write: it was a write
 */
uint32_t arm64_watch_slots(const struct hw_slot *slots, unsigned int n, uint64_t far, bool write);

#endif
