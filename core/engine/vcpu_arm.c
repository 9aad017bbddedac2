// SPDX-License-Identifier: MIT
/* What is to be armed for a vCPU's next run. */
#include "core/engine/engine.h"

static void wish_slot(struct vmgdb_vcpu *v, struct debug_control *w, unsigned int i)
{
	const struct hw_slot *s = &v->engine->hw.armed[i].slot;

	if (v->stepping && v->hop && s->kind == HW_EXEC && s->addr == v->stepped_from)
		return;
	if (v->stepping && v->hop && s->kind != HW_EXEC && v->view.cpu->watch_before && v->watched)
		return;
	v->map[w->nhw] = i;
	w->hw[w->nhw++] = *s;
}

/* Slots that end a step which is a run: they are nobody's breakpoints. */
static void wish_until(struct vmgdb_vcpu *v, struct debug_control *w)
{
	unsigned int i;

	for (i = 0; i < v->plan.nuntil && w->nhw < HW_SLOTS_MAX; i++) {
		v->map[w->nhw] = HW_SLOTS_MAX;
		w->hw[w->nhw++] =
			(struct hw_slot){ HW_EXEC, v->plan.until[i], v->view.cpu->brk_size };
	}
}

/*
 * How many execution slots `until` needs of those that the debugger's breakpoints have: these are
 * away for that run, first of all those that it can't come to.
 */
static unsigned int slots_short(const struct vmgdb_vcpu *v)
{
	const struct hw_breakpoints *h = &v->engine->hw;
	unsigned int i, data = 0, want, have;

	for (i = 0; i < h->narmed; i++)
		data += h->armed[i].slot.kind != HW_EXEC;
	want = h->narmed - data + v->plan.nuntil;
	have = h->caps.exec_slots + h->caps.shared_slots;
	if (data > h->caps.watch_slots)
		have -= data - h->caps.watch_slots;
	return v->stepping && want > have ? want - have : 0;
}

/* Is it out of the way of the run that the step is? */
static bool off_the_way(const struct vmgdb_vcpu *v, const struct hw_slot *s)
{
	unsigned int i;

	if (s->kind != HW_EXEC)
		return false;
	for (i = 0; i < v->plan.nuntil; i++)
		if (s->addr > v->stepped_from && s->addr <= v->plan.until[i])
			return false;
	return true;
}

static void wish_slots(struct vmgdb_vcpu *v, struct debug_control *w)
{
	const struct hw_breakpoints *h = &v->engine->hw;
	unsigned int i, without = slots_short(v);

	for (i = 0; i < h->narmed && w->nhw < HW_SLOTS_MAX; i++) {
		if (without && off_the_way(v, &h->armed[i].slot))
			without--;
		else
			wish_slot(v, w, i);
	}
}

void vcpu_make_wish(struct vmgdb_vcpu *v)
{
	const struct engine *e = v->engine;
	struct debug_control *w = &v->control;

	w->nhw = 0;
	w->trap_brk = w->step = w->block_irq = false;
	if (e->mode != ENGINE_RUNNING)
		return;
	w->trap_brk = e->points.sites.count;
	if (v->stepping) {
		wish_until(v, w);
		w->step = !v->plan.nuntil || v->plan.until_too;
		w->block_irq = e->hw.caps.block_irq && !vcpu_lets_irqs_in(v);
	}
	wish_slots(v, w);
}
