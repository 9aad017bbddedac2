/* SPDX-License-Identifier: MIT */
/*
 * A guest with translation tables of many forms: both halves, pages and blocks, all kinds of
 * rights, holes at every level. It has the processor translate each address of va[]
 * and stores the results (PAR_EL1): par[] for reads, par_write[] and par_user[] for others.
 *
 * Then the guest keeps these tables, and counts in walk_count through an alias in the upper half.
 */
#include "host-tools/vmgdb-run/guests/arm64/insn.h"
#include "host-tools/vmgdb-run/guests/arm64/mmu.h"
#include "host-tools/vmgdb-run/guests/arm64/walk.h"
#include "host-tools/vmgdb-run/guests/platform.h"
#include "host-tools/vmgdb-run/guests/print.h"

enum { PAGE_LEVEL = 3, VA_MAX = 64, GRANULE_MAX = 1 << 16, PATTERN = 0x5a, NO_GRANULE_STATUS = 77 };

#define RAM_SIZE (64ULL << 20)

uint64_t va[VA_MAX];
uint64_t par[VA_MAX];	    /* AT S1E1R */
uint64_t par_write[VA_MAX]; /* AT S1E1W */
uint64_t par_user[VA_MAX];  /* AT S1E0R */
unsigned long va_count;

unsigned char walk_page[GRANULE_MAX] __attribute__((aligned(GRANULE_MAX)));
volatile unsigned long *walk_count; /* the beginning of walk_page, through its alias */

void walk_loop(void);

static struct mmu_half low, high;

static void add(uint64_t address)
{
	va[va_count++] = address;
}

/* One page or block: translate its beginning, an address within, and its end. */
static void map(struct mmu_half *half, uint64_t address, uint64_t pa, unsigned int level,
		uint64_t attrs)
{
	uint64_t size = mmu_size(half, level);

	mmu_map(half, address, pa & ~(size - 1), level, attrs);
	add(address);
	add(address + size / 2 + 0x123);
	add(address + size - 1);
}

/* ---- the lower half: the guest itself, and test pages ---- */

static void map_devices(void)
{
	mmu_map(&low, UART_ADDR, UART_ADDR, PAGE_LEVEL, PTE_DEVICE | PTE_XN);
	mmu_map(&low, EXIT_ADDR, EXIT_ADDR, PAGE_LEVEL, PTE_DEVICE | PTE_XN);
	add(UART_ADDR);
	add(EXIT_ADDR);
}

static void map_ram(void)
{
	uint64_t size = mmu_size(&low, walk_kind.ram_level);

	for (uint64_t pa = RAM_ADDR; pa < RAM_ADDR + RAM_SIZE; pa += size)
		map(&low, pa, pa, walk_kind.ram_level, PTE_NORMAL | PTE_UXN);
	add((uint64_t)va);
	add((uint64_t)walk_loop);
}

static void map_low(void)
{
	uint64_t base = 3ULL << 30;
	uint64_t page = mmu_size(&low, PAGE_LEVEL);
	uint64_t pa = (uint64_t)walk_page;

	map_devices();
	map_ram();
	map(&low, base, pa, PAGE_LEVEL, PTE_NORMAL | PTE_READ_ONLY);
	map(&low, base + 2 * page, pa, PAGE_LEVEL, PTE_NORMAL | PTE_USER);
	map(&low, base + 3 * page, pa, PAGE_LEVEL, PTE_NORMAL | PTE_USER | PTE_READ_ONLY);
	add(base + page); /* a hole in the last table */
	add(0);		  /* holes higher up */
	add((1ULL << walk_kind.low_bits) - 1);
	add(1ULL << walk_kind.low_bits); /* beyond the half */
}

/* ---- the upper half ---- */

static void map_high(void)
{
	uint64_t base = ~0ULL << walk_kind.high_bits;
	uint64_t page = mmu_size(&high, PAGE_LEVEL);
	uint64_t block = mmu_size(&high, PAGE_LEVEL - 1);
	uint64_t pa = (uint64_t)walk_page;

	map(&high, base, pa, PAGE_LEVEL, PTE_NORMAL | PTE_XN);
	map(&high, -page, pa, PAGE_LEVEL, PTE_NORMAL | PTE_XN);
	map(&high, base + 3 * block, RAM_ADDR, PAGE_LEVEL - 1, PTE_NORMAL | PTE_XN);
	map(&high, base + 4 * block, RAM_ADDR, PAGE_LEVEL - 1, PTE_NORMAL | PTE_XN | PTE_READ_ONLY);
	map(&high, base + 6 * block, pa, PAGE_LEVEL, PTE_NORMAL | PTE_USER);
	mmu_limit(&high, base + 6 * block, PAGE_LEVEL - 1, TABLE_READ_ONLY | TABLE_XN);
	add(base + page);
	add(base + 5 * block);
	add(base + (1ULL << (walk_kind.high_bits - 1)));
	add(base - 1); /* below the half */
	walk_count = (volatile unsigned long *)base;
}

/* ---- the processor's translations ---- */

/*
 * ID_AA64MMFR0_EL1: TGran4 and TGran64 are 0 where the CPU has the granule, TGran16 is nonzero
 * there.
 */
static int has_granule(void)
{
	uint64_t id = read_sysreg(id_aa64mmfr0_el1);

	switch (walk_kind.shift) {
	case 12: return (id >> 28 & 0xf) != 0xf;
	case 14: return (id >> 20 & 0xf) != 0;
	default: return (id >> 24 & 0xf) != 0xf;
	}
}

#define ASK(operation, address)                                                              \
	({                                                                                   \
		__asm__ volatile("at " operation ", %0\n\tisb" : : "r"(address) : "memory"); \
		read_sysreg(par_el1);                                                        \
	})

static void ask(void)
{
	for (unsigned long i = 0; i < va_count; i++) {
		par[i] = ASK("s1e1r", va[i]);
		par_write[i] = ASK("s1e1w", va[i]);
		par_user[i] = ASK("s1e0r", va[i]);
	}
}

void walk_loop(void)
{
	*walk_count += 1;
}

int main(void)
{
	if (!has_granule()) {
		print(walk_kind.name);
		print(": this processor has no such granule\n");
		platform_exit(NO_GRANULE_STATUS);
	}
	for (unsigned int i = 0; i < sizeof(walk_page); i++)
		walk_page[i] = i < sizeof(*walk_count) ? 0 : PATTERN;
	mmu_init(&low, walk_kind.shift, walk_kind.low_bits);
	mmu_init(&high, walk_kind.shift, walk_kind.high_bits);
	map_low();
	map_high();
	mmu_use(&low, &high);
	ask();
	print(walk_kind.name);
	print(": ");
	print_decimal(va_count);
	print(" addresses\n");
	for (;;)
		walk_loop();
}
