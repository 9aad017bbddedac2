/* SPDX-License-Identifier: MIT */
/* The bridge: bytes from a debugger to a VM and back, for as long as it takes. */
#ifndef VMGDB_CONNECT_BRIDGE_H
#define VMGDB_CONNECT_BRIDGE_H

#include <stdbool.h>

#include <vmgdb/endpoint.h>

/* What the program exits with. */
enum { EXIT_LEFT = 0, EXIT_USAGE = 1, EXIT_UNREACHABLE = 2, EXIT_REFUSED = 3 };

struct bridge_config {
	const char *vm; /* endpoints */
	const char *debugger;
	enum vmgdb_role vm_role; /* VMGDB_DEBUGGER: dial it; VMGDB_ACCEPT: it dials */
	bool serve;	/* after one debugger comes the next; otherwise the first is the only */
	bool reconnect; /* a VM that can't be reached is tried again */
	bool verbose;	/* a message for each one that comes and goes */
	char **command; /* start this debugger when the VM has been reached; or NULL */
};

/* Returns the exit status. */
int bridge_run(const struct bridge_config *config);

/* The exit status for a spec, or a VM, that failed with -errno. */
int exit_status(int err);

#endif
