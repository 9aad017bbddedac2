/* SPDX-License-Identifier: MIT */
/* vCPUs as threads of process 1: GDB manual, "Packets", thread-id. */
#ifndef VMGDB_CORE_THREAD_ID_H
#define VMGDB_CORE_THREAD_ID_H

#include "core/rsp/session_internal.h"

/* Bring s->vcpus up to date: 0 or -ENOMEM. */
int vcpu_list_update(struct session *s);

/* Read a thread-id: false with the reply already an error; also when there is no such vCPU. */
bool scan_thread(struct session *s, struct scan *args, struct thread_id *id);

/* A process-id where it stands alone: 1, and -1 or 0 for all or any. False if it is another. */
bool scan_process(struct scan *args);

/* Write a thread-id to s->reply as this debugger wants it. */
void put_thread(struct session *s, unsigned int vcpu);

/* Write a line on what a vCPU is doing, for `info threads`. With the hold. */
void put_thread_extra(struct session *s, unsigned int vcpu, struct cpu_view *v, struct buf *out);

#endif
