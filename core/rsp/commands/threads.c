// SPDX-License-Identifier: MIT
/* Threads: one for each vCPU, all of process 1. GDB manual, "Packets", "General Query Packets". */
#include <errno.h>

#include "core/rsp/command_table.h"

/* Bytes that a list of threads leaves free: two of the longest ids. */
enum { LIST_MARGIN = 32 };

/* Hg: for reads and writes. Any or all: the thread that stopped. */
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

	if (vcpu_list_update(s) < 0) {
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

static void extra_info(struct session *s, struct scan *args)
{
	struct thread_id id;
	unsigned int vcpu;
	struct cpu_view *v;

	scan_char(args, ',');
	if (!scan_thread(s, args, &id) || !scan_done(s, args))
		return;
	vcpu = id.kind == THREAD_ONE ? id.vcpu : s->general;
	v = view_of(s, vcpu);
	if (!v) {
		fail(s, ESRCH, "thread-id: no such thread");
		return;
	}
	buf_clear(&s->scratch);
	put_thread_extra(s, vcpu, v, &s->scratch);
	buf_hex(&s->reply, s->scratch.data, s->scratch.len);
}

const struct command thread_commands[] = {
	{ "Hg", CMD_PREFIX | CMD_NO_HOLD, select_general, NULL },
	{ "Hc", CMD_PREFIX | CMD_NO_HOLD, select_resume, NULL },
	{ "T", CMD_PREFIX | CMD_NO_HOLD, is_alive, NULL },
	{ "qC", CMD_NO_HOLD, current_thread, NULL },
	{ "qfThreadInfo", CMD_NO_HOLD, first_threads, NULL },
	{ "qsThreadInfo", CMD_NO_HOLD, more_threads, NULL },
	{ "qThreadExtraInfo", 0, extra_info, NULL },
	{ 0 },
};
