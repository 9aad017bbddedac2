/* SPDX-License-Identifier: MIT */
/* The user program of the guest `user`, as its kernel knows it, and that kernel, as it knows that. */
#ifndef VMGDB_GUESTS_USERLAND_H
#define VMGDB_GUESTS_USERLAND_H

extern unsigned char user_stack[4096];

_Noreturn void user_main(void);

/* A system call from there, and its end in the kernel (syscalls.c): gives n + 1. */
unsigned long user_call(unsigned long n);
unsigned long do_syscall(unsigned long n);

#endif
