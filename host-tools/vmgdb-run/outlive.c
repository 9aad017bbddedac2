/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* POLLRDHUP */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host-tools/message.h"
#include "host-tools/vmgdb-run/outlive.h"
#include "host-tools/vmgdb-run/run.h"

/* Whether the process that runs the VM has ended, and its exit status as a shell has it. */
static bool has_ended(pid_t vm, int *status)
{
	int st;

	if (waitpid(vm, &st, WNOHANG) != vm)
		return false;
	*status = WIFSIGNALED(st) ? 128 + WTERMSIG(st) : WEXITSTATUS(st);
	return true;
}

static void pass_on(pid_t vm, int signals)
{
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) == sizeof(info) && info.ssi_signo != SIGCHLD)
		kill(vm, (int)info.ssi_signo);
}

/* The debugger's leaving is looked at first: its SIGTERM comes after it, and is not for the VM. */
static int stand_for(pid_t vm, int signals)
{
	enum { INPUT, SIGNALS, NFDS };
	struct pollfd fds[NFDS] = {
		[INPUT] = { .fd = STDIN_FILENO, .events = POLLRDHUP },
		[SIGNALS] = { .fd = signals, .events = POLLIN },
	};
	int status;

	for (;;) {
		if (poll(fds, NFDS, -1) < 0) {
			if (errno == EINTR)
				continue;
			message("poll: %s", strerror(errno));
			return EXIT_FAILURE;
		}
		if (has_ended(vm, &status))
			return status;
		if (fds[INPUT].revents)
			return EXIT_SUCCESS;
		pass_on(vm, signals);
	}
}

int outlive_debugger(void)
{
	sigset_t set;
	int signals;
	pid_t vm;

	signals_ending(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	vm = signals < 0 ? -1 : fork();
	if (vm < 0) {
		message("a process for the VM: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	if (vm > 0)
		return stand_for(vm, signals);
	close(signals);
	setsid();
	return OUTLIVE_RUN_VM;
}
