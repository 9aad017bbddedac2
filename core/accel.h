/* SPDX-License-Identifier: MIT */
/*
 * What the engine asks of whatever runs a vCPU: KVM under arch/, a software CPU in tests/.
 */
#ifndef VMGDB_CORE_ACCEL_H
#define VMGDB_CORE_ACCEL_H

#include "core/cpu.h"

/* How a vCPU is to run next; nothing set: without any debug control. */
struct debug_control {
	bool trap_brk;	   /* breakpoint instructions leave the guest */
	bool step;	   /* run one instruction */
	bool step_goes_on; /* that of the last run, which may have been done already */
	bool block_irq;	   /* keep interrupts out of that step, if vcpu_caps.block_irq */
	unsigned int nhw;
	struct hw_slot hw[HW_SLOTS_MAX];
};

/* Why a vCPU came back, as far as that is the debugger's business. Several may be set at once. */
enum trap_kind {
	TRAP_STEP = 1 << 0,  /* one instruction has run */
	TRAP_BRK = 1 << 1,   /* the guest came to a breakpoint instruction; PC is on it */
	TRAP_EXEC = 1 << 2,  /* an execution slot fired; PC is at it */
	TRAP_WATCH = 1 << 3, /* a data slot fired */
	TRAP_FATAL = 1 << 4, /* the vCPU can't go on: triple fault, internal error, ... */
	TRAP_EVENT = 1 << 5, /* reset, power-off: the VM is about to end; see text */
	/* Not the debugger's: a kick or another signal ended the entry, and the VMM will see that
	 * (KVM_RUN gave EINTR). Set only when that is sure. */
	TRAP_INTERRUPTED = 1 << 6,
};

struct trap {
	unsigned int kind; /* 0: not the debugger's exit */
	uint64_t pc;	   /* as cpu.code_addr gives it: linear on x86 */
	uint32_t slots;	   /* which of control.hw[] fired, by index, for TRAP_EXEC and TRAP_WATCH */
	const char *text;  /* TRAP_FATAL, TRAP_EVENT: a reason for a person; static */
	uint64_t syndrome[2]; /* the backend's, for reinject */
};

struct vcpu_caps {
	unsigned int exec_slots;   /* execution slots alone */
	unsigned int watch_slots;  /* data slots alone */
	unsigned int shared_slots; /* slots that can be either (x86: 4, and the two above 0) */
	bool block_irq;		   /* debug_control.block_irq is honoured */
};

struct vcpu_ops {
	const struct cpu *cpu;

	/* Registers, by bank. The vCPU is parked; any thread. 0 or -errno. */
	int (*fetch)(void *ctx, unsigned int bank, void *state);
	int (*store)(void *ctx, unsigned int bank, const void *state);

	/*
	 * Arm for the next run, and forget the last exit: an entry that comes back before it
	 * reached the guest must not be classified as what came before it. The vCPU's own thread,
	 * before each entry. 0 or -errno.
	 */
	int (*arm)(void *ctx, const struct debug_control *control);

	/* Make it come back from the guest, or not enter; any thread; it may be in neither. */
	void (*kick)(void *ctx);
	/*
	 * The kick has been seen: clear what kick() has set, and nothing that the VMM has set
	 * itself. Its own thread, right after an exit with TRAP_INTERRUPTED: the VMM looks after its
	 * own requests then, so that one which came together with ours is not lost.
	 */
	void (*clear_kick)(void *ctx);

	/*
	 * Did the last exit leave something half done (port I/O, MMIO) that only another entry
	 * completes? Registers can't be trusted until then. With a kick pending that entry comes
	 * back at once. True once an exit: it counts as forgotten then. Its own thread, after the
	 * VMM has served the exit.
	 */
	bool (*needs_completion)(void *ctx);

	/*
	 * What the last exit was. Its own thread, without locks, after every exit while a debugger
	 * is attached; an exit that is none of the debugger's costs no system call. An entry that
	 * was not armed, and was ended by a kick before it reached the guest, may give 0: so the
	 * vCPU that was kicked is armed before it enters again. Bank 0 may be fetched.
	 */
	void (*classify)(void *ctx, struct trap *out);

	/* The breakpoint instruction, or the step, was the guest's own: let it have its exception.
	 * Its own thread. */
	int (*reinject)(void *ctx, const struct trap *t);

	/* Memory at hva was patched with code: make the instruction cache see it. NULL: no need. */
	void (*sync_icache)(void *hva, size_t len);

	/* One word on why it does not run, or NULL: "halted", "off". Parked; any thread. A vCPU whose
	 * PC is stored with another value is not halted any more. */
	const char *(*halted)(void *ctx);

	/*
	 * Why traps of this kind (TRAP_BRK, TRAP_EXEC, TRAP_WATCH) never come on this host, for a
	 * person, static; NULL: they come, or nobody knows. The first time it may take milliseconds:
	 * called by the server thread alone, when a debugger attaches. The same for every vCPU of a
	 * host, so that one of them is asked. The op itself may be NULL.
	 */
	const char *(*unsupported_trap)(void *ctx, enum trap_kind kind);

	/*
	 * Why a breakpoint instruction at that address does not trap in the mode that the vCPU of
	 * the view is in, where it does in others; for a person, static. NULL: it traps, or nobody
	 * knows. Parked. As with unsupported_trap one vCPU's ctx answers for all, the server thread
	 * asks, the first time may take milliseconds, and the op may be NULL.
	 */
	const char *(*brk_ignored)(void *ctx, struct cpu_view *v, uint64_t addr);

	/* Frees ctx: the engine is destroyed. */
	void (*release)(void *ctx);
};

struct vmgdb;
struct vmgdb_vcpu;

/*
 * Give a vCPU to the stub; what vmgdb_add_kvm_vcpu() ends in. ctx is the backend's and is handed to
 * every op, and to ops->release when the stub is destroyed, or at once if this fails. Any thread;
 * also while a debugger is attached. Returns 0, -EEXIST (index taken), -EINVAL (another
 * architecture), -ENOMEM.
 */
int vmgdb_add_vcpu(struct vmgdb *v, unsigned int index, const struct vcpu_ops *ops,
		   const struct vcpu_caps *caps, void *ctx, struct vmgdb_vcpu **out);

/* The signal that kicks; backends with threads of their own need it. */
int vmgdb_kick_signal(const struct vmgdb *v);

#endif
