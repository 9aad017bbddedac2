// SPDX-License-Identifier: MIT
/*
 * How a debugger asks for a stop reply again. GDB manual, "Packets"; lldb's document on its extensions
 * of the protocol, "qThreadStopInfo".
 */
#include "core/rsp/command_table.h"

static void last_stop(struct session *s, struct scan *args)
{
	if (scan_done(s, args))
		put_stop(s);
}

/* lldb asks this for each thread. Threads that stopped only because another one did have signal 0. */
static void thread_stop(struct session *s, struct scan *args)
{
	struct thread_id id;

	if (!scan_thread(s, args, &id) || !scan_done(s, args))
		return;
	if (id.kind != THREAD_ONE || id.vcpu == s->stop.vcpu)
		put_stop(s);
	else
		put_stopped_too(s, id.vcpu);
}

const struct command stop_commands[] = {
	{ "?", CMD_GREETING | CMD_TRY_HOLD, last_stop, NULL },
	{ "qThreadStopInfo", CMD_PREFIX | CMD_TRY_HOLD, thread_stop, NULL },
	{ 0 },
};
