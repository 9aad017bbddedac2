// SPDX-License-Identifier: MIT
#include "core/rsp/session_internal.h"

#include <errno.h>
#include <stdlib.h>

enum { PROCESS = 1 };

/* ---- the list of vCPUs ------------------------------------------------------------------- */

/* What was in the list is not kept: the caller fills it anew. */
static int grow(struct vcpu_list *l, unsigned int n)
{
	free(l->index);
	free(l->action);
	free(l->claimed);
	l->index = calloc(n + 1, sizeof(*l->index));
	l->action = calloc(n + 1, sizeof(*l->action));
	l->claimed = calloc(n + 1, sizeof(*l->claimed));
	l->cap = l->index && l->action && l->claimed ? n : 0;
	return l->cap ? 0 : -ENOMEM;
}

int vcpu_list_update(struct session *s)
{
	struct vcpu_list *l = &s->vcpus;
	struct target *t = s->target;

	/* the VMM may add vCPUs in the meantime */
	while ((l->n = t->ops->vcpus(t, l->index, l->cap)) > l->cap)
		if (grow(l, l->n) < 0) {
			l->n = 0;
			return -ENOMEM;
		}
	return 0;
}

/* ---- ids --------------------------------------------------------------------------------- */

/* A number, or -1 for all. */
static bool scan_id(struct scan *args, bool *all, uint64_t *id)
{
	*all = scan_str(args, "-1");
	return *all || scan_hex(args, id);
}

bool scan_process(struct scan *args)
{
	uint64_t id = 0;
	bool all;

	return scan_id(args, &all, &id) && (all || id <= PROCESS);
}

/* "It is an error to specify all processes but a specific thread." */
static bool scan_thread_id(struct scan *args, struct thread_id *id)
{
	uint64_t pid = 0, tid = 0;
	bool all_pids = false, all_tids = true;

	if (scan_char(args, 'p')) {
		if (!scan_id(args, &all_pids, &pid) || pid > PROCESS)
			return false;
		if (scan_char(args, '.') && !scan_id(args, &all_tids, &tid))
			return false;
	} else if (!scan_id(args, &all_tids, &tid)) {
		return false;
	}
	if (tid > UINT32_MAX || (all_pids && tid))
		return false;
	id->kind = all_tids ? THREAD_ALL : tid ? THREAD_ONE : THREAD_ANY;
	id->vcpu = tid ? (unsigned int)tid - 1 : 0;
	return true;
}

bool scan_thread(struct session *s, struct scan *args, struct thread_id *id)
{
	if (!scan_thread_id(args, id))
		return fail(s, EINVAL, "thread-id: malformed, or of another process");
	if (id->kind == THREAD_ONE && !s->target->ops->has_vcpu(s->target, id->vcpu))
		return fail(s, ESRCH, "thread-id: no such thread");
	return true;
}

void put_thread(struct session *s, unsigned int vcpu)
{
	if (s->features & FEATURE_MULTIPROCESS)
		buf_fmt(&s->reply, "p%x.", PROCESS);
	buf_num(&s->reply, (uint64_t)vcpu + 1);
}

void put_thread_extra(struct session *s, unsigned int vcpu, struct cpu_view *v, struct buf *out)
{
	const char *halted = s->target->ops->halted(s->target, vcpu);
	char mode[64] = "";

	if (s->target->cpu->mode)
		s->target->cpu->mode(v, mode, sizeof(mode));
	buf_fmt(out, "CPU %u", vcpu);
	if (mode[0])
		buf_fmt(out, ", %s", mode);
	if (halted)
		buf_fmt(out, ", %s", halted);
}
