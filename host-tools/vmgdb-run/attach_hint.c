/* SPDX-License-Identifier: MIT */
/* The hint is a whole line without vmgdb-run's prefix, so that a user can paste it into a shell. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host-tools/message.h"
#include "host-tools/vmgdb-run/options.h"
#include "host-tools/vmgdb-run/attach_hint.h"
#include "host-tools/vmgdb-run/vm.h"
#include <vmgdb/endpoint.h>

/* Characters that a shell takes as they are. */
static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@_";

/* The directory of this executable, with a slash at its end. */
static bool own_dir(char *out, size_t len)
{
	ssize_t n = readlink("/proc/self/exe", out, len - 1);
	char *slash;

	if (n <= 0)
		return false;
	out[n] = '\0';
	slash = strrchr(out, '/');
	if (!slash)
		return false;
	slash[1] = '\0';
	return true;
}

static const char *below_cwd(const char *path)
{
	char cwd[PATH_MAX];
	size_t n;

	if (!getcwd(cwd, sizeof(cwd)))
		return path;
	n = strlen(cwd);
	return strncmp(path, cwd, n) == 0 && path[n] == '/' ? path + n + 1 : path;
}

void attach_hint_elf(const struct options *o, char *out, size_t len)
{
	char dir[PATH_MAX];

	if (o->kernel)
		snprintf(out, len, "%s", o->kernel);
	else if (own_dir(dir, sizeof(dir)))
		snprintf(out, len, "%sguests/%s.elf", below_cwd(dir), o->guest);
	else
		snprintf(out, len, "%s.elf", o->guest);
}

/* Within quotes a quote is ended, escaped, and begun anew. */
static void print_quoted(FILE *f, const char *s)
{
	for (; *s; s++)
		fputs(*s == '\'' ? "'\\''" : (const char[]){ *s, '\0' }, f);
}

static void print_word(FILE *f, const char *s)
{
	if (s[strspn(s, plain)] == '\0') {
		fputs(s, f);
		return;
	}
	fputc('\'', f);
	print_quoted(f, s);
	fputc('\'', f);
}

void attach_hint_print(const struct vmgdb_endpoint *ep, const char *elf)
{
	const char *attach = vmgdb_endpoint_attach(ep);

	if (!attach[0]) {
		message("a debugger can attach at %s", vmgdb_endpoint_name(ep));
		return;
	}
	fputs("gdb -ex 'target remote ", stderr);
	print_quoted(stderr, attach);
	fputs("' ", stderr);
	print_word(stderr, elf);
	fputc('\n', stderr);
}
