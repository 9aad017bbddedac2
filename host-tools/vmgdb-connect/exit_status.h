/* SPDX-License-Identifier: MIT */
/* What the program exits with. */
#ifndef VMGDB_CONNECT_EXIT_STATUS_H
#define VMGDB_CONNECT_EXIT_STATUS_H

enum {
	EXIT_LEFT = 0,	      /* the debugger has left, or the probe is complete */
	EXIT_USAGE = 1,	      /* the command line is wrong */
	EXIT_UNREACHABLE = 2, /* the VM can't be reached, or has closed the connection */
	EXIT_REFUSED = 3,     /* the VM's side has refused */
	EXIT_LOCAL = 4,	      /* a socket or pty to wait at, a descriptor or memory can't be had */
	EXIT_BY_SIGNAL =
		128, /* plus the number of the signal that ended the wait, or the debugger */
};

#endif
