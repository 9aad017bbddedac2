/* SPDX-License-Identifier: MIT */
/*
 * What a session asks of the thing that it debugs: the engine, or a fake in the unit tests. All
 * calls come from the server thread. vCPUs are named by index; the protocol's thread is index + 1.
 *
 * What touches vCPU or guest state needs the target's hold: hold() gives it when every vCPU is parked,
 * and it lasts until release(), or until resume() or detach() let the vCPUs go. Without it those calls
 * change nothing and give -EBUSY (vCPUs run) or -ESHUTDOWN (the VM has ended). The comment above each
 * group says whether the group needs it.
 */
#ifndef VMGDB_CORE_TARGET_H
#define VMGDB_CORE_TARGET_H

#include "core/breakpoint.h"
#include "core/cpu.h"

enum resume_kind { RESUME_HOLD, RESUME_CONTINUE, RESUME_STEP, RESUME_RANGE };

struct resume_action {
	unsigned int vcpu; /* its index */
	enum resume_kind kind;
	uint64_t start, end; /* RESUME_RANGE: step while start <= PC < end */
};

enum stop_kind {
	STOP_NONE,	/* nothing to report, or just stopped: SIGTRAP */
	STOP_INTERRUPT, /* it was asked to stop: SIGINT */
	STOP_STEP,	/* SIGTRAP */
	STOP_SWBREAK,	/* SIGTRAP swbreak */
	STOP_HWBREAK,	/* SIGTRAP hwbreak */
	STOP_WATCH,	/* SIGTRAP watch, rwatch or awatch by .watch, with .addr */
	STOP_FATAL,	/* SIGABRT or so; .text has the reason */
	STOP_EVENT,	/* SIGTRAP; .text has the reason (reset, power-off) */
	STOP_EXITED,	/* the VM is gone; .status */
};

struct stop {
	enum stop_kind kind;
	unsigned int vcpu;
	enum hw_kind watch;
	uint64_t addr;	  /* of the breakpoint or watchpoint that was hit */
	const char *text; /* static, or NULL */
	int status;
};

/* What becomes of the target when its debugger leaves. */
enum detach_how {
	DETACH_RUN,
	DETACH_STAY, /* it waits for the next debugger */
	DETACH_AS_FOUND, /* it waits if it did when this one came and has not let it run; else it runs */
};

/* What a person may choose; core/rsp/commands/monitor.c has the names. */
enum target_option {
	OPTION_STOP_ON_RESET,  /* a reset or power-off is a stop before the VMM acts on it */
	OPTION_SOFTWARE_WATCH, /* new watchpoints are carried by stepping */
	OPTION_GUEST_SLOTS,    /* software breakpoints leave debug registers to the guest */
	OPTION_WHOLE_REP,      /* a repeated instruction is one step, not one for each time */
	OPTION_COUNT,
};

struct target;

struct target_ops {
	/* ---- the hold ------------------------------------------------------------------- */

	/* Every vCPU is parked and stays so until release(): 0; -EBUSY: vCPUs run; -ESHUTDOWN: the
	 * VM has ended. Does not wait. Not nested. */
	int (*hold)(struct target *t);
	void (*release)(struct target *t);

	/* ---- any time, without the hold -------------------------------------------------- */

	/* The vCPU indices, ascending: how many there are; at most max are written. */
	unsigned int (*vcpus)(struct target *t, unsigned int *out, unsigned int max);
	/* Is there such a vCPU? */
	bool (*has_vcpu)(struct target *t, unsigned int vcpu);

	/* Options of this debugger, by enum target_option; detach() and renew() reset them. */
	bool (*option)(struct target *t, enum target_option o);
	void (*set_option)(struct target *t, enum target_option o, bool on);

	/* Take text for the person at the debugger, at most len bytes: how many. It is what
	 * breakpoint commands printed, and what the engine has to say. */
	size_t (*console)(struct target *t, char *buf, size_t len);

	/* ---- with the hold --------------------------------------------------------------- */

	/* A view of one vCPU's state, until release() or the next resume; NULL: no such vCPU, or no
	 * hold. */
	struct cpu_view *(*view)(struct target *t, unsigned int vcpu);

	/* Store now what was changed through the view: 0 or -errno; then the state is read anew. */
	int (*flush)(struct target *t, unsigned int vcpu);

	/* "halted", "off" or NULL. */
	const char *(*halted)(struct target *t, unsigned int vcpu);

	/*
	 * Virtual memory as vCPU sees it. read: how many bytes could be read from addr on, up to
	 * the first hole or the end of the address space; -EFAULT when not one. write: all or
	 * nothing, 0 or -EFAULT. Address 0 does not follow the last one.
	 */
	ssize_t (*read)(struct target *t, unsigned int vcpu, uint64_t addr, void *buf, size_t len);
	int (*write)(struct target *t, unsigned int vcpu, uint64_t addr, const void *buf,
		     size_t len);

	/*
	 * Breakpoints and watchpoints. 0; -EFAULT: address; -EOPNOTSUPP: no such type here;
	 * -ENOSPC: out of slots, or too many breakpoints; -EINVAL: kind or alignment. *why, if set,
	 * is for a person; static. Inserting one that is there is no error, nor is removing one that
	 * is not.
	 */
	int (*insert)(struct target *t, unsigned int vcpu, enum bp_type type, uint64_t addr,
		      uint64_t kind, const char **why);
	int (*remove)(struct target *t, enum bp_type type, uint64_t addr, uint64_t kind);

	/*
	 * The conditions and commands of a breakpoint that is inserted, instead of those that it
	 * had; copied. 0; -ENOENT: no such breakpoint; -EOPNOTSUPP: not for watchpoints; -ENOMEM;
	 * -EINVAL: more programs than a breakpoint may have.
	 */
	int (*conditions)(struct target *t, enum bp_type type, uint64_t addr, uint64_t kind,
			  const struct agent_code *codes, unsigned int n);

	/* The i-th breakpoint, in no order, those among them that the debugger has removed since the
	 * VM stopped: 0, or -ENOENT after the last. */
	int (*breakpoint)(struct target *t, unsigned int i, struct bp_info *out);

	/* Registers in conditions are numbered by this description: the one that the debugger was
	 * given. It outlives the session. */
	void (*set_description)(struct target *t, const struct tdesc *d);

	/*
	 * Let vCPUs run, each as the action that names it says, by ascending index; rest is for
	 * those that none names, among them any that are added before the next stop. Does not wait.
	 * 0: the hold is gone. -errno: nothing has changed.
	 */
	int (*resume)(struct target *t, const struct resume_action *actions, unsigned int n,
		      const struct resume_action *rest);

	/* ---- run control, running or not --------------------------------------------------- */

	/* Ask all to stop; poll reports it when they have. */
	void (*interrupt)(struct target *t);

	/* The next stop to be reported: true and *out once every vCPU is parked. */
	bool (*poll)(struct target *t, struct stop *out);

	/*
	 * attach: a debugger has sent its first packet; stops the target and waits until it has:
	 * 0; -EBUSY: another debugger holds it; -ETIMEDOUT: a vCPU does not stop; -ESHUTDOWN: the
	 * VM has ended. *stop is what is reported to the debugger when it asks. detach: breakpoints
	 * out, then run or stay stopped. Both without the hold, and detach ends it.
	 */
	int (*attach)(struct target *t, struct stop *stop);
	void (*detach)(struct target *t, enum detach_how how);

	/* Another debugger in place of the one that was attached: no breakpoints, default options,
	 * no pending reports. With the hold. */
	void (*renew)(struct target *t);

	/* Ask the VMM to end the VM. -EOPNOTSUPP: it does not allow that. Any time. */
	int (*kill)(struct target *t);
};

struct target {
	const struct target_ops *ops;
	const struct cpu *cpu;
};

#endif
