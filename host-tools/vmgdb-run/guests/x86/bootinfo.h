/* SPDX-License-Identifier: MIT */
/*
 * What vmgdb-run passes to an x86 guest about its machine. vmgdb-run and the guests share this
 * file; x86/boot.c has the boot protocol.
 */
#ifndef VMGDB_GUESTS_BOOTINFO_H
#define VMGDB_GUESTS_BOOTINFO_H

#include <stdint.h>

struct boot_info {
	uint32_t ncpus;
	uint32_t tsc_khz;
	uint64_t mem_size; /* bytes; those above 3 GiB begin at 4 GiB */
};

/* The copy that the guest's start code makes. */
extern struct boot_info boot_info;

#endif
