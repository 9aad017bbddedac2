/* SPDX-License-Identifier: MIT */
/*
 * Runs step_list (step_list.S) for ever, each time from the same state, and compares what came of
 * it: a round that a debugger has stepped through must end as one that ran free.
 */
#include "host-tools/vmgdb-run/guests/platform.h"
#include "host-tools/vmgdb-run/guests/print.h"
#include "host-tools/vmgdb-run/guests/x86/apic.h"
#include "host-tools/vmgdb-run/guests/x86/insn.h"
#include "host-tools/vmgdb-run/guests/x86/traps.h"

enum {
	RESULTS_MAX = 64,

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

	IRQ_PATIENCE = 100000,
};

extern unsigned char step_buffer[128];
extern unsigned long step_cell;
extern const unsigned long step_results_count;

void step_list(void);
void step_own(void);
void step_send_irq(void);
void step_syscall_entry(void);

unsigned long step_results[RESULTS_MAX];
unsigned long step_traps; /* hash of the exceptions of this round: which, where, with what flags */

unsigned long step_state;    /* of the last round: hash of all the above */
unsigned long step_expected; /* of the first one */
volatile unsigned long step_rounds;
volatile unsigned long step_bad; /* rounds whose state was not the expected one */

unsigned int step_has_irqs;	   /* this host delivers interrupts */
unsigned int step_has_syscall = 1; /* this host knows the instruction */
volatile unsigned long irqs_sent, irqs_taken;
volatile unsigned long step_own_traps;

static unsigned long mix(unsigned long hash, unsigned long value)
{
	return (hash ^ value) * 0x100000001b3 + 0x9e3779b9;
}

/* ---- exceptions and interrupts ---- */

static void note(struct frame *frame)
{
	step_traps = mix(step_traps, frame->vector);
	step_traps = mix(step_traps, frame->rip);
	step_traps = mix(step_traps, frame->rflags);
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
	irqs_taken++;
	apic_eoi();
}

void timer_tick(void)
{
}

void step_send_irq(void)
{
	irqs_sent++;
	apic_send(APIC_SELF | VECTOR_IRQ);
}

/* Under a debugger they may come late, but they come. */
static int irqs_have_come(void)
{
	for (unsigned long i = 0; i < IRQ_PATIENCE; i++) {
		if (irqs_taken == irqs_sent)
			return 1;
	}
	return 0;
}

static void init(void)
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
	step_send_irq();
	step_has_irqs = (unsigned int)irqs_have_come();
	irqs_taken = irqs_sent;
}

/* ---- rounds ---- */

static void clear(void)
{
	for (unsigned int i = 0; i < sizeof(step_buffer); i++)
		step_buffer[i] = 0;
	for (unsigned long i = 0; i < step_results_count; i++)
		step_results[i] = 0;
	step_cell = 7;
	step_traps = 0;
}

static unsigned long state(void)
{
	unsigned long hash = mix(step_traps, step_cell);

	for (unsigned long i = 0; i < step_results_count; i++)
		hash = mix(hash, step_results[i]);
	for (unsigned int i = 0; i < sizeof(step_buffer); i++)
		hash = mix(hash, step_buffer[i]);
	return hash;
}

static void compare(void)
{
	if (step_rounds == 0)
		step_expected = step_state;
	if (step_state != step_expected)
		step_bad++;
	step_rounds++;
}

static void report(void)
{
	print("step: ");
	print_decimal(step_rounds);
	print(" rounds, ");
	print_decimal(step_bad);
	print(" bad, interrupts ");
	print(step_has_irqs ? "on\n" : "never came\n");
}

int main(void)
{
	init();
	for (;;) {
		clear();
		step_list();
		step_state = state();
		compare();
		step_own();
		while (!irqs_have_come())
			print("step: an interrupt was lost\n");
		if (platform_second_passed())
			report();
	}
}
