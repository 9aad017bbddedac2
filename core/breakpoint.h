/* SPDX-License-Identifier: MIT */
/* How a breakpoint or watchpoint is named, by debuggers and by the engine alike. */
#ifndef VMGDB_CORE_BREAKPOINT_H
#define VMGDB_CORE_BREAKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Z and z: the protocol's numbers. */
enum bp_type { BP_SOFTWARE, BP_HARDWARE, BP_WRITE, BP_READ, BP_ACCESS };

/* Bytecode that comes with a breakpoint (breakpoints/agent.h): a condition for it, or a command at it. */
struct agent_code {
	bool command;
	const uint8_t *code;
	size_t len;
};

/* One breakpoint or watchpoint, for a person. */
struct bp_info {
	enum bp_type type;
	uint64_t addr, kind;
	const char *state; /* "inserted", "in a debug register", "waits: not mapped", ...; static */
	bool conditional;  /* conditions or commands came with it */
	bool removed;	   /* by the debugger, at this stop */
};

#endif
