/* SPDX-License-Identifier: MIT */
/*
 * What a session asks of the thing that it debugs: the engine, or a fake in the unit tests. All
 * calls come from the server's thread. vCPUs are named by index; the protocol's thread is index + 1.
 *
 * Except for resume, interrupt and the calls that say so, the target is stopped when they are made.
 */
#ifndef VMGDB_CORE_TARGET_H
#define VMGDB_CORE_TARGET_H

#include "core/cpu.h"

enum resume_kind { RESUME_HOLD, RESUME_CONTINUE, RESUME_STEP, RESUME_RANGE };

struct resume_action {
	unsigned int vcpu; /* its index */
	enum resume_kind kind;
	uint64_t start, end; /* RESUME_RANGE: step while start <= PC < end */
};

enum stop_kind {
	STOP_NONE,	/* nothing to report */
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
	uint64_t addr;	  /* of what was come to: a breakpoint, a watchpoint */
	const char *text; /* static, or NULL */
	int status;
};

/* Z and z: the protocol's numbers. */
enum bp_type { BP_SOFTWARE, BP_HARDWARE, BP_WRITE, BP_READ, BP_ACCESS };

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
	OPTION_WHOLE_REP,      /* a repeated instruction is one step, not one for each time */
	OPTION_COUNT,
};

/* Bytecode that comes with a breakpoint (agent.h): a condition for it, or a command at it. */
struct agent_code {
	bool command;
	const uint8_t *code;
	size_t len;
};

struct target;

struct target_ops {
	/* The vCPU indices, ascending: how many there are; at most max are written. Also while running. */
	unsigned int (*vcpus)(struct target *t, unsigned int *out, unsigned int max);

	/* A view of one vCPU's state, until the next resume; NULL: no such vCPU. */
	struct cpu_view *(*view)(struct target *t, unsigned int vcpu);

	/* Store now what was changed through the view: 0 or -errno; then the state is read anew. */
	int (*flush)(struct target *t, unsigned int vcpu);

	/* "halted", "off" or NULL. */
	const char *(*halted)(struct target *t, unsigned int vcpu);

	/*
	 * Virtual memory as vCPU sees it. read: how many bytes could be read from addr on, up to
	 * the first hole; -EFAULT when not one. write: all or nothing, 0 or -EFAULT.
	 */
	ssize_t (*read)(struct target *t, unsigned int vcpu, uint64_t addr, void *buf, size_t len);
	int (*write)(struct target *t, unsigned int vcpu, uint64_t addr, const void *buf,
		     size_t len);

	/*
	 * Breakpoints and watchpoints. 0; -EFAULT: address; -EOPNOTSUPP: no such type here;
	 * -ENOSPC: out of slots; -EINVAL: kind or alignment. *why, if set, tells a person; static.
	 * Inserting one that is there is no error, nor is removing one that is not.
	 */
	int (*insert)(struct target *t, unsigned int vcpu, enum bp_type type, uint64_t addr,
		      uint64_t kind, const char **why);
	int (*remove)(struct target *t, unsigned int vcpu, enum bp_type type, uint64_t addr,
		      uint64_t kind, const char **why);

	/*
	 * The conditions and commands of a breakpoint that is inserted, instead of those that it
	 * had; copied. 0; -ENOENT: no such breakpoint; -EOPNOTSUPP: not for watchpoints; -ENOMEM.
	 */
	int (*rules)(struct target *t, enum bp_type type, uint64_t addr, uint64_t kind,
		     const struct agent_code *codes, unsigned int n);

	/* Options, by enum target_option. Running or not. */
	bool (*option)(struct target *t, enum target_option o);
	void (*set_option)(struct target *t, enum target_option o, bool on);

	/* Take what commands printed, at most len bytes: how many. Running or not. */
	size_t (*console)(struct target *t, char *buf, size_t len);

	/*
	 * Let vCPUs run, each as the action that names it says, by ascending index; rest is for
	 * those that none names, among them any that are added before the next stop. Does not wait.
	 * 0 or -errno.
	 */
	int (*resume)(struct target *t, const struct resume_action *actions, unsigned int n,
		      const struct resume_action *rest);

	/* Ask all to stop; poll tells when they have. Running or not. */
	void (*interrupt)(struct target *t);

	/* The next stop to be told: true and *out once every vCPU is parked. While running. */
	bool (*poll)(struct target *t, struct stop *out);

	/*
	 * attach: a debugger has sent its first packet; stops the target and waits until it has:
	 * 0; -EBUSY: another debugger holds it; -ETIMEDOUT: a vCPU does not stop; -ESHUTDOWN: the
	 * VM has ended. detach: breakpoints out, then run or stay stopped. Running or not.
	 */
	int (*attach)(struct target *t);
	void (*detach)(struct target *t, enum detach_how how);

	/* Another debugger in place of the one that held it: no breakpoints, nothing left to tell. */
	void (*renew)(struct target *t);

	/* Ask the VMM to end the VM. -EOPNOTSUPP: it does not allow that. */
	int (*kill)(struct target *t);
};

struct target {
	const struct target_ops *ops;
	const struct cpu *cpu;
};

#endif
