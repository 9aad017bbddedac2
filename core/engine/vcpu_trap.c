// SPDX-License-Identifier: MIT
/* Debug exits: which event each of them is. */
#include <string.h>

#include "core/engine/state.h"

/* The guest would take the exception for ever if it can't be given to it: that is fatal. */
static void reinject(struct vmgdb_vcpu *v, const struct trap *t)
{
	const struct stop stop = {
		.kind = STOP_FATAL,
		.text = "the guest's own debug exception can't be given to it",
	};
	int ret = vcpu_state_flush(v);

	if (!ret)
		ret = v->ops->reinject(v->ctx, t);
	vcpu_state_forget(v); /* the backend may have changed any of it */
	if (!ret)
		return;
	engine_log(v->engine, VMGDB_LOG_ERROR,
		   "vCPU %u: the guest's own debug exception at %#llx can't be given to it: %s",
		   v->index, (unsigned long long)t->pc, strerror(-ret));
	vcpu_report(v, &stop);
}

static void guest_trap(struct vmgdb_vcpu *v, const struct trap *t)
{
	if (vcpu_take(v, EV_GUEST_TRAP) & ACT_REINJECT)
		reinject(v, t);
}

/* Those that fired at the end of a step are nobody's breakpoint. */
static bool hit_slots(struct vmgdb_vcpu *v, const struct trap *t)
{
	unsigned int i, n;
	const struct bp_slot *slots = breakpoints_slots(v->engine->bps, &n);

	for (i = 0; i < v->control.nhw; i++)
		if (t->slots >> i & 1 && v->slot_of[i] < n &&
		    vcpu_hit_slot(v, &slots[v->slot_of[i]]))
			return true;
	return false;
}

static void hit_instruction(struct vmgdb_vcpu *v, const struct trap *t)
{
	if (vcpu_location(v, t->pc))
		vcpu_hit_location(v, t->pc);
	else
		guest_trap(v, t);
}

static void classify(struct vmgdb_vcpu *v, const struct trap *t)
{
	bool in_step = run_is_step(vcpu_run_state(v)), complete;
	bool step_trap = t->kind & TRAP_STEP ||
			 (t->kind & TRAP_EXEC && in_step && vcpu_step_ends_at(v, t->pc));
	/* a location can lie on a breakpoint instruction of the guest's own */
	bool beneath = v->lifted && t->kind & TRAP_BRK && t->pc == v->step_from;

	complete = in_step && vcpu_end_step(v, step_trap);
	if (t->kind & (TRAP_EXEC | TRAP_WATCH) && hit_slots(v, t))
		return;
	if (beneath)
		guest_trap(v, t);
	else if (t->kind & TRAP_BRK)
		hit_instruction(v, t);
	else if (complete)
		vcpu_step_done(v);
	else if (t->kind & TRAP_STEP ? !in_step : !t->slots) {
		/* by the guest's own debug registers or steps: a step of ours ends with it */
		guest_trap(v, t);
		if (in_step)
			vcpu_step_done(v);
	}
}

/* A step that was cut may have written, too. */
void vcpu_handle_trap(struct vmgdb_vcpu *v, const struct trap *t)
{
	classify(v, t);
	vcpu_report_change(v);
}
