/* SPDX-License-Identifier: MIT */
/* Starting the debugger, attached. */
#ifndef VMGDB_CONNECT_DEBUGGER_H
#define VMGDB_CONNECT_DEBUGGER_H

#include <sys/types.h>

/* Where it is to connect to: a unix socket that no one else can reach. */
struct meeting_place {
	char dir[80];
	char spec[100]; /* "unix:PATH", for vmgdb_endpoint_open() */
};

/* Make the folder. Returns 0 or -errno. */
int meeting_place_make(struct meeting_place *m);
void meeting_place_remove(const struct meeting_place *m);

/*
 * Run command, a debugger and its arguments, with what makes it connect to path put before them: for
 * lldb if its name begins with that, otherwise for gdb. Signals are as they were when this program
 * was started. Returns 0 and *pid, or -errno.
 */
int debugger_start(char *const *command, const char *path, pid_t *pid);

#endif
