/* SPDX-License-Identifier: MIT */
/* Console, exit and clock of the arm64 guests. Devices are at device_base + their address. */
#include "host-tools/vmgdb-run/guests/arm64/insn.h"
#include "host-tools/vmgdb-run/guests/arm64/serial.h"
#include "host-tools/vmgdb-run/guests/platform.h"

enum { UART_LSR = 5, LSR_THRE = 1 << 5 };

uint64_t device_base;

void platform_putc(char c)
{
	while (!(read8(device_base + UART_ADDR + UART_LSR) & LSR_THRE))
		;
	write8(device_base + UART_ADDR, (uint8_t)c);
}

void platform_exit(int status)
{
	for (;;)
		write8(device_base + EXIT_ADDR, (uint8_t)status);
}

void platform_power_off(void)
{
	for (;;)
		psci(PSCI_SYSTEM_OFF, 0, 0, 0);
}

int platform_second_passed(void)
{
	static uint64_t next;
	uint64_t now;

	isb();
	now = read_sysreg(cntvct_el0);
	if (now < next)
		return 0;
	next = now + read_sysreg(cntfrq_el0);
	return 1;
}
