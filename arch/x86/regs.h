/* SPDX-License-Identifier: MIT */
/* The register tables, and the target descriptions made of them. */
#ifndef VMGDB_ARCH_X86_REGS_H
#define VMGDB_ARCH_X86_REGS_H

#include "core/cpu.h"

/* As struct cpu.describe. If the bank with the mode can't be read: the 64-bit description. */
const struct tdesc *x86_describe(struct cpu_view *v);

/* A description by name, for tests and docs: of that mode, with AVX or not. */
enum x86_tdesc { X86_TDESC_REAL, X86_TDESC_32, X86_TDESC_64 };
const struct tdesc *x86_tdesc(enum x86_tdesc mode, bool avx);

#endif
