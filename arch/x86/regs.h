/* SPDX-License-Identifier: MIT */
/* The register tables, and the target descriptions made of them. */
#ifndef VMGDB_ARCH_X86_REGS_H
#define VMGDB_ARCH_X86_REGS_H

#include "core/cpu.h"

/* As struct cpu.describe. If the bank with the mode can't be read: the 64-bit description. */
const struct tdesc *x86_describe(struct cpu_view *v);

#endif
