// SPDX-License-Identifier: MIT
/* What a vCPU comes to, and whether that is told. */
#include "core/engine/engine.h"

/* ---- events ------------------------------------------------------------------------------ */

/* The vCPU has something to tell the debugger. */
static void keep_event(struct vmgdb_vcpu *v, const struct stop *event)
{
	v->event = *event;
	v->event.vcpu = v->index;
	v->event_seq = ++v->engine->seq;
}

/* ... so it parks, and so does everybody else. */
static void announce(struct vmgdb_vcpu *v)
{
	engine_want_stop_but(v->engine, v);
	if (v->parked) /* the architecture made the step itself: nobody else will look */
		engine_tell_if_quiet(v->engine);
}

void vcpu_set_event(struct vmgdb_vcpu *v, const struct stop *event)
{
	keep_event(v, event);
	announce(v);
}

bool vcpu_is_halted(const struct vmgdb_vcpu *v)
{
	return v->ops->halted && v->ops->halted(v->ctx);
}

struct site *vcpu_site_here(struct vmgdb_vcpu *v, uint64_t pc)
{
	uint64_t gpa;

	if (!v->engine->points.sites.count || vcpu_translate(v, pc, &gpa))
		return NULL;
	return points_site(&v->engine->points, gpa);
}

static const struct armed *slot_here(const struct vmgdb_vcpu *v, uint64_t pc)
{
	const struct hw_breakpoints *h = &v->engine->hw;
	unsigned int i;

	for (i = 0; i < h->narmed; i++)
		if (h->armed[i].slot.kind == HW_EXEC && h->armed[i].slot.addr == pc)
			return &h->armed[i];
	return NULL;
}

void vcpu_meet(struct vmgdb_vcpu *v)
{
	v->met = !vcpu_code(v, &v->met_at);
}

/* Something comes before the instruction at its PC: it has to be woken, or takes an exception. */
static bool is_elsewhere(struct vmgdb_vcpu *v)
{
	const struct cpu *cpu = v->view.cpu;

	return vcpu_is_halted(v) || (cpu->delivers && cpu->delivers(&v->view));
}

/*
 * A vCPU that was stopped on its way to a breakpoint has yet to come to it, unless the debugger
 * steps it from there by name. So has one that is halted, though its PC may say otherwise: it comes
 * there when it has been woken.
 */
void vcpu_look_at_pc(struct vmgdb_vcpu *v)
{
	const struct engine *e = v->engine;
	bool named = v->action.kind == RESUME_STEP || v->action.kind == RESUME_RANGE;
	uint64_t pc;

	v->over = v->hop = v->afresh = false;
	if ((!e->points.sites.count && !e->hw.narmed) || vcpu_code(v, &pc))
		return;
	v->met = v->met && v->met_at == pc;
	v->watched = v->watched && v->met && v->watched_at == pc;
	v->afresh = !v->met && !named;
	if (v->afresh || is_elsewhere(v))
		return;
	v->over = vcpu_site_here(v, pc);
	v->hop = slot_here(v, pc) || (v->view.cpu->watch_before && v->watched);
}

/* ---- what a vCPU comes to ---------------------------------------------------------------- */

static const enum stop_kind stop_of[] = {
	[BP_SOFTWARE] = STOP_SWBREAK, [BP_HARDWARE] = STOP_HWBREAK, [BP_WRITE] = STOP_WATCH,
	[BP_READ] = STOP_WATCH,	      [BP_ACCESS] = STOP_WATCH,
};

/* The rules of the breakpoint that an armed slot stands for. */
static const struct rules *slot_rules(const struct engine *e, const struct armed *a)
{
	const struct point *pt = a->type == BP_SOFTWARE ? points_find(&e->points, a->addr) : NULL;
	const struct hw_breakpoint *hw =
		pt ? NULL : hw_breakpoints_find(&e->hw, a->type, a->addr, a->slot.len);

	return pt ? pt->rules : hw ? hw->rules : NULL;
}

bool vcpu_is_told(struct vmgdb_vcpu *v, uint64_t addr)
{
	const struct point *pt = points_find(&v->engine->points, addr);

	return pt && vcpu_hit(v, pt->rules);
}

void vcpu_meet_break(struct vmgdb_vcpu *v, uint64_t addr)
{
	const struct stop event = { .kind = STOP_SWBREAK, .addr = addr };

	v->over = !vcpu_is_told(v, addr);
	if (v->over)
		vcpu_meet(v);
	else
		vcpu_set_event(v, &event);
}

bool vcpu_meet_slot(struct vmgdb_vcpu *v, const struct armed *a)
{
	const struct stop event = {
		.kind = stop_of[a->type],
		.watch = a->slot.kind,
		.addr = a->addr,
	};

	v->hop = a->slot.kind == HW_EXEC && !vcpu_hit(v, slot_rules(v->engine, a));
	v->watched = event.kind == STOP_WATCH && !vcpu_code(v, &v->watched_at);
	if (v->hop)
		vcpu_meet(v);
	else
		vcpu_set_event(v, &event);
	return !v->hop;
}

bool vcpu_meet_here(struct vmgdb_vcpu *v)
{
	const struct armed *slot;
	uint64_t pc;

	v->afresh = false;
	if ((!v->engine->points.sites.count && !v->engine->hw.narmed) || vcpu_code(v, &pc) ||
	    is_elsewhere(v))
		return false;
	slot = slot_here(v, pc);
	if (slot && vcpu_meet_slot(v, slot))
		return true;
	if (vcpu_site_here(v, pc))
		vcpu_meet_break(v, pc);
	return v->event.kind || v->over;
}

void vcpu_look_afresh(struct vmgdb_vcpu *v)
{
	v->over = v->hop = v->met = v->watched = false;
	v->afresh = true;
}

/* ---- memory that is watched by comparing ------------------------------------------------- */

bool engine_keep_change(struct engine *e)
{
	struct vmgdb_vcpu *v = e->writer;
	struct stop event = { .kind = STOP_WATCH, .watch = HW_WRITE };
	const struct soft_watchpoint *w = NULL;

	if (e->soft.n && v && !v->event.kind)
		w = soft_watchpoint_changed(&e->soft, &e->points);
	if (!w)
		return false;
	event.addr = w->addr;
	keep_event(v, &event);
	return true;
}

bool vcpu_soft_event(struct vmgdb_vcpu *v)
{
	if (v->engine->writer != v || !engine_keep_change(v->engine))
		return false;
	announce(v);
	return true;
}
