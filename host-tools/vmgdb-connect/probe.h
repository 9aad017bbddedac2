/* SPDX-License-Identifier: MIT */
/* Looking at what answers: --probe. */
#ifndef VMGDB_CONNECT_PROBE_H
#define VMGDB_CONNECT_PROBE_H

#include <stdbool.h>

#include <vmgdb/endpoint.h>

/*
 * Reach the VM, ask its stub some harmless questions, print the answers to stdout, and detach. again:
 * try until the VM can be reached. Returns the exit status.
 */
int probe_run(const char *vm, enum vmgdb_role role, bool again);

#endif
