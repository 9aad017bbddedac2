/* SPDX-License-Identifier: MIT */
/*
 * What vmgdb-run tells an x86 guest about its machine. Shared by the two: x86/boot.c has the boot
 * protocol.
 */
#ifndef VMGDB_GUESTS_BOOTINFO_H
#define VMGDB_GUESTS_BOOTINFO_H

#include <stdint.h>

struct boot_info {
	uint32_t ncpus;
	uint32_t tsc_khz;
	uint64_t mem_size; /* bytes; those above 3 GiB begin at 4 GiB */
};

/* The guest's copy of it, by its start code. */
extern struct boot_info boot_info;

#endif
