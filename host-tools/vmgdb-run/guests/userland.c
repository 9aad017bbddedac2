/* SPDX-License-Identifier: MIT */
/* The user program of the guest `user`: runs in user mode, and can't access the kernel. */
#include "host-tools/vmgdb-run/guests/userland.h"

unsigned char user_stack[4096] __attribute__((aligned(16)));

volatile unsigned long user_count;
volatile unsigned long user_answer; /* result of the last system call */

void user_loop(unsigned long n);

void user_loop(unsigned long n)
{
	user_count = n + 1;
}

_Noreturn void user_main(void)
{
	for (unsigned long n = 0;; n++) {
		user_loop(n);
		if (n % 8 == 0)
			user_answer = user_call(n);
	}
}
