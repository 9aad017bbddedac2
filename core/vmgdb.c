// SPDX-License-Identifier: MIT
/* The public API: an engine and a server, put together. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "core/engine/engine.h"
#include "core/server/server.h"
#include <vmgdb/vmgdb.h>

struct vmgdb {
	struct engine engine;
	struct server server;
};

/* The signal only has to make KVM_RUN and other waits return with EINTR. */
static void on_kick(int sig)
{
	(void)sig;
}

static int install_kick(int sig)
{
	const struct sigaction sa = { .sa_handler = on_kick };

	return sigaction(sig, &sa, NULL) ? -errno : 0;
}

static void notify(void *opaque)
{
	server_wake(opaque);
}

static int init(struct vmgdb *v, const struct vmgdb_config *config)
{
	int ret = install_kick(config->kick_signal);

	if (ret)
		return ret;
	ret = engine_init(&v->engine, config);
	if (ret)
		return ret;
	ret = server_init(&v->server, &v->engine);
	if (ret)
		engine_fini(&v->engine);
	v->engine.notify = notify;
	v->engine.notify_opaque = &v->server;
	return ret;
}

int vmgdb_create(struct vmgdb **out, const struct vmgdb_config *config)
{
	struct vmgdb *v;
	int ret;

	if (config->kick_signal <= 0)
		return -EINVAL;
	v = calloc(1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	ret = init(v, config);
	if (ret)
		free(v);
	else
		*out = v;
	return ret;
}

int vmgdb_add_memory(struct vmgdb *v, uint64_t gpa, void *hva, uint64_t size)
{
	return memory_add(&v->engine.mem, gpa, hva, size);
}

int vmgdb_remove_memory(struct vmgdb *v, uint64_t gpa)
{
	return engine_remove_memory(&v->engine, gpa);
}

int vmgdb_add_vcpu(struct vmgdb *v, unsigned int index, const struct vcpu_ops *ops,
		   const struct vcpu_caps *caps, void *ctx, struct vmgdb_vcpu **out)
{
	int ret = engine_add_vcpu(&v->engine, index, ops, caps, ctx, out);

	if (ret && ops->release)
		ops->release(ctx);
	return ret;
}

int vmgdb_kick_signal(const struct vmgdb *v)
{
	return v->engine.config.kick_signal;
}

int vmgdb_add_endpoint(struct vmgdb *v, struct vmgdb_endpoint *ep)
{
	if (ep->policy.wait)
		vmgdb_hold(v);
	return server_add_endpoint(&v->server, ep);
}

void vmgdb_hold(struct vmgdb *v)
{
	v->engine.held = true;
}

int vmgdb_start(struct vmgdb *v)
{
	return server_start(&v->server);
}

void vmgdb_exited(struct vmgdb *v, int status)
{
	engine_exited(&v->engine, status);
}

void vmgdb_shutdown(struct vmgdb *v)
{
	engine_shutdown(&v->engine);
}

void vmgdb_destroy(struct vmgdb *v)
{
	if (!v)
		return;
	server_fini(&v->server);
	engine_fini(&v->engine);
	free(v);
}
