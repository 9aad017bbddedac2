/* SPDX-License-Identifier: MIT */
/* Console, exit port and clock of the x86 guests, 32- and 64-bit. */
#include "host-tools/vmgdb-run/guests/platform.h"
#include "host-tools/vmgdb-run/guests/x86/bootinfo.h"
#include "host-tools/vmgdb-run/guests/x86/insn.h"

enum {
	COM1 = 0x3f8,
	COM1_LSR = COM1 + 5,
	LSR_THRE = 1 << 5,
	EXIT_PORT = 0xf4,
	KEYBOARD_PORT = 0x64,
	KEYBOARD_RESET = 0xfe,
};

_Static_assert(sizeof(struct boot_info) == BOOT_INFO_SIZE, "start code copies it");

struct boot_info boot_info;

void platform_putc(char c)
{
	while (!(inb(COM1_LSR) & LSR_THRE))
		;
	outb(COM1, (uint8_t)c);
}

void platform_exit(int status)
{
	for (;;)
		outb(EXIT_PORT, (uint8_t)status);
}

void platform_power_off(void)
{
	for (;;)
		outb(KEYBOARD_PORT, KEYBOARD_RESET);
}

int platform_second_passed(void)
{
	static uint64_t next;
	uint64_t now = rdtsc();

	if (now < next)
		return 0;
	next = now + (uint64_t)boot_info.tsc_khz * 1000;
	return 1;
}
