/* SPDX-License-Identifier: MIT */
/* Signals to poll; those that were ignored when the program started stay ignored. */
#ifndef VMGDB_CONNECT_SIGNALS_H
#define VMGDB_CONNECT_SIGNALS_H

#include <signal.h>

struct signals {
	int fd;	       /* poll it for POLLIN */
	sigset_t mask; /* what was blocked at the start */
	/* signals_open() changed the action of these, which was the default one at the start */
	sigset_t defaults;
};

/* From here on SIGPIPE is ignored. Returns 0 or -errno. */
int signals_open(struct signals *s);

/* The next signal that is pending, or 0. */
int signals_next(struct signals *s);

void signals_close(struct signals *s);

#endif
