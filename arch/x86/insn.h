/* SPDX-License-Identifier: MIT */
/*
 * As much of an instruction as the stepping rules need: what it does with flags and control, and
 * how long it is where they carry it out themselves. SDM vol. 2, chapter 2 and appendix A. Pure.
 */
#ifndef VMGDB_ARCH_X86_INSN_H
#define VMGDB_ARCH_X86_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { X86_INSN_MAX = 15 };

enum x86_op {
	X86_OP_OTHER,
	X86_OP_CLI,
	X86_OP_STI,
	X86_OP_PUSHF,
	X86_OP_POPF,
	X86_OP_MOV_SS, /* from a register */
	X86_OP_POP_SS,
	X86_OP_INT, /* with its vector; INT3 and INTO too */
	X86_OP_INTO,
	X86_OP_INT3,
	X86_OP_IRET,
	X86_OP_SYSCALL,
	X86_OP_SYSRET,
	X86_OP_SYSENTER,
	X86_OP_SYSEXIT,
	X86_OP_HLT,
	X86_OP_REP,    /* a string instruction that repeats: may stay where it is */
	X86_OP_BRANCH, /* may go anywhere, also to itself */
	X86_OP_DIV,
	X86_OP_FPU, /* x87, MMX, SSE, AVX */
};

/* The default size of operands and addresses, in bits. */
enum x86_width { X86_16 = 16, X86_32 = 32, X86_64 = 64 };

struct x86_insn {
	enum x86_op op;
	unsigned int len;     /* bytes, of an instruction without a memory operand */
	unsigned int operand; /* size of operands, bits */
	uint8_t vector;	      /* of X86_OP_INT */
	uint8_t rm;	      /* of X86_OP_MOV_SS: the register, by number */
	bool lock;
};

/* Decode n bytes. False: there are too few of them. */
bool x86_decode(struct x86_insn *in, const uint8_t *bytes, size_t n, enum x86_width mode);

#endif
