// SPDX-License-Identifier: MIT
/*
 *	arm64-kvm-probe [NAME]...
 *
 * Runs all tests, or those whose names begin so, each in a process of its own. Prints a line for
 * each: "ok NAME", "not ok NAME: why" or "na NAME: why". Exits 1 when one has failed.
 */
#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe.h"

enum { LIMIT_S = 60 };

const char *why(const char *fmt, ...)
{
	static char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return text;
}

/* In the child: its exit status is not looked at unless it prints nothing. */
static void run_here(const struct test *t)
{
	const size_t skip = strlen(NOT_APPLICABLE);
	const char *text;
	struct vm m;

	alarm(LIMIT_S);
	vm_open(&m, t->off);
	text = t->run(&m);
	vm_close(&m);
	if (!text)
		printf("ok %s\n", t->name);
	else if (!strncmp(text, NOT_APPLICABLE, skip))
		printf("na %s: %s\n", t->name, text + skip);
	else
		printf("not ok %s: %s\n", t->name, text);
	fflush(stdout);
	_exit(text && strncmp(text, NOT_APPLICABLE, skip));
}

static int run(const struct test *t)
{
	int status;
	pid_t child = fork();

	if (child < 0)
		err(1, "fork");
	if (!child)
		run_here(t);
	waitpid(child, &status, 0);
	if (WIFSIGNALED(status))
		printf("not ok %s: ended by signal %d\n", t->name, WTERMSIG(status));
	fflush(stdout);
	return status != 0;
}

static bool wanted(const struct test *t, char **names)
{
	bool all = !*names;

	for (; *names; names++)
		all |= !strncmp(t->name, *names, strlen(*names));
	return all;
}

int main(int argc, char **argv)
{
	static const struct test *const lists[] = { debug_tests, register_tests, run_tests,
						    step_tests, translation_tests };
	const struct test *t;
	int failed = 0;
	size_t i;

	(void)argc;
	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		for (t = lists[i]; t->name; t++)
			if (wanted(t, argv + 1))
				failed |= run(t);
	return failed;
}
