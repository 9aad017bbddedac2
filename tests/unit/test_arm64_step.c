// SPDX-License-Identifier: MIT
/* Decoding, and the stepping rules with the test standing in for the processor. */
#include <errno.h>

#include <criterion/criterion.h>

#include "arch/arm64/insn.h"
#include "arch/arm64/cpu.h"
#include "tests/unit/arm64_cpu.h"

/* ---- decoding: the words are the assembler's --------------------------------------------- */

static const struct {
	uint32_t word;
	const char *text;
	enum arm64_op op;
} insns[] = {
	{ 0xd503205f, "wfe", ARM64_OP_WFE },
	{ 0xd503207f, "wfi", ARM64_OP_WFI },
	{ 0xd5031003, "wfet x3", ARM64_OP_WFE },
	{ 0xd5031024, "wfit x4", ARM64_OP_WFI },
	{ 0xd503209f, "sev", ARM64_OP_OTHER },
	{ 0xd50320bf, "sevl", ARM64_OP_OTHER },
	{ 0xd503203f, "yield", ARM64_OP_OTHER },
	{ 0xd503201f, "nop", ARM64_OP_OTHER },
	{ 0xd69f03e0, "eret", ARM64_OP_ERET },
	{ 0xd69f0bff, "eretaa", ARM64_OP_ERET },
	{ 0xd69f0fff, "eretab", ARM64_OP_ERET },
	{ 0xd50342df, "msr daifset, #2", ARM64_OP_MSR_DAIFSET },
	{ 0xd5034fff, "msr daifclr, #15", ARM64_OP_MSR_DAIFCLR },
	{ 0xd51b4227, "msr daif, x7", ARM64_OP_MSR_DAIF },
	{ 0xd53b4229, "mrs x9, daif", ARM64_OP_MRS_DAIF },
	{ 0xd50041bf, "msr spsel, #1", ARM64_OP_OTHER },
	{ 0xd500419f, "msr pan, #1", ARM64_OP_OTHER },
	{ 0xd53b4200, "mrs x0, nzcv", ARM64_OP_OTHER },
	{ 0xd51b4200, "msr nzcv, x0", ARM64_OP_OTHER },
	{ 0xd5384240, "mrs x0, currentel", ARM64_OP_OTHER },
	{ 0xc85f7c20, "ldxr x0, [x1]", ARM64_OP_LOAD_EXCLUSIVE },
	{ 0x885f7c20, "ldxr w0, [x1]", ARM64_OP_LOAD_EXCLUSIVE },
	{ 0xc85ffc20, "ldaxr x0, [x1]", ARM64_OP_LOAD_EXCLUSIVE },
	{ 0x085f7c20, "ldxrb w0, [x1]", ARM64_OP_LOAD_EXCLUSIVE },
	{ 0x485ffc20, "ldaxrh w0, [x1]", ARM64_OP_LOAD_EXCLUSIVE },
	{ 0xc87f0440, "ldxp x0, x1, [x2]", ARM64_OP_LOAD_EXCLUSIVE },
	{ 0x887f8440, "ldaxp w0, w1, [x2]", ARM64_OP_LOAD_EXCLUSIVE },
	{ 0xc8007c41, "stxr w0, x1, [x2]", ARM64_OP_STORE_EXCLUSIVE },
	{ 0x8800fc41, "stlxr w0, w1, [x2]", ARM64_OP_STORE_EXCLUSIVE },
	{ 0x08007c41, "stxrb w0, w1, [x2]", ARM64_OP_STORE_EXCLUSIVE },
	{ 0x4800fc41, "stlxrh w0, w1, [x2]", ARM64_OP_STORE_EXCLUSIVE },
	{ 0xc8200861, "stxp w0, x1, x2, [x3]", ARM64_OP_STORE_EXCLUSIVE },
	{ 0x88208861, "stlxp w0, w1, w2, [x3]", ARM64_OP_STORE_EXCLUSIVE },
	{ 0xc8a07c41, "cas x0, x1, [x2]", ARM64_OP_OTHER },
	{ 0x88e07c41, "casa w0, w1, [x2]", ARM64_OP_OTHER },
	{ 0x48207c82, "casp x0, x1, x2, x3, [x4]", ARM64_OP_OTHER },
	{ 0x0860fc82, "caspal w0, w1, w2, w3, [x4]", ARM64_OP_OTHER },
	{ 0x08a07c41, "casb w0, w1, [x2]", ARM64_OP_OTHER },
	{ 0xc8dffc20, "ldar x0, [x1]", ARM64_OP_OTHER },
	{ 0xc89ffc20, "stlr x0, [x1]", ARM64_OP_OTHER },
	{ 0x08dffc20, "ldarb w0, [x1]", ARM64_OP_OTHER },
	{ 0x889f7c20, "stllr w0, [x1]", ARM64_OP_OTHER },
	{ 0x88df7c20, "ldlar w0, [x1]", ARM64_OP_OTHER },
	{ 0xf9400020, "ldr x0, [x1]", ARM64_OP_OTHER },
	{ 0xf8200041, "ldadd x0, x1, [x2]", ARM64_OP_OTHER },
	{ 0xd5033f5f, "clrex", ARM64_OP_OTHER },
	{ 0xd5033bbf, "dmb ish", ARM64_OP_OTHER },
	{ 0x97fffffa, "bl", ARM64_OP_LEAVES },
	{ 0xd61f0060, "br x3", ARM64_OP_LEAVES },
	{ 0xd63f0060, "blr x3", ARM64_OP_LEAVES },
	{ 0xd65f03c0, "ret", ARM64_OP_LEAVES },
	{ 0xd65f0bff, "retaa", ARM64_OP_LEAVES },
	{ 0xd61f081f, "braaz x0", ARM64_OP_LEAVES },
	{ 0xd4000001, "svc #0", ARM64_OP_LEAVES },
	{ 0xd4000002, "hvc #0", ARM64_OP_LEAVES },
	{ 0xd4200020, "brk #1", ARM64_OP_BRK },
	{ 0xd4400000, "hlt #0", ARM64_OP_LEAVES },
	{ 0x00000000, "udf #0", ARM64_OP_LEAVES },
};

Test(arm64_insn, kinds,
     .description = "instructions of each kind, and similar encodings of other kinds")
{
	size_t i;

	for (i = 0; i < sizeof(insns) / sizeof(insns[0]); i++)
		cr_expect_eq(arm64_decode(insns[i].word).op, insns[i].op, "%s: %d", insns[i].text,
			     arm64_decode(insns[i].word).op);
}

Test(arm64_insn, immediates, .description = "immediates of brk, and of msr daifset and daifclr")
{
	cr_expect_eq(arm64_decode(0xd4200020).imm, 1);
	cr_expect_eq(arm64_decode(0xd43fffe0).imm, 0xffff);
	cr_expect_eq(arm64_decode(0xd50342df).imm, 2);
	cr_expect_eq(arm64_decode(0xd5034fff).imm, 15);
}

Test(arm64_insn, branches, .description = "targets of branches, either direction")
{
	static const struct {
		uint32_t word;
		bool conditional;
		int64_t offset;
	} branches[] = {
		{ 0x14000000, false, 0 },
		{ 0x17ffffff, false, -4 },
		{ 0x54ffffe0, true, -4 },
		{ 0xb4ffffc0, true, -8 },
		{ 0x35ffffa0, true, -12 },
		{ 0xb647ff80, true, -16 },
		{ 0x371fff60, true, -20 },
		{ 0x54000041, true, 8 },
		{ 0x35000060, true, 12 },
		{ 0x36000080, true, 16 },
		{ 0x15ffffff, false, (1 << 27) - 4 },
		{ 0x5c000000, false, 0 } /* ldr d0: none */,
	};
	size_t i, n = sizeof(branches) / sizeof(branches[0]) - 1;
	struct arm64_insn in;

	for (i = 0; i < n; i++) {
		in = arm64_decode(branches[i].word);
		cr_expect_eq(in.op, ARM64_OP_BRANCH, "%08x", branches[i].word);
		cr_expect_eq(in.conditional, branches[i].conditional, "%08x", branches[i].word);
		cr_expect_eq(in.offset, branches[i].offset, "%08x: %ld", branches[i].word,
			     in.offset);
	}
	cr_expect_eq(arm64_decode(branches[n].word).op, ARM64_OP_OTHER);
}

/* ---- steps ------------------------------------------------------------------------------- */

enum { CODE = 0x8000, VBAR = 0x40800, DEST = 0x9000 };

static struct arm64_test t;
static struct step_plan plan;

static void setup(void)
{
	arm64_test_init(&t);
	t.state.pc = CODE;
	t.state.sys[ARM64_VBAR] = VBAR;
	t.state.spsr_el1 = 0xbad;
	t.state.elr_el1 = 0xbad;
	plan = (struct step_plan){ 0 };
}

static void teardown(void)
{
	arm64_test_free(&t);
}

TestSuite(arm64_step, .init = setup, .fini = teardown);

static void code(unsigned int n, uint32_t word)
{
	((uint32_t *)arm64_test_mem(&t, CODE))[n] = word;
}

static void begin(uint32_t word)
{
	code(0, word);
	plan = (struct step_plan){ 0 };
	cr_assert_eq(arm64_step_begin(&t.view, &plan), 0);
}

static void end(bool trapped)
{
	cr_assert_eq(arm64_step_end(&t.view, &plan, trapped), 0);
}

/* The processor has executed the instruction. */
static void retire(void)
{
	t.state.pc += 4;
	end(true);
}

/* What the processor does when it takes an exception at the current PC. */
static void take_exception(uint64_t vector, uint64_t elr, bool ss)
{
	t.state.elr_el1 = elr;
	t.state.spsr_el1 = t.state.pstate | (ss ? PSTATE_SS : 0);
	t.state.pc = vector;
	t.state.pstate = PSTATE_EL1H | PSTATE_DAIF;
}

enum {
	NOP = 0xd503201f,
	WFI = 0xd503207f,
	ERET = 0xd69f03e0,
	SVC = 0xd4000001,
	BRK = 0xd4200020,
	LDR = 0xf9400020,
	LDXR = 0x885f7c20, /* w0, [x1] */
	STXR = 0x88027c20, /* w2, w0, [x1] */
};

Test(arm64_step, masks,
     .description = "the rules set I and F for the step, and restore each of them")
{
	static const uint64_t masks[] = { 0, PSTATE_I, PSTATE_F, PSTATE_I | PSTATE_F };
	const uint64_t other = PSTATE_EL1H | PSTATE_A | 1U << 31;
	size_t i;

	for (i = 0; i < 4; i++) {
		setup();
		t.state.pstate = other | masks[i];
		begin(NOP);
		cr_expect_eq(t.state.pstate, other | PSTATE_IRQS);
		cr_expect_eq(arm64_test_dirty(&t, ARM64_BANK_CORE), masks[i] != PSTATE_IRQS,
			     "nothing is stored when nothing changed");
		retire();
		cr_expect_eq(t.state.pstate, other | masks[i]);
		teardown();
	}
}

Test(arm64_step, host_blocks,
     .description = "the rules mask nothing where the backend blocks interrupts")
{
	code(0, NOP);
	plan = (struct step_plan){ .block_irq = true };
	cr_assert_eq(arm64_step_begin(&t.view, &plan), 0);
	cr_expect_eq(t.state.pstate, PSTATE_EL1H);
}

Test(arm64_step, not_run, .description = "a step that ended before its instruction changes nothing")
{
	begin(0xd50342df);
	end(false);
	cr_expect_eq(t.state.pstate, PSTATE_EL1H);
	begin(ERET);
	end(false);
	cr_expect_eq(t.state.pstate, PSTATE_EL1H);
	cr_expect_eq(t.state.spsr_el1, 0xbad);
}

Test(arm64_step, completed_aside,
     .description = "a step that completed MMIO without a trap is restored")
{
	begin(LDR);
	t.state.pc += 4;
	end(false);
	cr_expect_eq(t.state.pstate, PSTATE_EL1H);
}

Test(arm64_step, branch_to_self, .description = "a trapped step of a branch to itself is complete")
{
	begin(0x14000000);
	end(true);
	cr_expect_eq(t.state.pstate, PSTATE_EL1H);
}

Test(arm64_step, daifset, .description = "msr daifset: its bits stay set, the others are restored")
{
	begin(0xd50342df); /* I */
	retire();
	cr_expect_eq(t.state.pstate, PSTATE_EL1H | PSTATE_I);
}

Test(arm64_step, daifclr, .description = "msr daifclr: what it cleared stays clear")
{
	t.state.pstate |= PSTATE_IRQS;
	begin(0xd50342ff); /* I */
	t.state.pstate &= ~(uint64_t)PSTATE_I;
	retire();
	cr_expect_eq(t.state.pstate, PSTATE_EL1H | PSTATE_F);
}

Test(arm64_step, msr_daif, .description = "msr daif, x7 and x30: the register's bits")
{
	t.state.x[7] = PSTATE_F | PSTATE_D;
	begin(0xd51b4227);
	t.state.pstate = PSTATE_EL1H | PSTATE_F | PSTATE_D;
	retire();
	cr_expect_eq(t.state.pstate, PSTATE_EL1H | PSTATE_F | PSTATE_D);
	cr_expect_not(arm64_test_dirty(&t, ARM64_BANK_X));
	teardown();
	setup();
	t.state.pstate |= PSTATE_IRQS;
	begin(0xd51b423f); /* xzr */
	t.state.pstate = PSTATE_EL1H;
	retire();
	cr_expect_eq(t.state.pstate, PSTATE_EL1H);
}

Test(arm64_step, mrs_daif, .description = "mrs x9, daif: the guest does not see the step's mask")
{
	t.state.pstate |= PSTATE_F;
	begin(0xd53b4229);
	t.state.x[9] = t.state.pstate & PSTATE_DAIF;
	retire();
	cr_expect_eq(t.state.x[9], PSTATE_F);
	cr_expect(arm64_test_dirty(&t, ARM64_BANK_X));
	cr_expect_eq(t.state.pstate, PSTATE_EL1H | PSTATE_F);
}

Test(arm64_step, mrs_daif_banks, .description = "x28 and x29 are restored in their banks")
{
	begin(0xd53b423c);
	t.state.x[28] = PSTATE_IRQS;
	retire();
	cr_expect_eq(t.state.x[28], 0);
	cr_expect(arm64_test_dirty(&t, ARM64_BANK_X));
	cr_expect_not(arm64_test_dirty(&t, ARM64_BANK_FRAME));
	t.state.pc = CODE;
	begin(0xd53b423d);
	t.state.x[29] = PSTATE_IRQS;
	retire();
	cr_expect_eq(t.state.x[29], 0);
	cr_expect(arm64_test_dirty(&t, ARM64_BANK_FRAME));
}

Test(arm64_step, mrs_daif_xzr, .description = "mrs xzr, daif: there is no register to restore")
{
	t.state.sp = 0xff0 | PSTATE_IRQS;
	begin(0xd53b423f);
	retire();
	cr_expect_eq(t.state.sp, 0xff0 | PSTATE_IRQS);
	cr_expect_not(arm64_test_dirty(&t, ARM64_BANK_FRAME));
}

Test(arm64_step, eret, .description = "eret: PSTATE comes from SPSR_EL1, which does not change")
{
	const uint64_t spsr = PSTATE_EL0T | PSTATE_F;

	t.state.elr_el1 = DEST;
	t.state.spsr_el1 = spsr;
	t.state.pstate |= PSTATE_I;
	begin(ERET);
	cr_expect_eq(t.state.spsr_el1, PSTATE_EL0T | PSTATE_IRQS, "no interrupt comes after it");
	cr_expect(arm64_test_dirty(&t, ARM64_BANK_EL1));
	t.state.pstate = t.state.spsr_el1;
	t.state.pc = DEST;
	end(true);
	cr_expect_eq(t.state.pstate, spsr);
	cr_expect_eq(t.state.spsr_el1, spsr);
	cr_expect_not(t.state.guest_ss);
}

Test(arm64_step, exceptions,
     .description = "the state that an exception saves has neither the step's mask nor its SS")
{
	static const uint64_t modes[] = { PSTATE_EL1T, PSTATE_EL1H, PSTATE_EL0T };
	size_t i;

	for (i = 0; i < 3; i++) {
		setup();
		t.state.pstate = modes[i] | PSTATE_F | 1U << 30;
		begin(LDR);
		take_exception(VBAR + 0x200 * i, CODE, true);
		end(true);
		cr_expect_eq(t.state.spsr_el1, modes[i] | PSTATE_F | 1U << 30);
		cr_expect_eq(t.state.pstate, PSTATE_EL1H | PSTATE_DAIF);
		cr_expect(arm64_test_dirty(&t, ARM64_BANK_EL1));
		teardown();
	}
}

Test(arm64_step, svc, .description = "svc: the exception returns to after it")
{
	t.state.pstate = PSTATE_EL0T;
	begin(SVC);
	take_exception(VBAR + 0x400, CODE + 4, false);
	end(true);
	cr_expect_eq(t.state.spsr_el1, PSTATE_EL0T);
}

Test(arm64_step, daif_trapped, .description = "msr daif at EL0 that is trapped changes nothing")
{
	t.state.pstate = PSTATE_EL0T;
	begin(0xd50342df);
	take_exception(VBAR + 0x400, CODE, true);
	end(true);
	cr_expect_eq(t.state.spsr_el1, PSTATE_EL0T);
}

Test(arm64_step, serror,
     .description = "an asynchronous exception is restored, whatever PC it has saved")
{
	begin(NOP);
	take_exception(VBAR + 0x380, DEST, false);
	end(true);
	cr_expect_eq(t.state.spsr_el1, PSTATE_EL1H);
}

Test(arm64_step, no_exception, .description = "a branch to a vector is no exception")
{
	const uint64_t spsr = PSTATE_EL1H | PSTATE_IRQS;

	t.state.spsr_el1 = spsr;
	t.state.elr_el1 = DEST;
	begin(0xd61f0060);
	t.state.pc = VBAR + 0x200;
	end(true);
	cr_expect_eq(t.state.spsr_el1, spsr);
	cr_expect_eq(t.state.pstate, PSTATE_EL1H);
}

Test(arm64_step, user_at_vector,
     .description = "a branch at EL0 to a vector's address is no exception: PC is still at EL0")
{
	t.state.pstate = PSTATE_EL0T | PSTATE_F;
	t.state.spsr_el1 = PSTATE_EL0T | PSTATE_I;
	begin(0xd61f0060);
	t.state.pc = VBAR + 0x480;
	end(true);
	cr_expect_eq(t.state.spsr_el1, PSTATE_EL0T | PSTATE_I);
	cr_expect_eq(t.state.pstate, PSTATE_EL0T | PSTATE_F);
}

Test(arm64_step, other_exception,
     .description = "a branch to a vector with a state saved from another mode is no exception")
{
	t.state.spsr_el1 = PSTATE_EL0T | PSTATE_F;
	t.state.elr_el1 = CODE;
	begin(0xd61f0060);
	t.state.pc = VBAR + 0x200;
	end(true);
	cr_expect_eq(t.state.spsr_el1, PSTATE_EL0T | PSTATE_F);
	cr_expect_eq(t.state.pstate, PSTATE_EL1H);
}

Test(arm64_step, halted,
     .description = "a halted vCPU needs its interrupt: nothing is carried out, nothing is masked")
{
	code(0, BRK);
	plan = (struct step_plan){ .halted = true };
	cr_assert_eq(arm64_step_begin(&t.view, &plan), 0);
	cr_expect_not(plan.emulated);
	cr_expect_eq(t.state.pc, CODE);
	cr_expect_eq(t.state.pstate, PSTATE_EL1H);
	take_exception(VBAR + 0x280, CODE, true);
	end(true);
	cr_expect_eq(t.state.spsr_el1, PSTATE_EL1H);
}

Test(arm64_step, aarch32,
     .description = "AArch32 code is not decoded as A64, and interrupts are masked as for A64")
{
	t.state.pstate = 0x10;
	begin(WFI);
	cr_expect_not(plan.emulated);
	take_exception(VBAR + 0x600, CODE, true);
	end(true);
	cr_expect_eq(t.state.spsr_el1, 0x10);
}

/* ---- brk ---------------------------------------------------------------------------------- */

Test(arm64_step, guest_brk,
     .description = "the rules take the exception of the guest's own brk, without a step")
{
	t.state.pstate = PSTATE_EL0T | 1U << 29;
	begin(BRK);
	cr_expect(plan.emulated);
	cr_expect_eq(t.state.pc, VBAR + 0x400);
	cr_expect_eq(t.state.elr_el1, CODE);
	cr_expect_eq(t.state.spsr_el1, PSTATE_EL0T | 1U << 29);
	cr_expect_eq(t.state.sys[ARM64_ESR], 0xf2000001);
	cr_expect_eq(t.state.pstate, PSTATE_EL1H | PSTATE_DAIF | 1U << 29);
	cr_expect(arm64_test_dirty(&t, ARM64_BANK_CORE) && arm64_test_dirty(&t, ARM64_BANK_EL1));
	cr_expect(arm64_test_dirty(&t, ARM64_BANK_SYS + ARM64_ESR));
	end(true);
	cr_expect_eq(t.state.pc, VBAR + 0x400);
}

Test(arm64_step, brk_illegal,
     .description = "a brk with PSTATE.IL set is left to the processor, as another exception")
{
	t.state.pstate |= PSTATE_IL;
	begin(BRK);
	cr_expect_not(plan.emulated);
}

Test(arm64_step, brk_unreadable,
     .description = "brk is left to the backend if a register is missing")
{
	t.broken = ARM64_BANK_SYS + ARM64_VBAR;
	begin(BRK);
	cr_expect_not(plan.emulated);
	cr_expect_eq(t.state.pc, CODE);
}

Test(arm64_step, stays_runnable,
     .description = "which steps leave a vCPU that runs: not those that wait, or may power it off")
{
	begin(NOP);
	cr_expect(plan.stays_runnable);
	begin(SVC);
	cr_expect_not(plan.stays_runnable);
	t.state.sys[ARM64_SCTLR] = 0; /* WFI is left to the processor */
	t.state.pstate &= ~(uint64_t)PSTATE_MODE;
	begin(WFI);
	cr_expect_not(plan.stays_runnable);
	t.state.pstate |= PSTATE_NRW;
	begin(NOP);
	cr_expect_not(plan.stays_runnable, "AArch32 is not read");
}

/* ---- a guest that steps itself ------------------------------------------------------------ */

enum { MDSCR_SS = 1, MDSCR_KDE = 1 << 13, ESR_STEP = 0xce000022, ESR_STEPPED = 0xcf000022 };

static void steps_itself(bool ss)
{
	t.state.sys[ARM64_MDSCR] = MDSCR_SS | MDSCR_KDE;
	t.state.guest_ss = ss;
}

static void has_guest_step(uint64_t from, uint32_t esr)
{
	cr_expect_eq(t.state.pc, VBAR + 0x200, "%#lx", t.state.pc);
	cr_expect_eq(t.state.elr_el1, from, "%#lx", t.state.elr_el1);
	cr_expect_eq(t.state.sys[ARM64_ESR], esr, "%#lx", t.state.sys[ARM64_ESR]);
	cr_expect_eq(t.state.spsr_el1 & PSTATE_SS, 0);
	cr_expect_not(t.state.guest_ss);
	cr_expect(arm64_test_dirty(&t, ARM64_BANK_CORE));
}

Test(arm64_step, guest_step,
     .description = "an instruction that the guest itself steps is followed by its step exception")
{
	steps_itself(true);
	begin(NOP);
	cr_expect_not(plan.emulated);
	retire();
	has_guest_step(CODE + 4, ESR_STEPPED);
}

Test(arm64_step, guest_step_pending,
     .description = "a pending step exception of the guest comes before the instruction")
{
	steps_itself(false);
	begin(NOP);
	cr_expect(plan.emulated);
	has_guest_step(CODE, ESR_STEP);
}

Test(arm64_step, guest_step_el0,
     .description = "a step exception from EL0 has another class, and needs no KDE")
{
	steps_itself(true);
	t.state.sys[ARM64_MDSCR] = MDSCR_SS;
	t.state.pstate = PSTATE_EL0T | PSTATE_D;
	begin(NOP);
	retire();
	cr_expect_eq(t.state.pc, VBAR + 0x400);
	cr_expect_eq(t.state.sys[ARM64_ESR], 0xcb000022, "%#lx", t.state.sys[ARM64_ESR]);
}

Test(arm64_step, guest_step_masked,
     .description =
	     "the guest gets no step exception while it is masked, locked, or off at this level")
{
	static const struct {
		uint64_t mdscr, oslsr, pstate;
	} offs[] = {
		{ 0, 0, PSTATE_EL1H },
		{ MDSCR_SS, 0, PSTATE_EL1H },
		{ MDSCR_SS | MDSCR_KDE, 2, PSTATE_EL1H },
		{ MDSCR_SS | MDSCR_KDE, 0, PSTATE_EL1H | PSTATE_D },
	};
	size_t i;

	for (i = 0; i < sizeof(offs) / sizeof(offs[0]); i++) {
		setup();
		t.state.sys[ARM64_MDSCR] = offs[i].mdscr;
		t.state.sys[ARM64_OSLSR] = offs[i].oslsr;
		t.state.pstate = offs[i].pstate;
		begin(NOP);
		cr_expect_not(plan.emulated, "%zu", i);
		retire();
		cr_expect_eq(t.state.pc, CODE + 4, "%zu", i);
		teardown();
	}
}

Test(arm64_step, guest_step_unmasked,
     .description = "msr daifclr that unmasks the guest's step exception is followed by it")
{
	steps_itself(false);
	t.state.pstate |= PSTATE_D;
	begin(0xd50348ff);
	t.state.pstate &= ~(uint64_t)PSTATE_D;
	retire();
	has_guest_step(CODE + 4, ESR_STEP);
}

Test(arm64_step, guest_step_msr_daif,
     .description = "msr daif takes nothing but the masks from its register: SS is none of them")
{
	steps_itself(false);
	t.state.pstate |= PSTATE_D;
	t.state.x[7] = PSTATE_SS;
	begin(0xd51b4227);
	t.state.pstate &= ~(uint64_t)PSTATE_D;
	retire();
	has_guest_step(CODE + 4, ESR_STEP);
}

Test(arm64_step, guest_step_to_self,
     .description = "a branch to itself that the guest steps is followed by its step exception")
{
	steps_itself(true);
	begin(0x14000000);
	end(true);
	has_guest_step(CODE, ESR_STEPPED);
}

Test(arm64_step, guest_step_eret,
     .description = "eret with SPSR.SS set executes one instruction before the step exception")
{
	steps_itself(false);
	t.state.pstate |= PSTATE_D;
	t.state.spsr_el1 = PSTATE_EL1H | PSTATE_SS;
	begin(ERET);
	t.state.pstate = t.state.spsr_el1 & ~(uint64_t)PSTATE_SS;
	t.state.pc = DEST;
	end(true);
	cr_expect_eq(t.state.pc, DEST);
	cr_expect(t.state.guest_ss);
	cr_expect_eq(t.state.spsr_el1, PSTATE_EL1H | PSTATE_SS);
}

Test(arm64_step, guest_step_fault,
     .description = "an instruction that faults is stepped again after its handler")
{
	steps_itself(true);
	begin(LDR);
	take_exception(VBAR + 0x200, CODE, true);
	end(true);
	cr_expect_eq(t.state.spsr_el1, PSTATE_EL1H | PSTATE_SS);
	cr_expect_not(t.state.guest_ss);
	teardown();
	setup();
	steps_itself(true);
	begin(SVC);
	take_exception(VBAR + 0x200, CODE + 4, false);
	end(true);
	cr_expect_eq(t.state.spsr_el1, PSTATE_EL1H);
}

Test(arm64_step, guest_step_brk,
     .description = "a brk that the guest steps is not executed: its exception saves SS")
{
	steps_itself(true);
	begin(BRK);
	cr_expect(plan.emulated);
	end(true);
	cr_expect_eq(t.state.pc, VBAR + 0x200);
	cr_expect_eq(t.state.spsr_el1, PSTATE_EL1H | PSTATE_SS, "%#lx", t.state.spsr_el1);
	cr_expect_not(t.state.guest_ss);
}

/* ---- exclusive sequences ----------------------------------------------------------------- */

static bool ends_at(uint64_t pc)
{
	unsigned int i;

	for (i = 0; i < plan.nuntil; i++)
		if (plan.until[i] == pc)
			return true;
	return false;
}

static void put_sequence(void)
{
	code(1, 0x11000400); /* add w0, w0, #1 */
	code(2, STXR);	     /* stxr w2, w0, [x1] */
	code(3, 0x35ffffa2); /* cbnz w2, CODE */
}

Test(arm64_step, exclusive, .description = "a loop of load, change, store, retry is one step")
{
	put_sequence();
	begin(LDXR);
	cr_expect_eq(plan.nuntil, 2);
	cr_expect(ends_at(CODE + 16));
	cr_expect(ends_at(VBAR + 0x200));
	cr_expect_eq(t.state.pstate, PSTATE_EL1H | PSTATE_IRQS);
	t.state.pc = CODE + 16;
	end(true);
	cr_expect_eq(t.state.pstate, PSTATE_EL1H);
}

Test(arm64_step, exclusive_leaves, .description = "a branch out of the exclusive sequence ends it")
{
	/* ldxr; cmp; b.ne CODE + 24; stxr; cbnz CODE; dmb; here: */
	code(1, 0x6b03001f);
	code(2, 0x54000081);
	code(3, STXR);
	code(4, 0x35ffff82);
	begin(LDXR);
	cr_expect_eq(plan.nuntil, 3);
	cr_expect(ends_at(CODE + 20));
	cr_expect(ends_at(CODE + 24));
	cr_expect(ends_at(VBAR + 0x200));
}

Test(arm64_step, exclusive_no_retry,
     .description = "an exclusive sequence ends after the store if no branch goes back")
{
	put_sequence();
	code(3, NOP);
	begin(LDXR);
	cr_expect(ends_at(CODE + 12));
	code(3, 0x35000062); /* cbnz forward */
	t.state.pstate = PSTATE_EL0T;
	begin(LDXR);
	cr_expect(ends_at(CODE + 12));
	cr_expect(ends_at(VBAR + 0x400), "the vector is that of EL0");
	code(3, 0x17fffffd); /* b CODE: what would end there never gets there */
	begin(LDXR);
	cr_expect(ends_at(CODE + 12));
}

Test(arm64_step, exclusive_fault,
     .description =
	     "a fault in the exclusive sequence ends the step at the vector, with the saved state restored")
{
	put_sequence();
	begin(LDXR);
	take_exception(VBAR + 0x200, CODE + 8, false);
	end(true);
	cr_expect_eq(t.state.spsr_el1, PSTATE_EL1H);
}

Test(arm64_step, exclusive_stopped,
     .description = "a step stopped within the exclusive sequence restores the interrupt masks")
{
	put_sequence();
	begin(LDXR);
	t.state.pc = CODE + 4;
	end(false);
	cr_expect_eq(t.state.pstate, PSTATE_EL1H);
}

Test(arm64_step, exclusive_alone,
     .description = "a load-exclusive with no store near is stepped alone")
{
	unsigned int i;

	for (i = 1; i < 32; i++)
		code(i, NOP);
	code(17, STXR);
	begin(LDXR);
	cr_expect_eq(plan.nuntil, 0);
	code(16, STXR);
	begin(LDXR);
	cr_expect(ends_at(CODE + 68));
}

Test(arm64_step, exclusive_calls,
     .description = "an exclusive sequence with other branches is stepped by single instructions")
{
	static const uint32_t words[] = { 0x97fffffa, 0xd65f03c0, SVC, BRK, LDXR, 0xd503205f };
	size_t i;

	put_sequence();
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		code(1, words[i]);
		begin(LDXR);
		cr_expect_eq(plan.nuntil, 0, "%08x", words[i]);
		end(false);
	}
}

Test(arm64_step, exclusive_many,
     .description =
	     "an exclusive sequence with more ends than slots is stepped by single instructions")
{
	unsigned int i;

	for (i = 1; i < 4; i++)
		code(i, 0x54000000 | (0x100 * i) << 5);
	code(4, STXR);
	begin(LDXR);
	cr_expect_eq(plan.nuntil, 0);
	code(3, NOP);
	begin(LDXR);
	cr_expect_eq(plan.nuntil, 4);
	code(3, 0x54000000 | (0x200 - 1) << 5); /* where the second one goes */
	begin(LDXR);
	cr_expect_eq(plan.nuntil, 4, "one place counts once");
}

/* ---- what can't be read ------------------------------------------------------------------ */

Test(arm64_step, no_code, .description = "an instruction at an unmapped PC is stepped, too")
{
	t.state.pc = 0x7fff0000;
	cr_assert_eq(arm64_step_begin(&t.view, &plan), 0);
	cr_expect_eq(t.state.pstate, PSTATE_EL1H | PSTATE_IRQS);
	take_exception(VBAR + 0x200, 0x7fff0000, true);
	end(true);
	cr_expect_eq(t.state.spsr_el1, PSTATE_EL1H);
}

Test(arm64_step, no_registers, .description = "a PC that can't be read is an error")
{
	t.broken = ARM64_BANK_CORE;
	cr_assert_eq(arm64_step_begin(&t.view, &plan), -EIO);
}
