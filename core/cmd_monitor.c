/* SPDX-License-Identifier: MIT */
/* gdb's `monitor`: commands by name, for people. GDB manual, "General Query Packets", qRcmd. */
#include <errno.h>
#include <string.h>

#include "core/command.h"

enum { LINE_MAX = 256 };

/* A command: args is what follows the name and its blanks; the answer goes to out. */
struct monitor {
	const char *name;
	const char *help;
	void (*run)(struct session *s, const char *args, struct buf *out);
};

static void help(struct session *s, const char *args, struct buf *out);

static void version(struct session *s, const char *args, struct buf *out)
{
	(void)args;
	buf_fmt(out, "vmgdb, %s\n", s->target->cpu->name);
}

static const struct monitor monitors[] = {
	{ "help", "this list", help },
	{ "version", "what this stub is", version },
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

static void run_line(struct session *s, const char *line)
{
	struct buf *out = &s->scratch;
	const struct monitor *m;
	const char *args;

	line += strspn(line, " \t");
	m = find(line, &args);
	buf_clear(out);
	if (m)
		m->run(s, args, out);
	else
		buf_str(out, "There is no such command here; see `monitor help'.\n");
	buf_hex(&s->reply, out->data, out->len);
}

/* ",COMMAND" in hexadecimal */
static void remote_command(struct session *s, struct scan *args)
{
	char line[LINE_MAX];
	size_t n;

	if (!scan_char(args, ',') || scan_left(args) % 2) {
		fail(s, EINVAL, "command: malformed");
		return;
	}
	n = scan_left(args) / 2;
	if (n >= sizeof(line)) {
		fail(s, EMSGSIZE, "command: too long");
		return;
	}
	if (!hex_decode((uint8_t *)line, args->p, n)) {
		fail(s, EINVAL, "command: not hexadecimal");
		return;
	}
	line[n] = '\0';
	run_line(s, line);
}

const struct command monitor_commands[] = {
	{ "qRcmd", 0, remote_command, NULL },
	{ 0 },
};
