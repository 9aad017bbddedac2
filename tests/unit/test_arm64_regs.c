// SPDX-License-Identifier: MIT
/* Registers: the description, offsets of values, accepted values; system registers' names. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "arch/arm64/cpu.h"
#include "arch/arm64/event_delivery.h"
#include "core/regs.h"
#include "tests/unit/arm64_cpu.h"

static struct arm64_test t;
static struct arm64_layout *layout;

static void setup(void)
{
	arm64_test_init(&t);
	layout = malloc(sizeof(*layout));
}

static void teardown(void)
{
	free(layout);
	arm64_test_free(&t);
}

TestSuite(arm64_regs, .init = setup, .fini = teardown);

static const uint16_t encs[] = {
	SYSREG(3, 0, 0, 0, 0), SYSREG(3, 0, 0, 3, 3),  SYSREG(3, 0, 1, 0, 0),
	SYSREG(3, 0, 5, 2, 0), SYSREG(3, 0, 12, 0, 0), SYSREG(3, 3, 13, 0, 2),
	SYSREG(3, 5, 1, 2, 3),
};
enum { NENCS = sizeof(encs) / sizeof(encs[0]) };

static const struct tdesc *with(unsigned int vq, bool pauth)
{
	arm64_layout_init(layout, vq, pauth, encs, NENCS);
	t.state.layout = layout;
	return arm64_cpu.describe(&t.view);
}

static const struct reg_desc *reg(const struct tdesc *d, const char *name)
{
	struct reg_iter it = reg_iter(d);
	const struct reg_desc *r;

	while ((r = reg_next(&it)))
		if (!strcmp(r->name, name))
			return r;
	cr_assert_fail("no register %s", name);
	return NULL;
}

static const struct reg_feature *feature(const struct tdesc *d, const char *name)
{
	unsigned int i;

	for (i = 0; i < d->nfeatures; i++)
		if (!strcmp(d->features[i]->name, name))
			return d->features[i];
	return NULL;
}

/* ---- descriptions ------------------------------------------------------------------------ */

static void check_described(const struct tdesc *d)
{
	struct reg_iter it = reg_iter(d), other;
	const struct reg_desc *r, *s;

	while ((r = reg_next(&it))) {
		cr_assert_lt(r->bank, arm64_cpu.nbanks, "%s", r->name);
		cr_assert_leq(r->offset + reg_size(r), arm64_cpu.state_size, "%s", r->name);
		cr_assert_leq(reg_size(r), REG_SIZE_MAX);
		for (other = it; (s = reg_next(&other));) {
			cr_assert_str_neq(r->name, s->name);
			cr_assert(r->offset + reg_size(r) <= s->offset ||
					  s->offset + reg_size(s) <= r->offset,
				  "%s and %s lie in one place", r->name, s->name);
		}
	}
}

Test(arm64_regs, sound,
     .description = "names are unique, values do not overlap and lie inside the state")
{
	unsigned int vq;

	check_described(arm64_cpu.describe(&t.view));
	for (vq = 0; vq <= 16; vq++) {
		check_described(with(vq, false));
		check_described(with(vq, true));
	}
}

Test(arm64_regs, features, .description = "gdb's standard features, whole and in their order")
{
	const struct tdesc *d = with(0, false);
	const struct reg_feature *core = feature(d, "org.gnu.gdb.aarch64.core");
	const struct reg_feature *fpu = feature(d, "org.gnu.gdb.aarch64.fpu");

	cr_assert_str_eq(d->arch, "aarch64");
	cr_assert(core && core->nregs == 34);
	cr_assert_str_eq(core->regs[0].name, "x0");
	cr_assert_str_eq(core->regs[30].name, "x30");
	cr_assert_str_eq(core->regs[31].name, "sp");
	cr_assert_str_eq(core->regs[32].name, "pc");
	cr_assert_str_eq(core->regs[33].name, "cpsr");
	cr_assert_eq(core->regs[33].bits, 32);
	cr_assert(fpu && fpu->nregs == 34);
	cr_assert_str_eq(fpu->regs[31].name, "v31");
	cr_assert_eq(fpu->regs[31].bits, 128);
	cr_assert_str_eq(fpu->regs[32].name, "fpsr");
	cr_assert_null(feature(d, "org.gnu.gdb.aarch64.sve"));
	cr_assert_null(feature(d, "org.gnu.gdb.aarch64.pauth"));
	cr_assert_not_null(feature(d, "org.vmgdb.aarch64.system"));
}

Test(arm64_regs, sve, .description = "SVE takes the place of the FPU feature, at each length")
{
	const struct reg_feature *sve;
	const struct tdesc *d;
	char expected[80];
	unsigned int vq;

	for (vq = 1; vq <= 16; vq++) {
		d = with(vq, true);
		sve = feature(d, "org.gnu.gdb.aarch64.sve");
		cr_assert(sve && sve->nregs == 52);
		cr_assert_null(feature(d, "org.gnu.gdb.aarch64.fpu"));
		cr_assert_not_null(feature(d, "org.gnu.gdb.aarch64.pauth"));
		cr_assert_eq(reg(d, "z31")->bits, 128 * vq);
		cr_assert_eq(reg(d, "p15")->bits, 16 * vq);
		cr_assert_eq(reg(d, "ffr")->bits, 16 * vq);
		cr_assert_eq(reg(d, "fpsr")->bits, 32);
		cr_assert_eq(reg(d, "vg")->bits, 64);
		snprintf(expected, sizeof(expected), "\"svevdf\" type=\"ieee_double\" count=\"%u\"",
			 2 * vq);
		cr_assert(strstr(sve->types, expected), "%s in %s", expected, sve->types);
		snprintf(expected, sizeof(expected), "\"svep\" type=\"uint8\" count=\"%u\"/>",
			 2 * vq);
		cr_assert(strstr(sve->types, expected), "%s in %s", expected, sve->types);
	}
}

Test(arm64_regs, expedited, .description = "a stop reply has pc, sp, x29 and x30, and no more")
{
	static const char *const names[] = { "x29", "x30", "sp", "pc" };
	struct reg_iter it = reg_iter(with(4, true));
	const struct reg_desc *r;
	unsigned int n = 0;

	while ((r = reg_next(&it)))
		if (r->flags & REG_EXPEDITE) {
			cr_assert_lt(n, 4);
			cr_assert_str_eq(r->name, names[n++]);
		}
	cr_assert_eq(n, 4);
}

Test(arm64_regs, generic, .description = "lldb finds pc, sp, fp, ra, flags and the arguments")
{
	const struct tdesc *d = with(0, false);

	cr_assert_eq(regs_find_generic(d, "pc"), reg(d, "pc"));
	cr_assert_eq(regs_find_generic(d, "sp"), reg(d, "sp"));
	cr_assert_eq(regs_find_generic(d, "fp"), reg(d, "x29"));
	cr_assert_eq(regs_find_generic(d, "ra"), reg(d, "x30"));
	cr_assert_eq(regs_find_generic(d, "flags"), reg(d, "cpsr"));
	cr_assert_eq(regs_find_generic(d, "arg8"), reg(d, "x7"));
}

Test(arm64_regs, no_layout,
     .description = "a vCPU whose registers can't be read still has a description")
{
	with(4, true);
	t.broken = ARM64_BANK_LAYOUT;
	cr_assert_eq(arm64_cpu.describe(&t.view), &arm64_plain_tdesc);
}

/* ---- system registers -------------------------------------------------------------------- */

Test(arm64_regs, system, .description = "system registers: group, names, offsets, read-only ones")
{
	const struct reg_feature *f = feature(with(0, false), "org.vmgdb.aarch64.system");
	const struct tdesc *d = &layout->tdesc;
	unsigned int i;

	cr_assert_eq(f->nregs, 4 + NENCS);
	cr_assert(strstr(f->types, "<vector id=\"sysreg\""));
	for (i = 0; i < f->nregs; i++) {
		cr_assert_str_eq(f->regs[i].group, "system");
		cr_assert_str_eq(f->regs[i].type, "sysreg", "a vector: not in `info registers`");
		cr_assert(f->regs[i].flags & REG_HIDDEN, "gdb's calls do not touch it");
	}
	cr_assert_eq(reg(d, "SCTLR_EL1")->bank, ARM64_BANK_SYS + ARM64_SCTLR);
	cr_assert_eq(reg(d, "VBAR_EL1")->bank, ARM64_BANK_SYS + ARM64_VBAR);
	cr_assert_eq(reg(d, "TPIDR_EL0")->offset,
		     offsetof(struct arm64_state, sys[reg(d, "TPIDR_EL0")->bank - ARM64_BANK_SYS]));
	cr_assert_eq(layout->enc[reg(d, "TPIDR_EL0")->bank - ARM64_BANK_SYS],
		     SYSREG(3, 3, 13, 0, 2));
	cr_assert(reg(d, "MIDR_EL1")->flags & REG_READONLY);
	cr_assert(reg(d, "S3_0_C0_C3_3")->flags & REG_READONLY);
	cr_assert_not(reg(d, "S3_5_C1_C2_3")->flags & REG_READONLY);
	cr_assert_not(reg(d, "TPIDR_EL0")->flags & REG_READONLY);
	cr_assert_not(reg(d, "SP_EL1")->flags & REG_READONLY);
}

Test(arm64_regs, too_many, .description = "more system registers than room: the rest is left out")
{
	uint16_t many[2 * ARM64_SYS_MAX];
	unsigned int i;

	for (i = 0; i < 2 * ARM64_SYS_MAX; i++)
		many[i] = SYSREG(2, 7, 0, 0, 0) + i;
	arm64_layout_init(layout, 0, false, many, 2 * ARM64_SYS_MAX);
	cr_assert_eq(layout->nsys, ARM64_SYS_MAX);
	check_described(&layout->tdesc);
}

Test(arm64_regs, names, .description = "encodings as in the Arm ARM, no name twice")
{
	const char *names[1 << 16], *name;
	unsigned int enc, n = 0, i;

	cr_expect_str_eq(arm64_sysreg_name(SYSREG(3, 0, 2, 0, 2)), "TCR_EL1");
	cr_expect_str_eq(arm64_sysreg_name(SYSREG(3, 3, 14, 0, 2)), "CNTVCT_EL0");
	cr_expect_str_eq(arm64_sysreg_name(SYSREG(3, 3, 14, 3, 2)), "CNTV_CVAL_EL0");
	cr_expect_str_eq(arm64_sysreg_name(SYSREG(2, 0, 0, 15, 7)), "DBGWCR15_EL1");
	cr_expect_str_eq(arm64_sysreg_name(SYSREG(3, 3, 14, 11, 6)), "PMEVCNTR30_EL0");
	cr_expect_str_eq(arm64_sysreg_name(SYSREG(3, 3, 14, 13, 1)), "PMEVTYPER9_EL0");
	cr_expect_str_eq(arm64_sysreg_name(SYSREG(3, 3, 14, 15, 7)), "PMCCFILTR_EL0");
	for (enc = 0; enc < 1 << 16; enc++) {
		name = arm64_sysreg_name(enc);
		if (!name)
			continue;
		for (i = 0; i < n; i++)
			cr_assert_str_neq(name, names[i]);
		names[n++] = name;
	}
	cr_assert_gt(n, 250);
}

/* ---- pointer authentication -------------------------------------------------------------- */

Test(arm64_regs, pauth, .description = "pointer masks from T0SZ, T1SZ, TBI and TBID")
{
	const uint64_t tcr = 16 | 25ULL << 16;
	struct arm64_pauth m = arm64_pauth_masks(tcr);

	cr_expect_eq(m.dmask, 0xff7f000000000000);
	cr_expect_eq(m.dmask_high, 0xff7fff8000000000);
	m = arm64_pauth_masks(tcr | 1ULL << 37 | 1ULL << 38);
	cr_expect_eq(m.dmask, 0x007f000000000000);
	cr_expect_eq(m.cmask, 0x007f000000000000);
	cr_expect_eq(m.cmask_high, 0x007fff8000000000);
	m = arm64_pauth_masks(tcr | 1ULL << 37 | 1ULL << 51);
	cr_expect_eq(m.dmask, 0x007f000000000000);
	cr_expect_eq(m.cmask, 0xff7f000000000000);
	cr_expect_not(arm64_has_pauth(0, 0));
	cr_expect(arm64_has_pauth(1 << 4, 0) && arm64_has_pauth(1 << 8, 0));
	cr_expect(arm64_has_pauth(0, 1 << 12));
	cr_expect_not(arm64_has_pauth(1 << 24 | 1 << 28, 0), "generic alone signs no address");
}

/* ---- writing ----------------------------------------------------------------------------- */

static int write64(const char *name, uint64_t value)
{
	return reg_set(&t.view, reg(arm64_cpu.describe(&t.view), name), &value);
}

Test(arm64_regs, sp,
     .description = "sp is the one that PSTATE.M selects, whichever way it is written")
{
	t.state.sp_el[0] = 0x1000;
	t.state.sp_el[1] = t.state.sp = 0x2000;
	cr_expect_eq(write64("sp", 0x2100), 0);
	cr_expect_eq(t.state.sp_el[1], 0x2100);
	cr_expect_eq(t.state.sp_el[0], 0x1000);
	cr_expect_eq(write64("SP_EL1", 0x2200), 0);
	cr_expect_eq(t.state.sp, 0x2200);
	cr_expect_eq(write64("SP_EL0", 0x1100), 0);
	cr_expect_eq(t.state.sp, 0x2200);
	cr_expect_eq(write64("cpsr", PSTATE_EL1T), 0);
	cr_expect_eq(t.state.sp, 0x1100);
	cr_expect_eq(write64("cpsr", PSTATE_EL0T), 0);
	cr_expect_eq(write64("sp", 0x1200), 0);
	cr_expect_eq(t.state.sp_el[0], 0x1200);
	cr_expect(arm64_test_dirty(&t, ARM64_BANK_CORE));
}

Test(arm64_regs, cpsr, .description = "EL2, AArch32 and reserved modes are refused; SS is dropped")
{
	unsigned int mode;

	for (mode = 0; mode < 32; mode++)
		cr_expect_eq(write64("cpsr", mode | PSTATE_I),
			     mode == 0 || mode == 4 || mode == 5 ? 0 : -EINVAL, "mode %#x", mode);
	cr_expect_eq(write64("cpsr", PSTATE_EL1H | PSTATE_I), 0);
	cr_expect_eq(write64("cpsr", 0x13), -EINVAL);
	cr_expect_eq(t.state.pstate, PSTATE_EL1H | PSTATE_I, "a refused write changes nothing");
	cr_expect_eq(write64("cpsr", PSTATE_EL1H | PSTATE_SS), 0);
	cr_expect_eq(t.state.pstate, PSTATE_EL1H);
}

Test(arm64_regs, round_trip, .description = "each writable register reads back what was written")
{
	uint8_t value[REG_SIZE_MAX];
	const struct tdesc *d = with(16, true);
	struct reg_iter it = reg_iter(d);
	const struct reg_desc *r;
	unsigned int n = 0;

	while ((r = reg_next(&it))) {
		memset(value, ++n, sizeof(value));
		if (!strcmp(r->name, "cpsr"))
			memcpy(value, &(uint32_t){ PSTATE_EL1T | PSTATE_I }, 4);
		if (r->flags & REG_READONLY) {
			cr_assert_eq(reg_set(&t.view, r, value), -EACCES, "%s", r->name);
			continue;
		}
		cr_assert_eq(reg_set(&t.view, r, value), 0, "%s", r->name);
		cr_assert_arr_eq(reg_value(&t.view, r), value, reg_size(r), "%s", r->name);
		cr_assert(arm64_test_dirty(&t, r->bank), "%s", r->name);
	}
}

Test(arm64_regs, modes, .description = "the text for a thread's state")
{
	static const struct {
		uint64_t pstate;
		const char *text;
	} modes[] = {
		{ PSTATE_EL1H, "EL1h" },  { PSTATE_EL1T, "EL1t" },  { PSTATE_EL0T, "EL0t" },
		{ 0x10, "EL0, AArch32" }, { 0x13, "EL1, AArch32" },
	};
	char buf[32];
	size_t i;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		t.state.pstate = modes[i].pstate;
		arm64_cpu.mode(&t.view, buf, sizeof(buf));
		cr_expect_str_eq(buf, modes[i].text);
	}
	arm64_cpu.mode(&t.view, buf, 3);
	cr_expect_str_eq(buf, "EL");
	t.broken = ARM64_BANK_CORE;
	arm64_cpu.mode(&t.view, buf, sizeof(buf));
	cr_expect_str_eq(buf, "unknown");
}

/* ---- exceptions -------------------------------------------------------------------------- */

static uint64_t pstate_at_vector(uint64_t pstate, uint64_t sctlr, uint64_t mmfr1, uint64_t pfr1)
{
	t.state.pstate = pstate;
	t.state.sys[ARM64_SCTLR] = sctlr;
	t.state.sys[ARM64_MMFR1] = mmfr1;
	t.state.sys[ARM64_PFR1] = pfr1;
	cr_assert_eq(arm64_take_exception(&t.state, 0), 0);
	return t.state.pstate;
}

Test(arm64_regs, exception_pstate, .description = "PSTATE of an exception to EL1, by the features")
{
	const uint64_t span = 1 << 23, dssbs = 1ULL << 44, flags = 6ULL << 28;
	const uint64_t pan = 1 << 20, ssbs = 2 << 4, mte = 2 << 8;

	cr_expect_eq(pstate_at_vector(PSTATE_EL0T, span, 0, 0), 0x3c5);
	cr_expect_eq(pstate_at_vector(flags | PSTATE_SS | PSTATE_IL | PSTATE_BTYPE, 0, 0, 0),
		     flags | 0x3c5);
	cr_expect_eq(pstate_at_vector(PSTATE_EL1H, 0, pan, 0), 0x3c5 | PSTATE_PAN);
	cr_expect_eq(pstate_at_vector(PSTATE_EL1H, span, pan, 0), 0x3c5);
	cr_expect_eq(pstate_at_vector(PSTATE_EL1H | PSTATE_PAN, span, pan, 0), 0x3c5 | PSTATE_PAN);
	cr_expect_eq(pstate_at_vector(PSTATE_EL1H, span | dssbs, 0, ssbs), 0x3c5 | PSTATE_SSBS);
	cr_expect_eq(pstate_at_vector(PSTATE_EL1H, span, 0, mte), 0x3c5 | PSTATE_TCO);
}

Test(arm64_regs, exception, .description = "the vector of an exception, and what it saves")
{
	static const struct {
		uint64_t pstate, vector;
	} from[] = {
		{ PSTATE_EL1T, 0 },
		{ PSTATE_EL1H, 0x200 },
		{ PSTATE_EL0T, 0x400 },
		{ 0x10, 0x600 },
	};
	size_t i;

	t.state.sp_el[1] = 0x7000;
	t.state.sys[ARM64_VBAR] = 0x40800;
	for (i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
		t.state.pc = 0x1234;
		t.state.pstate = from[i].pstate;
		t.state.sp = 0x5000;
		cr_assert_eq(arm64_take_exception(&t.state, 0xf2000042), 0);
		cr_expect_eq(t.state.pc, 0x40800 + from[i].vector);
		cr_expect_eq(t.state.elr_el1, 0x1234);
		cr_expect_eq(t.state.spsr_el1, from[i].pstate);
		cr_expect_eq(t.state.sys[ARM64_ESR], 0xf2000042);
		cr_expect_eq(t.state.sp, 0x7000);
	}
}

Test(arm64_regs, exception_impossible,
     .description = "an exception that can't be taken to EL1 here is an error, and changes nothing")
{
	static const uint64_t from[] = { 0x13, 0x1f, 2 << 2, 3 << 2 | PSTATE_SP };
	struct arm64_state was;
	size_t i;

	for (i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
		t.state.pstate = from[i];
		was = t.state;
		cr_expect_eq(arm64_take_exception(&t.state, 0xf2000042), -EOPNOTSUPP);
		cr_expect_arr_eq(&t.state, &was, sizeof(was), "from %#lx", from[i]);
	}
	t.state.pstate = PSTATE_EL1H;
	t.broken = ARM64_BANK_SYS + ARM64_VBAR;
	cr_expect_eq(arm64_raise(&t.view, 0xf2000042), -EIO);
}

/* ---- debug registers of the guest's ------------------------------------------------------- */

Test(arm64_regs, uses_debug_regs,
     .description = "a guest uses debug registers when MDSCR_EL1.MDE and a pair's E bit are set")
{
	static const uint16_t encs[] = { SYSREG(2, 0, 0, 0, 4), SYSREG(2, 0, 0, 0, 5),
					 SYSREG(2, 0, 0, 3, 7) };
	static struct arm64_layout l;
	enum { MDE = 1 << 15, BVR = ARM64_NSYS_FIXED, BCR, WCR };

	t.state.sys[ARM64_MDSCR] = MDE;
	cr_expect(arm64_cpu.guest_uses_debug_regs(&t.view), "its pairs are not known");
	arm64_layout_init(&l, 0, false, encs, 3);
	t.state.layout = &l;
	t.state.sys[BVR] = 1;
	t.state.sys[BCR] = t.state.sys[WCR] = 3 << 1;
	cr_expect_not(arm64_cpu.guest_uses_debug_regs(&t.view), "none is enabled");
	t.state.sys[WCR] |= 1;
	cr_expect(arm64_cpu.guest_uses_debug_regs(&t.view), "a watchpoint is");
	t.state.sys[ARM64_MDSCR] = 0;
	cr_expect_not(arm64_cpu.guest_uses_debug_regs(&t.view), "none takes effect");
	t.broken = ARM64_BANK_SYS + ARM64_MDSCR;
	cr_expect_not(arm64_cpu.guest_uses_debug_regs(&t.view), "it can't be read");
}
