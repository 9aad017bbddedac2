/* SPDX-License-Identifier: MIT */
/* Signals as something to poll; those that were ignored when the program started stay ignored. */
#ifndef VMGDB_CONNECT_SIGNALS_H
#define VMGDB_CONNECT_SIGNALS_H

#include <signal.h>

struct signals {
	int fd;	       /* poll it for POLLIN */
	sigset_t mask; /* what was blocked at the start */
	sigset_t
		defaults; /* what is ignored or taken now and had its default action at the start */
};

/* From here on SIGPIPE is ignored. Returns 0 or -errno. */
int signals_open(struct signals *s);

/* The next signal that came, or 0. */
int signals_next(struct signals *s);

void signals_close(struct signals *s);

#endif
