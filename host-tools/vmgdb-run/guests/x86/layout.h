/* SPDX-License-Identifier: MIT */
/* Numbers that the 64-bit guests' C and assembly share. */
#ifndef VMGDB_GUESTS_X86_LAYOUT_H
#define VMGDB_GUESTS_X86_LAYOUT_H

#define KERNEL_CS      0x08
#define KERNEL_DS      0x10
#define USER_DS	       0x1b
#define USER_CS	       0x23
#define TSS_SEL	       0x28

#define STACK_SIZE     4096
#define NOWHERE	       0xd0000000 /* neither memory nor a device */
#define GUEST_CPUS     64
#define BOOT_INFO_SIZE 16

/* The page below 1 MiB at which the other CPUs start. */
#define TRAMPOLINE	0x10000
#define TRAMPOLINE_CS32 0x18

#endif
