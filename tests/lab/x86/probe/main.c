// SPDX-License-Identifier: MIT
/*
 *	x86-kvm-probe
 *
 * What arch/x86 relies on, on this host's KVM: a line for each fact, "ok NAME", "not ok NAME: why" or
 * "na NAME: why", each in a process of its own. Exits 1 when one does not hold.
 */
#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lab/x86/probe/facts.h"

enum { LIMIT_S = 60 };

const char *why(const char *fmt, ...)
{
	static char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return text;
}

/* In the child: what it returns is its exit status. */
static int show(const struct fact *f)
{
	const size_t skip = strlen(NOT_APPLICABLE);
	const char *text;
	struct vm m;

	alarm(LIMIT_S);
	vm_open(&m, f->code, f->len, f->on & IRQCHIP);
	if (f->on & PROCESSOR && vm_emulated())
		text = NOT_APPLICABLE "this KVM runs its guests by an emulator";
	else
		text = f->holds(&m);
	if (text && !strncmp(text, NOT_APPLICABLE, skip))
		printf("na %s: %s\n", f->name, text + skip);
	else if (text)
		printf("not ok %s: %s\n", f->name, text);
	else
		printf("ok %s\n", f->name);
	fflush(stdout);
	return text && strncmp(text, NOT_APPLICABLE, skip);
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

int main(void)
{
	const struct fact *f;
	bool all = true;

	for (f = facts; f->name; f++)
		all &= holds(f);
	return !all;
}
