/* SPDX-License-Identifier: MIT */
/* All commands that a session has, by family. */
#ifndef VMGDB_CORE_COMMAND_TABLE_H
#define VMGDB_CORE_COMMAND_TABLE_H

#include "core/rsp/command.h"

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
