/* SPDX-License-Identifier: MIT */
/* Looking at what answers: --probe. */
#ifndef VMGDB_CONNECT_PROBE_H
#define VMGDB_CONNECT_PROBE_H

#include "host-tools/vmgdb-connect/bridge.h"

/*
 * Reach the VM, ask its stub some harmless questions, print the answers to stdout, and detach.
 * Returns the exit status.
 */
int probe_run(const struct bridge_config *config);

#endif
