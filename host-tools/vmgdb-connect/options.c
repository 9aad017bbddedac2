// SPDX-License-Identifier: MIT
/* The command line: one table, from which parsing and --help come. */
#include "host-tools/vmgdb-connect/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <vmgdb/endpoint.h>

enum { OPT_FIRST = 256 };

struct row {
	const char *name, *arg, *what;
	size_t offset; /* in struct options: a const char * with an arg, a bool without */
};

#define AT(member) offsetof(struct options, member)

static const struct row rows[] = {
	{ "listen", "SPEC", "serve debuggers that connect there, one after the other", AT(listen) },
	{ "pty", "LINK", "the same, on a pty that LINK leads to", AT(pty) },
	{ "accept", NULL, "wait for the VM to dial here, instead of dialling it", AT(accept) },
	{ "probe", NULL, "show which stub answers there, and leave", AT(probe) },
	{ "reconnect", NULL, "try again, for as long as it takes, when the VM can't be reached",
	  AT(reconnect) },
	{ "verbose", NULL, "report who connects and leaves", AT(verbose) },
	{ "help", NULL, "this text; also -h", AT(help) },
	{ "version", NULL, "the version of this program", AT(version) },
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* Options of endpoints that mean something to a stub alone. */
static const char *const stub_options[] = {
	"wait", "on-disconnect", "takeover", "ro", "ack", "log"
};

/* The option at the start of text, or NULL. */
static const char *stub_option(const char *text)
{
	size_t i;

	for (i = 0; i < sizeof(stub_options) / sizeof(stub_options[0]); i++) {
		size_t len = strlen(stub_options[i]);

		if (strncmp(text, stub_options[i], len) == 0 && strchr("=,\t", text[len]))
			return stub_options[i]; /* strchr finds the NUL as well */
	}
	return NULL;
}

/* The first of them in the spec of an endpoint, or NULL. */
static const char *stub_option_in(const char *spec)
{
	const char *option = NULL, *comma = spec ? strchr(spec, ',') : NULL;

	for (; comma && !option; comma = strchr(comma + 1, ','))
		option = stub_option(comma + 1);
	return option;
}

static void long_options(struct option *out)
{
	int i;

	for (i = 0; i < ROWS; i++)
		out[i] = (struct option){ .name = rows[i].name,
					  .has_arg = rows[i].arg ? required_argument : no_argument,
					  .val = OPT_FIRST + i };
	out[ROWS] = (struct option){ 0 };
}

static void set(struct options *o, const struct row *row, const char *value)
{
	char *member = (char *)o + row->offset;

	if (row->arg)
		memcpy(member, &value, sizeof(value));
	else
		memcpy(member, &(bool){ true }, sizeof(bool));
}

/* What follows "--" is the debugger's command. Returns how many arguments stand before it. */
static int split(struct options *o, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0) {
			o->command = argv + i + 1;
			return i;
		}
	}
	return argc;
}

static const char *contradiction(const struct options *o)
{
	int local = (o->listen != NULL) + (o->pty != NULL) + (o->command != NULL);

	if (!o->vm)
		return "where is the VM? see --help";
	if (o->command && !o->command[0])
		return "no debugger after '--'";
	if (local > 1)
		return "only one of --listen, --pty and '-- DEBUGGER'";
	if (o->probe && local)
		return "--probe goes with none of --listen, --pty and '-- DEBUGGER'";
	return NULL;
}

static int check(const struct options *o, char *err, size_t errlen)
{
	const char *wrong = contradiction(o), *local = o->listen ? o->listen : o->pty;

	if (wrong) {
		snprintf(err, errlen, "%s", wrong);
		return -EINVAL;
	}
	wrong = stub_option_in(local);
	if (wrong) {
		snprintf(err, errlen, "%s: option '%s' is for the VMM's side", local, wrong);
		return -EINVAL;
	}
	return 0;
}

static int parse_all(struct options *o, int argc, char **argv, char *err, size_t errlen)
{
	struct option options[ROWS + 1];
	int c;

	long_options(options);
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == 'h') {
			o->help = true;
			continue;
		}
		if (c < OPT_FIRST) {
			snprintf(err, errlen, "%s: %s; see --help", argv[optind - 1],
				 c == ':' ? "needs a value" : "no such option");
			return -EINVAL;
		}
		set(o, &rows[c - OPT_FIRST], optarg);
	}
	if (optind + 1 < argc) {
		snprintf(err, errlen, "%s: one VM at a time; a debugger to start follows '--'",
			 argv[optind + 1]);
		return -EINVAL;
	}
	o->vm = optind < argc ? argv[optind] : NULL;
	return 0;
}

int options_parse(struct options *o, int argc, char **argv, char *err, size_t errlen)
{
	*o = (struct options){ 0 };
	argc = split(o, argc, argv);
	if (parse_all(o, argc, argv, err, errlen) < 0)
		return -EINVAL;
	return o->help || o->version ? 0 : check(o, err, errlen);
}

static void help_options(void)
{
	char syntax[32];
	int i;

	for (i = 0; i < ROWS; i++) {
		snprintf(syntax, sizeof(syntax), "--%s %s", rows[i].name,
			 rows[i].arg ? rows[i].arg : "");
		printf("  %-16s %s\n", syntax, rows[i].what);
	}
}

static void help_endpoints(void)
{
	const char *line;
	unsigned int i;

	for (i = 0; (line = vmgdb_endpoint_help(i)); i++) {
		int syntax = (int)strcspn(line, "\t");

		if (stub_option(line))
			continue;
		printf("  %-38.*s %s\n", syntax, line, line + syntax + 1);
	}
}

void options_help(void)
{
	puts("Usage: vmgdb-connect [OPTION]... VM [-- DEBUGGER [ARG]...]\n"
	     "Bring a debugger to a virtual machine that it can't reach by itself.\n\n"
	     "Options:");
	help_options();
	puts("\nVM, and the SPEC of --listen:");
	help_endpoints();
	puts("Without a CID, vsock dials the loopback address (local, 1) and listens at any.");
	puts("\nExamples:\n"
	     "  gdb vmlinux -ex 'target remote | vmgdb-connect vsock:42:1234'\n"
	     "  vmgdb-connect --listen tcp:1234 vsock:42:1234\n"
	     "  vmgdb-connect --pty /tmp/vm0 virtio:org.vmgdb.0\n"
	     "  vmgdb-connect uds-vsock:/run/fc.sock:1234 -- gdb vmlinux\n"
	     "  vmgdb-connect --accept vsock::1234\n"
	     "  vmgdb-connect --probe vsock:42:1234\n"
	     "Without --listen, --pty and '--' the debugger is at standard input and output; when\n"
	     "that is a terminal, a pty is made for it, and its name is printed.\n\n"
	     "Exit status: 0 the debugger has left; 1 the command line is wrong; 2 the VM can't be\n"
	     "reached, or has closed the connection; 3 it refused; 4 the socket or pty to wait at can't\n"
	     "be made, or descriptors or memory run short. With '-- DEBUGGER' the debugger's own once it\n"
	     "was started, or 128 + N when signal N ended the wait or the debugger.");
}

void options_version(void)
{
	puts("vmgdb-connect " VMGDB_VERSION);
}
