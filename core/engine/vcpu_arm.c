// SPDX-License-Identifier: MIT
/* The guest debug control for a vCPU's next entry. */
#include "core/engine/state.h"

enum { NO_SLOT = HW_SLOTS_MAX }; /* in slot_of[]: nobody's breakpoint */

/* The breakpoint that a step begins at is disarmed for it, and so is a watchpoint that has fired before
 * the access. */
static bool is_stepped_off(const struct vmgdb_vcpu *v, const struct hw_slot *s)
{
	enum run_state run = vcpu_run_state(v);

	if (run != RUN_STEP_OFF && run != RUN_STEP_OVER)
		return false;
	if (s->kind == HW_EXEC)
		return s->addr == v->step_from;
	return vcpu_pc_status(v, v->step_from) == PC_REPORTED_WATCH;
}

static void add(struct vmgdb_vcpu *v, const struct hw_slot *s, unsigned int slot)
{
	struct debug_control *c = &v->control;

	if (c->nhw == HW_SLOTS_MAX)
		return;
	v->slot_of[c->nhw] = slot;
	c->hw[c->nhw++] = *s;
}

static bool is_armed(const struct debug_control *c, uint64_t addr)
{
	unsigned int i;

	for (i = 0; i < c->nhw; i++)
		if (c->hw[i].kind == HW_EXEC && c->hw[i].addr == addr)
			return true;
	return false;
}

/* The addresses at which a step ends; where a breakpoint is armed that does it. */
static void add_step_ends(struct vmgdb_vcpu *v)
{
	struct hw_slot end = { .kind = HW_EXEC, .len = v->view.cpu->brk_size };
	unsigned int i;

	for (i = 0; i < v->plan.nuntil; i++) {
		end.addr = v->plan.until[i];
		if (!is_armed(&v->control, end.addr))
			add(v, &end, NO_SLOT);
	}
}

/* How many execution slots of breakpoints a step takes away, for want of others. */
static unsigned int slots_short(const struct vmgdb_vcpu *v)
{
	unsigned int i, n, need = v->plan.nuntil, room = breakpoints_exec_room(v->engine->bps);
	const struct bp_slot *s = breakpoints_slots(v->engine->bps, &n);

	for (i = 0; i < n; i++)
		need += s[i].slot.kind == HW_EXEC && !vcpu_step_ends_at(v, s[i].slot.addr);
	return need > room ? need - room : 0;
}

/* Can the step not reach it? One instruction reaches none but where exceptions lead; a run goes upwards
 * to its ends. */
static bool is_off_the_way(const struct vmgdb_vcpu *v, const struct hw_slot *s)
{
	unsigned int i;

	if (s->kind != HW_EXEC || vcpu_step_ends_at(v, s->addr))
		return false;
	for (i = 0; !v->plan.until_too && i < v->plan.nuntil; i++)
		if (s->addr > v->step_from && s->addr <= v->plan.until[i])
			return false;
	return true;
}

static void add_breakpoints(struct vmgdb_vcpu *v, bool in_step)
{
	unsigned int i, n, without = in_step ? slots_short(v) : 0;
	const struct bp_slot *s = breakpoints_slots(v->engine->bps, &n);

	for (i = 0; i < n; i++) {
		if (without && is_off_the_way(v, &s[i].slot))
			without--;
		else if (!is_stepped_off(v, &s[i].slot))
			add(v, &s[i].slot, i);
	}
}

void vcpu_make_control(struct vmgdb_vcpu *v, bool goes_on)
{
	bool in_step = run_is_step(vcpu_run_state(v));
	struct debug_control *c = &v->control;

	c->nhw = 0;
	c->step = c->step_goes_on = c->block_irq = false;
	c->trap_brk = breakpoints_in_memory(v->engine->bps);
	if (in_step) {
		c->step = !v->plan.nuntil || v->plan.until_too;
		c->step_goes_on = c->step && goes_on;
		c->block_irq = v->caps.block_irq && !vcpu_lets_irqs_in(v);
	}
	add_breakpoints(v, in_step);
	if (in_step)
		add_step_ends(v);
}
