/* SPDX-License-Identifier: MIT */
/* A guest that exits with status 3. */
#include "host-tools/vmgdb-run/guests/platform.h"
#include "host-tools/vmgdb-run/guests/print.h"

int main(void)
{
	print("exit: status 3\n");
	platform_exit(3);
}
