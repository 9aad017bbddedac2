// SPDX-License-Identifier: MIT
/* Steps over each instruction that waits: WFI, WFE and those with a timeout. */
#include <criterion/criterion.h>

#include "arch/arm64/cpu.h"
#include "tests/unit/arm64_cpu.h"

enum { CODE = 0x8000, VBAR = 0x40800 };

#define SCTLR_NTWI (1U << 16)
#define SCTLR_NTWE (1U << 18)
#define MDSCR_SS   (1U << 0)
#define MDSCR_KDE  (1U << 13)

/* lets: the bit in SCTLR_EL1 without which the instruction traps from EL0 to EL1. */
static const struct {
	uint32_t word;
	uint64_t lets;
} waits[] = {
	{ 0xd503207f, SCTLR_NTWI }, /* wfi */
	{ 0xd503205f, SCTLR_NTWE }, /* wfe */
	{ 0xd5031027, SCTLR_NTWI }, /* wfit x7 */
	{ 0xd5031007, SCTLR_NTWE }, /* wfet x7 */
};

static struct arm64_test t;

/* The i-th of them; true: the step was made without running it. */
static bool begin(size_t i, uint64_t pstate, uint64_t sctlr, uint64_t mdscr)
{
	struct step_plan plan = { 0 };

	arm64_test_init(&t);
	t.state.pc = CODE;
	t.state.pstate = pstate;
	t.state.sys[ARM64_VBAR] = VBAR;
	t.state.sys[ARM64_SCTLR] = sctlr;
	t.state.sys[ARM64_MDSCR] = mdscr;
	t.state.guest_ss = mdscr & MDSCR_SS;
	*(uint32_t *)arm64_test_mem(&t, CODE) = waits[i].word;
	cr_assert_eq(arm64_step_begin(&t.view, &plan), 0);
	arm64_test_free(&t);
	return plan.emulated;
}

#define EACH(I) for (I = 0; I < sizeof(waits) / sizeof(*waits); I++)

Test(arm64_wait, stepped,
     .description = "the rules skip each instruction that waits, at EL1 whatever SCTLR says")
{
	size_t i;

	EACH(i)
	{
		cr_expect(begin(i, PSTATE_EL1H | PSTATE_BTYPE, 0, 0), "%08x", waits[i].word);
		cr_expect_eq(t.state.pc, CODE + 4);
		cr_expect_eq(t.state.pstate, PSTATE_EL1H, "BTYPE as after any");
		cr_expect(arm64_test_dirty(&t, ARM64_BANK_CORE));
	}
}

Test(arm64_wait, of_el0,
     .description =
	     "the rules skip an instruction that waits at EL0 only if its bit in SCTLR allows it")
{
	size_t i;

	EACH(i)
	{
		cr_expect(begin(i, PSTATE_EL0T, waits[i].lets, 0), "%08x", waits[i].word);
		cr_expect_not(begin(i, PSTATE_EL0T, ~waits[i].lets & (SCTLR_NTWI | SCTLR_NTWE), 0),
			      "%08x", waits[i].word);
	}
}

Test(arm64_wait, illegal,
     .description = "an instruction that waits is left to the processor with PSTATE.IL set")
{
	size_t i;

	EACH(i)
	cr_expect_not(begin(i, PSTATE_EL1H | PSTATE_IL, 0, 0), "%08x", waits[i].word);
}

Test(arm64_wait, guest_step,
     .description =
	     "a guest that steps itself gets its step exception after an instruction that waits")
{
	size_t i;

	EACH(i)
	{
		cr_expect(begin(i, PSTATE_EL1H, 0, MDSCR_SS | MDSCR_KDE), "%08x", waits[i].word);
		cr_expect_eq(t.state.pc, VBAR + 0x200, "%08x: %#lx", waits[i].word, t.state.pc);
		cr_expect_eq(t.state.elr_el1, CODE + 4);
		cr_expect_not(t.state.guest_ss);
	}
}
