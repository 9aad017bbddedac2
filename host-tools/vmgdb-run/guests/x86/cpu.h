/* SPDX-License-Identifier: MIT */
/* Instructions and tables of the processor, for the 64-bit guests. */
#ifndef VMGDB_GUESTS_X86_CPU_H
#define VMGDB_GUESTS_X86_CPU_H

#include <stdint.h>

/* The interrupted code, as traps.S and the processor push it (Intel SDM vol. 3, 6.14.2). */
struct frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, code;
	uint64_t rip, cs, rflags, rsp, ss;
};

typedef void trap_handler(struct frame *frame);

/* An IDT in which every exception prints a line and ends the guest, loaded. */
void idt_init(void);

/* Load it on another CPU. */
void idt_load(void);

/* Let handler have the vector; let int instructions of ring 3 reach it. */
void idt_handle(unsigned int vector, trap_handler *handler);
void idt_let_user(unsigned int vector);

static inline void outb(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static inline uint64_t read_cr3(void)
{
	uint64_t value;

	__asm__ volatile("mov %%cr3, %0" : "=r"(value));
	return value;
}

#endif
