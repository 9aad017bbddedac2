/* SPDX-License-Identifier: MIT */
/* vmgdb-run's command line. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "host-tools/vmgdb-run/guests.h"
#include "host-tools/vmgdb-run/options.h"

enum { ARGS_MAX = 40 };

const struct guest *guest_get(size_t i)
{
	static const struct guest guests[] = { { .name = "demo", .what = "what demo does" } };

	return i == 0 ? guests : NULL;
}

const struct guest *guest_find(const char *name)
{
	return strcmp(name, "demo") == 0 ? guest_get(0) : NULL;
}

/* args: separated by blanks */
static int parse(const char *args, struct options *o, char *err, size_t errlen)
{
	static char copy[1024];
	static char *argv[ARGS_MAX];
	int argc = 1;

	snprintf(copy, sizeof(copy), "%s", args);
	argv[0] = (char[]){ "vmgdb-run" };
	for (char *p = strtok(copy, " "); p; p = strtok(NULL, " "))
		argv[argc++] = p;
	argv[argc] = NULL;
	return options_parse(o, argc, argv, err, errlen);
}

Test(run_options, none, .description = "no option: the demo guest, one vCPU, 64 MiB")
{
	struct options o;
	char err[256] = "";

	cr_assert_eq(parse("", &o, err, sizeof(err)), 0, "%s", err);
	cr_expect_str_eq(o.guest, "demo");
	cr_expect_null(o.kernel);
	cr_expect_eq(o.cpus, 1);
	cr_expect_eq(o.mem_mib, 64);
	cr_expect_eq(o.ngdb, 0);
	cr_expect_not(o.gdb_wait);
}

Test(run_options, all, .description = "each option, both ways of writing a value")
{
	struct options o;
	char err[256] = "";

	cr_assert_eq(
		parse("--kernel=k.elf --cpus 4 --mem=4096 --gdb 1234 --gdb=pty:/tmp/l --gdb-wait",
		      &o, err, sizeof(err)),
		0, "%s", err);
	cr_expect_str_eq(o.kernel, "k.elf");
	cr_expect_null(o.guest);
	cr_expect_eq(o.cpus, 4);
	cr_expect_eq(o.mem_mib, 4096);
	cr_expect_eq(o.ngdb, 2);
	cr_expect_str_eq(o.gdb[0], "1234");
	cr_expect_str_eq(o.gdb[1], "pty:/tmp/l");
	cr_expect(o.gdb_wait);
}

Test(run_options, wrong, .description = "what is wrong is refused by a line that names it")
{
	static const struct {
		const char *args, *text;
	} cases[] = {
		{ "--guest nosuch", "--guest nosuch: no such guest" },
		{ "--guest", "--guest: needs a value" },
		{ "--cpus 0", "--cpus 0: not a number" },
		{ "--cpus 65", "--cpus 65: not a number from 1 to 64" },
		{ "--cpus -1", "--cpus -1: not a number" },
		{ "--cpus 2x", "--cpus 2x: not a number" },
		{ "--cpus 99999999999999999999", "--cpus 99999999999999999999: not a number" },
		{ "--mem 1", "--mem 1: not a number from 16" },
		{ "--nosuch", "--nosuch: no such option" },
		{ "-x", "-x: no such option" },
		{ "--help=x", "--help=x: " },
		{ "stray", "stray: not an option" },
		{ "--guest demo --kernel k", "only one of them" },
		{ "--gdb-wait", "--gdb-wait: there is no --gdb" },
		{ "--gdb stdio --gdb 0 --gdb stdio,ro", "--gdb stdio: only one of" },
		{ "--gdb 1 --gdb 2 --gdb 3 --gdb 4 --gdb 5 --gdb 6 --gdb 7 --gdb 8 --gdb 9 --gdb 10 "
		  "--gdb 11 --gdb 12 --gdb 13 --gdb 14 --gdb 15 --gdb 16 --gdb 17",
		  "--gdb 17: more than 16" },
	};
	struct options o;
	char err[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		optind = 0; /* start anew, as getopt(3) has it */
		err[0] = '\0';
		cr_expect(parse(cases[i].args, &o, err, sizeof(err)) < 0, "%s", cases[i].args);
		cr_expect(strstr(err, cases[i].text), "%s: \"%s\" has no \"%s\"", cases[i].args,
			  err, cases[i].text);
	}
}

Test(run_options, help, .description = "--help has every option, guest and endpoint kind",
     .init = cr_redirect_stdout)
{
	static const char *const words[] = { "--guest NAME", "--kernel FILE",  "--cpus N",
					     "--mem MIB",    "--gdb SPEC",     "--gdb-wait",
					     "--help",	     "what demo does", "pty",
					     "unix:PATH",    "vsock" };
	char text[8192];
	FILE *f;
	size_t n;

	options_help();
	fflush(stdout);
	f = cr_get_redirected_stdout();
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		cr_expect(strstr(text, words[i]), "no \"%s\"", words[i]);
}
