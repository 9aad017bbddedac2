// SPDX-License-Identifier: MIT
/* What stands at the PC of a vCPU, and whether a hit there is reported. */
#include "core/engine/state.h"

/* The slot behind s (NULL: the first one) that stops execution there, or NULL: several can. */
static const struct bp_slot *next_exec_slot(const struct vmgdb_vcpu *v, uint64_t addr,
					    const struct bp_slot *s)
{
	unsigned int n;
	const struct bp_slot *all = breakpoints_slots(v->engine->bps, &n);

	for (s = s ? s + 1 : all; s < all + n; s++)
		if (s->slot.kind == HW_EXEC && s->slot.addr == addr)
			return s;
	return NULL;
}

#define for_each_exec_slot(V, ADDR, S) \
	for ((S) = next_exec_slot(V, ADDR, NULL); (S) != NULL; (S) = next_exec_slot(V, ADDR, S))

/* Is an exception, an interrupt or a wake-up to come before the instruction at the PC? */
static bool is_elsewhere(struct vmgdb_vcpu *v)
{
	const struct cpu *cpu = v->view.cpu;

	return vcpu_halted(v) || (cpu->delivers && cpu->delivers(&v->view));
}

enum pc_content vcpu_content(struct vmgdb_vcpu *v, uint64_t addr)
{
	enum pc_content at = AT_NOTHING;

	if (vcpu_location(v, addr))
		at = AT_LOCATION;
	else if (next_exec_slot(v, addr, NULL))
		at = AT_SLOT;
	return at != AT_NOTHING && is_elsewhere(v) ? AT_NOTHING : at;
}

/* ---- hits -------------------------------------------------------------------------------- */

/*
 * A location that is reached by an address which the debugger has not named (the direct map of a
 * kernel, a library mapped elsewhere) is passed: the debugger has nothing there, and would not know
 * what to make of a stop.
 */
static bool location_is_reported(struct vmgdb_vcpu *v, uint64_t addr)
{
	return breakpoints_named(v->engine->bps, addr) &&
	       vcpu_wants_report(v, BP_SOFTWARE, addr, v->view.cpu->brk_kind);
}

static bool slot_is_reported(struct vmgdb_vcpu *v, const struct bp_slot *s)
{
	return s->slot.kind != HW_EXEC || vcpu_wants_report(v, s->type, s->addr, s->kind);
}

static bool hit(struct vmgdb_vcpu *v, const struct stop *stop, bool reported)
{
	if (vcpu_take(v, reported ? EV_HIT : EV_PASS) & ACT_REPORT)
		vcpu_report(v, stop);
	return reported;
}

bool vcpu_hit_location(struct vmgdb_vcpu *v, uint64_t addr)
{
	const struct stop stop = { .kind = STOP_SWBREAK, .addr = addr };

	return hit(v, &stop, location_is_reported(v, addr));
}

static const enum stop_kind stop_of[] = {
	[BP_SOFTWARE] = STOP_SWBREAK, [BP_HARDWARE] = STOP_HWBREAK, [BP_WRITE] = STOP_WATCH,
	[BP_READ] = STOP_WATCH,	      [BP_ACCESS] = STOP_WATCH,
};

bool vcpu_hit_slot(struct vmgdb_vcpu *v, const struct bp_slot *s)
{
	const struct stop stop = {
		.kind = stop_of[s->type],
		.watch = s->slot.kind,
		.addr = s->addr,
	};

	if (!hit(v, &stop, slot_is_reported(v, s)))
		return false;
	v->pending_access = s->slot.kind != HW_EXEC && v->view.cpu->watch_before;
	return true;
}

/* A breakpoint that is passed is known as passed; so all of them have to be asked. */
bool vcpu_hit_here(struct vmgdb_vcpu *v, uint64_t addr)
{
	const struct bp_slot *s;

	for_each_exec_slot(v, addr, s) if (vcpu_hit_slot(v, s)) return true;
	return vcpu_location(v, addr) && vcpu_hit_location(v, addr);
}

bool vcpu_stops_here(struct vmgdb_vcpu *v, uint64_t addr)
{
	const struct bp_slot *s;

	for_each_exec_slot(v, addr, s) if (slot_is_reported(v, s)) return true;
	return vcpu_location(v, addr) && location_is_reported(v, addr);
}
