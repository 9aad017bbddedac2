// SPDX-License-Identifier: MIT
#include "arch/arm64/step.h"

#include "arch/arm64/event_delivery.h"
#include "arch/arm64/regs.h"

#define MDSCR_SS   (1ULL << 0)
#define MDSCR_KDE  (1ULL << 13)
#define MDSCR_MDE  (1ULL << 15)
#define OSLSR_OSLK (1ULL << 1)

/* ---- software steps ---------------------------------------------------------------------- */

enum arm64_guest_step arm64_guest_step(struct cpu_view *v)
{
	const struct arm64_state *s = arm64_state(v);
	const bool el1 = arm64_el(s->pstate);
	uint64_t mdscr, oslsr;

	if ((el1 && s->pstate & PSTATE_D) || arm64_sys(v, ARM64_MDSCR, &mdscr))
		return ARM64_GUEST_STEP_OFF;
	if (!(mdscr & MDSCR_SS) || (el1 && !(mdscr & MDSCR_KDE)))
		return ARM64_GUEST_STEP_OFF;
	if (arm64_sys(v, ARM64_OSLSR, &oslsr) || oslsr & OSLSR_OSLK)
		return ARM64_GUEST_STEP_OFF;
	return s->guest_ss ? ARM64_GUEST_STEP_ACTIVE : ARM64_GUEST_STEP_PENDING;
}

bool arm64_take_guest_step(struct cpu_view *v, bool stepped)
{
	const uint64_t pstate = arm64_state(v)->pstate;
	const uint32_t isv = stepped ? ARM64_ESR_ISV : 0;

	return !arm64_raise(v, arm64_esr_from(ARM64_ESR_STEP, pstate) | isv);
}

void arm64_end_guest_step(struct cpu_view *v, enum arm64_guest_step before, bool armed)
{
	struct arm64_state *s = arm64_state(v);

	if (before == ARM64_GUEST_STEP_ACTIVE) {
		s->guest_ss = false;
		v->dirty(v, ARM64_BANK_CORE);
		if (arm64_guest_step(v) == ARM64_GUEST_STEP_PENDING)
			arm64_take_guest_step(v, true);
		return;
	}
	s->guest_ss = before == ARM64_GUEST_STEP_OFF && armed &&
		      arm64_guest_step(v) != ARM64_GUEST_STEP_OFF;
	if (s->guest_ss)
		v->dirty(v, ARM64_BANK_CORE);
	else if (arm64_guest_step(v) == ARM64_GUEST_STEP_PENDING)
		arm64_take_guest_step(v, false);
}

/* ---- debug registers --------------------------------------------------------------------- */

/* DBGBCR<n>_EL1 and DBGWCR<n>_EL1. */
static bool is_control(uint16_t enc)
{
	return (enc & SYSREG(3, 7, 15, 0, 5)) == SYSREG(2, 0, 0, 0, 5);
}

/* MDSCR_EL1 decides for all pairs; which of them are enabled costs a read each. */
bool arm64_guest_uses_debug_regs(struct cpu_view *v)
{
	const struct arm64_layout *l;
	uint64_t value;
	unsigned int i;

	if (arm64_sys(v, ARM64_MDSCR, &value) || !(value & MDSCR_MDE))
		return false;
	l = v->need(v, ARM64_BANK_LAYOUT) ? NULL : arm64_state(v)->layout;
	for (i = 0; l && i < l->nsys; i++)
		if (is_control(l->enc[i]) && !arm64_sys(v, i, &value) && value & 1)
			return true;
	return !l;
}
