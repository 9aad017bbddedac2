/* SPDX-License-Identifier: MIT */
/* The terminal as console. */
#include <fcntl.h>
#include <unistd.h>

#include "host-tools/vmgdb-run/terminal.h"

int terminal_open(struct terminal *t, int fd)
{
	struct termios tio;

	*t = (struct terminal){ .fd = fd };
	if (fcntl(fd, F_GETFL) < 0)
		return -1;
	if (!isatty(fd))
		return fd;
	if (tcgetpgrp(fd) != getpgrp() || tcgetattr(fd, &t->saved) < 0)
		return -1;
	tio = t->saved;
	tio.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
	tio.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IGNCR | ISTRIP | IXON);
	tio.c_cc[VMIN] = 1;
	tio.c_cc[VTIME] = 0;
	t->changed = tcsetattr(fd, TCSANOW, &tio) == 0;
	return fd;
}

void terminal_close(struct terminal *t)
{
	if (t->changed && tcgetpgrp(t->fd) == getpgrp())
		tcsetattr(t->fd, TCSANOW, &t->saved);
}
