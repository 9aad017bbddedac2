/* SPDX-License-Identifier: MIT */
/* What the program exits with. */
#ifndef VMGDB_CONNECT_EXIT_STATUS_H
#define VMGDB_CONNECT_EXIT_STATUS_H

enum {
	EXIT_LEFT = 0,	      /* the debugger has left */
	EXIT_USAGE = 1,	      /* the command line is wrong */
	EXIT_UNREACHABLE = 2, /* the VM can't be reached, or has gone */
	EXIT_REFUSED = 3,     /* the VM's side has refused */
	EXIT_LOCAL = 4,	      /* there is no place here for the debugger */
};

/* For the VM's endpoint, which failed with -errno. */
int exit_status(int err);

/* For the debugger's endpoint, which did. */
int exit_status_local(int err);

#endif
