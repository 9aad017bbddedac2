/* SPDX-License-Identifier: MIT */
/*
 * The state of an x86 vCPU as the debugger sees it, in a layout that knows no backend, filled bank by
 * bank. Selectors and the x87 control words have 32 bits because gdb's registers
 * do.
 */
#ifndef VMGDB_ARCH_X86_STATE_H
#define VMGDB_ARCH_X86_STATE_H

#include <stdbool.h>
#include <stdint.h>

enum x86_bank {
	X86_BANK_GPR,	 /* general registers, RIP, RFLAGS */
	X86_BANK_SREGS,	 /* segments, tables, control registers, EFER */
	X86_BANK_FPU,	 /* x87, SSE, AVX */
	X86_BANK_MSRS,	 /* the rest of the MSRs */
	X86_BANK_EVENTS, /* what holds interrupts back */
	X86_BANK_CPUID,	 /* read only: what the guest's CPU has */
	X86_BANK_DEBUG,	 /* the guest's own debug registers */
	X86_BANKS
};

/* The processor's own numbers (SDM vol. 2, table 2-2). */
enum x86_gpr { X86_RAX, X86_RCX, X86_RDX, X86_RBX, X86_RSP, X86_RBP, X86_RSI, X86_RDI, X86_R8 };
enum x86_sreg { X86_ES, X86_CS, X86_SS, X86_DS, X86_FS, X86_GS, X86_LDTR, X86_TR, X86_SREGS };

/* A segment register with its hidden part (SDM vol. 3, 3.4.3); type and flags as in a descriptor. */
struct x86_seg {
	uint64_t base;
	uint32_t limit; /* in bytes */
	uint32_t selector;
	uint8_t type, s, dpl, present, avl, l, db, g;
	bool unusable;
};

struct x86_dtable {
	uint64_t base;
	uint32_t limit;
};

struct x86_fpu {
	uint8_t st[8][16]; /* 10 bytes each, ST(0) first */
	uint32_t fctrl, fstat, ftag, fiseg, fioff, foseg, fooff, fop;
	uint32_t mxcsr, mxcsr_mask;
	uint8_t xmm[16][16];
	uint8_t ymmh[16][16];
};

struct x86_msrs {
	uint64_t kernel_gs_base, star, lstar, cstar, fmask;
	uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
};

/*
 * One instruction's shadow after STI or a load of SS (SDM vol. 3, 6.8.3); and whether an exception
 * or an interrupt is on its way: the next entry delivers it, before the instruction at RIP.
 */
struct x86_events {
	bool sti_shadow, mov_ss_shadow;
	bool delivering; /* read-only, as is: */
	uint8_t vector;	 /* of what is delivered */
};

/* Of these only DR6 is stored. */
struct x86_debug {
	uint64_t dr[4], dr6, dr7;
	uint64_t hit; /* which of the four, a bit each, have hit in the last step */
};

/* CPUID leaves that decide what is there and which bits are reserved; zero: not known. */
struct x86_cpuid {
	uint32_t f1_ecx, f1_edx, f7_ebx, f7_ecx, f7_edx, f7_1_eax, e1_ecx, e1_edx, e21_eax;
	uint32_t phys_bits;
};

struct x86_state {
	uint64_t gpr[16]; /* by enum x86_gpr, then r8 to r15 */
	uint64_t rip, rflags;
	struct x86_seg seg[X86_SREGS];
	struct x86_dtable gdt, idt;
	uint64_t cr0, cr2, cr3, cr4, cr8, efer;
	struct x86_fpu fpu;
	struct x86_msrs msr;
	struct x86_events events;
	struct x86_cpuid cpuid;
	struct x86_debug debug;
};

#define X86_FL_ONE	      (1u << 1)
#define X86_FL_TF	      (1u << 8)
#define X86_FL_IF	      (1u << 9)
#define X86_FL_OF	      (1u << 11)
#define X86_FL_IOPL	      (3u << 12)
#define X86_FL_NT	      (1u << 14)
#define X86_FL_RF	      (1u << 16)
#define X86_FL_VM	      (1u << 17)
#define X86_FL_AC	      (1u << 18)

#define X86_CR0_PE	      (1u << 0)
#define X86_CR0_ET	      (1u << 4)
#define X86_CR0_WP	      (1u << 16)
#define X86_CR0_NW	      (1u << 29)
#define X86_CR0_CD	      (1u << 30)
#define X86_CR0_PG	      (1u << 31)

#define X86_CR0_SETTABLE      0xe005003fu

#define X86_CR3_LAM_U57	      (1ULL << 61)
#define X86_CR3_LAM_U48	      (1ULL << 62)

#define X86_CR4_ALWAYS	      0x7ffu /* bits that every CPU with long mode has */
#define X86_CR4_PSE	      (1u << 4)
#define X86_CR4_PAE	      (1u << 5)
#define X86_CR4_UMIP	      (1u << 11)
#define X86_CR4_LA57	      (1u << 12)
#define X86_CR4_VMXE	      (1u << 13)
#define X86_CR4_SMXE	      (1u << 14)
#define X86_CR4_FSGSBASE      (1u << 16)
#define X86_CR4_PCIDE	      (1u << 17)
#define X86_CR4_OSXSAVE	      (1u << 18)
#define X86_CR4_SMEP	      (1u << 20)
#define X86_CR4_SMAP	      (1u << 21)
#define X86_CR4_PKE	      (1u << 22)
#define X86_CR4_CET	      (1u << 23)
#define X86_CR4_PKS	      (1u << 24)
#define X86_CR4_LAM_SUP	      (1u << 28)

#define X86_EFER_SCE	      (1u << 0)
#define X86_EFER_LME	      (1u << 8)
#define X86_EFER_LMA	      (1u << 10)
#define X86_EFER_NXE	      (1u << 11)
#define X86_EFER_SVME	      (1u << 12)
#define X86_EFER_FFXSR	      (1u << 14)
#define X86_EFER_TCE	      (1u << 15)
#define X86_EFER_AUTOIBRS     (1u << 21)

#define X86_DR6_HITS	      0xfu /* B0 to B3 */
#define X86_DR6_BS	      (1u << 14)

#define X86_CPUID_7_1_EAX_LAM (1u << 26)
#define X86_CPUID_1_ECX_AVX   (1u << 28)

/* Exceptions: SDM vol. 3, table 6-1. */
enum x86_vector {
	X86_VEC_DE = 0,
	X86_VEC_DB = 1,
	X86_VEC_NMI = 2,
	X86_VEC_BP = 3,
	X86_VEC_OF = 4,
	X86_VEC_UD = 6,
	X86_VEC_NM = 7,
	X86_VEC_GP = 13,
	X86_VEC_PF = 14,
};

static inline bool x86_long_mode(const struct x86_state *s)
{
	return s->efer & X86_EFER_LMA;
}

static inline bool x86_64bit(const struct x86_state *s)
{
	return x86_long_mode(s) && s->seg[X86_CS].l;
}

/*
 * The linear address of an offset in a code segment: outside 64-bit mode RIP is such an offset (SDM
 * vol. 1, 3.3.4).
 */
static inline uint64_t x86_code_addr_in(const struct x86_state *s, const struct x86_seg *cs,
					uint64_t offset)
{
	return x86_long_mode(s) && cs->l ? offset : (uint32_t)(cs->base + offset);
}

static inline uint64_t x86_code_addr(const struct x86_state *s, uint64_t offset)
{
	return x86_code_addr_in(s, &s->seg[X86_CS], offset);
}

static inline bool x86_real_mode(const struct x86_state *s)
{
	return !(s->cr0 & X86_CR0_PE);
}

/* Needs the general registers too. */
static inline bool x86_vm86(const struct x86_state *s)
{
	return !x86_real_mode(s) && (s->rflags & X86_FL_VM);
}

/* The privilege level (SDM vol. 3, 5.5: kept in SS by every implementation of virtualization). */
static inline unsigned int x86_cpl(const struct x86_state *s)
{
	return x86_real_mode(s) ? 0 : s->seg[X86_SS].dpl;
}

/* SDM vol. 1, 3.3.7.1: bits above the linear-address width copy its top bit. */
static inline bool x86_canonical(const struct x86_state *s, uint64_t va)
{
	unsigned int shift = s->cr4 & X86_CR4_LA57 ? 64 - 57 : 64 - 48;

	return (uint64_t)((int64_t)(va << shift) >> shift) == va;
}

#endif
