/* SPDX-License-Identifier: MIT */
/* One debugger after another over the same link. */
#ifndef VMGDB_CORE_CLIENT_H
#define VMGDB_CORE_CLIENT_H

#include "core/rsp/session_internal.h"

/*
 * A debugger begins: what the one before it negotiated is forgotten, and what that one has left in
 * the target (breakpoints, options, pending reports) is taken away. This debugger's description is
 * the one that fits the mode of the vCPU that stopped. With the hold, as far as it can be had.
 */
void client_reset(struct session *s);

#endif
