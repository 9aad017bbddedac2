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
	X86_OP_MOV_SS,
	X86_OP_POP_SS,
	X86_OP_INT, /* with its vector; INT3 and INTO too */
	X86_OP_INTO,
	X86_OP_INT3,
	X86_OP_INT1,
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

/* No register, for base and index; the instruction that follows as base. */
enum { X86_MEM_NONE = 0xff, X86_MEM_RIP = 0xfe };

/* A memory operand: SDM vol. 2, 2.1.5. Numbers of enum x86_gpr and enum x86_sreg. */
struct x86_mem {
	uint8_t segment, base, index, shift;
	unsigned int width; /* of addresses, bits */
	int32_t disp;
};

struct x86_insn {
	enum x86_op op;
	unsigned int len;     /* bytes; of those with a memory operand X86_OP_MOV_SS only */
	unsigned int operand; /* size of operands, bits */
	uint8_t vector;	      /* of X86_OP_INT */
	bool in_memory;	      /* of X86_OP_MOV_SS */
	uint8_t rm;	      /* ... if not: the register, by number */
	struct x86_mem mem;
	bool lock;
};

/* Decode n bytes. False: there are too few of them. */
bool x86_decode(struct x86_insn *in, const uint8_t *bytes, size_t n, enum x86_width mode);

/*
 * modrm.c: decode a ModRM byte that names memory and what belongs to it. m->segment and m->width are
 * set, the former to X86_MEM_NONE without a prefix. How many bytes it takes, or 0: there are fewer.
 */
size_t x86_decode_mem(struct x86_mem *m, const uint8_t *bytes, size_t n, uint8_t rex,
		      enum x86_width mode);

#endif
