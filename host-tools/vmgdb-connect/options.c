// SPDX-License-Identifier: MIT
/* The command line: one table, from which parsing and --help come. */
#include "host-tools/vmgdb-connect/options.h"

#include <stdio.h>
#include <string.h>

#include "host-tools/command_line.h"

#define AT(member) offsetof(struct options, member)

static const struct command_option rows[] = {
	{ "listen", "SPEC", "serve debuggers that connect there, one after the other", AT(listen),
	  NULL },
	{ "pty", "LINK", "the same, on a pty that LINK leads to", AT(pty), NULL },
	{ "accept", NULL, "wait for the VM to dial here, instead of dialling it", AT(accept),
	  NULL },
	{ "probe", NULL, "show which stub answers there, and leave", AT(probe), NULL },
	{ "reconnect", NULL, "try again, for as long as it takes, when the VM can't be reached",
	  AT(reconnect), NULL },
	{ "verbose", NULL, "report who connects and leaves", AT(verbose), NULL },
	{ "help", NULL, "this text; also -h", AT(help), NULL },
	{ "version", NULL, "the version of this program", AT(version), NULL },
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

static int check(const struct command_line *c)
{
	const struct options *o = c->options;
	const char *wrong = contradiction(o), *local = o->listen ? o->listen : o->pty;

	if (wrong)
		return command_line_error(c, "%s", wrong);
	wrong = stub_option_in(local);
	if (wrong)
		return command_line_error(c, "%s: option '%s' is for the VMM's side", local, wrong);
	return 0;
}

int options_parse(struct options *o, int argc, char **argv, char *err, size_t errlen)
{
	const struct command_line c = { rows, ROWS, o, err, errlen };
	int first;

	*o = (struct options){ 0 };
	argc = split(o, argc, argv);
	first = command_line_parse(&c, argc, argv);
	if (first < 0)
		return first;
	if (first + 1 < argc)
		return command_line_error(&c,
					  "%s: one VM at a time; a debugger to start follows '--'",
					  argv[first + 1]);
	o->vm = first < argc ? argv[first] : NULL;
	return o->help || o->version ? 0 : check(&c);
}

static bool is_for_stubs(const char *line)
{
	return stub_option(line);
}

void options_help(void)
{
	puts("Usage: vmgdb-connect [OPTION]... VM [-- DEBUGGER [ARG]...]\n"
	     "Bring a debugger to a virtual machine that it can't reach by itself.\n\n"
	     "Options:");
	command_line_help(rows, ROWS);
	puts("\nVM, and the SPEC of --listen:");
	command_line_help_endpoints(is_for_stubs);
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
