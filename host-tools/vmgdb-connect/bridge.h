/* SPDX-License-Identifier: MIT */
/* The bridge: it passes bytes from a debugger to a VM and back. */
#ifndef VMGDB_CONNECT_BRIDGE_H
#define VMGDB_CONNECT_BRIDGE_H

#include <stdbool.h>

#include <vmgdb/endpoint.h>

struct bridge_config {
	const char *vm; /* endpoints */
	const char *debugger;
	enum vmgdb_role vm_role; /* VMGDB_DEBUGGER: dial it; VMGDB_ACCEPT: it dials */
	bool serve;		 /* serve one debugger after the other; otherwise only the first */
	bool reconnect;		 /* a VM that can't be reached is tried again */
	bool verbose;		 /* report who connects and leaves */
	char **command;		 /* start this debugger when the VM has been reached; or NULL */
};

/* Returns the exit status. */
int bridge_run(const struct bridge_config *config);

#endif
