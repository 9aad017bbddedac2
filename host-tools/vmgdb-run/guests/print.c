/* SPDX-License-Identifier: MIT */
#include "host-tools/vmgdb-run/guests/platform.h"
#include "host-tools/vmgdb-run/guests/print.h"

void print(const char *s)
{
	while (*s)
		platform_putc(*s++);
}

static void print_base(unsigned long n, unsigned int base)
{
	char digits[24];
	unsigned int i = sizeof(digits);

	digits[--i] = '\0';
	do {
		digits[--i] = "0123456789abcdef"[n % base];
		n /= base;
	} while (n);
	print(digits + i);
}

void print_decimal(unsigned long n)
{
	print_base(n, 10);
}

void print_hex(unsigned long n)
{
	print("0x");
	print_base(n, 16);
}
