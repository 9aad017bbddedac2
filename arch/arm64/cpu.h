/* SPDX-License-Identifier: MIT */
/* arm64 as the core sees it: AArch64 state at EL1 and EL0. Pure; see core/cpu.h. */
#ifndef VMGDB_ARCH_ARM64_CPU_H
#define VMGDB_ARCH_ARM64_CPU_H

#include "core/cpu.h"

extern const struct cpu arm64_cpu;

/* reg_write.c: as struct cpu.write_reg. */
int arm64_write_reg(struct cpu_view *v, const struct reg_desc *r, const void *value);

/* step.c: as struct cpu.step_begin and step_end. */
int arm64_step_begin(struct cpu_view *v, struct step_plan *p);
int arm64_step_end(struct cpu_view *v, struct step_plan *p, bool trapped);

#endif
