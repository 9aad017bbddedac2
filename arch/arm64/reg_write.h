/* SPDX-License-Identifier: MIT */
/* What a register may be set to. */
#ifndef VMGDB_ARCH_ARM64_REG_WRITE_H
#define VMGDB_ARCH_ARM64_REG_WRITE_H

#include "core/cpu.h"

/* As struct cpu.write_reg. */
int arm64_write_reg(struct cpu_view *v, const struct reg_desc *r, const void *value);

#endif
