/* SPDX-License-Identifier: MIT */
/*
 * A software vCPU: a toy processor that behaves towards the engine as KVM does.
 *
 * It comes in two kinds. soft8 is like x86: a breakpoint of one byte, four slots that can be either
 * kind, data slots that fire after the access, interrupts kept out of a step by the backend, and no trap
 * of its own behind a write to the VMM. soft32 is like arm64: a breakpoint of one instruction, slots of
 * their own for each kind, data slots that fire before the access, interrupts kept out by the stepping
 * rules.
 *
 * Instructions are four bytes, { op, a, b, c }. Execution (soft_exec) is apart from the processor,
 * so that a test can run the same instructions on memory of its own and compare.
 */
#ifndef VMGDB_TESTS_SOFTCPU_H
#define VMGDB_TESTS_SOFTCPU_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/accel.h"

enum { SOFT_INSN = 4, SOFT_PAGE = 256, SOFT_PTES = 64, SOFT_REGS = 8, SOFT_BANKS = 3 };

enum soft_op {
	SOFT_NOP = 1,
	SOFT_LI,     /* r[a] = imm16(b, c) */
	SOFT_ADDI,   /* r[a] += (int8_t)c */
	SOFT_ADD,    /* r[a] += r[b] */
	SOFT_LD,     /* r[a] = 8 bytes at r[b] + c */
	SOFT_ST,     /* 8 bytes at r[b] + c = r[a] */
	SOFT_LDB,    /* 1 byte */
	SOFT_STB,    /* 1 byte */
	SOFT_STW,    /* 4 bytes: an instruction */
	SOFT_JMP,    /* to the next instruction + imm16 instructions */
	SOFT_JNZ,    /* the same, if r[a] is not 0 */
	SOFT_OUT,    /* writes r[a] to the VMM: an exit, complete at the next entry */
	SOFT_IN,     /* reads r[a] from the VMM: as OUT */
	SOFT_MMIO2,  /* r[a] = what two exits yield, the second when the first is completed */
	SOFT_HLT,    /* until an interrupt comes */
	SOFT_STI,    /* interrupts on */
	SOFT_CLI,    /* interrupts off */
	SOFT_RDF,    /* r[a] = flags: would show the step's own flag, so steps emulate it */
	SOFT_TF,     /* the guest's own single-step flag = a */
	SOFT_IRET,   /* return from an exception */
	SOFT_SYS,    /* an exception of its own accord */
	SOFT_REP,    /* r[a] times r[b]++, interruptible: a step is one of them */
	SOFT_SHADOW, /* nothing, but the debugger must not see the place behind it */
	SOFT_LDX,    /* r[a] = 8 bytes at r[b], and watch them: never survives a step */
	SOFT_STX,   /* if they are still watched: 8 bytes at r[b] = r[a], r[c] = 0, else r[c] = 1 */
	SOFT_SETPT, /* page table at r[a]; 0: paging off */
	SOFT_FLIP,  /* the other one of two page tables that lie side by side */
	SOFT_FATAL, /* the vCPU can't go on */
	SOFT_EVENT, /* the VM is about to end */
	SOFT_BRK = 0xcc,
};

enum { SOFT_IE = 1 << 0, SOFT_TFLAG = 1 << 8 };

enum soft_cause {
	SOFT_EXC_ILLEGAL = 1,
	SOFT_EXC_FAULT,
	SOFT_EXC_BRK,
	SOFT_EXC_STEP,
	SOFT_EXC_SYS,
	SOFT_EXC_IRQ,
};

struct soft_regs {
	uint64_t pc, flags, r[SOFT_REGS];	  /* bank 0 */
	uint64_t ptb, vector, epc, eflags, cause; /* bank 1 */
	uint64_t inject, inject_epc;		  /* exception for the next entry; 0: none */
	uint64_t f[2];				  /* bank 2 */
};

/* Guest-physical memory from 0 on. */
struct soft_mem {
	uint8_t *base;
	size_t size;
};

struct soft_insn {
	uint8_t op, a, b, c;
};

struct soft_access {
	uint64_t va, gpa;
	unsigned int len; /* 0: none */
	bool write;
};

enum soft_result {
	SOFT_DONE,
	SOFT_EXCEPTION, /* regs->pc is in the handler */
	SOFT_INCOMPLETE,
	SOFT_HALTED,
	SOFT_IS_FATAL,
	SOFT_IS_EVENT,
	SOFT_IS_BRK,
	SOFT_TRIPLE, /* an exception whose handler is not mapped */
};

/* What an instruction gets from the world: the same for a run that is to be compared. */
struct soft_env {
	bool stx_ok;
	uint64_t in;
};

/* Virtual to physical by the one-level table: 8-byte entries, bit 0: mapped, the rest: address. */
int soft_translate(const struct soft_mem *m, uint64_t ptb, uint64_t va, uint64_t *gpa);

/* The instruction at pc: 0 and its physical address, or -EFAULT. */
int soft_fetch(const struct soft_mem *m, const struct soft_regs *r, struct soft_insn *i,
	       uint64_t *gpa);

/* What memory it is going to touch. */
void soft_access_of(const struct soft_mem *m, const struct soft_regs *r, const struct soft_insn *i,
		    struct soft_access *out);

/* Do it. SOFT_INCOMPLETE: soft_complete() does the rest. */
enum soft_result soft_exec(struct soft_regs *r, const struct soft_mem *m, const struct soft_insn *i,
			   const struct soft_env *env);
void soft_complete(struct soft_regs *r, const struct soft_insn *i, uint64_t in);

/* Take an exception. SOFT_EXCEPTION or SOFT_TRIPLE. */
enum soft_result soft_deliver(struct soft_regs *r, const struct soft_mem *m, enum soft_cause cause,
			      uint64_t epc);

/* ---- the processor ----------------------------------------------------------------------- */

enum soft_exit {
	SOFT_EXIT_NONE,
	SOFT_EXIT_INTR,
	SOFT_EXIT_IO,
	SOFT_EXIT_DEBUG,
	SOFT_EXIT_FATAL,
	SOFT_EXIT_EVENT
};

/* One thing that the processor has done. */
struct soft_retired {
	enum { SOFT_R_INSN, SOFT_R_EXC, SOFT_R_IRQ } what;
	uint64_t pc, gpa; /* of the instruction; gpa: ~0 when that is not mapped */
	struct soft_insn insn;
	struct soft_access access;
	struct soft_env env;
	enum soft_cause cause; /* SOFT_R_EXC */
	bool stepped;	       /* debug_control.step was on */
	bool emulated;	       /* the stepping rules did it */
};

struct softcpu;

struct soft_hooks {
	void *opaque;
	/* Before each instruction. */
	void (*point)(void *opaque, struct softcpu *c);
	void (*retired)(void *opaque, struct softcpu *c, const struct soft_retired *r);
	/* It exits with this trap. */
	void (*trapped)(void *opaque, struct softcpu *c, const struct trap *t);
};

/* How often the engine has called what. */
struct soft_calls {
	atomic_uint fetch[SOFT_BANKS], store[SOFT_BANKS];
	atomic_uint arm, kick, clear_kick, needs_completion, classify, reinject, halted, release;
};

struct softcpu {
	unsigned int index;
	const struct vcpu_ops *ops; /* one of the four below, or a copy */
	struct vcpu_caps caps;
	struct soft_regs regs;
	struct soft_mem mem;
	const struct soft_hooks *hooks; /* or NULL */
	struct soft_calls calls;

	/* As kvm_run's immediate_exit: an entry comes back at once until it is cleared. The engine's
	 * ops and the VMM both set it. */
	atomic_bool kick;
	atomic_bool kick_is_engines; /* set by vcpu_ops.kick when it was clear */
	atomic_int lose_kicks;	     /* so many of the next kicks by the engine have no effect */
	atomic_int irqs;	     /* waiting to be taken */
	atomic_bool halted;
	pthread_mutex_t halt_lock;
	pthread_cond_t halt;

	struct debug_control control;
	enum soft_exit exit; /* stale when an entry came back at once, as KVM's is */
	struct trap trap;
	/* A step was done, and a kick came before its trap: soft32, as arm64's KVM does. */
	bool step_pending;
	bool incomplete; /* an instruction waits for the next entry */
	struct soft_insn half;
	struct soft_access half_access;
	unsigned int half_exits; /* that it has yet to make */
	bool wrote;		 /* that is all of the step that it was in */
	uint64_t half_value;	 /* what those before have yielded */
	uint64_t io_value;	 /* OUT: to the VMM; IN: from it */
	bool monitor;		 /* LDX */
	uint64_t monitor_gpa, monitor_value;
	int fail_arm, fail_store;    /* errno that these ops give; 0: they work */
	atomic_ulong retired, taken; /* instructions; interrupts */
};

extern const struct cpu soft8_cpu, soft32_cpu;
extern const struct vcpu_ops soft8_ops, soft32_ops;
extern const struct vcpu_caps soft8_caps, soft32_caps;

/* The same where execution slots never fire. */
extern const struct vcpu_ops soft8_memory_ops, soft32_memory_ops;

/* Of the kind that ops->cpu is; ctx of the ops is the softcpu. 0 or -errno. */
int softcpu_init(struct softcpu *c, const struct vcpu_ops *ops, unsigned int index,
		 struct soft_mem mem, const struct soft_hooks *hooks);
void softcpu_fini(struct softcpu *c);

/* As KVM_RUN: 0 with .exit set, or -EINTR. */
int softcpu_run(struct softcpu *c);

/* The VMM wants its vCPU's thread to come back from softcpu_run(); any thread. It clears that itself:
 * true if it was set. */
void softcpu_vmm_kick(struct softcpu *c);
bool softcpu_vmm_clear_kick(struct softcpu *c);

/* An interrupt waits from now on; any thread. */
void softcpu_irq(struct softcpu *c);

#endif
