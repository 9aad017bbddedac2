// SPDX-License-Identifier: MIT
#include "host-tools/vmgdb-connect/signals.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/signalfd.h>
#include <unistd.h>

static bool is_ignored(int sig)
{
	struct sigaction a;

	return sigaction(sig, NULL, &a) == 0 && a.sa_handler == SIG_IGN;
}

/* SIGCHLD is never left ignored: the kernel would keep no exit status of the debugger. */
static void set_disposition(struct signals *s, int sig, void (*handler)(int))
{
	if (!is_ignored(sig))
		sigaddset(&s->defaults, sig);
	signal(sig, handler);
}

int signals_open(struct signals *s)
{
	static const int ends[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP };
	sigset_t set;
	size_t i;

	sigemptyset(&s->defaults);
	set_disposition(s, SIGPIPE, SIG_IGN);
	set_disposition(s, SIGCHLD, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (!is_ignored(ends[i]))
			sigaddset(&set, ends[i]);
	sigprocmask(SIG_BLOCK, &set, &s->mask);
	s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->fd < 0 ? -errno : 0;
}

int signals_next(struct signals *s)
{
	struct signalfd_siginfo info;

	return read(s->fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

void signals_close(struct signals *s)
{
	close(s->fd);
}
