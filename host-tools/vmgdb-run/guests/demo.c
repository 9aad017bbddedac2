/* SPDX-License-Identifier: MIT */
/*
 * The guest that the demo and the tests debug. They rely on these names:
 *	main -> tick(n) -> leaf(n)	on the first CPU, for n = 0, 1, 2 ...
 *	worker(cpu)			on the others
 */
#include "host-tools/vmgdb-run/guests/platform.h"
#include "host-tools/vmgdb-run/guests/print.h"

#define BYTES8(n) (n), (n) + 1, (n) + 2, (n) + 3, (n) + 4, (n) + 5, (n) + 6, (n) + 7
#define BYTES64(n)                                                                        \
	BYTES8(n), BYTES8((n) + 8), BYTES8((n) + 16), BYTES8((n) + 24), BYTES8((n) + 32), \
		BYTES8((n) + 40), BYTES8((n) + 48), BYTES8((n) + 56)

unsigned long counter; /* calls of tick() */
unsigned long last;    /* what leaf() returned */
volatile unsigned long worker_counter[GUEST_CPUS];
volatile unsigned long irq_count; /* of timer interrupts */
unsigned char test_data[128] = { BYTES64(0), BYTES64(64) };

unsigned long leaf(unsigned long n);
void tick(unsigned long n);

unsigned long leaf(unsigned long n)
{
	unsigned long twice = n + n;

	return twice + 1;
}

void tick(unsigned long n)
{
	counter += 1;
	last = leaf(n);
}

void timer_tick(void)
{
	irq_count++;
}

_Noreturn void worker(unsigned long cpu)
{
	for (;;)
		worker_counter[cpu]++;
}

static void report(unsigned long ticks)
{
	print("demo: ");
	print_decimal(ticks);
	print(" ticks\n");
}

int main(void)
{
	platform_init();
	platform_start_timer();
	platform_start_cpus();
	for (unsigned long n = 0;; n++) {
		tick(n);
		if (platform_second_passed())
			report(n + 1);
	}
}
