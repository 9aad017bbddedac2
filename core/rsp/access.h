/* SPDX-License-Identifier: MIT */
/* What a command may do to the target, by the flags in its table, and the views that it may see. */
#ifndef VMGDB_CORE_ACCESS_H
#define VMGDB_CORE_ACCESS_H

#include "core/rsp/session_internal.h"

/*
 * Before a command with these flags (enum command_flag) runs: 0, and the hold is taken if the flags
 * ask for it. -errno: it must not run; *why is the reason for a person. access_end() after it, in
 * either case.
 */
int access_begin(struct session *s, unsigned int flags, const char **why);

/* Release the hold, unless a resume or a detach has ended it. */
void access_end(struct session *s);

/* A vCPU's state. NULL: no such vCPU, or the session does not have the hold. */
struct cpu_view *view_of(struct session *s, unsigned int vcpu);

/* That of the vCPU that Hg selected, whose registers s->tdesc describes; NULL with the reply already
 * an error. */
struct cpu_view *selected_view(struct session *s);

#endif
