/* SPDX-License-Identifier: MIT */
/*
 * A guest that ends in odd(): an access to an unmapped address by an instruction that KVM can't
 * emulate.
 */
#include "host-tools/vmgdb-run/guests/platform.h"
#include "host-tools/vmgdb-run/guests/print.h"

_Noreturn void odd(unsigned long round);

/* NOWHERE is neither memory nor a device on either architecture. */
_Noreturn void odd(unsigned long round)
{
	volatile void *nowhere = (volatile void *)NOWHERE;

#ifdef __x86_64__
	__asm__ volatile("fsts (%0)" : : "r"(nowhere) : "memory");
#else
	__asm__ volatile("ldp x9, x10, [%0]" : : "r"(nowhere) : "x9", "x10", "memory");
#endif
	platform_exit((int)round);
}

int main(void)
{
	print("odd: soon\n");
	odd(7);
}
