/* SPDX-License-Identifier: MIT */
/* x86 as the core sees it: real, protected and 64-bit mode. Pure; see core/cpu.h. */
#ifndef VMGDB_ARCH_X86_CPU_H
#define VMGDB_ARCH_X86_CPU_H

#include "core/cpu.h"

extern const struct cpu x86_cpu;

#endif
