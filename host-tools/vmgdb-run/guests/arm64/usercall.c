/* SPDX-License-Identifier: MIT */
/* System calls of the user program, which this file is linked into. */
#include "host-tools/vmgdb-run/guests/userland.h"

unsigned long user_call(unsigned long n)
{
	register unsigned long x0 __asm__("x0") = n;

	__asm__ volatile("svc #0" : "+r"(x0) : : "memory");
	return x0;
}
