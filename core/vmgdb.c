// SPDX-License-Identifier: MIT
/* The public API: an engine and a server, put together. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "core/engine/engine.h"
#include "core/server/server.h"
#include <vmgdb/vmgdb.h>

struct vmgdb {
	struct engine *engine;
	struct server server;
};

/* The signal only has to make KVM_RUN and other waits return with EINTR. */
static void on_kick(int sig)
{
	(void)sig;
}

/* A handler that the VMM has for it stays: it need not do anything. */
static int install_kick(int sig)
{
	const struct sigaction sa = { .sa_handler = on_kick };
	struct sigaction old;

	if (sigaction(sig, NULL, &old))
		return -errno;
	if (old.sa_flags & SA_SIGINFO || (old.sa_handler != SIG_DFL && old.sa_handler != SIG_IGN))
		return 0;
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
	ret = engine_create(&v->engine, config);
	if (ret)
		return ret;
	engine_set_spin(v->engine, SPIN_US);
	ret = server_init(&v->server, v->engine);
	if (ret)
		engine_destroy(v->engine);
	else
		engine_set_notify(v->engine, notify, &v->server);
	return ret;
}

/* A signal that means nothing else to the process or the system. */
static bool may_kick(int sig)
{
	return sig == SIGUSR1 || sig == SIGUSR2 || (sig >= SIGRTMIN && sig <= SIGRTMAX);
}

int vmgdb_create(struct vmgdb **out, const struct vmgdb_config *config)
{
	struct vmgdb *v;
	int ret;

	if (!may_kick(config->kick_signal))
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
	return engine_add_memory(v->engine, gpa, hva, size);
}

int vmgdb_remove_memory(struct vmgdb *v, uint64_t gpa)
{
	return engine_remove_memory(v->engine, gpa);
}

int vmgdb_add_vcpu(struct vmgdb *v, unsigned int index, const struct vcpu_ops *ops,
		   const struct vcpu_caps *caps, void *ctx, struct vmgdb_vcpu **out)
{
	int ret = engine_add_vcpu(v->engine, index, ops, caps, ctx, out);

	if (ret && ops->release)
		ops->release(ctx);
	return ret;
}

int vmgdb_kick_signal(const struct vmgdb *v)
{
	return engine_config(v->engine)->kick_signal;
}

int vmgdb_add_endpoint(struct vmgdb *v, struct vmgdb_endpoint *ep)
{
	if (ep->policy.wait)
		vmgdb_hold(v);
	return server_add_endpoint(&v->server, ep);
}

void vmgdb_hold(struct vmgdb *v)
{
	engine_hold_vm(v->engine);
}

int vmgdb_start(struct vmgdb *v)
{
	return server_start(&v->server);
}

void vmgdb_exited(struct vmgdb *v, int status)
{
	engine_exited(v->engine, status);
}

void vmgdb_shutdown(struct vmgdb *v)
{
	engine_shutdown(v->engine);
}

void vmgdb_destroy(struct vmgdb *v)
{
	if (!v)
		return;
	server_fini(&v->server);
	engine_destroy(v->engine);
	free(v);
}
