/* SPDX-License-Identifier: MIT */
/* Threads: a vCPU is one, all are of process 1. GDB manual, "Packets" and "General Query Packets". */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/rsp/command.h"

enum {
	PROCESS = 1,
	/* what is kept free of a list of threads: two ids of the longest kind */
	LIST_MARGIN = 32,
};

/* ---- the list of vCPUs ------------------------------------------------------------------- */

/* What was in it is not kept: it is filled anew. */
static int grow(struct vcpu_list *l, unsigned int n)
{
	free(l->index);
	free(l->action);
	free(l->claimed);
	l->index = calloc(n, sizeof(*l->index));
	l->action = calloc(n, sizeof(*l->action));
	l->claimed = calloc(n, sizeof(*l->claimed));
	l->cap = l->index && l->action && l->claimed ? n : 0;
	return l->cap ? 0 : -ENOMEM;
}

int session_vcpus(struct session *s)
{
	struct vcpu_list *l = &s->vcpus;
	struct target *t = s->target;

	/* vCPUs may be added in the meantime */
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
	struct target *t = s->target;

	if (!scan_thread_id(args, id)) {
		fail(s, EINVAL, "thread-id: malformed, or of another process");
		return false;
	}
	if (id->kind == THREAD_ONE && !t->ops->view(t, id->vcpu)) {
		fail(s, ESRCH, "thread-id: no such thread");
		return false;
	}
	return true;
}

void put_thread(struct session *s, unsigned int vcpu)
{
	if (s->features & FEATURE_MULTIPROCESS)
		buf_fmt(&s->reply, "p%x.", PROCESS);
	buf_num(&s->reply, (uint64_t)vcpu + 1);
}

struct cpu_view *session_view(struct session *s)
{
	struct cpu_view *v = s->target->ops->view(s->target, s->general);

	if (!v || !s->tdesc) {
		fail(s, ESRCH, "the selected thread is gone");
		return NULL;
	}
	return v;
}

/* ---- commands ---------------------------------------------------------------------------- */

/* Hg: for reads and writes; any or all: leave it as it is. */
static void select_general(struct session *s, struct scan *args)
{
	struct thread_id id;

	if (!scan_thread(s, args, &id) || !scan_done(s, args))
		return;
	s->general = id.kind == THREAD_ONE ? id.vcpu : s->stop.vcpu;
	reply_ok(s);
}

/* Hc: for c and s. */
static void select_resume(struct session *s, struct scan *args)
{
	struct thread_id id;

	if (!scan_thread(s, args, &id) || !scan_done(s, args))
		return;
	s->resume = id;
	reply_ok(s);
}

static void is_alive(struct session *s, struct scan *args)
{
	struct thread_id id;

	if (scan_thread(s, args, &id) && scan_done(s, args))
		reply_ok(s);
}

static void current_thread(struct session *s, struct scan *args)
{
	if (!scan_done(s, args))
		return;
	buf_str(&s->reply, "QC");
	put_thread(s, s->general);
}

/* As many as fit in one packet; an id is never cut. */
static void list_threads(struct session *s)
{
	struct buf *b = &s->reply;

	if (session_vcpus(s) < 0) {
		fail_errno(s, ENOMEM, "threads");
		return;
	}
	if (s->listed >= s->vcpus.n) {
		buf_char(b, 'l');
		return;
	}
	for (char c = 'm'; s->listed < s->vcpus.n && b->cap - b->len > LIST_MARGIN; c = ',') {
		buf_char(b, c);
		put_thread(s, s->vcpus.index[s->listed++]);
	}
}

static void first_threads(struct session *s, struct scan *args)
{
	if (!scan_done(s, args))
		return;
	s->listed = 0;
	list_threads(s);
}

static void more_threads(struct session *s, struct scan *args)
{
	if (scan_done(s, args))
		list_threads(s);
}

void describe_thread(struct session *s, unsigned int vcpu, struct cpu_view *v, struct buf *out)
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

static void extra_info(struct session *s, struct scan *args)
{
	struct thread_id id;
	unsigned int vcpu;
	struct cpu_view *v;

	scan_char(args, ',');
	if (!scan_thread(s, args, &id) || !scan_done(s, args))
		return;
	vcpu = id.kind == THREAD_ONE ? id.vcpu : s->general;
	v = s->target->ops->view(s->target, vcpu);
	if (!v) {
		fail(s, ESRCH, "thread-id: no such thread");
		return;
	}
	buf_clear(&s->scratch);
	describe_thread(s, vcpu, v, &s->scratch);
	buf_hex(&s->reply, s->scratch.data, s->scratch.len);
}

const struct command thread_commands[] = {
	{ "Hg", CMD_GLUED, select_general, NULL },   { "Hc", CMD_GLUED, select_resume, NULL },
	{ "T", CMD_GLUED, is_alive, NULL },	     { "qC", 0, current_thread, NULL },
	{ "qfThreadInfo", 0, first_threads, NULL },  { "qsThreadInfo", 0, more_threads, NULL },
	{ "qThreadExtraInfo", 0, extra_info, NULL }, { 0 },
};
