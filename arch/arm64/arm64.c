// SPDX-License-Identifier: MIT
#include "arch/arm64/arm64.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arch/arm64/debug_regs.h"
#include "arch/arm64/layout.h"
#include "arch/arm64/step.h"
#include "arch/arm64/view.h"
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

static void set_pc(void *state, uint64_t pc)
{
	((struct arm64_state *)state)->pc = pc;
}

/* The modes of AArch64 at EL0 and EL1: KVM takes an AArch32 one too, and could not run it. */
static bool mode_allowed(uint64_t pstate)
{
	const unsigned int mode = pstate & PSTATE_MODE;

	return mode == PSTATE_EL0T || mode == PSTATE_EL1T || mode == PSTATE_EL1H;
}

static int write_core(struct cpu_view *v, uint32_t offset, const void *value)
{
	struct arm64_state *s = arm64_state(v);
	uint32_t pstate;
	int ret = v->need(v, ARM64_BANK_CORE);

	if (ret)
		return ret;
	if (offset == offsetof(struct arm64_state, pstate)) {
		memcpy(&pstate, value, sizeof(pstate));
		if (!mode_allowed(pstate))
			return -EINVAL;
		s->pstate = pstate & ~(uint32_t)PSTATE_SS;
	} else {
		memcpy((uint8_t *)s + offset, value, sizeof(uint64_t));
	}
	if (offset == offsetof(struct arm64_state, sp))
		s->sp_el[arm64_sp_index(s->pstate)] = s->sp;
	s->sp = s->sp_el[arm64_sp_index(s->pstate)];
	v->dirty(v, ARM64_BANK_CORE);
	return 0;
}

static int write_reg(struct cpu_view *v, const struct reg_desc *r, const void *value)
{
	return r->bank == ARM64_BANK_CORE ? write_core(v, r->offset, value) : -EOPNOTSUPP;
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
	.set_pc = set_pc,
	.write_reg = write_reg,
	.translate = arm64_translate,
	.hw_split = arm64_hw_split,
	.step_begin = arm64_step_begin,
	.step_end = arm64_step_end,
	.mode = mode,
};
