/* SPDX-License-Identifier: MIT */
/* How the user program makes system calls. */
#ifndef VMGDB_GUESTS_X86_USERCALL_H
#define VMGDB_GUESTS_X86_USERCALL_H

enum { INT_SYSCALL = 0x80 };

/* Whether the program may use the syscall instruction; the kernel sets it. */
extern volatile unsigned long user_has_syscall;

#endif
