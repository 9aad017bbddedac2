// SPDX-License-Identifier: MIT
/* The engine as the VMM builds it up and takes it down. */
#include <errno.h>
#include <stdlib.h>

#include "core/engine/state.h"
#include "core/lib/time.h"

/* ---- the engine ---------------------------------------------------------------------------- */

int engine_init(struct engine *e, const struct vmgdb_config *config)
{
	const struct breakpoints_config bps = {
		.mem = &e->mem,
		.translate = engine_translate,
		.opaque = e,
	};
	int ret;

	*e = (struct engine){ .target.ops = &engine_target_ops, .config = *config };
	atomic_store(&e->options[OPTION_STOP_ON_RESET], true);
	ret = memory_init(&e->mem);
	if (ret)
		return ret;
	ret = breakpoints_create(&e->bps, &bps);
	if (ret)
		goto memory;
	ret = threads_init(e);
	if (ret)
		goto breakpoints;
	time_cond_init(&e->quiet);
	pthread_mutex_init(&e->lock, NULL);
	pthread_mutex_init(&e->console_lock, NULL);
	return 0;
breakpoints:
	breakpoints_destroy(e->bps);
memory:
	memory_fini(&e->mem);
	return ret;
}

static void free_vcpu(struct vmgdb_vcpu *v)
{
	vcpu_state_fini(v);
	pthread_cond_destroy(&v->wake);
	free(v);
}

void engine_fini(struct engine *e)
{
	struct vmgdb_vcpu *v, *next;

	threads_fini(e);
	for (v = vcpu_first(e); v; v = next) {
		next = vcpu_after(v);
		if (v->ops->release)
			v->ops->release(v->ctx);
		free_vcpu(v);
	}
	breakpoints_destroy(e->bps);
	memory_fini(&e->mem);
	pthread_cond_destroy(&e->quiet);
	pthread_mutex_destroy(&e->lock);
	pthread_mutex_destroy(&e->console_lock);
}

int engine_create(struct engine **out, const struct vmgdb_config *config)
{
	struct engine *e = malloc(sizeof(*e));
	int ret = e ? engine_init(e, config) : -ENOMEM;

	if (ret)
		free(e);
	else
		*out = e;
	return ret;
}

void engine_destroy(struct engine *e)
{
	if (e)
		engine_fini(e);
	free(e);
}

struct target *engine_target(struct engine *e)
{
	return &e->target;
}

void engine_set_notify(struct engine *e, void (*notify)(void *opaque), void *opaque)
{
	e->notify = notify;
	e->notify_opaque = opaque;
}

void engine_set_spin(struct engine *e, unsigned int us)
{
	e->spin.us = us;
}

const struct vmgdb_config *engine_config(const struct engine *e)
{
	return &e->config;
}

/* ---- vCPUs --------------------------------------------------------------------------------- */

/* Under the lock: the link of the list that a vCPU with that index goes behind. */
static struct vmgdb_vcpu *_Atomic *place_of(struct engine *e, unsigned int index)
{
	struct vmgdb_vcpu *_Atomic *link = &e->vcpus;
	struct vmgdb_vcpu *v;

	while ((v = atomic_load(link)) && v->index < index)
		link = &v->next;
	return link;
}

/* One that is added while others run does what the debugger said for those that it did not name. */
static int insert_vcpu(struct engine *e, struct vmgdb_vcpu *v)
{
	struct vmgdb_vcpu *_Atomic *link = place_of(e, v->index);
	struct vmgdb_vcpu *after = atomic_load(link);

	if (after && after->index == v->index)
		return -EEXIST;
	if (vcpu_first(e) && e->target.cpu != v->ops->cpu)
		return -EINVAL;
	e->target.cpu = v->ops->cpu;
	v->action = e->rest;
	atomic_store(&v->next, after);
	atomic_store(link, v);
	return 0;
}

static struct vmgdb_vcpu *new_vcpu(struct engine *e, unsigned int index, const struct vcpu_ops *ops,
				   const struct vcpu_caps *caps, void *ctx)
{
	struct vmgdb_vcpu *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->engine = e;
	v->index = index;
	v->ops = ops;
	v->caps = *caps;
	v->ctx = ctx;
	v->spin.us = e->spin.us;
	atomic_init(&v->gate, GATE_CLOSED);
	atomic_init(&v->run, RUN_PARKED);
	time_cond_init(&v->wake);
	if (!vcpu_state_init(v))
		return v;
	free_vcpu(v);
	return NULL;
}

int engine_add_vcpu(struct engine *e, unsigned int index, const struct vcpu_ops *ops,
		    const struct vcpu_caps *caps, void *ctx, struct vmgdb_vcpu **out)
{
	struct vmgdb_vcpu *v = new_vcpu(e, index, ops, caps, ctx);
	int ret;

	if (!v)
		return -ENOMEM;
	pthread_mutex_lock(&e->lock);
	ret = insert_vcpu(e, v);
	pthread_mutex_unlock(&e->lock);
	if (ret)
		free_vcpu(v);
	else
		*out = v;
	return ret;
}

/* ---- memory -------------------------------------------------------------------------------- */

int engine_add_memory(struct engine *e, uint64_t gpa, void *hva, uint64_t size)
{
	return memory_add(&e->mem, gpa, hva, size);
}

int engine_remove_memory(struct engine *e, uint64_t gpa)
{
	return breakpoints_remove_memory(e->bps, gpa);
}

/* ---- the end ------------------------------------------------------------------------------- */

/* Under the lock. */
static void end(struct engine *e)
{
	struct vmgdb_vcpu *v;

	atomic_store(&e->state, ENGINE_ENDED);
	for_each_vcpu(e, v) atomic_store(&v->gate, GATE_CLOSED);
	pthread_cond_broadcast(&e->quiet);
}

void engine_exited(struct engine *e, int status)
{
	pthread_mutex_lock(&e->lock);
	e->exited = true;
	e->exit_status = status;
	end(e);
	pthread_mutex_unlock(&e->lock);
	engine_notify(e);
}

void engine_shutdown(struct engine *e)
{
	pthread_mutex_lock(&e->lock);
	e->down = true;
	end(e);
	wake_all(e);
	park_all(e, NULL);
	pthread_mutex_unlock(&e->lock);
	engine_notify(e); /* the server thread chases those that do not leave */
}
