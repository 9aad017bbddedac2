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
 * Make fd fit for console input: a terminal of which vmgdb-run is the foreground job gives each key
 * at once, does not echo it, and makes no signals of keys: Ctrl-C is a byte for the guest. Returns fd,
 * or -1 when it can't be read (closed, or vmgdb-run is a background job of the terminal).
 * terminal_close() restores the terminal.
 */
int terminal_open(struct terminal *t, int fd);
void terminal_close(struct terminal *t);

#endif
