/* SPDX-License-Identifier: MIT */
/*
 * The terminal that vmgdb-run was started from, while it is the guest's console. A terminal belongs to its
 * foreground job. While vmgdb-run is a background job, it neither reads the terminal nor changes its modes.
 */
#ifndef VMGDB_RUN_TERMINAL_H
#define VMGDB_RUN_TERMINAL_H

#include <stdbool.h>
#include <termios.h>

struct terminal {
	int fd;
	bool has_jobs; /* fd is the terminal by which a shell controls its jobs */
	bool raw;      /* vmgdb-run is the foreground job, and has set the modes */
	bool changed;  /* saved is to be restored */
	struct termios saved;
};

/* fd: the console's input, which need not be a terminal. */
void terminal_open(struct terminal *t, int fd);

/*
 * Whether the input may be read now; false for good when it is closed. A terminal of which vmgdb-run is the
 * foreground job gives each key at once from here on, does not echo it, and makes no signals of keys: Ctrl-C
 * is a byte for the guest.
 */
bool terminal_acquire(struct terminal *t);

/* How soon terminal_acquire() is to be called again, for poll(): a shell that brings a background job to the
 * foreground does not tell the job. */
int terminal_timeout_ms(const struct terminal *t);

/* After SIGCONT: others have set the terminal's modes while vmgdb-run was stopped. */
void terminal_continued(struct terminal *t);

/* Put the modes back, before vmgdb-run ends or stops; not while it is in the background. */
void terminal_restore(struct terminal *t);

#endif
