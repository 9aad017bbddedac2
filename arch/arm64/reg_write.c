// SPDX-License-Identifier: MIT
#include "arch/arm64/cpu.h"

#include <errno.h>
#include <string.h>

#include "arch/arm64/state.h"

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

int arm64_write_reg(struct cpu_view *v, const struct reg_desc *r, const void *value)
{
	return r->bank == ARM64_BANK_CORE ? write_core(v, r->offset, value) : -EOPNOTSUPP;
}
