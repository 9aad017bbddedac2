/* SPDX-License-Identifier: MIT */
/* A guest that ends in a triple fault, in fall(). */
#include "host-tools/vmgdb-run/guests/platform.h"
#include "host-tools/vmgdb-run/guests/print.h"
#include "host-tools/vmgdb-run/guests/x86/gdt.h"

enum { STEPS = 10000 };

unsigned long approaches;

void approach(unsigned long n);
_Noreturn void fall(void);

void approach(unsigned long n)
{
	approaches = n;
}

/* Raise an exception without an IDT. */
_Noreturn void fall(void)
{
	static const struct table_pointer none;

	__asm__ volatile("lidt %0; ud2" : : "m"(none));
	__builtin_unreachable();
}

int main(void)
{
	print("triple: soon\n");
	for (unsigned long n = 0; n < STEPS; n++)
		approach(n);
	fall();
}
