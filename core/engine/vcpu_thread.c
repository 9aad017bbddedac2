// SPDX-License-Identifier: MIT
/*
 * The threads that drive vCPUs. One that ends leaves its vCPUs parked, whatever it was in the middle of:
 * they do not run, so nobody has to wait for them, and its thread id must not be sent a signal any
 * more.
 */
#include "core/engine/state.h"

static void end_of_thread(struct vmgdb_vcpu *v)
{
	struct engine *e = v->engine;

	if (!pthread_equal(v->thread, pthread_self()))
		return;
	if (vcpu_run_state(v) != RUN_PARKED)
		vcpu_cut_step(v);
	release_exclusive(v);
	pthread_mutex_lock(&e->lock);
	v->has_thread = false;
	atomic_store(&v->gate, GATE_CLOSED);
	vcpu_set_parked(v);
	pthread_mutex_unlock(&e->lock);
	notify_if_stopped(e);
}

static void on_thread_end(void *first)
{
	struct vmgdb_vcpu *v;

	for (v = first; v; v = v->next_of_thread)
		end_of_thread(v);
}

int threads_init(struct engine *e)
{
	return -pthread_key_create(&e->thread_key, on_thread_end);
}

void threads_fini(struct engine *e)
{
	pthread_key_delete(e->thread_key);
}

/* A vCPU that changes its thread while the first one lives stays in the list of the first. */
void vcpu_note_thread(struct vmgdb_vcpu *v)
{
	struct engine *e = v->engine;

	if (v->has_thread && pthread_equal(v->thread, pthread_self()))
		return;
	v->thread = pthread_self();
	if (v->has_thread)
		return;
	v->has_thread = true;
	v->next_of_thread = pthread_getspecific(e->thread_key);
	pthread_setspecific(e->thread_key, v);
}
