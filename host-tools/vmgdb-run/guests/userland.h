/* SPDX-License-Identifier: MIT */
/* The interface between the user program of the guest `user` and its kernel. */
#ifndef VMGDB_GUESTS_USERLAND_H
#define VMGDB_GUESTS_USERLAND_H

extern unsigned char user_stack[4096];

_Noreturn void user_main(void);

/* A system call of the program, and its handler in the kernel (syscalls.c): returns n + 1. */
unsigned long user_call(unsigned long n);
unsigned long do_syscall(unsigned long n);

#endif
