/* SPDX-License-Identifier: MIT */
/* The command line: one table, from which parsing and --help come. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host-tools/command_line.h"
#include "host-tools/vmgdb-run/guests.h"
#include "host-tools/vmgdb-run/options.h"
#include "host-tools/vmgdb-run/vm.h"

enum { MEM_DEFAULT = 64, MEM_MIN = 16, MEM_MAX = 1 << 20 };

static int number(const struct command_line *c, const char *option, const char *value, uint64_t min,
		  uint64_t max, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(value, &end, 10);
	if (*value < '0' || *value > '9' || *end || errno || *out < min || *out > max)
		return command_line_error(c, "%s %s: not a number from %" PRIu64 " to %" PRIu64,
					  option, value, min, max);
	return 0;
}

static int set_guest(const struct command_line *c, const char *value)
{
	if (!guest_find(value))
		return command_line_error(c, "--guest %s: no such guest; --help lists them", value);
	((struct options *)c->options)->guest = value;
	return 0;
}

static int set_cpus(const struct command_line *c, const char *value)
{
	struct options *o = c->options;

	return number(c, "--cpus", value, 1, CPUS_MAX, &o->cpus);
}

static int set_mem(const struct command_line *c, const char *value)
{
	struct options *o = c->options;

	return number(c, "--mem", value, MEM_MIN, MEM_MAX, &o->mem_mib);
}

/* Whether a spec is stdio, with options or without. */
static bool is_stdio(const char *spec)
{
	return strncmp(spec, "stdio", 5) == 0 && (spec[5] == ',' || spec[5] == '\0');
}

static int add_gdb(const struct command_line *c, const char *value)
{
	struct options *o = c->options;

	if (o->ngdb == GDB_SPECS_MAX)
		return command_line_error(c, "--gdb %s: more than %d endpoints", value,
					  GDB_SPECS_MAX);
	if (is_stdio(value) && o->stdio)
		return command_line_error(c, "--gdb stdio: only one of the endpoints can be stdio");
	o->stdio |= is_stdio(value);
	o->gdb[o->ngdb++] = value;
	return 0;
}

#define AT(member) offsetof(struct options, member)

static const struct command_option rows[] = {
	{ "guest", "NAME", "run a built-in guest, see below; the default is demo", 0, set_guest },
	{ "kernel", "FILE", "run this file: ELF, or a flat binary", AT(kernel), NULL },
	{ "cpus", "N", "virtual CPUs; the default is 1", 0, set_cpus },
	{ "mem", "MIB", "memory in MiB; the default is 64", 0, set_mem },
	{ "gdb", "SPEC", "a debugger may attach there, see below; may be given several times", 0,
	  add_gdb },
	{ "gdb-wait", NULL, "hold the guest, before its first instruction, for a debugger",
	  AT(gdb_wait), NULL },
	{ "verbose", NULL, "say also when the vCPUs have stopped, and when they run", AT(verbose),
	  NULL },
	{ "help", NULL, "this text; also -h", AT(help), NULL },
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static int check(const struct command_line *c)
{
	const struct options *o = c->options;

	if (o->guest && o->kernel)
		return command_line_error(c, "--guest %s and --kernel %s: only one of them",
					  o->guest, o->kernel);
	if (o->gdb_wait && o->ngdb == 0)
		return command_line_error(
			c, "--gdb-wait: there is no --gdb at which a debugger could attach");
	return 0;
}

int options_parse(struct options *o, int argc, char **argv, char *err, size_t errlen)
{
	const struct command_line c = { rows, ROWS, o, err, errlen };
	int first, ret;

	*o = (struct options){ .cpus = 1, .mem_mib = MEM_DEFAULT };
	first = command_line_parse(&c, argc, argv);
	if (first >= 0 && first < argc)
		return command_line_error(&c, "%s: not an option; see --help", argv[first]);
	ret = first < 0 ? first : o->help ? 0 : check(&c);
	if (!o->guest && !o->kernel)
		o->guest = "demo";
	return ret;
}

static void help_guests(void)
{
	const struct guest *g;

	for (size_t i = 0; (g = guest_get(i)); i++)
		printf("  %-16s %s\n", g->name, g->what);
}

void options_help(void)
{
	puts("Usage: vmgdb-run [--guest NAME | --kernel FILE] [OPTION]...\n"
	     "Run a virtual machine that GDB can debug.\n\n"
	     "Options:");
	command_line_help(rows, ROWS);
	puts("\nGuests (their ELF files lie in guests/ beside vmgdb-run):");
	help_guests();
	puts("\nWhere a debugger can attach, as --gdb SPEC:");
	command_line_help_endpoints(NULL);
	puts("\nExamples:\n"
	     "  vmgdb-run --guest demo --gdb 1234\n"
	     "  vmgdb-run --guest demo --cpus 2 --gdb unix:/tmp/vm.sock --gdb-wait\n"
	     "  vmgdb-run --kernel my.elf --mem 256 --gdb pty:/tmp/vm-tty --gdb tcp:0\n"
	     "For each endpoint a command that starts gdb on it is printed to stderr.\n\n"
	     "The guest's serial console is stdin and stdout (stderr, without input, when stdio is\n"
	     "an endpoint). vmgdb-run's own messages go to stderr. When the console is a terminal, all\n"
	     "keys go to the guest but Ctrl-A: Ctrl-A x ends the VM, Ctrl-A h prints help, Ctrl-A\n"
	     "Ctrl-A sends a Ctrl-A.\n\n"
	     "Exit status: the guest's own; 0 when it resets or powers off, and after Ctrl-A x; 1\n"
	     "when it can't be started or can't go on; 128 + N after signal N; 137 when a\n"
	     "debugger's kill ended it.");
}
