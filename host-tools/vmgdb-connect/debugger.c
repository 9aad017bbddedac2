// SPDX-License-Identifier: MIT
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

int debugger_socket_make(struct debugger_socket *s)
{
	const char *base = getenv("XDG_RUNTIME_DIR");

	/* a comma would begin an option of the spec, and a space would end the path in the debugger's command */
	if (!base || base[0] != '/' || strlen(base) > 60 || strpbrk(base, ", \t'\"\\"))
		base = "/tmp";
	snprintf(s->dir, sizeof(s->dir), "%.60s/vmgdb-XXXXXX", base);
	if (!mkdtemp(s->dir))
		return -errno;
	snprintf(s->spec, sizeof(s->spec), "unix:%s/vm", s->dir);
	return 0;
}

void debugger_socket_remove(const struct debugger_socket *s)
{
	rmdir(s->dir);
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

static int spawn(char *const *argv, const struct signals *signals, pid_t *pid)
{
	posix_spawnattr_t attr;
	int err;

	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &signals->mask);
	posix_spawnattr_setsigdefault(&attr, &signals->defaults);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	err = posix_spawnp(pid, argv[0], NULL, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	return -err;
}

int debugger_start(char *const *command, const char *path, const struct signals *signals,
		   pid_t *pid)
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
	ret = spawn(argv, signals, pid);
	free(argv);
	return ret;
}
