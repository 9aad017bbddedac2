/* SPDX-License-Identifier: MIT */
/* Traps of the 64-bit guests. */
#ifndef VMGDB_GUESTS_X86_TRAPS_H
#define VMGDB_GUESTS_X86_TRAPS_H

#include <stdint.h>

/* The interrupted code, as traps.S and the processor push it (Intel SDM vol. 3, 6.14.2). */
struct frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, code;
	uint64_t rip, cs, rflags, rsp, ss;
};

typedef void trap_handler(struct frame *frame);

/* Set up and load an IDT in which every exception prints a line and ends the guest. */
void idt_init(void);

/* Load the IDT on another CPU. */
void idt_load(void);

/* Set the vector's handler; allow int instructions of ring 3 to reach it. */
void idt_handle(unsigned int vector, trap_handler *handler);
void idt_allow_user(unsigned int vector);

/* Print the exception and end the guest. */
_Noreturn void trap_unexpected(const struct frame *frame);

#endif
