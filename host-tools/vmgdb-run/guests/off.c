/* SPDX-License-Identifier: MIT */
/* A guest that powers off. */
#include "host-tools/vmgdb-run/guests/platform.h"
#include "host-tools/vmgdb-run/guests/print.h"

int main(void)
{
	print("off: bye\n");
	platform_power_off();
}
