/* SPDX-License-Identifier: MIT */
/* x86 as the core sees it: real, protected and 64-bit mode. Pure; see core/cpu.h. */
#ifndef VMGDB_ARCH_X86_CPU_H
#define VMGDB_ARCH_X86_CPU_H

#include "core/cpu.h"

extern const struct cpu x86_cpu;

/* regs.c: as struct cpu.describe. If the bank with the mode can't be read: the 64-bit description. */
const struct tdesc *x86_describe(struct cpu_view *v);

/* reg_write.c: as struct cpu.write_reg. */
int x86_write_reg(struct cpu_view *v, const struct reg_desc *r, const void *value);

/* step.c: as struct cpu.step_begin and step_end. */
int x86_step_begin(struct cpu_view *v, struct step_plan *p);
int x86_step_end(struct cpu_view *v, struct step_plan *p, bool trapped);

#endif
