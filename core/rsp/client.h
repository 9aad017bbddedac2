/* SPDX-License-Identifier: MIT */
/* One debugger after another over the same link. */
#ifndef VMGDB_CORE_CLIENT_H
#define VMGDB_CORE_CLIENT_H

#include "core/rsp/session_internal.h"

/*
 * Begin with a debugger: forget what the one before it negotiated, and take what that one has left in
 * the target away (breakpoints, options, pending reports). The new one's target description is that of
 * the mode which the vCPU that stopped is in. Without the hold the target stays as it is.
 */
void client_reset(struct session *s);

#endif
