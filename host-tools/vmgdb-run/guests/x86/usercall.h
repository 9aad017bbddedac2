/* SPDX-License-Identifier: MIT */
/* How the user program calls. */
#ifndef VMGDB_GUESTS_X86_USERCALL_H
#define VMGDB_GUESTS_X86_USERCALL_H

enum { INT_SYSCALL = 0x80 };

/* Whether it may use the syscall instruction; set by the kernel. */
extern volatile unsigned long user_has_syscall;

#endif
