// SPDX-License-Identifier: MIT
#include "host-tools/command_line.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <vmgdb/endpoint.h>

enum { ROWS_MAX = 16, OPT_FIRST = 256 };

int command_line_error(const struct command_line *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->err, c->errlen, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int set(const struct command_line *c, const struct command_option *row, const char *value)
{
	char *member = (char *)c->options + row->offset;

	if (row->set)
		return row->set(c, value);
	if (row->arg)
		memcpy(member, &value, sizeof(value));
	else
		memcpy(member, &(bool){ true }, sizeof(bool));
	return 0;
}

int command_line_parse(const struct command_line *c, int argc, char **argv)
{
	struct option options[ROWS_MAX + 1] = { 0 };
	int i, opt, help = 0, ret = 0;

	for (i = 0; i < c->nrows; i++) {
		options[i] =
			(struct option){ c->rows[i].name, !!c->rows[i].arg, NULL, OPT_FIRST + i };
		help = strcmp(c->rows[i].name, "help") == 0 ? OPT_FIRST + i : help;
	}
	opterr = 0;
	while (!ret && (opt = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		opt = opt == 'h' ? help : opt;
		if (opt < OPT_FIRST)
			ret = command_line_error(c, "%s: %s; see --help", argv[optind - 1],
						 opt == ':' ? "needs a value" : "no such option");
		else
			ret = set(c, &c->rows[opt - OPT_FIRST], optarg);
	}
	return ret ? ret : optind;
}

void command_line_help(const struct command_option *rows, int nrows)
{
	const struct command_option *row;
	char syntax[32];

	for (row = rows; row < rows + nrows; row++) {
		snprintf(syntax, sizeof(syntax), "--%s %s", row->name, row->arg ? row->arg : "");
		printf("  %-16s %s\n", syntax, row->what);
	}
}

void command_line_help_endpoints(bool (*skip)(const char *line))
{
	const char *line;
	unsigned int i;

	for (i = 0; (line = vmgdb_endpoint_help(i)); i++) {
		int syntax = (int)strcspn(line, "\t");

		if (!skip || !skip(line))
			printf("  %-38.*s %s\n", syntax, line,
			       line[syntax] ? line + syntax + 1 : "");
	}
}
