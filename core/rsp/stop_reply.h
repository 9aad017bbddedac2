/* SPDX-License-Identifier: MIT */
/* GDB manual, "Stop Reply Packets". */
#ifndef VMGDB_CORE_STOP_REPLY_H
#define VMGDB_CORE_STOP_REPLY_H

#include "core/rsp/session_internal.h"

/* The reply that reports s->stop. Without the hold it has no registers, nor the kind of breakpoint. */
void put_stop(struct session *s);

/* The reply for a vCPU that stopped only because another one did. */
void put_stopped_too(struct session *s, unsigned int vcpu);

/* The signal number that the protocol has for s->stop. */
unsigned int stop_signal(const struct session *s);

#endif
