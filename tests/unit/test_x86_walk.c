// SPDX-License-Identifier: MIT
/*
 * The x86 page walk on tables made in memory, one test for each rule of the SDM's chapter on
 * paging.
 */
#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "arch/x86/walk.h"
#include "tests/unit/x86_vm.h"

enum { P = 1, RW = 2, US = 4, PS = 0x80 };
enum { L5 = 0x40000, L4 = 0x41000, L3 = 0x42000, L2 = 0x43000, L1 = 0x44000 };

#define NX  (1ull << 63)
#define ALL (PROT_R | PROT_W | PROT_X | PROT_USER)

static struct x86_pure p;

static void fini(void)
{
	x86_pure_free(&p);
}

static void put(unsigned int table, unsigned int index, uint64_t entry)
{
	memcpy(p.mem + table + 8 * index, &entry, sizeof(entry));
}

static void put32(unsigned int table, unsigned int index, uint32_t entry)
{
	memcpy(p.mem + table + 4 * index, &entry, sizeof(entry));
}

static void setup_long(bool five)
{
	x86_pure_init(&p, X86_GUEST_64);
	p.state.efer |= X86_EFER_NXE;
	p.state.cpuid.phys_bits = 46;
	p.state.cr3 = five ? L5 : L4;
	p.state.cr4 |= five ? X86_CR4_LA57 : 0;
	if (five)
		put(L5, 0, L4 | P | RW | US);
	put(L4, 0, L3 | P | RW | US);
	put(L3, 0, L2 | P | RW | US);
	put(L2, 0, L1 | P | RW | US);
}

static void setup_4(void)
{
	setup_long(false);
}

static void setup_5(void)
{
	setup_long(true);
}

static void setup_pae(void)
{
	x86_pure_init(&p, X86_GUEST_32);
	p.state.cr0 |= X86_CR0_PG;
	p.state.cr4 = X86_CR4_PAE;
	p.state.efer = X86_EFER_NXE;
	p.state.cpuid.phys_bits = 40;
	p.state.cr3 = L3 + 0x20; /* tables of PAE are aligned to 32 bytes only */
	put(L3 + 0x20, 3, L2 | P);
	put(L2, 0, L1 | P | RW | US);
}

static void setup_32(void)
{
	x86_pure_init(&p, X86_GUEST_32);
	p.state.cr0 |= X86_CR0_PG;
	p.state.cr4 = X86_CR4_PSE;
	p.state.cpuid.phys_bits = 46;
	p.state.cr3 = L2 | 0x18;
	put32(L2, 1, L1 | P | RW | US);
}

static void maps(uint64_t va, uint64_t gpa, uint64_t page, unsigned int prot)
{
	struct xlat x;
	int ret = x86_translate(&p.view, va, &x);

	cr_assert_eq(ret, 0, "va %#lx: %d", va, ret);
	cr_expect_eq(x.gpa, gpa, "va %#lx: gpa %#lx", va, x.gpa);
	cr_expect_eq(x.page, page, "va %#lx: page %#lx", va, x.page);
	cr_expect_eq(x.prot, prot, "va %#lx: prot %#x", va, x.prot);
}

static void faults(uint64_t va)
{
	struct xlat x;

	cr_expect_eq(x86_translate(&p.view, va, &x), -EFAULT, "va %#lx", va);
}

TestSuite(walk4, .init = setup_4, .fini = fini);
TestSuite(walk5, .init = setup_5, .fini = fini);
TestSuite(walk_pae, .init = setup_pae, .fini = fini);
TestSuite(walk32, .init = setup_32, .fini = fini);

Test(walk4, page_4k, .description = "4 KiB pages: present ones map, others fault")
{
	put(L1, 5, 0x12345000 | P | RW | US);
	maps(0x5abc, 0x12345abc, 0x1000, ALL);
	faults(0x6abc);
	faults(0x200000);
	faults(1ull << 39);
}

Test(walk4, rights, .description = "access rights are those of all levels combined")
{
	put(L1, 0, 0x1000 | P | RW | US | NX);
	maps(0, 0x1000, 0x1000, PROT_R | PROT_W | PROT_USER);
	put(L3, 0, L2 | P | US);
	maps(0, 0x1000, 0x1000, PROT_R | PROT_USER);
	put(L2, 0, L1 | P | RW);
	put(L1, 0, 0x1000 | P | RW | US);
	maps(0, 0x1000, 0x1000, PROT_R | PROT_X);
	put(L4, 0, L3 | P | RW | US | NX);
	maps(0, 0x1000, 0x1000, PROT_R);
}

Test(walk4, pages_2m_1g, .description = "2 MiB and 1 GiB pages keep the offset")
{
	put(L2, 3, 0x40000000 | P | RW | US | PS);
	maps(0x6abcde, 0x400abcde, 0x200000, ALL);
	put(L3, 1, 0x1c0000000 | P | RW | US | PS);
	maps(0x7abcdef0, 0x1fabcdef0, 0x40000000, ALL);
}

Test(walk4, pat_is_no_address, .description = "bit 12 of a large page is PAT, not its address")
{
	put(L2, 3, 0x40000000 | 1 << 12 | P | RW | US | PS);
	maps(0x600000, 0x40000000, 0x200000, ALL);
}

Test(walk4, reserved, .description = "reserved bits fault")
{
	put(L1, 0, 0x1000 | 1ull << 46 | P);
	faults(0);
	put(L1, 0, 0x1000 | 1ull << 52 | 1ull << 62 | P | RW | US);
	maps(0, 0x1000, 0x1000, ALL);
	put(L2, 1, 0x40002000 | P | PS);
	faults(0x200000);
	put(L3, 1, 0x40200000 | P | PS);
	faults(0x40000000);
	put(L4, 1, L3 | P | PS);
	faults(1ull << 39);
	p.state.efer &= ~X86_EFER_NXE;
	put(L1, 0, 0x1000 | P | NX);
	faults(0);
}

Test(walk4, unknown_width, .description = "without CPUID physical addresses have 52 bits")
{
	p.broken = 1u << X86_BANK_CPUID;
	put(L1, 0, 1ull << 51 | P | RW | US);
	maps(0x10, 1ull << 51 | 0x10, 0x1000, ALL);
}

Test(walk4, canonical, .description = "addresses that are not canonical fault; the upper half maps")
{
	put(L4, 511, L3 | P | RW | US);
	put(L1, 0, 0x7000 | P | RW | US);
	maps(0xffffff8000000000, 0x7000, 0x1000, ALL);
	faults(0x0000ff8000000000);
	faults(0x0000800000000000);
	faults(0x8000000000000000);
}

Test(walk4, cr3_low_bits,
     .description = "PCID and LAM bits of CR3 are no part of the table's address")
{
	put(L1, 0, 0x7000 | P | RW | US);
	p.state.cr3 |= 0xfff | 3ull << 61;
	maps(0, 0x7000, 0x1000, ALL);
}

Test(walk4, tables_outside_memory, .description = "a table that is not in memory faults")
{
	put(L2, 1, 0x7fff0000 | P | RW | US);
	faults(0x200000);
	p.state.cr3 = 0x7fff0000;
	faults(0);
}

Test(walk4, state_unreadable,
     .description = "registers that can't be read are an error, not taken for zero")
{
	struct xlat x;

	p.broken = 1u << X86_BANK_SREGS;
	cr_expect_eq(x86_translate(&p.view, 0, &x), -EIO);
}

Test(walk4, read_across_pages, .description = "a read crosses pages, but no hole")
{
	uint8_t buf[8];

	put(L1, 0, 0x50000 | P);
	put(L1, 1, 0x60000 | P);
	memset(p.mem + 0x50ffc, 1, 4);
	memset(p.mem + 0x60000, 2, 4);
	cr_expect_eq(x86_read_virt(&p.view, 0xffc, buf, 8), 0);
	cr_expect_arr_eq(buf, "\1\1\1\1\2\2\2\2", 8);
	cr_expect_eq(x86_read_virt(&p.view, 0x1ffc, buf, 8), -EFAULT);
	cr_expect_eq(x86_read_virt(&p.view, 0x2000, buf, 8), -EFAULT);
	put(L1, 2, (X86_MEM_SIZE - 0x1000) | P);
	put(L1, 3, X86_MEM_SIZE | P);
	cr_expect_eq(x86_read_virt(&p.view, 0x2ffc, buf, 4), 0);
	cr_expect_eq(x86_read_virt(&p.view, 0x2ffc, buf, 8), -EFAULT);
	cr_expect_eq(x86_read_virt(&p.view, 0x3000, buf, 8), -EFAULT);
}

static uint64_t entry(unsigned int table, unsigned int index)
{
	uint64_t e;

	memcpy(&e, p.mem + table + 8 * index, sizeof(e));
	return e;
}

Test(walk4, write,
     .description =
	     "a write sets the page's dirty bit and the accessed bits of its tables, a read none")
{
	uint8_t buf[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, back[8];

	put(L1, 0, 0x50000 | P | RW);
	put(L1, 1, 0x60000 | P | RW);
	cr_expect_eq(x86_read_virt(&p.view, 0xffc, back, 8), 0);
	cr_expect_eq(entry(L1, 0), 0x50000 | P | RW);
	cr_expect_eq(x86_write_virt(&p.view, 0xffc, buf, 8), 0);
	cr_expect_eq(x86_read_virt(&p.view, 0xffc, back, 8), 0);
	cr_expect_arr_eq(back, buf, 8);
	cr_expect_eq(entry(L1, 0), 0x50000 | P | RW | 0x60);
	cr_expect_eq(entry(L1, 1), 0x60000 | P | RW | 0x60);
	cr_expect_eq(entry(L4, 0), L3 | P | RW | US | 0x20);
}

Test(walk4, write_refused, .description = "a write that can't be complete writes nothing")
{
	uint8_t buf[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };

	put(L1, 0, 0x50000 | P | RW);
	cr_expect_eq(x86_write_virt(&p.view, 0xffc, buf, 8), -EFAULT);
	cr_expect_eq(p.mem[0x50ffc], 0);
	p.view.write_phys = NULL;
	cr_expect_eq(x86_write_virt(&p.view, 0, buf, 8), -EINVAL);
}

Test(walk5, five_levels, .description = "5-level paging: 57-bit addresses")
{
	put(L1, 1, 0x9000 | P | RW | US);
	maps(0x1234, 0x9234, 0x1000, ALL);
	put(L5, 3, L4 | P | RW | US);
	maps(3ull << 48 | 0x1234, 0x9234, 0x1000, ALL);
	put(L5, 511, L4 | P | RW | US);
	maps(0xffff000000001234, 0x9234, 0x1000, ALL);
	faults(0x0100000000000000);
	put(L5, 1, L4 | P | PS);
	faults(1ull << 48);
}

Test(walk_pae, pages, .description = "PAE: 4 KiB and 2 MiB, physical addresses above 4 GiB, NX")
{
	put(L1, 7, 0x123456000 | P | RW | US | NX);
	maps(0xc0007abc, 0x123456abc, 0x1000, PROT_R | PROT_W | PROT_USER);
	put(L2, 1, 0x7fe00000 | P | RW | PS);
	maps(0xc0212345, 0x7fe12345, 0x200000, PROT_R | PROT_W | PROT_X);
	faults(0x7abc);
}

Test(walk_pae, no_rights_in_pdpt,
     .description = "the directory pointers have no rights: bits 1, 2, 5 to 8 are reserved")
{
	put(L1, 0, 0x1000 | P | RW | US);
	maps(0xc0000000, 0x1000, 0x1000, ALL);
	put(L3 + 0x20, 3, L2 | P | RW);
	faults(0xc0000000);
	put(L3 + 0x20, 3, L2 | P | PS);
	faults(0xc0000000);
	put(L3 + 0x20, 3, L2 | P | NX);
	faults(0xc0000000);
}

Test(walk_pae, reserved, .description = "PAE: bits 62 to MAXPHYADDR are reserved")
{
	put(L1, 0, 0x1000 | 1ull << 40 | P);
	faults(0xc0000000);
	put(L1, 0, 0x1000 | 1ull << 55 | P);
	faults(0xc0000000);
	faults(0x1c0000000);
}

Test(walk32, pages, .description = "32-bit paging: 4 KiB and 4 MiB")
{
	put32(L1, 2, 0xabcde000 | P | RW);
	maps(0x402123, 0xabcde123, 0x1000, PROT_R | PROT_W | PROT_X);
	put32(L2, 2, 0x10000000 | P | RW | US | PS);
	maps(0x8abcde, 0x100abcde, 0x400000, ALL);
	faults(0xc00000);
	faults(0x100402123);
}

Test(walk32, no_pse, .description = "without CR4.PSE bit 7 is ignored")
{
	p.state.cr4 = 0;
	put32(L2, 2, L1 | P | RW | US | PS);
	put32(L1, 1, 0x5000 | P | RW | US);
	maps(0x801000, 0x5000, 0x1000, ALL);
}

Test(walk32, pse36,
     .description = "PSE-36: a 4 MiB page above 4 GiB; bit 21 and bits above 40 are reserved")
{
	put32(L2, 2, 0x10000000 | 0x5 << 13 | P | RW | US | PS);
	maps(0x800010, 0x510000010, 0x400000, ALL);
	put32(L2, 2, 0x10000000 | 1 << 21 | P | RW | US | PS);
	faults(0x800000);
	p.state.cpuid.phys_bits = 34;
	put32(L2, 2, 0x10000000 | 0x5 << 13 | P | RW | US | PS);
	faults(0x800000);
}

static uint64_t tables_of(uint64_t va)
{
	struct xlat x = { 0 };

	cr_assert_eq(x86_translate(&p.view, va, &x), 0);
	return x.tables;
}

Test(walk4, tables,
     .description = "tables tells processes apart, and not what they share: their kernel")
{
	const uint64_t kernel = 0xffff800000001000;
	uint64_t shared, own;

	put(L4, 256, L3 | P | RW);
	put(L4, 1, 0x45000 | P | RW | US);
	put(0x45000, 0, PS | P | RW | US);
	put(L1, 1, 0x5000 | P | RW | US);
	shared = tables_of(kernel);
	own = tables_of(0x8000000000);
	put(L2, 0, 0x46000 | P | RW | US);
	put(0x46000, 1, 0x6000 | P | RW | US);
	cr_expect_eq(tables_of(kernel), shared, "mapped elsewhere by the same tables");
	put(L5, 256, L3 | P | RW);
	put(L5, 1, 0x47000 | P | RW | US);
	put(0x47000, 0, PS | P | RW | US);
	p.state.cr3 = L5 | 0x18 | 1ull << 63;
	cr_expect_eq(tables_of(kernel), shared);
	cr_expect_neq(tables_of(0x8000000000), own);
}

Test(walk32, tables_of_large_pages,
     .description = "a large page of the root is mapped by the root, wherever it goes")
{
	uint64_t before;

	put32(L2, 2, 0x800000 | P | RW | US | PS);
	before = tables_of(0x800000);
	put32(L2, 2, 0xc00000 | P | RW | US | PS);
	cr_expect_eq(tables_of(0x800000), before);
}

Test(walk_off, flat, .description = "without paging a linear address is physical, in 32 bits")
{
	struct x86_pure q;
	struct xlat x;

	x86_pure_init(&q, X86_GUEST_REAL);
	cr_expect_eq(x86_translate(&q.view, 0xffff1234, &x), 0);
	cr_expect_eq(x.gpa, 0xffff1234);
	cr_expect_eq(x.page, 1ull << 63);
	cr_expect_eq(x.prot, ALL);
	cr_expect_eq(x.tables, XLAT_FLAT);
	cr_expect_eq(x86_translate(&q.view, 1ull << 32, &x), -EFAULT);
	x86_pure_free(&q);
}
