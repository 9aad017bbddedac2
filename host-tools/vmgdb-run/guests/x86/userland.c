/* SPDX-License-Identifier: MIT */
/* The user program of the guest `user`, in ring 3. */
#include "host-tools/vmgdb-run/guests/x86/userland.h"

unsigned char user_stack[4096] __attribute__((aligned(16)));

volatile unsigned long user_has_syscall = 1;
volatile unsigned long user_count;
volatile unsigned long user_answer; /* to the last system call */

void user_loop(unsigned long n);
unsigned long user_int80(unsigned long n);
unsigned long user_syscall(unsigned long n);

void user_loop(unsigned long n)
{
	user_count = n + 1;
}

unsigned long user_int80(unsigned long n)
{
	unsigned long answer;

	__asm__ volatile("int %1" : "=a"(answer) : "i"(INT_SYSCALL), "D"(n));
	return answer;
}

unsigned long user_syscall(unsigned long n)
{
	unsigned long answer;

	__asm__ volatile("syscall"
			 : "=a"(answer), "+D"(n)
			 :
			 : "rcx", "r11", "rsi", "rdx", "r8", "r9", "r10", "memory");
	return answer;
}

_Noreturn void user_main(void)
{
	for (unsigned long n = 0;; n++) {
		user_loop(n);
		if (n % 16 == 0)
			user_answer = user_int80(n);
		if (n % 16 == 8 && user_has_syscall)
			user_answer = user_syscall(n);
	}
}
