// SPDX-License-Identifier: MIT
/* The x86 register table, which values its registers accept, segment loads, and the x87 forms. */
#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "arch/x86/fpu.h"
#include "arch/x86/cpu.h"
#include "arch/x86/segment.h"
#include "core/regs.h"
#include "tests/unit/x86_vm.h"

static struct x86_pure p;

static void setup_64(void)
{
	x86_pure_init(&p, X86_GUEST_64);
	p.state.cpuid = (struct x86_cpuid){ .f1_ecx = 1u << 26 | 1u << 28,
					    .e1_edx = 1u << 29 | 1u << 20 | 1u << 11,
					    .phys_bits = 46 };
}

static void setup_32(void)
{
	x86_pure_init(&p, X86_GUEST_32);
}

static void setup_real(void)
{
	x86_pure_init(&p, X86_GUEST_REAL);
}

static void fini(void)
{
	x86_pure_free(&p);
}

TestSuite(regs64, .init = setup_64, .fini = fini);
TestSuite(regs32, .init = setup_32, .fini = fini);
TestSuite(regs_real, .init = setup_real, .fini = fini);

static const struct reg_desc *find(const struct tdesc *d, const char *name)
{
	struct reg_iter it = reg_iter(d);
	const struct reg_desc *r;

	while ((r = reg_next(&it)))
		if (!strcmp(r->name, name))
			return r;
	return NULL;
}

/* The description of such a guest, with AVX or without. */
static const struct tdesc *tdesc_of(enum x86_guest mode, bool avx)
{
	const struct tdesc *d;
	struct x86_pure guest;

	x86_pure_init(&guest, mode);
	guest.state.cpuid.f1_ecx = avx ? 1u << 28 : 0;
	d = x86_describe(&guest.view);
	x86_pure_free(&guest);
	return d;
}

static uint64_t get(const char *name)
{
	const struct reg_desc *r = find(x86_describe(&p.view), name);
	uint64_t value = 0;

	cr_assert_not_null(r, "%s", name);
	memcpy(&value, (const char *)&p.state + r->offset, reg_size(r));
	return value;
}

static int set(const char *name, uint64_t value)
{
	const struct reg_desc *r = find(x86_describe(&p.view), name);

	cr_assert_not_null(r, "%s", name);
	p.dirty = 0;
	return x86_write_reg(&p.view, r, &value);
}

/* The write is accepted, and marks the bank. */
static void takes(const char *name, uint64_t value)
{
	const struct reg_desc *r = find(x86_describe(&p.view), name);

	cr_expect_eq(set(name, value), 0, "%s = %#lx", name, value);
	cr_expect_eq(get(name), value, "%s = %#lx", name, get(name));
	cr_expect(p.dirty >> r->bank & 1, "%s", name);
}

/* The write is refused, and changes nothing. */
static void refuses(const char *name, uint64_t value)
{
	struct x86_state was = p.state;

	cr_expect_eq(set(name, value), -EINVAL, "%s = %#lx", name, value);
	cr_expect_arr_eq(&p.state, &was, sizeof(was), "%s", name);
	cr_expect_eq(p.dirty, 0, "%s", name);
}

/* ---- the table --------------------------------------------------------------------------------- */

static void check_table(const struct tdesc *d)
{
	struct reg_iter it = reg_iter(d), other;
	const struct reg_desc *r, *o;

	while ((r = reg_next(&it))) {
		cr_expect_leq(r->offset + reg_size(r), sizeof(struct x86_state), "%s", r->name);
		cr_expect_lt(r->bank, X86_BANKS, "%s", r->name);
		other = it;
		while ((o = reg_next(&other))) {
			cr_expect_str_neq(r->name, o->name);
			cr_expect(r->offset + reg_size(r) <= o->offset ||
					  o->offset + reg_size(o) <= r->offset,
				  "%s and %s", r->name, o->name);
			cr_expect(r->dwarf < 0 || r->dwarf != o->dwarf, "%s and %s", r->name,
				  o->name);
		}
	}
}

Test(regs, table, .description = "no two registers share a name, an offset or a DWARF number")
{
	enum x86_guest mode;

	for (mode = X86_GUEST_REAL; mode <= X86_GUEST_64; mode++) {
		check_table(tdesc_of(mode, false));
		check_table(tdesc_of(mode, true));
	}
}

static void check_names(const struct tdesc *d, const char *names)
{
	struct reg_iter it = reg_iter(d);
	char copy[256], *save, *name;
	const struct reg_desc *r;

	cr_assert_lt(strlen(names), sizeof(copy));
	strcpy(copy, names);
	for (name = strtok_r(copy, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
		r = reg_next(&it);
		cr_assert_not_null(r);
		cr_expect_str_eq(r->name, name);
	}
}

#define X87_NAMES                                                   \
	" eflags cs ss ds es fs gs st0 st1 st2 st3 st4 st5 st6 st7" \
	" fctrl fstat ftag fiseg fioff foseg fooff fop"

Test(regs, gdb_names, .description = "the core features have the registers that gdb requires")
{
	check_names(tdesc_of(X86_GUEST_64, true),
		    "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip" X87_NAMES
		    " xmm0");
	check_names(tdesc_of(X86_GUEST_32, true),
		    "eax ecx edx ebx esp ebp esi edi eip" X87_NAMES " xmm0");
}

Test(regs, required, .description = "each description has the registers that users ask for")
{
	static const char *const both[] = { "fs_base", "gs_base", "cr0",  "cr2",   "cr3",
					    "cr4",     "cr8",	  "efer", "mxcsr", "xmm7" };
	size_t i;

	for (i = 0; i < sizeof(both) / sizeof(both[0]); i++) {
		cr_expect_not_null(find(tdesc_of(X86_GUEST_64, false), both[i]), "%s", both[i]);
		cr_expect_not_null(find(tdesc_of(X86_GUEST_32, false), both[i]), "%s", both[i]);
	}
	cr_expect_not_null(find(tdesc_of(X86_GUEST_64, false), "k_gs_base"));
	cr_expect_not_null(find(tdesc_of(X86_GUEST_64, true), "ymm15h"));
	cr_expect_null(find(tdesc_of(X86_GUEST_64, false), "ymm0h"));
	cr_expect_not_null(find(tdesc_of(X86_GUEST_32, true), "ymm7h"));
	cr_expect_null(find(tdesc_of(X86_GUEST_32, true), "ymm8h"));
}

Test(regs64, describe, .description = "64-bit and compatibility mode get the 64-bit description")
{
	cr_expect_str_eq(x86_describe(&p.view)->arch, "i386:x86-64");
	cr_expect_not_null(find(x86_describe(&p.view), "ymm0h"));
	p.state.seg[X86_CS].l = 0;
	cr_expect_str_eq(x86_describe(&p.view)->arch, "i386:x86-64");
	p.state.cpuid.f1_ecx = 0;
	cr_expect_null(find(x86_describe(&p.view), "ymm0h"));
	p.broken = ~0u;
	cr_expect_str_eq(x86_describe(&p.view)->arch, "i386:x86-64");
}

Test(regs32, describe, .description = "protected mode gets the i386 description")
{
	cr_expect_str_eq(x86_describe(&p.view)->arch, "i386");
}

Test(regs_real, describe, .description = "real mode gets the i8086 description")
{
	cr_expect_str_eq(x86_describe(&p.view)->arch, "i8086");
}

static void mode_is(const char *text)
{
	char buf[64];

	x86_cpu.mode(&p.view, buf, sizeof(buf));
	cr_expect_str_eq(buf, text);
}

Test(regs64, mode, .description = "the text for a vCPU's state")
{
	mode_is("64-bit kernel");
	p.state.seg[X86_SS].dpl = 3;
	mode_is("64-bit user");
	p.state.seg[X86_CS].l = 0;
	p.state.seg[X86_CS].db = 1;
	mode_is("32-bit user, compatibility mode");
	p.broken = 1u << X86_BANK_SREGS;
	mode_is("mode unknown");
}

Test(regs_real, mode, .description = "the text for real mode, and the linear address of its code")
{
	uint64_t addr;

	mode_is("real mode");
	p.state.seg[X86_CS].base = 0xffff0000;
	cr_expect_eq(x86_cpu.code_addr(&p.view, 0xfff0, &addr), 0);
	cr_expect_eq(addr, 0xfffffff0);
}

Test(regs, unreadable, .description = "a register that can't be read is an error, also for a write")
{
	uint64_t value = 1;

	setup_64();
	p.broken = 1u << X86_BANK_SREGS | 1u << X86_BANK_FPU;
	cr_expect_eq(x86_write_reg(&p.view, find(tdesc_of(X86_GUEST_64, true), "cr3"), &value),
		     -EIO);
	cr_expect_eq(x86_write_reg(&p.view, find(tdesc_of(X86_GUEST_64, true), "st0"), &value),
		     -EIO);
	cr_expect_eq(x86_write_reg(&p.view, find(tdesc_of(X86_GUEST_64, true), "rip"), &value),
		     -EIO);
	fini();
}

/* ---- writes ------------------------------------------------------------------------------------ */

Test(regs64, plain,
     .description =
	     "the core copies registers without a rule; a write that changes nothing stores nothing")
{
	cr_expect_eq(set("rax", 5), -EOPNOTSUPP);
	cr_expect_eq(set("cr2", 5), -EOPNOTSUPP);
	p.state.gpr[X86_RAX] = 5;
	cr_expect_eq(set("rax", 5), 0);
	cr_expect_eq(p.dirty, 0);
	cr_expect_eq(set("cr4", p.state.cr4), 0);
	cr_expect_eq(p.dirty, 0);
}

Test(regs64, addresses, .description = "addresses are canonical")
{
	static const char *const names[] = { "rip",	  "fs_base", "gs_base",
					     "k_gs_base", "lstar",   "gdt_base" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		takes(names[i], 0xffffffff81000000);
		takes(names[i], 0x00007fffffffffff);
		refuses(names[i], 0x0000800000000000);
		refuses(names[i], 0x1234567890abcdef);
	}
	p.state.cr4 |= X86_CR4_LA57;
	takes("gs_base", 0x00f0000000000000);
	refuses("gs_base", 0x0100000000000000);
}

Test(regs64, compat_rip, .description = "outside 64-bit mode RIP has 32 bits")
{
	p.state.seg[X86_CS].l = 0;
	takes("rip", 0xfffffff0);
	refuses("rip", 0x100000000);
}

Test(regs_real, pc_limit, .description = "outside 64-bit mode the PC is within its code segment")
{
	takes("eip", 0xffff);
	refuses("eip", 0x10000);
	p.state.seg[X86_CS].limit = 0xffffffff; /* "unreal" mode */
	takes("eip", 0x10000);
}

Test(regs64, compat_limit,
     .description = "compatibility mode has segment limits, 64-bit mode has none")
{
	p.state.seg[X86_CS].limit = 0xfff;
	takes("rip", 0xffffffff81000000);
	p.state.seg[X86_CS].l = 0;
	refuses("rip", 0x1000);
	takes("rip", 0xfff);
}

Test(regs64, eflags, .description = "EFLAGS: bit 1 stays set, reserved bits and VM are refused")
{
	takes("eflags", 0x246);
	cr_expect_eq(set("eflags", 0x100), 0);
	cr_expect_eq(get("eflags"), 0x102);
	refuses("eflags", 0x8002);
	refuses("eflags", 0x400002);
	refuses("eflags", 0x2a);
	refuses("eflags", 0x20002);
}

Test(regs64, cr0, .description = "CR0: no reserved bit, no combination that the processor lacks")
{
	takes("cr0", 0x80050033);
	refuses("cr0", 0x180050033);
	refuses("cr0", 0x80050073);
	refuses("cr0", 0xa0050033); /* NW without CD */
	takes("cr0", 0xe0050033);
	refuses("cr0", 0x80050032); /* paging without protection */
	refuses("cr0", 0x00050033); /* paging off under 64-bit code */
	p.state.seg[X86_CS].l = 0;
	takes("cr0", 0x00050033);
	cr_expect_eq(p.state.efer, X86_EFER_LME);
	takes("cr0", 0x80050033);
	cr_expect_eq(p.state.efer, X86_EFER_LME | X86_EFER_LMA);
}

Test(regs32, cr0_pe, .description = "only level 0 can clear CR0.PE")
{
	p.state.seg[X86_SS].dpl = 3;
	refuses("cr0", 0x10);
	p.state.seg[X86_SS].dpl = 0;
	takes("cr0", 0x10);
}

Test(regs64, cr3, .description = "CR3: within the physical addresses of this CPU")
{
	takes("cr3", 0x3ffffffff000);
	refuses("cr3", 0x400000000000);
	refuses("cr3", 1ull << 62);
	p.state.cpuid.f7_1_eax = 1u << 26;
	takes("cr3", 1ull << 62 | 0x1000);
	p.broken = 1u << X86_BANK_CPUID;
	p.state.cpuid = (struct x86_cpuid){ 0 };
	takes("cr3", 0x400000000000);
}

Test(regs64, cr4, .description = "CR4: features that this CPU has, and what long mode needs")
{
	takes("cr4", 0x6f0);
	takes("cr4", 0x406f0);	  /* OSXSAVE is there */
	refuses("cr4", 0x1006f0); /* SMEP is not */
	refuses("cr4", 0x6d0);	  /* PAE off */
	refuses("cr4", 0x16f0);	  /* LA57 on */
	p.state.cpuid.f7_ecx = 1u << 16;
	p.state.cpuid.f1_ecx |= 1u << 17;
	refuses("cr4", 0x16f0); /* still: paging is on */
	p.state.cr3 = 0x1001;
	refuses("cr4", 0x206f0); /* PCIDE with a PCID in CR3 */
	p.state.cr3 = 0x1000;
	takes("cr4", 0x206f0);
	refuses("cr4", 1ull << 40);
}

Test(regs64, cr8_efer, .description = "CR8 has four bits; EFER.LMA follows LME and paging")
{
	takes("cr8", 15);
	refuses("cr8", 16);
	takes("efer", 0xd01);
	refuses("efer", 0x101);
	refuses("efer", 0x001);
	refuses("efer", 0x1d01); /* SVME, not in CPUID */
	refuses("efer", 1ull << 40);
}

Test(regs64, fpu, .description = "x87 and SSE control: reserved bits are refused")
{
	takes("fctrl", 0x27f);
	refuses("fctrl", 0x10000);
	takes("fop", 0x7ff);
	refuses("fop", 0x800);
	takes("mxcsr", 0xffc0);
	refuses("mxcsr", 0x10000);
	p.state.fpu.mxcsr_mask = 0xffbf;
	refuses("mxcsr", 0x40);
	refuses("fmask", 1ull << 32);
}

/* ---- segments ---------------------------------------------------------------------------------- */

Test(regs_real, selectors,
     .description = "real mode: the base follows the selector, the limit stays")
{
	takes("ds", 0x1234);
	cr_expect_eq(p.state.seg[X86_DS].base, 0x12340);
	cr_expect_eq(p.state.seg[X86_DS].limit, 0xffff);
	takes("cs", 0xf000);
	cr_expect_eq(p.state.seg[X86_CS].base, 0xf0000);
	refuses("es", 0x10000);
}

Test(regs32, vm86, .description = "virtual-8086 mode: as real mode, with fixed access rights")
{
	p.state.rflags |= X86_FL_VM;
	p.state.seg[X86_SS].dpl = 3;
	takes("ds", 0x1234);
	cr_expect_eq(p.state.seg[X86_DS].base, 0x12340);
	cr_expect_eq(p.state.seg[X86_DS].limit, 0xffff);
	cr_expect_eq(p.state.seg[X86_DS].dpl, 3);
}

Test(regs32, loads_descriptor,
     .description = "a selector loads base, limit and rights from its descriptor")
{
	static const uint64_t odd = 0x12c0f2345678ffff; /* 32-bit data, level 3, base 0x12345678 */
	struct x86_seg *seg = &p.state.seg[X86_ES];

	memcpy(p.mem + X86_GDT + X86_SEL_ABSENT, &odd, sizeof(odd));
	takes("es", X86_SEL_ABSENT | 3);
	cr_expect_eq(seg->base, 0x12345678);
	cr_expect_eq(seg->limit, 0x0000ffff * 0x1000u + 0xfff);
	cr_expect_eq(seg->type, 3, "accessed");
	cr_expect_eq(seg->dpl, 3);
	cr_expect_eq(seg->g, 1);
	cr_expect_eq(seg->db, 1);
	cr_expect_not(seg->unusable);
}

Test(regs32, bad_selectors,
     .description = "a selector that the processor would fault on is refused")
{
	refuses("ds", X86_SEL_ABSENT);
	refuses("ds", X86_SEL_TSS);
	refuses("ds", 0x50);
	refuses("ds", X86_SEL_DATA | 4);
	refuses("cs", X86_SEL_DATA);
	refuses("cs", 0);
	refuses("cs", X86_SEL_CODE32 | 3);
	refuses("cs", X86_SEL_USER_CODE64);
	refuses("ss", 0);
	refuses("ss", X86_SEL_CODE32);
	refuses("ss", X86_SEL_USER_DATA);
	takes("cs", X86_SEL_CODE16);
	cr_expect_eq(p.state.seg[X86_CS].db, 0);
	p.state.seg[X86_SS].dpl = 3;
	takes("ds", X86_SEL_USER_DATA);
	refuses("ds", X86_SEL_DATA);
}

Test(regs32, unreadable_table, .description = "a descriptor that can't be read is an error")
{
	p.state.gdt.base = X86_MEM_SIZE;
	cr_expect_eq(set("es", X86_SEL_CODE32), -EFAULT);
}

Test(regs32, no_long_code, .description = "without long mode a 64-bit code segment is a plain one")
{
	takes("cs", X86_SEL_CODE64);
	cr_expect_eq(p.state.seg[X86_CS].l, 0);
}

Test(regs32, ldt, .description = "selectors of the LDT load from the LDT")
{
	p.state.seg[X86_LDTR] = (struct x86_seg){
		.base = X86_GDT, .limit = X86_SEL_DATA + 7, .type = 2, .present = 1
	};
	takes("fs", X86_SEL_DATA | 4);
	refuses("fs", X86_SEL_CODE32 | 4);
}

Test(regs64, null_selectors,
     .description = "null selectors: data always, SS in 64-bit mode below level 3")
{
	takes("ds", 0);
	cr_expect(p.state.seg[X86_DS].unusable);
	takes("ss", 0);
	cr_expect_eq(p.state.seg[X86_SS].dpl, 0);
	refuses("ss", 3);
	p.state.seg[X86_SS].dpl = 3;
	refuses("ss", 3);
	takes("fs", 3);
}

Test(regs64, long_code, .description = "CS between 64-bit and compatibility mode")
{
	takes("cs", X86_SEL_CODE32);
	cr_expect_eq(p.state.seg[X86_CS].l, 0);
	takes("cs", X86_SEL_CODE64);
	cr_expect_eq(p.state.seg[X86_CS].l, 1);
}

/* ---- x87 --------------------------------------------------------------------------------------- */

Test(fpu, init_state,
     .description = "components that XSTATE_BV leaves out are in their initial state")
{
	struct x86_fpu fpu;
	uint8_t area[1024];

	memset(area, 0xee, sizeof(area));
	memset(area + 512, 0, 64);
	x86_fpu_unpack(&fpu, area, true);
	cr_expect_eq(fpu.fctrl, 0x37f);
	cr_expect_eq(fpu.ftag, 0xffff);
	cr_expect_eq(fpu.mxcsr, 0x1f80);
	cr_expect_eq(fpu.xmm[0][0], 0);
	cr_expect_eq(fpu.ymmh[0][0], 0);
}

Test(fpu, tags, .description = "the tag word is full for gdb and abridged for the processor")
{
	static const struct {
		const char *st;
		unsigned int tag;
	} values[] = {
		{ "\0\0\0\0\0\0\0\x80\xff\x3f", 0 }, /* 1.0 */
		{ "\0\0\0\0\0\0\0\0\0\0", 1 },	     /* 0.0 */
		{ "\0\0\0\0\0\0\0\x80\xff\x7f", 2 }, /* infinity */
		{ "\1\0\0\0\0\0\0\0\0\0", 2 },	     /* denormal */
		{ "\0\0\0\0\0\0\0\0\xff\x3f", 2 },   /* unnormal */
	};
	uint8_t area[1024] = { 0 }, back[1024];
	struct x86_fpu fpu;
	unsigned int i, top;

	area[512] = 7;
	for (top = 0; top < 8; top++)
		for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			area[3] = top << 3;
			area[4] = 1 << top; /* only ST(0) is in use */
			memcpy(area + 32, values[i].st, 10);
			x86_fpu_unpack(&fpu, area, true);
			cr_expect_eq(fpu.ftag,
				     (0xffff & ~(3u << 2 * top)) | values[i].tag << 2 * top,
				     "top %u value %u: %#x", top, i, fpu.ftag);
			memcpy(back, area, sizeof(back));
			memset(back, 0, 512);
			x86_fpu_pack(&fpu, back, true);
			cr_expect_eq(back[4], 1 << top);
		}
}

Test(fpu, round_trip, .description = "packing gives the bytes that were unpacked")
{
	uint8_t area[1024], back[1024];
	struct x86_fpu fpu;
	unsigned int i;

	for (i = 0; i < sizeof(area); i++)
		area[i] = i * 7;
	memset(area + 512, 0, 64);
	area[512] = 7;
	for (i = 0; i < 8; i++)
		memset(area + 32 + 16 * i + 10, 0, 6);
	memcpy(back, area, sizeof(back));
	x86_fpu_unpack(&fpu, area, true);
	x86_fpu_pack(&fpu, back, true);
	cr_expect_arr_eq(back, area, sizeof(area));
}

Test(fpu, avx_stays_off,
     .description = "AVX state that is all zero does not set its bit in XSTATE_BV")
{
	uint8_t area[1024] = { 0 };
	struct x86_fpu fpu;

	x86_fpu_unpack(&fpu, area, true);
	fpu.mxcsr_mask = 0;
	x86_fpu_pack(&fpu, area, true);
	cr_expect_eq(area[512], 3);
	fpu.ymmh[15][15] = 1;
	x86_fpu_pack(&fpu, area, true);
	cr_expect_eq(area[512], 7);
	cr_expect_eq(area[576 + 255], 1);
	fpu.ymmh[15][15] = 2;
	x86_fpu_pack(&fpu, area, false);
	cr_expect_eq(area[576 + 255], 1);
}
