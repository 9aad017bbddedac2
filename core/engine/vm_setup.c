// SPDX-License-Identifier: MIT
/* The engine as the VMM builds it up and takes it down. */
#include <errno.h>
#include <stdlib.h>

#include "core/engine/engine.h"

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
	e->points.mmu = (struct points_mmu){ engine_translate, e };
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
	hw_breakpoints_fini(&e->hw);
	soft_watchpoint_fini(&e->soft);
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
static void join_in(struct engine *e, struct vmgdb_vcpu *v)
{
	v->action = e->rest;
	v->afresh = true;
	e->ran_free |= action_is_free(&v->action);
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
	join_in(e, v);
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

int engine_remove_memory(struct engine *e, uint64_t gpa)
{
	int ret;

	pthread_mutex_lock(&e->lock);
	points_leave(&e->points, gpa, memory_size(&e->mem, gpa));
	ret = memory_remove(&e->mem, gpa);
	pthread_mutex_unlock(&e->lock);
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
