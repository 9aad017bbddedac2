/* SPDX-License-Identifier: MIT */
/*
 * 32-bit protected mode: main calls tick32 calls leaf32. Three guests are linked from this file,
 * with different paging code: prot32 (nopaging.c), page32 (page32.c) and pae32 (pae32.c).
 */
#include "host-tools/vmgdb-run/guests/platform.h"
#include "host-tools/vmgdb-run/guests/print.h"
#include "host-tools/vmgdb-run/guests/x86/paging32.h"

unsigned long counter32;
unsigned long last32;
unsigned long phase32; /* 1: before paging, 2: after */
unsigned char test_data32[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

/* counter32 at its alias. */
volatile unsigned long *alias32;

unsigned long leaf32(unsigned long n);
void tick32(unsigned long n);

unsigned long leaf32(unsigned long n)
{
	unsigned long twice = n + n;

	return twice + 1;
}

void tick32(unsigned long n)
{
	*alias32 += 1;
	last32 = leaf32(n);
}

static void report(void)
{
	print(paging32_name);
	print(": ");
	print_decimal(counter32);
	print(" ticks\n");
}

int main(void)
{
	phase32 = 1;
	alias32 = &counter32;
	for (unsigned long n = 0; n < 100; n++)
		tick32(n);
	alias32 = (volatile unsigned long *)((unsigned long)&counter32 + paging32_start());
	phase32 = 2;
	for (unsigned long n = 100;; n++) {
		tick32(n);
		if (platform_second_passed())
			report();
	}
}
