/* SPDX-License-Identifier: MIT */
#ifndef VMGDB_CONNECT_OPTIONS_H
#define VMGDB_CONNECT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

struct options {
	const char *vm;	    /* the VM's endpoint */
	const char *listen; /* where debuggers connect, or NULL */
	const char *pty;    /* the same, as the name of a link to a pty */
	bool accept;	    /* the VM dials */
	bool probe;
	bool reconnect;
	bool verbose;
	bool help;
	bool version;
	char **command; /* the debugger to start, ended by NULL; or NULL */
};

/* Returns 0, or -EINVAL with err saying what is wrong. Keeps pointers into argv. */
int options_parse(struct options *o, int argc, char **argv, char *err, size_t errlen);

/* --help and --version, to stdout. */
void options_help(void);
void options_version(void);

#endif
