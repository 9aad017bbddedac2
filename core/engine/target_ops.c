// SPDX-License-Identifier: MIT
/* The engine as a session sees it (target.h): all but run control. */
#include <errno.h>

#include "core/engine/state.h"

static unsigned int op_vcpus(struct target *t, unsigned int *out, unsigned int max)
{
	const struct vmgdb_vcpu *v;
	unsigned int n = 0;

	for_each_vcpu(engine_of(t), v)
	{
		if (n < max)
			out[n] = v->index;
		n++;
	}
	return n;
}

static bool op_has_vcpu(struct target *t, unsigned int vcpu)
{
	return vcpu_find(engine_of(t), vcpu);
}

/* A vCPU that may be accessed: every one is parked. NULL: none may, or there is none such. */
static struct vmgdb_vcpu *held_vcpu(struct target *t, unsigned int vcpu)
{
	struct engine *e = engine_of(t);

	return e->hold_taken ? vcpu_find(e, vcpu) : NULL;
}

/* There is no held_vcpu(). */
static int no_access(struct target *t)
{
	return engine_of(t)->hold_taken ? -EFAULT : -EBUSY;
}

static struct cpu_view *op_view(struct target *t, unsigned int vcpu)
{
	struct vmgdb_vcpu *v = held_vcpu(t, vcpu);

	return v ? &v->view : NULL;
}

static int op_flush(struct target *t, unsigned int vcpu)
{
	struct vmgdb_vcpu *v = held_vcpu(t, vcpu);
	int ret = v ? vcpu_state_flush(v) : -EBUSY;

	if (v)
		vcpu_state_forget(v);
	return ret;
}

static const char *op_halted(struct target *t, unsigned int vcpu)
{
	struct vmgdb_vcpu *v = held_vcpu(t, vcpu);

	return v ? vcpu_halted(v) : NULL;
}

/* ---- memory ------------------------------------------------------------------------------ */

static ssize_t op_read(struct target *t, unsigned int vcpu, uint64_t addr, void *buf, size_t len)
{
	struct vmgdb_vcpu *v = held_vcpu(t, vcpu);
	size_t n;

	if (!v)
		return no_access(t);
	n = vcpu_read(v, true, addr, buf, len);
	return n || !len ? (ssize_t)n : -EFAULT;
}

static int op_write(struct target *t, unsigned int vcpu, uint64_t addr, const void *buf, size_t len)
{
	struct vmgdb_vcpu *v = held_vcpu(t, vcpu);
	int ret;

	if (!v)
		return no_access(t);
	ret = vcpu_write(v, addr, buf, len);
	expire_reads(engine_of(t));
	return ret;
}

/* ---- breakpoints ------------------------------------------------------------------------- */

/* The first vCPU answers for the host, as it does when a debugger attaches. */
static const char *brk_ignored(struct vmgdb_vcpu *v, uint64_t va)
{
	const struct vmgdb_vcpu *first = vcpu_first(v->engine);

	return first->ops->brk_ignored ? first->ops->brk_ignored(first->ctx, &v->view, va) : NULL;
}

int engine_translate(void *opaque, unsigned int vcpu, uint64_t va, struct xlat *out,
		     const char **no_brk)
{
	struct engine *e = opaque;
	struct vmgdb_vcpu *v = vcpu_find(e, vcpu);

	if (!v)
		v = vcpu_first(e);
	if (!v)
		return -EFAULT;
	v = vcpu_that_maps(v, va);
	if (no_brk)
		*no_brk = brk_ignored(v, va);
	return v->view.cpu->translate(&v->view, va, out);
}

static int op_insert(struct target *t, unsigned int vcpu, enum bp_type type, uint64_t addr,
		     uint64_t kind, const char **why)
{
	struct engine *e = engine_of(t);
	bool by_steps = type > BP_HARDWARE && atomic_load(&e->options[OPTION_SOFTWARE_WATCH]);

	if (!e->hold_taken)
		return -EBUSY;
	return breakpoints_insert(e->bps, vcpu, type, addr, kind, by_steps, why);
}

static int op_remove(struct target *t, enum bp_type type, uint64_t addr, uint64_t kind)
{
	struct engine *e = engine_of(t);

	if (!e->hold_taken)
		return -EBUSY;
	breakpoints_remove(e->bps, type, addr, kind);
	return 0;
}

static int op_conditions(struct target *t, enum bp_type type, uint64_t addr, uint64_t kind,
			 const struct agent_code *codes, unsigned int n)
{
	struct engine *e = engine_of(t);

	return e->hold_taken ? breakpoints_set_conditions(e->bps, type, addr, kind, codes, n)
			     : -EBUSY;
}

static int op_breakpoint(struct target *t, unsigned int i, struct bp_info *out)
{
	const struct engine *e = engine_of(t);

	return e->hold_taken ? breakpoints_info(e->bps, i, out) : -EBUSY;
}

static void op_set_description(struct target *t, const struct tdesc *d)
{
	struct engine *e = engine_of(t);

	if (e->hold_taken)
		e->tdesc = d;
}

/* ---- options, the end ---------------------------------------------------------------------- */

static bool op_option(struct target *t, enum target_option o)
{
	return atomic_load(&engine_of(t)->options[o]);
}

static void op_set_option(struct target *t, enum target_option o, bool on)
{
	atomic_store(&engine_of(t)->options[o], on);
}

static int op_kill(struct target *t)
{
	const struct engine *e = engine_of(t);

	if (!e->config.kill)
		return -EOPNOTSUPP;
	e->config.kill(e->config.opaque);
	return 0;
}

const struct target_ops engine_target_ops = {
	.hold = engine_hold,
	.release = engine_release,
	.vcpus = op_vcpus,
	.has_vcpu = op_has_vcpu,
	.option = op_option,
	.set_option = op_set_option,
	.console = engine_console,
	.view = op_view,
	.flush = op_flush,
	.halted = op_halted,
	.read = op_read,
	.write = op_write,
	.insert = op_insert,
	.remove = op_remove,
	.conditions = op_conditions,
	.breakpoint = op_breakpoint,
	.set_description = op_set_description,
	.resume = engine_resume,
	.interrupt = engine_interrupt,
	.poll = engine_poll,
	.attach = engine_attach,
	.detach = engine_detach,
	.renew = engine_renew,
	.kill = op_kill,
};
