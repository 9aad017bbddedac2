/* SPDX-License-Identifier: MIT */
/* A command line that one table describes: parsing and --help come from it. */
#ifndef VMGDB_COMMAND_LINE_H
#define VMGDB_COMMAND_LINE_H

#include <stdbool.h>
#include <stddef.h>

struct command_line;

/* One option, --NAME or --NAME ARG. */
struct command_option {
	const char *name, *arg, *what;
	/* Where the value goes in what command_line.options points at: a const char * with an arg, a bool
	 * without. Unused with set. */
	size_t offset;
	/* Take the value: 0, or what command_line_error() returns. Or NULL. */
	int (*set)(const struct command_line *c, const char *value);
};

struct command_line {
	const struct command_option *rows;
	int nrows;
	void *options;
	char *err; /* what is wrong, for a person; without a newline */
	size_t errlen;
};

/* Put a message into c->err. Returns -EINVAL. */
int command_line_error(const struct command_line *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Take all options, -h as --help. Returns where the other arguments begin in argv, or -EINVAL. */
int command_line_parse(const struct command_line *c, int argc, char **argv);

/* The lines of --help on the options; and on the endpoints, but for those that skip, if set, names. */
void command_line_help(const struct command_option *rows, int nrows);
void command_line_help_endpoints(bool (*skip)(const char *line));

#endif
