/* SPDX-License-Identifier: MIT */
/* The user program of the guest `user`, as its kernel knows it. */
#ifndef VMGDB_GUESTS_X86_USERLAND_H
#define VMGDB_GUESTS_X86_USERLAND_H

enum { INT_SYSCALL = 0x80 };

extern unsigned char user_stack[4096];

/* Whether it may use the syscall instruction. */
extern volatile unsigned long user_has_syscall;

_Noreturn void user_main(void);

#endif
