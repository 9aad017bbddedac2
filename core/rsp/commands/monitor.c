// SPDX-License-Identifier: MIT
/* gdb's `monitor`: commands by name, for people. GDB manual, "General Query Packets", qRcmd. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/lib/hex.h"
#include "core/rsp/command_table.h"

enum { LINE_MAX = 256 };

/* A command: args is what follows the name and its blanks; the command writes its answer to out. */
struct monitor {
	const char *name;
	unsigned int flags; /* enum command_flag */
	const char *help;
	void (*run)(struct session *s, const char *args, struct buf *out);
};

static void help(struct session *s, const char *args, struct buf *out);

static void version(struct session *s, const char *args, struct buf *out)
{
	const struct cpu *cpu = s->target->cpu;

	(void)args;
	buf_fmt(out, "vmgdb, %s\n", cpu ? cpu->name : "no vCPU yet");
}

static const struct {
	const char *name;
	const char *help;
	enum target_option option;
} options[] = {
	{ "stop-on-reset", "stop at a reset or power-off, before the VMM acts on it",
	  OPTION_STOP_ON_RESET },
	{ "software-watch", "carry new watchpoints by stepping: slow, but on any host",
	  OPTION_SOFTWARE_WATCH },
	{ "guest-slots", "keep software breakpoints out of debug registers, which the guest uses",
	  OPTION_GUEST_SLOTS },
	{ "whole-rep", "step over a rep instruction at once, not one iteration at a time",
	  OPTION_WHOLE_REP },
};

static void show(struct session *s, const char *args, struct buf *out)
{
	struct target *t = s->target;

	(void)args;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		buf_fmt(out, "%-16s %-4s %s\n", options[i].name,
			t->ops->option(t, options[i].option) ? "on" : "off", options[i].help);
}

/* "NAME on|off" */
static void set(struct session *s, const char *args, struct buf *out)
{
	size_t n = strcspn(args, " \t");
	const char *value = args + n + strspn(args + n, " \t");

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (strlen(options[i].name) != n || memcmp(options[i].name, args, n))
			continue;
		if (!strcmp(value, "on") || !strcmp(value, "off"))
			s->target->ops->set_option(s->target, options[i].option, value[1] == 'n');
		else
			buf_fmt(out, "%s is on or off.\n", options[i].name);
		return;
	}
	buf_str(out, "There is no such option; see `monitor show'.\n");
}

static void put_breakpoint(struct buf *out, const struct bp_info *b)
{
	static const char *const types[] = {
		[BP_SOFTWARE] = "software",   [BP_HARDWARE] = "hardware",
		[BP_WRITE] = "write watch",   [BP_READ] = "read watch",
		[BP_ACCESS] = "access watch",
	};

	buf_fmt(out, "%-13s 0x%016" PRIx64, types[b->type], b->addr);
	if (b->type > BP_HARDWARE)
		buf_fmt(out, ", %" PRIu64 " bytes", b->kind);
	buf_fmt(out, ": %s%s%s\n", b->state, b->conditional ? "; conditions or commands" : "",
		b->removed ? "; removed at this stop" : "");
}

/* gdb 13 does not show its user why a breakpoint was refused. */
static void put_refused(struct buf *out, const struct bp_info *b)
{
	if (!b->state)
		return;
	buf_str(out, "Refused last: ");
	put_breakpoint(out, b);
}

/* With those that the debugger removed at this stop: gdb removes all, and sets them again when it resumes.
 * As many as the reply has room for, by two digits a character. */
static void breakpoints(struct session *s, const char *args, struct buf *out)
{
	static const char more[] = "There are more, for which this reply has no room.\n";
	size_t most = s->reply.cap / 2 - strlen(more), len;
	struct target *t = s->target;
	struct bp_info b;

	(void)args;
	put_refused(out, &s->refused);
	for (unsigned int i = 0; !t->ops->breakpoint(t, i, &b); i++) {
		len = out->len;
		put_breakpoint(out, &b);
		if (out->len <= most)
			continue;
		out->len = len;
		buf_str(out, more);
		return;
	}
	if (!out->len)
		buf_str(out, "There are no breakpoints.\n");
}

static const struct monitor monitors[] = {
	{ "breakpoints", 0, "all breakpoints and watchpoints, and whether they can be hit",
	  breakpoints },
	{ "help", CMD_NO_HOLD, "this list", help },
	{ "set", CMD_NO_HOLD | CMD_CHANGES, "NAME on|off: change an option", set },
	{ "show", CMD_NO_HOLD, "the options", show },
	{ "version", CMD_NO_HOLD, "what this stub is", version },
};

enum { NMONITORS = sizeof(monitors) / sizeof(monitors[0]) };

static void help(struct session *s, const char *args, struct buf *out)
{
	(void)s;
	(void)args;
	for (size_t i = 0; i < NMONITORS; i++)
		buf_fmt(out, "%-16s %s\n", monitors[i].name, monitors[i].help);
}

/* The command that line begins with, and in *args where its arguments are. */
static const struct monitor *find(const char *line, const char **args)
{
	size_t n = strcspn(line, " \t");

	*args = line + n + strspn(line + n, " \t");
	for (size_t i = 0; i < NMONITORS; i++)
		if (strlen(monitors[i].name) == n && !memcmp(monitors[i].name, line, n))
			return &monitors[i];
	return NULL;
}

/* A refusal is a text as well, because gdb 13 does not understand E.text in reply to qRcmd. */
static void run_allowed(struct session *s, const struct monitor *m, const char *args,
			struct buf *out)
{
	const char *why;

	if (access_begin(s, m->flags, &why))
		buf_fmt(out, "Not done: %s.\n", why);
	else
		m->run(s, args, out);
	access_end(s);
}

static void run_line(struct session *s, const char *line)
{
	struct buf *out = &s->scratch;
	const struct monitor *m;
	const char *args;

	line += strspn(line, " \t");
	m = find(*line ? line : "help", &args);
	buf_clear(out);
	if (m)
		run_allowed(s, m, args, out);
	else
		buf_str(out, "There is no such command here; see `monitor help'.\n");
	if (out->len)
		buf_hex(&s->reply, out->data, out->len);
	else
		reply_ok(s); /* an empty reply says that the stub has no such command */
}

/* ",COMMAND" in hexadecimal */
static void remote_command(struct session *s, struct scan *args)
{
	bool well_formed = scan_char(args, ',') && scan_left(args) % 2 == 0;
	size_t n = scan_left(args) / 2;
	char line[LINE_MAX] = "";

	if (!well_formed)
		fail(s, EINVAL, "command: malformed");
	else if (n >= sizeof(line))
		fail(s, EMSGSIZE, "command: too long");
	else if (!hex_decode((uint8_t *)line, args->p, n))
		fail(s, EINVAL, "command: not hexadecimal");
	else
		run_line(s, line);
}

const struct command monitor_commands[] = {
	{ "qRcmd", CMD_NO_HOLD, remote_command, NULL },
	{ 0 },
};
