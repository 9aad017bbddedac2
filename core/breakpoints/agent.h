/* SPDX-License-Identifier: MIT */
/*
 * Agent expressions: the bytecode in which a debugger sends conditions and commands along with a
 * breakpoint (GDB manual, appendix "The GDB Agent Expression Mechanism"). Pure, and bounded in time,
 * in stack, in output, and in memory by what env->mem lets it read.
 */
#ifndef VMGDB_CORE_AGENT_H
#define VMGDB_CORE_AGENT_H

#include <stddef.h>
#include <stdint.h>

enum { AGENT_STACK_MAX = 100 };

/*
 * What programs may still do. A step is a bytecode; an access of memory or a register counts as
 * AGENT_ACCESS_STEPS, because it is a walk of page tables or an ioctl, and so does a conversion of
 * printf.
 */
struct agent_budget {
	unsigned int steps;
	unsigned int print; /* bytes */
};

/* For all programs of one hit together: two or three milliseconds of a vCPU's time at worst. */
enum { AGENT_STEPS_MAX = 10000, AGENT_ACCESS_STEPS = 20, AGENT_PRINT_MAX = 4096 };
#define AGENT_BUDGET_OF_A_HIT                    \
	{                                        \
		AGENT_STEPS_MAX, AGENT_PRINT_MAX \
	}

struct agent_env {
	/* A register by the protocol's number: 0 or -errno. */
	int (*reg)(void *opaque, unsigned int number, uint64_t *value);
	/* All of [addr, addr + len), or -EFAULT. */
	int (*mem)(void *opaque, uint64_t addr, void *buf, size_t len);
	/* Output of a printf command; NULL: printf is an error. */
	void (*print)(void *opaque, const char *text, size_t len);
	void *opaque;
};

/*
 * Run code and lessen the budget. 0 and the top of the stack in *value; -ENODATA: all of it has run, and
 * leaves no value, as commands do; -EINVAL: not a valid program (unknown or unsupported bytecode, stack
 * under- or overflow, a jump out of it, division by zero); -EFAULT: memory or a register that can't be
 * read; -ELOOP: the budget is used up.
 */
int agent_run(const uint8_t *code, size_t len, const struct agent_env *env,
	      struct agent_budget *budget, uint64_t *value);

#endif
