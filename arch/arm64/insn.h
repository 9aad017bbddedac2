/* SPDX-License-Identifier: MIT */
/* As much of the A64 instruction set as stepping has to know. Arm ARM C4 ("A64 Encodings"). */
#ifndef VMGDB_ARCH_ARM64_INSN_H
#define VMGDB_ARCH_ARM64_INSN_H

#include <stdbool.h>
#include <stdint.h>

enum insn_kind {
	INSN_OTHER,
	INSN_WFI,	     /* also WFIT */
	INSN_WFE,	     /* also WFET */
	INSN_ERET,	     /* also ERETAA, ERETAB */
	INSN_MSR_DAIFSET,    /* immediate */
	INSN_MSR_DAIFCLR,    /* immediate */
	INSN_MSR_DAIF,	     /* register */
	INSN_MRS_DAIF,	     /* register */
	INSN_BRK,	     /* immediate */
	INSN_LOAD_EXCLUSIVE, /* LDXR, LDAXR, LDXP, LDAXP and the narrow ones */
	INSN_STORE_EXCLUSIVE,
	INSN_BRANCH, /* to a fixed address, without link; conditional or not */
	INSN_LEAVES, /* goes where it can't be told beforehand: BL, BR, BLR, RET, SVC, UDF, ... */
};

struct insn {
	enum insn_kind kind;
	unsigned int reg; /* the general register that it names: Rt; 31: XZR */
	unsigned int imm; /* INSN_MSR_DAIFSET, INSN_MSR_DAIFCLR: the bits D A I F */
	bool conditional; /* INSN_BRANCH */
	int64_t offset;	  /* INSN_BRANCH: of its target from its own address */
};

struct insn arm64_decode(uint32_t word);

#endif
