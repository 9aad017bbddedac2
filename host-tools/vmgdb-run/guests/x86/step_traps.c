/* SPDX-License-Identifier: MIT */
/* What the snippets of step_list run into on x86. Faults go on at RBX. */
#include "host-tools/vmgdb-run/guests/platform.h"
#include "host-tools/vmgdb-run/guests/step.h"
#include "host-tools/vmgdb-run/guests/x86/apic.h"
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
	SFMASK = 0x47700, /* as Linux has it */
};

void step_syscall_entry(void);
void step_done(void);

volatile unsigned long step_own_traps;

/* Anywhere but in the list they are this guest's own fault. */
static void note(struct frame *frame)
{
	if (frame->rip < (unsigned long)step_list || frame->rip > (unsigned long)step_done)
		trap_unexpected(frame);
	step_note(frame->vector, frame->rip, frame->rflags);
	frame->rax = frame->rflags;
}

static void fault(struct frame *frame)
{
	note(frame);
	frame->rip = frame->rbx;
}

static void own_trap(struct frame *frame)
{
	(void)frame;
	step_own_traps++;
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

void step_init(void)
{
	platform_init();
	idt_handle(VECTOR_DEBUG, own_trap);
	idt_handle(VECTOR_BREAKPOINT, note);
	idt_handle(VECTOR_INT, note);
	idt_handle(VECTOR_DIVIDE, fault);
	idt_handle(VECTOR_UNDEFINED, fault);
	idt_handle(VECTOR_PROTECTION, fault);
	idt_handle(VECTOR_PAGE, fault);
	idt_handle(VECTOR_IRQ, irq);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
	wrmsr(MSR_STAR, (unsigned long)KERNEL_CS << 32);
	wrmsr(MSR_LSTAR, (unsigned long)step_syscall_entry);
	wrmsr(MSR_SFMASK, SFMASK);
}
