/* SPDX-License-Identifier: MIT */
/* System calls in the kernel of the guest `user`. */
#include "host-tools/vmgdb-run/guests/platform.h"
#include "host-tools/vmgdb-run/guests/print.h"
#include "host-tools/vmgdb-run/guests/userland.h"

volatile unsigned long syscall_count;
unsigned long last_syscall;

unsigned long do_syscall(unsigned long n)
{
	syscall_count++;
	last_syscall = n;
	if (platform_second_passed()) {
		print("user: ");
		print_decimal(syscall_count);
		print(" system calls\n");
	}
	return n + 1;
}
