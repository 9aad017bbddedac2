/* SPDX-License-Identifier: MIT */
/* Runs rounds of step_list and compares their results: see step.h. */
#include "host-tools/vmgdb-run/guests/platform.h"
#include "host-tools/vmgdb-run/guests/print.h"
#include "host-tools/vmgdb-run/guests/step.h"

enum { RESULTS_MAX = 64, IRQ_POLLS_MAX = 100000 };

unsigned long step_results[RESULTS_MAX];
unsigned long step_traps; /* hash of this round's step_note() */

unsigned long step_state;    /* of the last round: hash of its results and memory */
unsigned long step_expected; /* of the first round */
volatile unsigned long step_rounds;
volatile unsigned long step_bad; /* rounds whose state was not the expected one */

unsigned int step_has_irqs;
unsigned int step_may_halt;
volatile unsigned int step_may_idle;
volatile unsigned long irqs_sent, irqs_taken, step_ticks;

static unsigned long mix(unsigned long hash, unsigned long value)
{
	return (hash ^ value) * 0x100000001b3 + 0x9e3779b9;
}

void step_note(unsigned long a, unsigned long b, unsigned long c)
{
	step_traps = mix(mix(mix(step_traps, a), b), c);
}

/* ---- interrupts: the guest checks that it takes each one, not when ---- */

void step_irq_sent(void)
{
	irqs_sent++;
}

void step_irq_taken(void)
{
	irqs_taken++;
}

int step_irqs_all_taken(void)
{
	for (unsigned long i = 0; i < IRQ_POLLS_MAX; i++) {
		if (irqs_taken == irqs_sent)
			return 1;
	}
	return 0;
}

static void probe_irqs(void)
{
	step_send_irq();
	step_has_irqs = (unsigned int)step_irqs_all_taken();
	irqs_taken = irqs_sent;
	step_may_halt = step_has_irqs;
}

/* The timer's interrupt wakes a halted CPU. */
void timer_tick(void)
{
	step_ticks++;
}

/* ---- rounds ---- */

static void clear(void)
{
	for (unsigned int i = 0; i < sizeof(step_buffer); i++)
		step_buffer[i] = 0;
	for (unsigned long i = 0; i < step_results_count; i++)
		step_results[i] = 0;
	step_cell = 7;
	step_traps = step_own_traps = 0;
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
	print(step_has_irqs ? "on\n" : "not delivered\n");
}

int main(void)
{
	step_init();
	probe_irqs();
	platform_start_timer();
	for (;;) {
		clear();
		step_list();
		step_state = state();
		compare();
		while (!step_irqs_all_taken())
			print("step: an interrupt was lost\n");
		if (platform_second_passed())
			report();
	}
}
