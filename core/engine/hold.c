// SPDX-License-Identifier: MIT
/* The hold: the server thread's right to touch vCPU and guest state, while every vCPU is parked. */
#include <errno.h>

#include "core/engine/state.h"

/* What this host can do, as the first vCPU says it, which stands for all. */
static void describe_host(struct engine *e)
{
	const struct vmgdb_vcpu *v = vcpu_first(e);
	const char *(*why)(void *ctx, enum trap_kind kind);
	struct breakpoints_host host;

	if (!v || e->host_known)
		return;
	why = v->ops->unsupported_trap;
	host = (struct breakpoints_host){
		.cpu = v->ops->cpu,
		.caps = v->caps,
		.sync_icache = v->ops->sync_icache,
		.no_brk = why ? why(v->ctx, TRAP_BRK) : NULL,
		.no_exec = why ? why(v->ctx, TRAP_EXEC) : NULL,
		.no_watch = why ? why(v->ctx, TRAP_WATCH) : NULL,
	};
	breakpoints_set_host(e->bps, &host);
	e->host_known = true;
}

int engine_hold(struct target *t)
{
	struct engine *e = engine_of(t);
	int ret = 0;

	pthread_mutex_lock(&e->lock);
	if (engine_state(e) == ENGINE_ENDED)
		ret = -ESHUTDOWN;
	else if (engine_state(e) != ENGINE_STOPPED)
		ret = -EBUSY;
	e->hold_taken = !ret;
	pthread_mutex_unlock(&e->lock);
	if (ret)
		return ret;
	describe_host(e);
	expire_reads(e);
	return 0;
}

/* Whoever was to leave for the end of the VM has waited for this. */
void engine_release(struct target *t)
{
	struct engine *e = engine_of(t);

	pthread_mutex_lock(&e->lock);
	e->hold_taken = false;
	if (e->down)
		wake_all(e);
	pthread_mutex_unlock(&e->lock);
}

void call_vmm(struct engine *e, bool stopped)
{
	void (*call)(void *opaque) = stopped ? e->config.stopped : e->config.resumed;

	if (e->vmm_stopped == stopped)
		return;
	e->vmm_stopped = stopped;
	if (call)
		call(e->config.opaque);
}

/* ---- the VM that is held until a debugger comes ------------------------------------------------ */

void engine_hold_vm(struct engine *e)
{
	pthread_mutex_lock(&e->lock);
	e->vm_held = true;
	pthread_mutex_unlock(&e->lock);
}

bool engine_is_held(struct engine *e)
{
	bool held;

	pthread_mutex_lock(&e->lock);
	held = e->vm_held;
	pthread_mutex_unlock(&e->lock);
	return held;
}
