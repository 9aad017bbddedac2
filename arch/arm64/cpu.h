/* SPDX-License-Identifier: MIT */
/* arm64 as the core sees it: AArch64 state at EL1 and EL0. Pure; see core/cpu.h. */
#ifndef VMGDB_ARCH_ARM64_CPU_H
#define VMGDB_ARCH_ARM64_CPU_H

#include "core/cpu.h"

extern const struct cpu arm64_cpu;

#endif
