// SPDX-License-Identifier: MIT
/* The debug state machine at work: an event, and those of its actions that need nobody else. */
#include "core/engine/state.h"

enum pc_status vcpu_pc_status(const struct vmgdb_vcpu *v, uint64_t addr)
{
	return v->pc_at == addr ? v->pc : PC_UNCHECKED;
}

void vcpu_set_pc_status(struct vmgdb_vcpu *v, enum pc_status status)
{
	v->pc = vcpu_code(v, &v->pc_at) ? PC_UNCHECKED : status;
}

/* The rest of a step that was cut may begin elsewhere, or where an interrupt has led. */
static bool has_moved(struct vmgdb_vcpu *v)
{
	uint64_t addr;

	return !vcpu_code(v, &addr) && (addr != v->step_from || v->plan.halted);
}

static void change_pc_status(struct vmgdb_vcpu *v, enum pc_change change)
{
	if (change == PC_PASS)
		vcpu_set_pc_status(v, PC_PASSED);
	else if (change == PC_FORGET || (change == PC_MOVED && has_moved(v)))
		v->pc = PC_UNCHECKED;
}

static void lift(struct vmgdb_vcpu *v)
{
	uint64_t addr;

	if (vcpu_code(v, &addr))
		return;
	v->lifted = vcpu_location(v, addr);
	if (v->lifted)
		breakpoints_lift(v->engine->bps, v->lifted);
}

static void put_back(struct vmgdb_vcpu *v)
{
	if (v->lifted)
		breakpoints_put_back(v->engine->bps, v->lifted);
	v->lifted = NULL;
}

unsigned int vcpu_take(struct vmgdb_vcpu *v, enum vcpu_event event)
{
	const enum run_state state = vcpu_run_state(v);
	const struct transition t = vcpu_next(state, event);

	if (!t.possible) {
		engine_log(v->engine, VMGDB_LOG_ERROR, "vCPU %u: '%s' in state '%s'", v->index,
			   vcpu_event_name(event), run_state_name(state));
		return 0;
	}
	change_pc_status(v, t.pc);
	if (t.next != RUN_PARKED && state != RUN_PARKED)
		atomic_store(&v->run, t.next);
	if (t.actions & ACT_PUT_BACK)
		put_back(v);
	if (t.actions & ACT_LIFT)
		lift(v);
	if (t.actions & ACT_KICK)
		vcpu_kick(v);
	if (t.actions & ACT_CLEAR_KICK)
		vcpu_clear_kick(v);
	return t.actions & (ACT_BEGIN_STEP | ACT_ARM | ACT_REINJECT | ACT_REPORT | ACT_PARK);
}
