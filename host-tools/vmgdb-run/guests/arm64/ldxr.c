/* SPDX-License-Identifier: MIT */
/*
 * A guest that counts by load-exclusive and store-exclusive. Under plain single steps the
 * loop at exclusive_loop would never end.
 */
#include "host-tools/vmgdb-run/guests/platform.h"
#include "host-tools/vmgdb-run/guests/print.h"

unsigned long exclusive_count;

unsigned long exclusive_add(unsigned long *to, unsigned long n);

unsigned long exclusive_add(unsigned long *to, unsigned long n)
{
	unsigned long value;
	unsigned int failed;

	__asm__ volatile(".global exclusive_loop, exclusive_done\n"
			 "exclusive_loop:\n"
			 "	ldxr	%0, %2\n"
			 "	add	%0, %0, %3\n"
			 "	stxr	%w1, %0, %2\n"
			 "	cbnz	%w1, exclusive_loop\n"
			 "exclusive_done:\n"
			 "	nop"
			 : "=&r"(value), "=&r"(failed), "+Q"(*to)
			 : "r"(n)
			 : "memory");
	return value;
}

int main(void)
{
	for (;;) {
		exclusive_add(&exclusive_count, 1);
		if (platform_second_passed()) {
			print("ldxr: ");
			print_decimal(exclusive_count);
			print(" times\n");
		}
	}
}
