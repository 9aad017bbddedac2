// SPDX-License-Identifier: MIT
/* The terminal as console. */
#include <fcntl.h>
#include <unistd.h>

#include "host-tools/vmgdb-run/terminal.h"

enum { FOREGROUND_CHECK_MS = 100 };

void terminal_open(struct terminal *t, int fd)
{
	*t = (struct terminal){ .fd = fcntl(fd, F_GETFL) < 0 ? -1 : fd };
	if (!isatty(fd))
		return;
	t->has_jobs = tcgetpgrp(fd) >= 0;
	if (!t->has_jobs)
		t->fd = -1;
}

static bool in_foreground(const struct terminal *t)
{
	return tcgetpgrp(t->fd) == getpgrp();
}

/* Modes that are still vmgdb-run's own, after a SIGSTOP, are not what is to be restored. */
static void make_raw(struct terminal *t)
{
	struct termios tio;

	if (!t->changed && tcgetattr(t->fd, &t->saved) < 0)
		return;
	tio = t->saved;
	tio.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
	tio.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IGNCR | ISTRIP | IXON);
	tio.c_cc[VMIN] = 1;
	tio.c_cc[VTIME] = 0;
	t->raw = tcsetattr(t->fd, TCSANOW, &tio) == 0;
	t->changed |= t->raw;
}

/* A terminal that has hung up does not come back. */
static void look_for_hang_up(struct terminal *t)
{
	if (!t->has_jobs || tcgetpgrp(t->fd) >= 0)
		return;
	t->has_jobs = t->raw = t->changed = false;
	t->fd = -1;
}

bool terminal_acquire(struct terminal *t)
{
	look_for_hang_up(t);
	if (!t->has_jobs)
		return t->fd >= 0;
	if (!in_foreground(t))
		t->raw = false;
	else if (!t->raw)
		make_raw(t);
	return t->raw;
}

int terminal_timeout_ms(const struct terminal *t)
{
	return t->has_jobs && !t->raw ? FOREGROUND_CHECK_MS : -1;
}

void terminal_continued(struct terminal *t)
{
	t->raw = false;
}

void terminal_restore(struct terminal *t)
{
	if (!t->changed || !in_foreground(t))
		return;
	tcsetattr(t->fd, TCSANOW, &t->saved);
	t->raw = t->changed = false;
}
