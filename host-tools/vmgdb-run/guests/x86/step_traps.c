/* SPDX-License-Identifier: MIT */
/* Handlers of the exceptions that the snippets of step_list raise on x86. Faults resume at RBX. */
#include "host-tools/vmgdb-run/guests/platform.h"
#include "host-tools/vmgdb-run/guests/step.h"
#include "host-tools/vmgdb-run/guests/x86/apic.h"
#include "host-tools/vmgdb-run/guests/x86/gdt.h"
#include "host-tools/vmgdb-run/guests/x86/insn.h"
#include "host-tools/vmgdb-run/guests/x86/traps.h"

enum {
	VECTOR_DIVIDE = 0,
	VECTOR_DEBUG = 1,
	VECTOR_BREAKPOINT = 3,
	VECTOR_UNDEFINED = 6,
	VECTOR_PROTECTION = 13,
	VECTOR_PAGE = 14,
	VECTOR_IRQ = 0x50,
	VECTOR_INT = 0x81,

	MSR_EFER = 0xc0000080,
	MSR_STAR = 0xc0000081,
	MSR_LSTAR = 0xc0000082,
	MSR_SFMASK = 0xc0000084,
	EFER_SCE = 1 << 0,
	SFMASK = 0x47700, /* Linux's value */

	IDLE_NS = 500 * 1000 * 1000,

	RFLAGS_RF = 1 << 16,
	DR6_CAUSES = 0xe00f,
	DR6_BREAK = 1 << 1,

	PTE_USER = 1 << 2,
	RING = 3,
};

#define DR6_INIT 0xffff0ff0UL
#define PTE_ADDR 0x000ffffffffff000UL

void step_syscall_entry(void);
void step_done(void);

volatile unsigned long step_own_traps;

/* A debugger may set step_own_slots before the first round. QEMU, which is the svm lab, aborts when a
 * guest uses debug registers. */
volatile unsigned int step_own_slots;

/* An exception outside step_list is a bug of this guest. */
static void note(struct frame *frame)
{
	if (frame->rip < (unsigned long)step_list || frame->rip > (unsigned long)step_done)
		trap_unexpected(frame);
	step_note(frame->vector, frame->rip, frame->rflags);
	frame->rax = frame->rflags;
}

/*
 * A fault saves RF for the instruction that is executed again; QEMU would keep RF until the next
 * exit, so the state would show whether there was one. In ring 3 no snippet faults: a fault there
 * means that KVM can't emulate syscall from ring 3.
 */
static void fault(struct frame *frame)
{
	note(frame);
	frame->rip = frame->rbx;
	frame->rflags &= ~(uint64_t)RFLAGS_RF;
	if (frame->cs & RING) {
		frame->cs = KERNEL_CS;
		frame->ss = KERNEL_DS;
	}
}

/* An instruction breakpoint is a fault, all others are traps (Intel SDM vol. 3, 17.3.1). */
static void own_trap(struct frame *frame)
{
	unsigned long dr6 = read_dr6();

	step_own_traps++;
	step_note(dr6 & DR6_CAUSES, frame->rip, frame->rflags);
	write_dr6(DR6_INIT);
	if (dr6 & DR6_BREAK)
		frame->rflags |= RFLAGS_RF;
}

static void irq(struct frame *frame)
{
	(void)frame;
	step_irq_taken();
	apic_eoi();
}

void step_send_irq(void)
{
	step_irq_sent();
	apic_send(APIC_SELF | VECTOR_IRQ);
}

void step_wake_later(void)
{
	apic_one_shot(IDLE_NS);
}

/*
 * Pages of 2 MiB, mapped one to one: ring 3 may access the page of the code and that of the stack.
 */
static void allow_user(const void *address)
{
	unsigned long va = (unsigned long)address;
	uint64_t *table = (uint64_t *)(read_cr3() & PTE_ADDR);

	for (unsigned int shift = 39; shift >= 21; shift -= 9) {
		uint64_t *entry = &table[va >> shift & 511];

		*entry |= PTE_USER;
		table = (uint64_t *)(*entry & PTE_ADDR);
	}
}

static void init_rings(void)
{
	static unsigned char stack[STACK_SIZE] __attribute__((aligned(16)));
	unsigned char here;

	allow_user((const void *)step_list);
	allow_user(&here);
	write_cr3(read_cr3());
	tss_load((uint64_t)stack + sizeof(stack));
}

void step_init(void)
{
	platform_init();
	init_rings();
	idt_handle(VECTOR_DEBUG, own_trap);
	idt_handle(VECTOR_BREAKPOINT, note);
	idt_handle(VECTOR_INT, note);
	idt_handle(VECTOR_DIVIDE, fault);
	idt_handle(VECTOR_UNDEFINED, fault);
	idt_handle(VECTOR_PROTECTION, fault);
	idt_handle(VECTOR_PAGE, fault);
	idt_handle(VECTOR_IRQ, irq);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
	wrmsr(MSR_STAR, (unsigned long)KERNEL_CS << 32 | (unsigned long)(USER_DS - 8) << 48);
	wrmsr(MSR_LSTAR, (unsigned long)step_syscall_entry);
	wrmsr(MSR_SFMASK, SFMASK);
}
