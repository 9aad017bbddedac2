/* SPDX-License-Identifier: MIT */
/*
 * All commands that a session has, by family. To add a packet: a row in the table of its family
 * (commands/), and a function that reads the arguments and fills s->reply. The session sends one reply,
 * whatever the function does: an empty s->reply says that the packet is not supported, fail() makes it
 * an error.
 */
#ifndef VMGDB_CORE_COMMAND_TABLE_H
#define VMGDB_CORE_COMMAND_TABLE_H

#include "core/rsp/session_internal.h"

/*
 * A command that has neither CMD_NO_HOLD nor CMD_TRY_HOLD runs with the target's hold, or not at
 * all: the session replies with the error.
 */
enum command_flag {
	CMD_PREFIX = 1 << 0,	  /* arguments follow the name without a : ; or , between */
	CMD_NO_HOLD = 1 << 1,	  /* touches neither vCPU nor guest state */
	CMD_TRY_HOLD = 1 << 2,	  /* has an answer without that state as well */
	CMD_CHANGES = 1 << 3,	  /* refused in a read-only session */
	CMD_RESUME = 1 << 4,	  /* one that comes while the target runs is a repetition */
	CMD_GREETING = 1 << 5,	  /* what a debugger sends first: one that comes while the target
				   runs is a new debugger's */
	CMD_ANY_TIME = 1 << 6,	  /* may come while the target runs */
	CMD_NO_ACK_MODE = 1 << 7, /* there only where no-ack mode can be granted */
};

struct command {
	const char *name;				   /* how the packet begins */
	unsigned int flags;				   /* enum command_flag */
	void (*run)(struct session *s, struct scan *args); /* args: all that follows the name */
	const char *feature; /* how qSupported announces it; NULL: not at all */
};

/* The families, one a file of commands/; each ends with a row without a name. */
extern const struct command breakpoint_commands[], lldb_commands[], memory_commands[],
	monitor_commands[], query_commands[], register_commands[], run_commands[], stop_commands[],
	thread_commands[], xfer_commands[];

/* The command for the packet that is in the session's decoder; *args is what follows its name. NULL: this
 * session has none. */
const struct command *command_find(const struct session *s, struct scan *args);

/* What qSupported announces of them, each after a semicolon, to s->reply. */
void put_command_features(struct session *s);

#endif
