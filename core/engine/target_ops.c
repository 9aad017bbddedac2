// SPDX-License-Identifier: MIT
/* The engine as a session sees it (target.h): registers, memory, breakpoints, options. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine/engine.h"

static unsigned int op_vcpus(struct target *t, unsigned int *out, unsigned int max)
{
	struct engine *e = engine_of(t);
	unsigned int i, n;

	pthread_mutex_lock(&e->lock);
	n = e->nvcpus;
	for (i = 0; i < n && i < max; i++)
		out[i] = e->vcpus[i]->index;
	pthread_mutex_unlock(&e->lock);
	return n;
}

static struct vmgdb_vcpu *find(struct engine *e, unsigned int index)
{
	struct vmgdb_vcpu *v;

	pthread_mutex_lock(&e->lock);
	v = engine_vcpu(e, index);
	pthread_mutex_unlock(&e->lock);
	return v;
}

static bool op_has_vcpu(struct target *t, unsigned int vcpu)
{
	return find(engine_of(t), vcpu);
}

static int op_hold(struct target *t)
{
	struct engine *e = engine_of(t);
	int ret = 0;

	pthread_mutex_lock(&e->lock);
	if (e->exited || e->down)
		ret = -ESHUTDOWN;
	else if (e->mode != ENGINE_STOPPED)
		ret = -EBUSY;
	e->hold = !ret;
	pthread_mutex_unlock(&e->lock);
	return ret;
}

static void op_release(struct target *t)
{
	engine_of(t)->hold = false;
}

static void op_set_description(struct target *t, const struct tdesc *d)
{
	engine_of(t)->tdesc = d;
}

static int op_breakpoint(struct target *t, unsigned int i, struct bp_info *out)
{
	(void)t, (void)i, (void)out;
	return -ENOENT;
}

static int op_poll_ms(struct target *t)
{
	(void)t;
	return -1;
}

static struct cpu_view *op_view(struct target *t, unsigned int vcpu)
{
	struct vmgdb_vcpu *v = find(engine_of(t), vcpu);

	return v ? &v->view : NULL;
}

static int op_flush(struct target *t, unsigned int vcpu)
{
	struct vmgdb_vcpu *v = find(engine_of(t), vcpu);
	int ret = v ? vcpu_state_flush(v) : -ENOENT;

	if (v)
		vcpu_state_forget(v);
	return ret;
}

static const char *op_halted(struct target *t, unsigned int vcpu)
{
	struct vmgdb_vcpu *v = find(engine_of(t), vcpu);

	return v && v->ops->halted ? v->ops->halted(v->ctx) : NULL;
}

/* ---- memory ------------------------------------------------------------------------------ */

static ssize_t op_read(struct target *t, unsigned int vcpu, uint64_t addr, void *buf, size_t len)
{
	struct vmgdb_vcpu *v = find(engine_of(t), vcpu);
	size_t n = v ? vcpu_read(v, addr, buf, len) : 0;

	return n || !len ? (ssize_t)n : -EFAULT;
}

static int op_write(struct target *t, unsigned int vcpu, uint64_t addr, const void *buf, size_t len)
{
	struct engine *e = engine_of(t);
	struct vmgdb_vcpu *v;
	int ret;

	pthread_mutex_lock(&e->lock);
	v = engine_vcpu(e, vcpu);
	ret = v ? vcpu_write(v, addr, buf, len) : -EFAULT;
	pthread_mutex_unlock(&e->lock);
	return ret;
}

/* ---- breakpoints ------------------------------------------------------------------------- */

int engine_translate(void *opaque, unsigned int vcpu, uint64_t va, uint64_t *gpa)
{
	struct engine *e = opaque;
	struct vmgdb_vcpu *v = engine_vcpu(e, vcpu);
	unsigned int i;

	if (v && !vcpu_translate(v, va, gpa))
		return 0;
	for (i = 0; i < e->nvcpus; i++)
		if (e->vcpus[i] != v && !vcpu_translate(e->vcpus[i], va, gpa))
			return 0;
	return -EFAULT;
}

static int insert_sw(struct engine *e, unsigned int vcpu, uint64_t addr, uint64_t kind,
		     const char **why)
{
	int ret;

	if (kind != e->target.cpu->brk_kind) {
		*why = "no such kind of breakpoint here";
		return -EINVAL;
	}
	ret = points_insert(&e->points, vcpu, addr);
	if (ret == -EINVAL)
		*why = "the address is not aligned to an instruction";
	return ret;
}

static int insert_soft(struct engine *e, unsigned int vcpu, enum bp_type type, uint64_t addr,
		       uint64_t len, const char **why)
{
	if (type != BP_WRITE) {
		*why = "a software watchpoint sees changes only, not reads";
		return -EOPNOTSUPP;
	}
	return soft_watchpoint_insert(&e->soft, &e->points, vcpu, addr, len, why);
}

/* Why this type never hits on this host, or NULL. */
static const char *dead(const struct engine *e, enum bp_type type)
{
	static const enum trap_kind kinds[] = {
		[BP_SOFTWARE] = TRAP_BRK, [BP_HARDWARE] = TRAP_EXEC, [BP_WRITE] = TRAP_WATCH,
		[BP_READ] = TRAP_WATCH,	  [BP_ACCESS] = TRAP_WATCH,
	};
	const struct vmgdb_vcpu *v = e->vcpus[0];

	return v->ops->unsupported_trap ? v->ops->unsupported_trap(v->ctx, kinds[type]) : NULL;
}

static int insert(struct engine *e, unsigned int vcpu, enum bp_type type, uint64_t addr,
		  uint64_t kind, const char **why)
{
	if (!e->nvcpus)
		return -EOPNOTSUPP;
	if (type > BP_HARDWARE && e->options[OPTION_SOFTWARE_WATCH])
		return insert_soft(e, vcpu, type, addr, kind, why);
	*why = dead(e, type);
	if (*why)
		return -EOPNOTSUPP;
	if (type == BP_SOFTWARE)
		return insert_sw(e, vcpu, addr, kind, why);
	return hw_breakpoints_insert(&e->hw, type, addr, kind, why);
}

static int op_insert(struct target *t, unsigned int vcpu, enum bp_type type, uint64_t addr,
		     uint64_t kind, const char **why)
{
	struct engine *e = engine_of(t);
	int ret;

	pthread_mutex_lock(&e->lock);
	ret = insert(e, vcpu, type, addr, kind, why);
	pthread_mutex_unlock(&e->lock);
	return ret;
}

static int op_remove(struct target *t, unsigned int vcpu, enum bp_type type, uint64_t addr,
		     uint64_t kind, const char **why)
{
	struct engine *e = engine_of(t);

	(void)vcpu;
	(void)why;
	pthread_mutex_lock(&e->lock);
	if (type == BP_SOFTWARE)
		points_remove(&e->points, addr);
	else
		hw_breakpoints_remove(&e->hw, type, addr, kind);
	if (type == BP_WRITE)
		soft_watchpoint_remove(&e->soft, addr, kind);
	pthread_mutex_unlock(&e->lock);
	return 0;
}

/* Where the rules of a breakpoint are kept; NULL: there is no such breakpoint. */
static struct rules **rules_of(struct engine *e, enum bp_type type, uint64_t addr, uint64_t kind)
{
	struct point *pt = type == BP_SOFTWARE ? points_find(&e->points, addr) : NULL;
	struct hw_breakpoint *hw = pt ? NULL : hw_breakpoints_find(&e->hw, type, addr, kind);

	return pt ? &pt->rules : hw ? &hw->rules : NULL;
}

static int set_rules(struct rules **place, const struct agent_code *codes, unsigned int n)
{
	struct rules *r;
	int err;

	if (!place)
		return -ENOENT;
	r = rules_copy(codes, n, &err);
	if (err)
		return err;
	free(*place);
	*place = r;
	return 0;
}

static int op_conditions(struct target *t, enum bp_type type, uint64_t addr, uint64_t kind,
			 const struct agent_code *codes, unsigned int n)
{
	struct engine *e = engine_of(t);
	int ret;

	if (type > BP_HARDWARE)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&e->lock);
	ret = set_rules(rules_of(e, type, addr, kind), codes, n);
	pthread_mutex_unlock(&e->lock);
	return ret;
}

static bool op_option(struct target *t, enum target_option o)
{
	struct engine *e = engine_of(t);
	bool on;

	pthread_mutex_lock(&e->lock);
	on = e->options[o];
	pthread_mutex_unlock(&e->lock);
	return on;
}

static void op_set_option(struct target *t, enum target_option o, bool on)
{
	struct engine *e = engine_of(t);

	pthread_mutex_lock(&e->lock);
	e->options[o] = on;
	pthread_mutex_unlock(&e->lock);
}

static size_t op_console(struct target *t, char *buf, size_t len)
{
	struct engine *e = engine_of(t);

	pthread_mutex_lock(&e->lock);
	if (len > e->console_len)
		len = e->console_len;
	memcpy(buf, e->console, len);
	e->console_len -= len;
	memmove(e->console, e->console + len, e->console_len);
	pthread_mutex_unlock(&e->lock);
	return len;
}

const struct target_ops engine_target_ops = {
	.hold = op_hold,
	.release = op_release,
	.vcpus = op_vcpus,
	.has_vcpu = op_has_vcpu,
	.set_description = op_set_description,
	.breakpoint = op_breakpoint,
	.poll_ms = op_poll_ms,
	.view = op_view,
	.flush = op_flush,
	.halted = op_halted,
	.read = op_read,
	.write = op_write,
	.insert = op_insert,
	.remove = op_remove,
	.conditions = op_conditions,
	.option = op_option,
	.set_option = op_set_option,
	.console = op_console,
	.resume = engine_resume,
	.interrupt = engine_interrupt,
	.poll = engine_poll,
	.attach = engine_attach,
	.detach = engine_detach,
	.renew = engine_renew,
	.kill = engine_kill,
};
