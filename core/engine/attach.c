// SPDX-License-Identifier: MIT
/* Debuggers that come and leave. */
#include <errno.h>

#include "core/engine/state.h"

static void reset_options(struct engine *e)
{
	unsigned int i;

	for (i = 0; i < OPTION_COUNT; i++)
		atomic_store(&e->options[i], i == OPTION_STOP_ON_RESET);
}

/* ---- attaching ----------------------------------------------------------------------------- */

/* Under the lock: all are parked, and stay so. */
static int stop_all(struct engine *e)
{
	int ret;

	request_stop(e, NULL);
	ret = wait_all_parked(e);
	if (ret)
		return ret;
	atomic_store(&e->state, ENGINE_STOPPED);
	e->hold_taken = true;
	return 0;
}

/* Under the lock. */
static int attach(struct engine *e)
{
	int ret;

	if (engine_state(e) == ENGINE_ENDED)
		return -ESHUTDOWN;
	if (e->attached)
		return -EBUSY;
	ret = stop_all(e);
	if (!ret) {
		e->attached = true;
	} else if (engine_state(e) == ENGINE_STOPPING) {
		atomic_store(&e->state, ENGINE_IDLE);
		wake_all(e);
	}
	return ret;
}

/* The first that is not halted is more likely to be of interest. */
static struct vmgdb_vcpu *first_to_show(const struct engine *e)
{
	struct vmgdb_vcpu *v;

	for_each_vcpu(e, v) if (!vcpu_halted(v)) return v;
	return vcpu_first(e);
}

static void begin(struct engine *e, struct stop *stop)
{
	struct vmgdb_vcpu *v;

	reset_options(e);
	e->tdesc = NULL;
	atomic_store(&e->writer, NULL);
	v = first_to_show(e);
	*stop = (struct stop){ .vcpu = v ? v->index : 0 };
	e->current = stop->vcpu;
	if (v)
		vcpu_set_pc_status(v, PC_REPORTED);
}

int engine_attach(struct target *t, struct stop *stop)
{
	struct engine *e = engine_of(t);
	int ret;

	pthread_mutex_lock(&e->lock);
	ret = attach(e);
	pthread_mutex_unlock(&e->lock);
	if (ret)
		return ret;
	begin(e, stop);
	call_vmm(e, true);
	engine_release(t);
	return 0;
}

/* ---- leaving ------------------------------------------------------------------------------- */

/* What one debugger has left is not the next one's. */
static void forget_debugger(struct engine *e)
{
	struct vmgdb_vcpu *v;

	breakpoints_remove_all(e->bps);
	reset_options(e);
	atomic_store(&e->writer, NULL);
	for_each_vcpu(e, v)
	{
		v->pending.kind = STOP_NONE;
		v->pc = PC_UNCHECKED;
		v->lifted = NULL; /* of a vCPU that did not stop: the location is gone */
	}
}

void engine_renew(struct target *t)
{
	struct engine *e = engine_of(t);

	if (e->hold_taken)
		forget_debugger(e);
}

/* Under the lock. False: the VM has ended, and nothing of it is touched. */
static bool stop_to_detach(struct engine *e)
{
	int ret = engine_state(e) == ENGINE_STOPPED ? 0 : stop_all(e);

	if (ret == -ESHUTDOWN || engine_state(e) == ENGINE_ENDED)
		return false;
	atomic_store(&e->state, ENGINE_STOPPED);
	e->hold_taken = true;
	e->late_logged = ret; /* a vCPU that does not stop */
	return true;
}

static void run_detached(struct engine *e, bool stay)
{
	pthread_mutex_lock(&e->lock);
	e->attached = e->hold_taken = false;
	atomic_store(&e->step_only, false);
	if (engine_state(e) != ENGINE_ENDED) {
		e->vm_held = stay;
		atomic_store(&e->state, ENGINE_IDLE);
	}
	wake_all(e);
	pthread_mutex_unlock(&e->lock);
}

void engine_detach(struct target *t, enum detach_how how)
{
	struct engine *e = engine_of(t);
	bool stay = how == DETACH_STAY || (how == DETACH_AS_FOUND && engine_is_held(e));
	bool alive;

	pthread_mutex_lock(&e->lock);
	alive = stop_to_detach(e);
	pthread_mutex_unlock(&e->lock);
	if (alive) {
		if (e->late_logged)
			engine_log(
				e, VMGDB_LOG_ERROR,
				"a vCPU does not stop; its breakpoints are removed all the same");
		forget_debugger(e);
		call_vmm(e, stay);
	}
	run_detached(e, stay);
}
