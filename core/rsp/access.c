// SPDX-License-Identifier: MIT
#include "core/rsp/session_internal.h"

#include <errno.h>

#include "core/rsp/command_table.h"

/* The exit of a VM that ends while it is stopped becomes the last stop here. */
static int take_hold(struct session *s, const char **why)
{
	int err = s->target->ops->hold(s->target);

	s->hold = !err;
	if (err == -ESHUTDOWN)
		s->target->ops->poll(s->target, &s->stop);
	*why = err == -ESHUTDOWN ? "the VM has ended" : "the VM is running";
	return err;
}

int access_begin(struct session *s, unsigned int flags, const char **why)
{
	int err;

	if (flags & CMD_CHANGES && s->config.ro) {
		*why = "this session is read-only";
		return -EROFS;
	}
	err = flags & CMD_NO_HOLD ? 0 : take_hold(s, why);
	if (err && !(flags & CMD_TRY_HOLD))
		return err;
	s->changed |= flags & (CMD_CHANGES | CMD_RESUME);
	s->only_asked &= !(flags & (CMD_CHANGES | CMD_RESUME));
	return 0;
}

void access_end(struct session *s)
{
	if (s->hold)
		s->target->ops->release(s->target);
	s->hold = false;
}

struct cpu_view *view_of(struct session *s, unsigned int vcpu)
{
	return s->hold ? s->target->ops->view(s->target, vcpu) : NULL;
}

struct cpu_view *selected_view(struct session *s)
{
	struct cpu_view *v = view_of(s, s->general);

	if (!v || !s->tdesc) {
		fail(s, ESRCH, "the selected thread is gone");
		return NULL;
	}
	return v;
}
