// SPDX-License-Identifier: MIT
#include "core/rsp/session_internal.h"

/* The details belong to what the previous debugger asked for: a new one gets a plain stop. */
static void forget_stop_details(struct stop *stop)
{
	if (stop->kind < STOP_FATAL)
		*stop = (struct stop){ .vcpu = stop->vcpu };
}

static void renew(struct session *s)
{
	if (s->hold)
		s->target->ops->renew(s->target);
	forget_stop_details(&s->stop);
	s->changed = false;
}

static void choose_description(struct session *s)
{
	struct cpu_view *v = view_of(s, s->general);

	if (!v)
		return;
	s->tdesc = s->target->cpu->describe(v);
	s->target->ops->set_description(s->target, s->tdesc);
}

void client_reset(struct session *s)
{
	if (s->changed)
		renew(s);
	s->features = 0;
	s->general = s->stop.vcpu;
	s->resume = (struct thread_id){ THREAD_ALL, 0 };
	s->listed = 0;
	s->refused.state = NULL;
	choose_description(s);
}
