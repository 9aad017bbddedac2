// SPDX-License-Identifier: MIT
/* The hold: the server thread's right to touch vCPU and guest state, while every vCPU is parked. */
#include <errno.h>

#include "core/engine/state.h"

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
