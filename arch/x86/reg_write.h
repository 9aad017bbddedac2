/* SPDX-License-Identifier: MIT */
/* What a register may be set to. */
#ifndef VMGDB_ARCH_X86_REG_WRITE_H
#define VMGDB_ARCH_X86_REG_WRITE_H

#include "core/cpu.h"

/* As struct cpu.write_reg. */
int x86_write_reg(struct cpu_view *v, const struct reg_desc *r, const void *value);

#endif
