// SPDX-License-Identifier: MIT
#include "core/rsp/command_table.h"

#include <string.h>

#include "core/rsp/session_internal.h"

static const struct command *const families[] = {
	memory_commands,
	register_commands,
	thread_commands,
	run_commands,
	stop_commands,
	breakpoint_commands,
	query_commands,
	xfer_commands,
	monitor_commands,
	lldb_commands,
	NULL,
};

static bool is_offered(const struct session *s, const struct command *c)
{
	return !(c->flags & CMD_NO_ACK_MODE) || (s->config.reliable && !s->config.ack);
}

static bool matches(const struct command *c, struct scan *packet)
{
	struct scan rest = *packet;

	if (!scan_str(&rest, c->name))
		return false;
	if (!(c->flags & CMD_PREFIX) && !scan_end(&rest) && !strchr(":;,", *rest.p))
		return false;
	*packet = rest;
	return true;
}

const struct command *command_find(const struct session *s, struct scan *args)
{
	const char *data = (const char *)s->ack.in.data;

	*args = (struct scan){ data, data + s->ack.in.len };
	for (const struct command *const *f = families; *f; f++)
		for (const struct command *c = *f; c->name; c++)
			if (matches(c, args))
				return is_offered(s, c) ? c : NULL;
	return NULL;
}

void put_command_features(struct session *s)
{
	for (const struct command *const *f = families; *f; f++)
		for (const struct command *c = *f; c->name; c++)
			if (c->feature && is_offered(s, c))
				buf_fmt(&s->reply, ";%s", c->feature);
}
