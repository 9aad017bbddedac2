/* SPDX-License-Identifier: MIT */
/* prot32: no paging. */
#include "host-tools/vmgdb-run/guests/x86/paging32.h"

const char paging32_name[] = "prot32";

unsigned long paging32_start(void)
{
	return 0;
}
