/* SPDX-License-Identifier: MIT */
/* The command line: one table, from which parsing and --help come. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host-tools/vmgdb-run/guests.h"
#include "host-tools/vmgdb-run/options.h"
#include "host-tools/vmgdb-run/vm.h"
#include <vmgdb/endpoint.h>

enum { MEM_DEFAULT = 64, MEM_MIN = 16, MEM_MAX = 1 << 20, OPT_FIRST = 256 };

struct parse {
	struct options *o;
	char *err;
	size_t errlen;
};

static int complain(const struct parse *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int complain(const struct parse *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->err, p->errlen, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int number(const struct parse *p, const char *option, const char *value, uint64_t min,
		  uint64_t max, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(value, &end, 10);
	if (*value < '0' || *value > '9' || *end || errno || *out < min || *out > max)
		return complain(p, "%s %s: not a number from %" PRIu64 " to %" PRIu64, option,
				value, min, max);
	return 0;
}

static int set_guest(const struct parse *p, const char *value)
{
	if (!guest_find(value))
		return complain(p, "--guest %s: no such guest; --help lists them", value);
	p->o->guest = value;
	return 0;
}

static int set_kernel(const struct parse *p, const char *value)
{
	p->o->kernel = value;
	return 0;
}

static int set_cpus(const struct parse *p, const char *value)
{
	uint64_t n;
	int ret = number(p, "--cpus", value, 1, CPUS_MAX, &n);

	p->o->cpus = (unsigned int)n;
	return ret;
}

static int set_mem(const struct parse *p, const char *value)
{
	return number(p, "--mem", value, MEM_MIN, MEM_MAX, &p->o->mem_mib);
}

static int add_gdb(const struct parse *p, const char *value)
{
	if (p->o->ngdb == GDB_SPECS_MAX)
		return complain(p, "--gdb %s: more than %d endpoints", value, GDB_SPECS_MAX);
	p->o->gdb[p->o->ngdb++] = value;
	return 0;
}

static int set_gdb_wait(const struct parse *p, const char *value)
{
	(void)value;
	p->o->gdb_wait = true;
	return 0;
}

static int set_verbose(const struct parse *p, const char *value)
{
	(void)value;
	p->o->verbose = true;
	return 0;
}

static int set_help(const struct parse *p, const char *value)
{
	(void)value;
	p->o->help = true;
	return 0;
}

static const struct row {
	const char *name, *arg, *what;
	int (*set)(const struct parse *p, const char *value);
} rows[] = {
	{ "guest", "NAME", "run a built-in guest, see below; the default is demo", set_guest },
	{ "kernel", "FILE", "run this file: ELF, or a flat binary", set_kernel },
	{ "cpus", "N", "virtual CPUs; the default is 1", set_cpus },
	{ "mem", "MIB", "memory in MiB; the default is 64", set_mem },
	{ "gdb", "SPEC", "a debugger may attach there, see below; may be given several times",
	  add_gdb },
	{ "gdb-wait", NULL, "hold the guest, before its first instruction, for a debugger",
	  set_gdb_wait },
	{ "verbose", NULL, "say also when the vCPUs have stopped, and when they run", set_verbose },
	{ "help", NULL, "this text", set_help },
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static void long_options(struct option *out)
{
	for (int i = 0; i < ROWS; i++)
		out[i] = (struct option){ .name = rows[i].name,
					  .has_arg = rows[i].arg ? required_argument : no_argument,
					  .val = OPT_FIRST + i };
	out[ROWS] = (struct option){ 0 };
}

/* Whether a spec is stdio, with options or without. */
static bool is_stdio(const char *spec)
{
	return strncmp(spec, "stdio", 5) == 0 && (spec[5] == ',' || spec[5] == '\0');
}

static int check(const struct parse *p)
{
	const struct options *o = p->o;
	unsigned int stdios = 0;

	for (unsigned int i = 0; i < o->ngdb; i++)
		stdios += is_stdio(o->gdb[i]);
	if (stdios > 1)
		return complain(p, "--gdb stdio: only one of the endpoints can be stdio");

	if (o->guest && o->kernel)
		return complain(p, "--guest %s and --kernel %s: only one of them", o->guest,
				o->kernel);
	if (o->gdb_wait && o->ngdb == 0)
		return complain(p,
				"--gdb-wait: there is no --gdb at which a debugger could attach");
	return 0;
}

static int parse_one(const struct parse *p, int c, char **argv)
{
	if (c == ':')
		return complain(p, "%s: needs a value; see --help", argv[optind - 1]);
	if (c < OPT_FIRST)
		return complain(p, "%s: no such option; see --help", argv[optind - 1]);
	return rows[c - OPT_FIRST].set(p, optarg);
}

int options_parse(struct options *o, int argc, char **argv, char *err, size_t errlen)
{
	const struct parse p = { o, err, errlen };
	struct option options[ROWS + 1];
	int c, ret = 0;

	*o = (struct options){ .cpus = 1, .mem_mib = MEM_DEFAULT };
	long_options(options);
	opterr = 0;
	while (ret == 0 && (c = getopt_long(argc, argv, "+:", options, NULL)) != -1)
		ret = parse_one(&p, c, argv);
	if (ret == 0 && optind < argc)
		return complain(&p, "%s: not an option; see --help", argv[optind]);
	if (ret == 0 && !o->help)
		ret = check(&p);
	if (!o->guest && !o->kernel)
		o->guest = "demo";
	return ret;
}

static void help_options(void)
{
	char syntax[32];

	for (int i = 0; i < ROWS; i++) {
		snprintf(syntax, sizeof(syntax), "--%s%s%s", rows[i].name, rows[i].arg ? " " : "",
			 rows[i].arg ? rows[i].arg : "");
		printf("  %-16s %s\n", syntax, rows[i].what);
	}
}

static void help_guests(void)
{
	const struct guest *g;

	for (size_t i = 0; (g = guest_get(i)); i++)
		printf("  %-16s %s\n", g->name, g->what);
}

static void help_endpoints(void)
{
	const char *line;

	for (unsigned int i = 0; (line = vmgdb_endpoint_help(i)); i++) {
		int syntax = (int)strcspn(line, "\t");

		printf("  %-38.*s %s\n", syntax, line, line[syntax] ? line + syntax + 1 : "");
	}
}

void options_help(void)
{
	puts("Usage: vmgdb-run [--guest NAME | --kernel FILE] [OPTION]...\n"
	     "Run a virtual machine that GDB can debug.\n\n"
	     "Options:");
	help_options();
	puts("\nGuests (their ELF files lie in guests/ beside vmgdb-run):");
	help_guests();
	puts("\nWhere a debugger can attach, as --gdb SPEC:");
	help_endpoints();
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
