/* SPDX-License-Identifier: MIT */
/* System registers by encoding: Arm ARM D22 ("AArch64 System Register Encoding"). */
#ifndef VMGDB_ARCH_ARM64_SYSREGS_H
#define VMGDB_ARCH_ARM64_SYSREGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As in bits 20:5 of MRS and MSR, and in the low half of KVM's register ids. */
#define SYSREG(op0, op1, crn, crm, op2) \
	((uint16_t)((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2)))

enum { ARM64_SYSREG_NAME_MAX = 24 };

/* The manual's name, static; NULL when the table has none. */
const char *arm64_sysreg_name(uint16_t enc);

/* The name that any register has, S<op0>_<op1>_C<n>_C<m>_<op2>, written to buf. */
void arm64_sysreg_generic_name(uint16_t enc, char buf[static ARM64_SYSREG_NAME_MAX]);

/* Identification registers and the like: there is no MSR for them. */
bool arm64_sysreg_readonly(uint16_t enc);

#endif
