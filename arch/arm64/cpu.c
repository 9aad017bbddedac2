// SPDX-License-Identifier: MIT
#include "arch/arm64/cpu.h"

#include <stdio.h>

#include "arch/arm64/debug_regs.h"
#include "arch/arm64/step.h"
#include "arch/arm64/regs.h"
#include "arch/arm64/walk.h"

static const uint8_t brk_0[] = { 0x00, 0x00, 0x20, 0xd4 };

static const struct tdesc *describe(struct cpu_view *v)
{
	const struct arm64_layout *l;

	if (v->need(v, ARM64_BANK_LAYOUT))
		return &arm64_plain_tdesc;
	l = arm64_state(v)->layout;
	return l ? &l->tdesc : &arm64_plain_tdesc;
}

static uint64_t pc(const void *state)
{
	return ((const struct arm64_state *)state)->pc;
}

static void mode(struct cpu_view *v, char *buf, size_t len)
{
	const struct arm64_state *s = arm64_state(v);

	if (v->need(v, ARM64_BANK_CORE))
		snprintf(buf, len, "unknown");
	else if (s->pstate & PSTATE_NRW)
		snprintf(buf, len, "EL%u, AArch32", arm64_el(s->pstate));
	else
		snprintf(buf, len, "EL%u%c", arm64_el(s->pstate),
			 s->pstate & PSTATE_SP ? 'h' : 't');
}

const struct cpu arm64_cpu = {
	.name = "arm64",
	.state_size = sizeof(struct arm64_state),
	.nbanks = ARM64_NBANKS,
	.brk = brk_0,
	.brk_size = sizeof(brk_0),
	.brk_kind = sizeof(brk_0),
	.watch_before = true,
	.describe = describe,
	.pc = pc,
	.write_reg = arm64_write_reg,
	.translate = arm64_translate,
	.hw_split = arm64_hw_split,
	.step_begin = arm64_step_begin,
	.step_end = arm64_step_end,
	.guest_uses_debug_regs = arm64_guest_uses_debug_regs,
	.mode = mode,
};
