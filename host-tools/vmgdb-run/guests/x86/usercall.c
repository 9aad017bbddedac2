/* SPDX-License-Identifier: MIT */
/*
 * System calls of the user program, which this file is linked into: by int and by syscall in turn.
 */
#include "host-tools/vmgdb-run/guests/userland.h"
#include "host-tools/vmgdb-run/guests/x86/usercall.h"

volatile unsigned long user_has_syscall = 1;

static unsigned long call_int80(unsigned long n)
{
	unsigned long answer;

	__asm__ volatile("int %1" : "=a"(answer) : "i"(INT_SYSCALL), "D"(n));
	return answer;
}

static unsigned long call_syscall(unsigned long n)
{
	unsigned long answer;

	__asm__ volatile("syscall"
			 : "=a"(answer), "+D"(n)
			 :
			 : "rcx", "r11", "rsi", "rdx", "r8", "r9", "r10", "memory");
	return answer;
}

unsigned long user_call(unsigned long n)
{
	return n % 16 == 8 && user_has_syscall ? call_syscall(n) : call_int80(n);
}
