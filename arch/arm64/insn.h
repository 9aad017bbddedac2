/* SPDX-License-Identifier: MIT */
/* As much of the A64 instruction set as stepping has to know. Arm ARM C4 ("A64 Encodings"). */
#ifndef VMGDB_ARCH_ARM64_INSN_H
#define VMGDB_ARCH_ARM64_INSN_H

#include <stdbool.h>
#include <stdint.h>

enum { ARM64_INSN_SIZE = 4 };

enum arm64_op {
	ARM64_OP_OTHER,
	ARM64_OP_WFI,		 /* also WFIT */
	ARM64_OP_WFE,		 /* also WFET */
	ARM64_OP_ERET,		 /* also ERETAA, ERETAB */
	ARM64_OP_MSR_DAIFSET,	 /* immediate */
	ARM64_OP_MSR_DAIFCLR,	 /* immediate */
	ARM64_OP_MSR_DAIF,	 /* register */
	ARM64_OP_MRS_DAIF,	 /* register */
	ARM64_OP_BRK,		 /* immediate */
	ARM64_OP_LOAD_EXCLUSIVE, /* LDXR, LDAXR, LDXP, LDAXP and the narrow ones */
	ARM64_OP_STORE_EXCLUSIVE,
	ARM64_OP_BRANCH, /* to a fixed address, without link; conditional or not */
	ARM64_OP_LEAVES, /* goes to an address that the instruction does not have: BL, BR, BLR, RET, SVC, UDF, ... */
};

struct arm64_insn {
	enum arm64_op op;
	unsigned int reg; /* the general register that it names: Rt; 31: XZR */
	unsigned int imm; /* ARM64_OP_MSR_DAIFSET, ARM64_OP_MSR_DAIFCLR: the bits D A I F */
	bool conditional; /* ARM64_OP_BRANCH */
	int64_t offset;	  /* ARM64_OP_BRANCH: of its target from its own address */
};

struct arm64_insn arm64_decode(uint32_t word);

#endif
