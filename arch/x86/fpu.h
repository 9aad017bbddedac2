/* SPDX-License-Identifier: MIT */
/* x87, SSE and AVX state in XSAVE's standard format: SDM vol. 1, 13.4. */
#ifndef VMGDB_ARCH_X86_FPU_H
#define VMGDB_ARCH_X86_FPU_H

#include "arch/x86/state.h"

/* area is at least 832 bytes with AVX, 576 without. pack changes only what the state has. */
void x86_fpu_unpack(struct x86_fpu *fpu, const uint8_t *area, bool avx);
void x86_fpu_pack(const struct x86_fpu *fpu, uint8_t *area, bool avx);

#endif
