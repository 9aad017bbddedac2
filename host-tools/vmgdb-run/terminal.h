/* SPDX-License-Identifier: MIT */
/* The terminal that vmgdb-run was started from, while it is the guest's console. */
#ifndef VMGDB_RUN_TERMINAL_H
#define VMGDB_RUN_TERMINAL_H

#include <stdbool.h>
#include <termios.h>

struct terminal {
	int fd;
	bool changed;
	struct termios saved;
};

/*
 * Make fd fit for console input: a terminal of which we are the foreground job gives each key at
 * once and does not echo, and Ctrl-C still ends vmgdb-run. Returns fd, or -1 when it can't be read
 * (closed, or the terminal of which we are a background job). terminal_close() undoes it.
 */
int terminal_open(struct terminal *t, int fd);
void terminal_close(struct terminal *t);

#endif
