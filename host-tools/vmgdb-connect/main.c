/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host-tools/vmgdb-connect/bridge.h"
#include "host-tools/vmgdb-connect/debugger.h"
#include "host-tools/vmgdb-connect/options.h"
#include "host-tools/vmgdb-connect/probe.h"
#include "host-tools/vmgdb-connect/message.h"

static int run_debugger(struct bridge_config c)
{
	struct meeting_place place = { 0 };
	int ret = meeting_place_make(&place);

	if (ret) {
		message("can't make the folder %s: %s", place.dir, strerror(-ret));
		return EXIT_UNREACHABLE;
	}
	c.debugger = place.spec;
	c.serve = true;
	ret = bridge_run(&c);
	meeting_place_remove(&place);
	return ret;
}

static int run_bridge(const struct options *o, struct bridge_config c)
{
	char pty[256];

	if (o->pty) {
		if (snprintf(pty, sizeof(pty), "pty:%s", o->pty) >= (int)sizeof(pty)) {
			message("--pty %.40s...: too long", o->pty);
			return EXIT_USAGE;
		}
		c.debugger = pty;
	} else if (o->listen) {
		c.debugger = o->listen;
	} else {
		c.debugger = isatty(STDIN_FILENO) ? "pty" : "stdio";
	}
	c.serve = strcmp(c.debugger, "stdio") != 0;
	c.verbose = c.verbose || c.serve;
	return bridge_run(&c);
}

int main(int argc, char **argv)
{
	struct bridge_config c;
	struct options o;
	char err[256];

	if (options_parse(&o, argc, argv, err, sizeof(err)) < 0) {
		message("%s", err);
		if (!isatty(STDIN_FILENO))
			message_await_reader();
		return EXIT_USAGE;
	}
	if (o.help) {
		options_help();
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	c = (struct bridge_config){
		.vm = o.vm,
		.vm_role = o.accept ? VMGDB_ACCEPT : VMGDB_DEBUGGER,
		.reconnect = o.reconnect,
		.verbose = o.verbose,
		.command = o.command,
	};
	if (o.probe)
		return probe_run(&c);
	return o.command ? run_debugger(c) : run_bridge(&o, c);
}
