// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host-tools/message.h"
#include "host-tools/vmgdb-connect/await_reader.h"
#include "host-tools/vmgdb-connect/bridge.h"
#include "host-tools/vmgdb-connect/debugger.h"
#include "host-tools/vmgdb-connect/exit_status.h"
#include "host-tools/vmgdb-connect/options.h"
#include "host-tools/vmgdb-connect/probe.h"

const char program_name[] = "vmgdb-connect";

static int run_debugger(struct bridge_config c)
{
	struct debugger_socket socket = { 0 };
	int ret = debugger_socket_make(&socket);

	if (ret) {
		message("can't make the folder %s: %s", socket.dir, strerror(-ret));
		return EXIT_LOCAL;
	}
	c.debugger = socket.spec;
	c.serve = true;
	ret = bridge_run(&c);
	debugger_socket_remove(&socket);
	return ret;
}

static int run_listener(struct bridge_config c, const char *spec)
{
	c.debugger = spec;
	c.serve = strcmp(spec, "stdio") != 0;
	c.verbose = c.verbose || c.serve;
	return bridge_run(&c);
}

static int run_pty(struct bridge_config c, const char *link)
{
	char *spec;
	int ret;

	if (asprintf(&spec, "pty:%s", link) < 0)
		return EXIT_LOCAL;
	ret = run_listener(c, spec);
	free(spec);
	return ret;
}

static int run_bridge(const struct options *o)
{
	struct bridge_config c = {
		.vm = o->vm,
		.vm_role = o->accept ? VMGDB_ACCEPT : VMGDB_DEBUGGER,
		.reconnect = o->reconnect,
		.verbose = o->verbose,
		.command = o->command,
	};

	if (o->command)
		return run_debugger(c);
	if (o->pty)
		return run_pty(c, o->pty);
	if (o->listen)
		return run_listener(c, o->listen);
	return run_listener(c, isatty(STDIN_FILENO) ? "pty" : "stdio");
}

static int run_probe(const struct options *o)
{
	signal(SIGPIPE, SIG_IGN);
	return probe_run(o->vm, o->accept ? VMGDB_ACCEPT : VMGDB_DEBUGGER, o->reconnect);
}

int main(int argc, char **argv)
{
	struct options o = { 0 };
	char err[4096];

	if (options_parse(&o, argc, argv, err, sizeof(err)) < 0) {
		message("%s", err);
		if (!isatty(STDIN_FILENO))
			await_reader();
		return EXIT_USAGE;
	}
	if (o.help || o.version) {
		(o.help ? options_help : options_version)();
		return 0;
	}
	return o.probe ? run_probe(&o) : run_bridge(&o);
}
