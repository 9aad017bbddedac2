/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "host-tools/vmgdb-connect/debugger.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

int meeting_place_make(struct meeting_place *m)
{
	const char *base = getenv("XDG_RUNTIME_DIR");

	/* a comma would begin an option of the spec, and a space end the debugger's word */
	if (!base || base[0] != '/' || strlen(base) > 60 || strpbrk(base, ", \t'\"\\"))
		base = "/tmp";
	snprintf(m->dir, sizeof(m->dir), "%.60s/vmgdb-XXXXXX", base);
	if (!mkdtemp(m->dir))
		return -errno;
	snprintf(m->spec, sizeof(m->spec), "unix:%s/vm", m->dir);
	return 0;
}

void meeting_place_remove(const struct meeting_place *m)
{
	rmdir(m->dir);
}

/* The option that takes a command, and the command. */
static const char *attach_option(const char *program, const char *path, char *command, size_t len)
{
	const char *slash = strrchr(program, '/');

	if (strncmp(slash ? slash + 1 : program, "lldb", 4) == 0) {
		snprintf(command, len, "process connect --plugin gdb-remote unix-connect://%s",
			 path);
		return "-o";
	}
	snprintf(command, len, "target remote %s", path);
	return "-ex";
}

/* Signals that we ignore or hold back are the debugger's to have. */
static int spawn(char *const *argv, pid_t *pid)
{
	posix_spawnattr_t attr;
	sigset_t none, all;
	int err;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	err = posix_spawnp(pid, argv[0], NULL, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	return -err;
}

int debugger_start(char *const *command, const char *path, pid_t *pid)
{
	char attach[160];
	size_t n = 0;
	char **argv;
	int ret;

	while (command[n])
		n++;
	argv = calloc(n + 3, sizeof(*argv));
	if (!argv)
		return -ENOMEM;
	argv[0] = command[0];
	argv[1] = (char *)attach_option(command[0], path, attach, sizeof(attach));
	argv[2] = attach;
	memcpy(argv + 3, command + 1, (n - 1) * sizeof(*argv));
	ret = spawn(argv, pid);
	free(argv);
	return ret;
}
