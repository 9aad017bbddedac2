// SPDX-License-Identifier: MIT
/* Stops that vCPUs have to report, and the conditions that decide whether they do. */
#include <errno.h>
#include <string.h>

#include "core/breakpoints/bp_condition.h"
#include "core/engine/state.h"
#include "core/regs.h"

void vcpu_set_pending(struct vmgdb_vcpu *v, const struct stop *stop)
{
	v->pending = *stop;
	v->pending.vcpu = v->index;
	v->pending_access = false;
	v->pending_seq = ++v->engine->seq;
}

void vcpu_report(struct vmgdb_vcpu *v, const struct stop *stop)
{
	struct engine *e = v->engine;

	if (vcpu_code(v, &v->pending_at))
		v->pending_at = 0;
	pthread_mutex_lock(&e->lock);
	vcpu_set_pending(v, stop);
	if (engine_state(e) == ENGINE_RUNNING)
		request_stop(e, v);
	pthread_mutex_unlock(&e->lock);
}

/* ---- conditions and commands --------------------------------------------------------------- */

/* Registers are numbered by the description that the debugger was given, whatever mode the vCPU is in. */
static int reg(void *opaque, unsigned int number, uint64_t *value)
{
	struct vmgdb_vcpu *v = opaque;
	const struct tdesc *d =
		v->engine->tdesc ? v->engine->tdesc : v->view.cpu->describe(&v->view);
	const struct reg_desc *r = regs_find(d, number);
	const void *from = r ? reg_value(&v->view, r) : NULL;

	if (!from)
		return -ENODEV;
	*value = 0;
	memcpy(value, from, reg_size(r) < sizeof(*value) ? reg_size(r) : sizeof(*value));
	return 0;
}

static int mem(void *opaque, uint64_t addr, void *buf, size_t len)
{
	return vcpu_read(opaque, false, addr, buf, len) == len ? 0 : -EFAULT;
}

static void print(void *opaque, const char *text, size_t len)
{
	const struct vmgdb_vcpu *v = opaque;

	console_print(v->engine, text, len);
}

bool vcpu_wants_report(struct vmgdb_vcpu *v, enum bp_type type, uint64_t addr, uint64_t kind)
{
	const struct agent_env env = { reg, mem, print, v };

	return bp_conditions_hit(breakpoints_conditions(v->engine->bps, type, addr, kind), &env);
}

/* ---- watchpoints that are carried by steps -------------------------------------------------- */

bool engine_changed_watchpoint(struct engine *e, struct stop *out)
{
	const struct vmgdb_vcpu *writer = atomic_load(&e->writer);

	*out = (struct stop){ .kind = STOP_WATCH, .watch = HW_WRITE };
	return writer && !writer->pending.kind && breakpoints_changed(e->bps, &out->addr);
}
