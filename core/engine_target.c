// SPDX-License-Identifier: MIT
/* The engine as a session sees it (target.h), and as the VMM builds it up and takes it down. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine.h"

static struct engine *engine_of(struct target *t)
{
	return (struct engine *)t; /* the target is its first member */
}

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

static const char *op_idle(struct target *t, unsigned int vcpu)
{
	struct vmgdb_vcpu *v = find(engine_of(t), vcpu);

	return v && v->ops->idle ? v->ops->idle(v->ctx) : NULL;
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
	struct vmgdb_vcpu *v = find(engine_of(t), vcpu);

	return v ? vcpu_write(v, addr, buf, len) : -EFAULT;
}

/* ---- breakpoints ------------------------------------------------------------------------- */

/* For struct points: through the vCPU that it names, else through any. */
static int translate(void *opaque, unsigned int vcpu, uint64_t va, uint64_t *gpa)
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
	if (ret == -EFAULT)
		*why = "there is no memory at that address";
	if (ret == -EINVAL)
		*why = "the address is not aligned to an instruction";
	return ret;
}

static int insert_soft(struct engine *e, unsigned int vcpu, enum point_type type, uint64_t addr,
		       uint64_t len, const char **why)
{
	uint64_t gpa;

	if (type != POINT_WRITE) {
		*why = "a software watchpoint sees changes only, not reads";
		return -EOPNOTSUPP;
	}
	if (translate(e, vcpu, addr, &gpa)) {
		*why = "the address is not mapped";
		return -EFAULT;
	}
	return softwatch_insert(&e->soft, &e->points, addr, gpa, len, why);
}

/* Why this type never hits on this host, or NULL. */
static const char *dead(const struct engine *e, enum point_type type)
{
	static const enum trap_kind kinds[] = {
		[POINT_SW] = TRAP_BRK,	   [POINT_HW] = TRAP_EXEC,	[POINT_WRITE] = TRAP_WATCH,
		[POINT_READ] = TRAP_WATCH, [POINT_ACCESS] = TRAP_WATCH,
	};
	const struct vmgdb_vcpu *v = e->vcpus[0];

	return v->ops->dead ? v->ops->dead(v->ctx, kinds[type]) : NULL;
}

static int insert(struct engine *e, unsigned int vcpu, enum point_type type, uint64_t addr,
		  uint64_t kind, const char **why)
{
	if (!e->nvcpus)
		return -EOPNOTSUPP;
	if (type == POINT_SW)
		return insert_sw(e, vcpu, addr, kind, why);
	if (type != POINT_HW && e->options[OPTION_SOFTWARE_WATCH])
		return insert_soft(e, vcpu, type, addr, kind, why);
	*why = dead(e, type);
	if (*why)
		return -EOPNOTSUPP;
	return hwpoints_insert(&e->hw, type, addr, kind, why);
}

static int op_insert(struct target *t, unsigned int vcpu, enum point_type type, uint64_t addr,
		     uint64_t kind, const char **why)
{
	struct engine *e = engine_of(t);
	int ret;

	pthread_mutex_lock(&e->lock);
	ret = insert(e, vcpu, type, addr, kind, why);
	pthread_mutex_unlock(&e->lock);
	return ret;
}

static int op_remove(struct target *t, unsigned int vcpu, enum point_type type, uint64_t addr,
		     uint64_t kind, const char **why)
{
	struct engine *e = engine_of(t);

	(void)vcpu;
	(void)why;
	pthread_mutex_lock(&e->lock);
	if (type == POINT_SW)
		points_remove(&e->points, addr);
	else
		hwpoints_remove(&e->hw, type, addr, kind);
	if (type == POINT_WRITE)
		softwatch_remove(&e->soft, addr, kind);
	pthread_mutex_unlock(&e->lock);
	return 0;
}

/* Where the rules of a breakpoint are kept; NULL: there is no such breakpoint. */
static struct rules **rules_of(struct engine *e, enum point_type type, uint64_t addr, uint64_t kind)
{
	struct point *pt = type == POINT_SW ? points_find(&e->points, addr) : NULL;
	struct hwpoint *hw = pt ? NULL : hwpoints_find(&e->hw, type, addr, kind);

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

static int op_rules(struct target *t, enum point_type type, uint64_t addr, uint64_t kind,
		    const struct agent_code *codes, unsigned int n)
{
	struct engine *e = engine_of(t);
	int ret;

	if (type > POINT_HW)
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

/* ---- run control ------------------------------------------------------------------------- */

static bool is_armed(const struct engine *e, enum point_type type, enum hw_kind kind, uint64_t addr)
{
	const struct armed *a = e->hw.armed;
	unsigned int i;

	for (i = 0; i < e->hw.narmed; i++, a++)
		if (a->type == type && a->slot.kind == kind && a->addr == addr)
			return true;
	return false;
}

static bool is_watched(const struct engine *e, const struct stop *s)
{
	return (s->watch == HW_WRITE && softwatch_find(&e->soft, s->addr)) ||
	       is_armed(e, POINT_WRITE, s->watch, s->addr) ||
	       is_armed(e, POINT_READ, s->watch, s->addr) ||
	       is_armed(e, POINT_ACCESS, s->watch, s->addr);
}

/* Also while the breakpoint waits for its memory. */
static bool is_broken(struct vmgdb_vcpu *v)
{
	uint64_t pc;

	return !vcpu_code(v, &pc) && points_find(&v->engine->points, pc);
}

/* What was not told yet: does it still hold, now that the debugger may have changed all? */
static bool still_true(struct vmgdb_vcpu *v)
{
	const struct stop *s = &v->event;

	switch (s->kind) {
	case STOP_SWBREAK: return is_broken(v);
	case STOP_HWBREAK: return is_armed(v->engine, POINT_HW, HW_EXEC, s->addr);
	case STOP_WATCH: return is_watched(v->engine, s);
	case STOP_FATAL:
	case STOP_EVENT: return true;
	default: return false; /* a step that nobody waits for any more */
	}
}

/* It does what its action says from here on. */
static void let_go(struct vmgdb_vcpu *v)
{
	if (v->action.kind == RESUME_HOLD)
		return;
	if (v->event.kind && !still_true(v))
		v->event.kind = STOP_NONE;
	if (!v->event.kind)
		engine_look_at_pc(v);
}

static bool untold(const struct engine *e)
{
	unsigned int i;

	for (i = 0; i < e->nvcpus; i++)
		if (e->vcpus[i]->event.kind && e->vcpus[i]->action.kind != RESUME_HOLD)
			return true;
	return false;
}

/* Steps alone leave the breakpoints unverified: the guest may have written over one since. */
static void commit(struct engine *e, bool free_run)
{
	if (e->ran && free_run)
		points_verify(&e->points);
	if (points_commit(&e->points))
		engine_log(e, VMGDB_LOG_ERROR, "out of memory: a breakpoint is not set");
	hwpoints_commit(&e->hw, &e->points);
	softwatch_commit(&e->soft);
	e->ran = true;
	e->ran_free = free_run;
}

static bool runs_free(const struct resume_action *a)
{
	return a->kind == RESUME_CONTINUE || a->kind == RESUME_RANGE;
}

/* Each vCPU's action: both lists are by ascending index. */
static bool choose_actions(struct engine *e, const struct resume_action *actions, unsigned int n)
{
	const struct resume_action *a = actions, *end = actions + n;
	bool free_run = false;
	unsigned int i;

	for (i = 0; i < e->nvcpus; i++) {
		struct vmgdb_vcpu *v = e->vcpus[i];

		while (a < end && a->vcpu < v->index)
			a++;
		v->action = a < end && a->vcpu == v->index ? *a : e->rest;
		free_run |= runs_free(&v->action);
	}
	return free_run;
}

static void resume(struct engine *e, const struct resume_action *actions, unsigned int n)
{
	unsigned int i;

	commit(e, choose_actions(e, actions, n));
	for (i = 0; i < e->nvcpus; i++)
		let_go(e->vcpus[i]);
	engine_keep_change(e);
	e->held = false;
	engine_set_mode(e, ENGINE_RUNNING);
	if (untold(e))
		engine_want_stop(e);
}

/* The VMM hears of stops and resumes in turns. */
static void tell_vmm(struct engine *e, bool stopped)
{
	void (*what)(void *opaque) = stopped ? e->config.stopped : e->config.resumed;

	if (e->vmm_stopped == stopped)
		return;
	e->vmm_stopped = stopped;
	if (what)
		what(e->config.opaque);
}

static int op_resume(struct target *t, const struct resume_action *actions, unsigned int n,
		     const struct resume_action *rest)
{
	struct engine *e = engine_of(t);

	tell_vmm(e, false);
	pthread_mutex_lock(&e->lock);
	e->rest = *rest;
	resume(e, actions, n);
	pthread_mutex_unlock(&e->lock);
	return 0;
}

static void op_interrupt(struct target *t)
{
	struct engine *e = engine_of(t);

	pthread_mutex_lock(&e->lock);
	if (e->mode == ENGINE_RUNNING)
		engine_want_stop(e);
	pthread_mutex_unlock(&e->lock);
}

/* The vCPU whose event came first, of those that were to run. */
static struct vmgdb_vcpu *first_event(const struct engine *e)
{
	struct vmgdb_vcpu *first = NULL;
	unsigned int i;

	for (i = 0; i < e->nvcpus; i++) {
		struct vmgdb_vcpu *v = e->vcpus[i];

		if (v->event.kind && v->action.kind != RESUME_HOLD &&
		    (!first || v->event_seq < first->event_seq))
			first = v;
	}
	return first;
}

static struct vmgdb_vcpu *current_vcpu(const struct engine *e)
{
	struct vmgdb_vcpu *v = engine_vcpu(e, e->current);

	return v || !e->nvcpus ? v : e->vcpus[0];
}

static void take_event(struct engine *e, struct stop *out)
{
	struct vmgdb_vcpu *v = first_event(e);

	if (v) {
		*out = v->event;
		v->event.kind = STOP_NONE;
	} else {
		v = current_vcpu(e);
		*out = (struct stop){ .kind = STOP_INTERRUPT, .vcpu = v ? v->index : 0 };
	}
	e->current = out->vcpu;
	if (v)
		engine_meet(v);
}

static void stopped(struct engine *e)
{
	engine_set_mode(e, ENGINE_STOPPED);
	if (!e->ran_free)
		return;
	points_verify(&e->points);
	e->ran = false;
}

static bool poll_exited(struct engine *e, struct stop *out)
{
	if (!e->exited || e->exit_told)
		return false;
	e->exit_told = true;
	*out = (struct stop){ .kind = STOP_EXITED, .status = e->exit_status };
	return true;
}

static bool op_poll(struct target *t, struct stop *out)
{
	struct engine *e = engine_of(t);
	bool stop, any;

	pthread_mutex_lock(&e->lock);
	any = poll_exited(e, out);
	stop = !any && e->mode == ENGINE_RUNNING && e->stop_wanted && engine_is_quiet(e);
	if (stop) {
		stopped(e);
		take_event(e, out);
	}
	pthread_mutex_unlock(&e->lock);
	if (stop)
		tell_vmm(e, true);
	return any || stop;
}

/* ---- coming and going -------------------------------------------------------------------- */

static int attach(struct engine *e)
{
	int ret;

	if (e->attached)
		return -EBUSY;
	e->attached = true;
	engine_set_mode(e, ENGINE_STOPPED);
	ret = engine_wait_quiet(e);
	if (ret) {
		e->attached = false;
		engine_set_mode(e, ENGINE_IDLE);
	} else if (e->nvcpus) {
		e->current = e->vcpus[0]->index;
		engine_meet(e->vcpus[0]);
	}
	return ret;
}

static int op_attach(struct target *t)
{
	struct engine *e = engine_of(t);
	int ret;

	pthread_mutex_lock(&e->lock);
	ret = attach(e);
	pthread_mutex_unlock(&e->lock);
	if (!ret)
		tell_vmm(e, true);
	return ret;
}

static void clear_all(struct engine *e)
{
	unsigned int i;

	points_verify(&e->points);
	points_remove_all(&e->points);
	hwpoints_remove_all(&e->hw);
	softwatch_remove_all(&e->soft);
	e->writer = NULL;
	points_commit(&e->points);
	hwpoints_commit(&e->hw, &e->points);
	for (i = 0; i < e->nvcpus; i++) {
		e->vcpus[i]->event.kind = STOP_NONE;
		e->vcpus[i]->met = e->vcpus[i]->watched = false; /* the next one was not told */
		e->vcpus[i]->lifted = NULL; /* of one that does not stop: it is gone now */
	}
}

static void detach(struct engine *e, enum detach_how how)
{
	if (e->mode == ENGINE_RUNNING)
		engine_set_mode(e, ENGINE_STOPPED);
	if (engine_wait_quiet(e) == -ETIMEDOUT)
		engine_log(e, VMGDB_LOG_ERROR, "a vCPU does not stop; breakpoints go regardless");
	clear_all(e);
	e->attached = false;
	e->held = how == DETACH_STAY;
	engine_set_mode(e, ENGINE_IDLE);
}

bool engine_held(struct engine *e)
{
	bool held;

	pthread_mutex_lock(&e->lock);
	held = e->held;
	pthread_mutex_unlock(&e->lock);
	return held;
}

static void op_detach(struct target *t, enum detach_how how)
{
	struct engine *e = engine_of(t);

	if (how == DETACH_AS_FOUND)
		how = engine_held(e) ? DETACH_STAY : DETACH_RUN;
	if (how == DETACH_RUN)
		tell_vmm(e, false);
	pthread_mutex_lock(&e->lock);
	detach(e, how);
	pthread_mutex_unlock(&e->lock);
}

static void op_renew(struct target *t)
{
	struct engine *e = engine_of(t);

	pthread_mutex_lock(&e->lock);
	clear_all(e);
	pthread_mutex_unlock(&e->lock);
}

static int op_kill(struct target *t)
{
	struct engine *e = engine_of(t);

	if (!e->config.kill)
		return -EOPNOTSUPP;
	e->config.kill(e->config.opaque);
	return 0;
}

const struct target_ops engine_target_ops = {
	.vcpus = op_vcpus,
	.view = op_view,
	.flush = op_flush,
	.idle = op_idle,
	.read = op_read,
	.write = op_write,
	.insert = op_insert,
	.remove = op_remove,
	.rules = op_rules,
	.option = op_option,
	.set_option = op_set_option,
	.console = op_console,
	.resume = op_resume,
	.interrupt = op_interrupt,
	.poll = op_poll,
	.attach = op_attach,
	.detach = op_detach,
	.renew = op_renew,
	.kill = op_kill,
};

/* ---- the VMM's side ---------------------------------------------------------------------- */

static int init_cond(pthread_cond_t *c)
{
	pthread_condattr_t attr;
	int ret = pthread_condattr_init(&attr);

	if (ret)
		return -ret;
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	ret = pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
	return -ret;
}

int engine_init(struct engine *e, const struct vmgdb_config *config)
{
	int ret;

	*e = (struct engine){ .target.ops = &engine_target_ops, .config = *config };
	e->options[OPTION_STOP_ON_RESET] = true;
	e->points.mem = &e->mem;
	e->points.mmu = (struct points_mmu){ translate, e };
	ret = memory_init(&e->mem);
	if (ret)
		return ret;
	ret = init_cond(&e->quiet);
	if (ret)
		memory_fini(&e->mem);
	else
		pthread_mutex_init(&e->lock, NULL);
	return ret;
}

static void free_vcpu(struct vmgdb_vcpu *v)
{
	if (v->ops->release)
		v->ops->release(v->ctx);
	vcpu_state_fini(v);
	pthread_cond_destroy(&v->wake);
	free(v);
}

void engine_fini(struct engine *e)
{
	unsigned int i;

	for (i = 0; i < e->nvcpus; i++)
		free_vcpu(e->vcpus[i]);
	free(e->vcpus);
	points_fini(&e->points);
	hwpoints_fini(&e->hw);
	softwatch_fini(&e->soft);
	memory_fini(&e->mem);
	pthread_cond_destroy(&e->quiet);
	pthread_mutex_destroy(&e->lock);
}

/* The first vCPU tells what all are. */
static void set_cpu(struct engine *e, const struct vcpu_ops *ops, const struct vcpu_caps *caps)
{
	e->target.cpu = e->points.cpu = e->hw.cpu = ops->cpu;
	e->points.sync_icache = ops->sync_icache;
	e->hw.caps = *caps;
}

/* One that is added while the others run does as the debugger said for those that it did not name. */
static void join(struct engine *e, struct vmgdb_vcpu *v)
{
	v->action = e->rest;
	v->afresh = true;
	e->ran_free |= runs_free(&v->action);
}

static int insert_vcpu(struct engine *e, struct vmgdb_vcpu *v)
{
	struct vmgdb_vcpu **grown;
	unsigned int i = e->nvcpus;

	if (engine_vcpu(e, v->index))
		return -EEXIST;
	if (e->nvcpus && e->target.cpu != v->ops->cpu)
		return -EINVAL;
	grown = realloc(e->vcpus, (e->nvcpus + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	for (; i && grown[i - 1]->index > v->index; i--)
		grown[i] = grown[i - 1];
	grown[i] = v;
	e->vcpus = grown;
	e->nvcpus++;
	join(e, v);
	return 0;
}

int engine_add_vcpu(struct engine *e, unsigned int index, const struct vcpu_ops *ops,
		    const struct vcpu_caps *caps, void *ctx, struct vmgdb_vcpu **out)
{
	struct vmgdb_vcpu *v = calloc(1, sizeof(*v));
	int ret;

	if (!v)
		return -ENOMEM;
	v->engine = e;
	v->index = index;
	v->ops = ops;
	v->ctx = ctx;
	atomic_init(&v->attn, true);
	ret = vcpu_state_init(v);
	if (ret)
		goto free;
	ret = init_cond(&v->wake);
	if (ret)
		goto state;
	pthread_mutex_lock(&e->lock);
	ret = insert_vcpu(e, v);
	if (!ret && e->nvcpus == 1)
		set_cpu(e, ops, caps);
	pthread_mutex_unlock(&e->lock);
	if (!ret) {
		*out = v;
		return 0;
	}
	pthread_cond_destroy(&v->wake);
state:
	vcpu_state_fini(v);
free:
	free(v);
	return ret;
}

void engine_exited(struct engine *e, int status)
{
	pthread_mutex_lock(&e->lock);
	e->exited = true;
	e->exit_status = status;
	if (e->notify)
		e->notify(e->notify_opaque);
	pthread_mutex_unlock(&e->lock);
}

void engine_shutdown(struct engine *e)
{
	unsigned int i;

	pthread_mutex_lock(&e->lock);
	e->down = true;
	for (i = 0; i < e->nvcpus; i++) {
		atomic_store(&e->vcpus[i]->attn, true);
		pthread_cond_signal(&e->vcpus[i]->wake);
	}
	for (i = 0; i < e->nvcpus; i++)
		if (e->vcpus[i]->started && !e->vcpus[i]->parked)
			e->vcpus[i]->ops->kick(e->vcpus[i]->ctx);
	pthread_mutex_unlock(&e->lock);
}
