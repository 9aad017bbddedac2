/* SPDX-License-Identifier: MIT */
/* The GDT of the 64-bit guests. syscall and sysret require this order. */
#include "host-tools/vmgdb-run/guests/x86/gdt.h"

static uint64_t gdt[] = {
	[KERNEL_CS / 8] = 0x00af9b000000ffff,
	[KERNEL_DS / 8] = 0x00cf93000000ffff,
	[USER_DS / 8] = 0x00cff3000000ffff,
	[USER_CS / 8] = 0x00affb000000ffff,
	[TSS_SEL / 8] = 0,
	[TSS_SEL / 8 + 1] = 0,
};

const struct table_pointer gdt_pointer = { sizeof(gdt) - 1, gdt };

/* Intel SDM vol. 3, figure 8-11 */
static struct __attribute__((packed)) {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1, ist[7], reserved2;
	uint16_t reserved3, io_map;
} tss;

void tss_load(uint64_t rsp0)
{
	uint64_t base = (uint64_t)&tss;

	tss.rsp[0] = rsp0;
	tss.io_map = sizeof(tss);
	gdt[TSS_SEL / 8] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x89ULL << 40 |
			   (base >> 24 & 0xff) << 56;
	gdt[TSS_SEL / 8 + 1] = base >> 32;
	__asm__ volatile("ltr %w0" : : "r"(TSS_SEL));
}
