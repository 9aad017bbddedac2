// SPDX-License-Identifier: MIT
/*
 *	ARCH-kvm-probe [NAME]...
 *
 * Tests all facts, or those whose names begin with the argument, each in a process of its own.
 * Prints a line for each: "ok NAME", "not ok NAME: why" or "na NAME: why". Exits 1 when one does
 * not hold.
 */
#include "tests/lab/facts.h"

#include <err.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* Runs in the child; returns the child's exit status. */
static int show(const struct fact *f)
{
	const size_t skip = strlen(NOT_APPLICABLE);
	const char *text;
	bool fails;

	alarm(LIMIT_S);
	text = ask_fact(f);
	fails = text && strncmp(text, NOT_APPLICABLE, skip);
	if (!text)
		printf("ok %s\n", f->name);
	else if (fails)
		printf("not ok %s: %s\n", f->name, text);
	else
		printf("na %s: %s\n", f->name, text + skip);
	fflush(stdout);
	return fails;
}

static bool holds(const struct fact *f)
{
	int status;
	pid_t child = fork();

	if (child < 0)
		err(1, "fork");
	if (!child)
		_exit(show(f));
	waitpid(child, &status, 0);
	if (WIFSIGNALED(status))
		printf("not ok %s: ended by signal %d\n", f->name, WTERMSIG(status));
	fflush(stdout);
	return !status;
}

static bool wanted(const struct fact *f, char **names)
{
	bool all = !*names;

	for (; *names; names++)
		all |= !strncmp(f->name, *names, strlen(*names));
	return all;
}

/* The signal that ends KVM_RUN. */
static void on_kick(int signal)
{
	(void)signal;
}

int main(int argc, char **argv)
{
	const struct fact *const *list;
	const struct fact *f;
	bool all = true;

	(void)argc;
	signal(KICK_SIGNAL, on_kick);
	for (list = fact_lists; *list; list++)
		for (f = *list; f->name; f++)
			if (wanted(f, argv + 1))
				all &= holds(f);
	return !all;
}
