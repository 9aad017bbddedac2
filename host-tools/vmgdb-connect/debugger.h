/* SPDX-License-Identifier: MIT */
/* Starting the debugger, attached. */
#ifndef VMGDB_CONNECT_DEBUGGER_H
#define VMGDB_CONNECT_DEBUGGER_H

#include <sys/types.h>

#include "host-tools/vmgdb-connect/signals.h"

/* Where it connects to: a unix socket in a folder that only this user can enter. */
struct debugger_socket {
	char dir[80];
	char spec[100]; /* "unix:PATH", for vmgdb_endpoint_open() */
};

/* Make the folder. Returns 0 or -errno. */
int debugger_socket_make(struct debugger_socket *s);
void debugger_socket_remove(const struct debugger_socket *s);

/*
 * Run command, a debugger and its arguments, with the option before them that makes it connect to path:
 * lldb's if its name begins with that, otherwise gdb's. Its signals are as they were when this program
 * was started. Returns 0 and *pid, or -errno.
 */
int debugger_start(char *const *command, const char *path, const struct signals *signals,
		   pid_t *pid);

#endif
