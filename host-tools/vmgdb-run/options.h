/* SPDX-License-Identifier: MIT */
/* The command line of vmgdb-run. */
#ifndef VMGDB_RUN_OPTIONS_H
#define VMGDB_RUN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum { GDB_SPECS_MAX = 16 };

struct options {
	const char *guest;  /* a built-in one, or NULL */
	const char *kernel; /* a file, or NULL */
	uint64_t cpus;
	uint64_t mem_mib;
	const char *gdb[GDB_SPECS_MAX];
	unsigned int ngdb;
	bool stdio; /* one of gdb[] is standard input and output */
	bool gdb_wait;
	bool verbose;
	bool help;
};

/*
 * Read the command line. 0; or -EINVAL, and err has a line that names the option at fault (without
 * a newline). What options points at belongs to argv.
 */
int options_parse(struct options *o, int argc, char **argv, char *err, size_t errlen);

/* All of --help, to stdout. */
void options_help(void);

#endif
