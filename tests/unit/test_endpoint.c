// SPDX-License-Identifier: MIT
/* The endpoint parser: what it takes, what it refuses, and what it says then. */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmgdb/endpoint.h>
#include "transport/parser.h"

/* A spec that parses, and what the transport gets. */
struct good {
	const char *text;
	enum vmgdb_role role;
	const char *kind;
	const char *name;
	uint32_t number;
	bool dial;
};

static const struct good goods[] = {
	{ "1234", VMGDB_STUB, "tcp", "", 1234, false },
	{ "0", VMGDB_STUB, "tcp", "", 0, false },
	{ "65535", VMGDB_DEBUGGER, "tcp", "", 65535, true },
	{ "1234,dial", VMGDB_STUB, "tcp", "", 1234, true },
	{ "tcp:1234", VMGDB_STUB, "tcp", "", 1234, false },
	{ "tcp:10.0.0.1:1", VMGDB_DEBUGGER, "tcp", "10.0.0.1", 1, true },
	{ "tcp:[::1]:1234", VMGDB_STUB, "tcp", "[::1]", 1234, false },
	{ "tcp:localhost:7", VMGDB_STUB, "tcp", "localhost", 7, false },
	{ "vsock:1234", VMGDB_STUB, "vsock", "", 1234, false },
	{ "vsock::1234", VMGDB_ACCEPT, "vsock", "", 1234, false },
	{ "vsock:42:1234", VMGDB_DEBUGGER, "vsock", "42", 1234, true },
	{ "vsock:any:0", VMGDB_STUB, "vsock", "any", 0, false },
	{ "vsock:host:4294967294,dial", VMGDB_STUB, "vsock", "host", 4294967294, true },
	{ "vsock:1234,allow=3+host", VMGDB_STUB, "vsock", "", 1234, false },
	{ "serial:/dev/ttyS0", VMGDB_STUB, "serial", "/dev/ttyS0", 0, false },
	{ "serial:/dev/ttyS0,baud=9600,flow=hw", VMGDB_DEBUGGER, "serial", "/dev/ttyS0", 0, true },
	{ "virtio:org.vmgdb.0", VMGDB_STUB, "virtio", "org.vmgdb.0", 0, false },
	{ "virtio:/dev/vport0p1", VMGDB_DEBUGGER, "virtio", "/dev/vport0p1", 0, true },
	{ "uds-vsock:/run/fc.sock:1234", VMGDB_DEBUGGER, "uds-vsock", "/run/fc.sock", 1234, true },
	{ "uds-vsock:/a:b:1", VMGDB_DEBUGGER, "uds-vsock", "/a:b", 1, true },
	{ "unix:/tmp/d.sock", VMGDB_STUB, "unix", "/tmp/d.sock", 0, false },
	{ "unix:a:b", VMGDB_STUB, "unix", "a:b", 0, false },
	{ "unix:x,dial,wait,ro", VMGDB_STUB, "unix", "x", 0, true },
	{ "pty", VMGDB_STUB, "pty", "", 0, false },
	{ "pty:/tmp/vm0", VMGDB_STUB, "pty", "/tmp/vm0", 0, false },
	{ "fd:3", VMGDB_STUB, "fd", "", 3, false },
	{ "stdio", VMGDB_STUB, "stdio", "", 0, false },
	{ "stdio,on-disconnect=kill", VMGDB_STUB, "stdio", "", 0, false },
};

static void expect_good(const struct good *g)
{
	char err[256] = "";
	struct endpoint_spec s = {
		.text = g->text,
		.role = g->role,
		.dial = g->role == VMGDB_DEBUGGER,
		.err = err,
		.errlen = sizeof(err),
	};

	if (spec_parse(&s) != 0) {
		cr_expect(false, "%s: %s", g->text, err);
		return;
	}
	cr_expect_str_eq(s.kind->kind, g->kind, "%s", g->text);
	cr_expect_str_eq(s.name, g->name, "%s", g->text);
	cr_expect_eq(s.number, g->number, "%s", g->text);
	cr_expect_eq(s.dial, g->dial, "%s", g->text);
}

Test(endpoint, good, .description = "every form of the syntax is parsed into its parts")
{
	size_t i;

	for (i = 0; i < sizeof(goods) / sizeof(goods[0]); i++)
		expect_good(&goods[i]);
}

/* A spec that is refused, and all that is said. */
struct bad {
	const char *text;
	enum vmgdb_role role;
	const char *error;
};

#define KINDS "tcp, vsock, unix, pty, serial, virtio, fd, stdio, uds-vsock"
#define LONG108                                                                                   \
	"123456789012345678901234567890123456789012345678901234567890123456789012345678901234567" \
	"890123456789012345678"

static const struct bad bads[] = {
	{ "", VMGDB_STUB, "unknown kind '' (known: " KINDS ")" },
	{ "tpc:1234", VMGDB_STUB, "unknown kind 'tpc' (known: " KINDS ")" },
	{ ":1234", VMGDB_STUB, "unknown kind '' (known: " KINDS ")" },
	{ ",wait", VMGDB_STUB, "unknown kind '' (known: " KINDS ")" },
	{ "TCP:1234", VMGDB_STUB, "unknown kind 'TCP' (known: " KINDS ")" },
	{ "12x4", VMGDB_STUB, "port '12x4' is not a number from 0 to 65535" },
	{ "65536", VMGDB_STUB, "port '65536' is not a number from 0 to 65535" },
	{ "tcp", VMGDB_STUB, "no port (tcp:[HOST:]PORT)" },
	{ "pty,takeover", VMGDB_STUB, "option 'takeover' does not fit 'pty'" },
	{ "tcp:1,takeover", VMGDB_DEBUGGER, "option 'takeover' is for the VMM's side" },
	{ "tcp:1,takeover=x", VMGDB_STUB, "option 'takeover' takes no value" },
	{ "tcp:", VMGDB_STUB, "port '' is not a number from 0 to 65535" },
	{ "tcp:99999", VMGDB_STUB, "port '99999' is not a number from 0 to 65535" },
	{ "tcp:18446744073709551617", VMGDB_STUB,
	  "port '18446744073709551617' is not a number from 0 to 65535" },
	{ "tcp:-1", VMGDB_STUB, "port '-1' is not a number from 0 to 65535" },
	{ "tcp:+1", VMGDB_STUB, "port '+1' is not a number from 0 to 65535" },
	{ "tcp: 1", VMGDB_STUB, "port ' 1' is not a number from 0 to 65535" },
	{ "tcp::1234", VMGDB_STUB, "the host is empty" },
	{ "tcp:host:", VMGDB_STUB, "port '' is not a number from 0 to 65535" },
	{ "tcp:::1:1234", VMGDB_STUB, "host '::1' is not an address ([::1] in brackets)" },
	{ "tcp:[::1:1234", VMGDB_STUB, "host '[::1' is not an address ([::1] in brackets)" },
	{ "tcp:[]:1234", VMGDB_STUB, "host '[]' is not an address ([::1] in brackets)" },
	{ "tcp:[:1234", VMGDB_STUB, "host '[' is not an address ([::1] in brackets)" },
	{ "tcp:[zz]:1234", VMGDB_STUB, "host '[zz]' is not an address ([::1] in brackets)" },
	{ "tcp:0", VMGDB_DEBUGGER, "port '0' can't be dialled" },
	{ "tcp:0,dial", VMGDB_STUB, "port '0' can't be dialled" },
	{ "unix", VMGDB_STUB, "no path (unix:PATH)" },
	{ "unix:", VMGDB_STUB, "the path is empty" },
	{ "uds-vsock:" LONG108 ":1", VMGDB_DEBUGGER,
	  "the path '1234567890123456789012345678901234567890...' is longer than 107 bytes" },
	{ "unix:" LONG108, VMGDB_STUB,
	  "the path '1234567890123456789012345678901234567890...' is longer than 107 bytes" },
	{ "pty:", VMGDB_STUB, "the link is empty" },
	{ "pty", VMGDB_DEBUGGER, "'pty' can't be dialled" },
	{ "pty,dial", VMGDB_STUB, "option 'dial' does not fit 'pty'" },
	{ "fd", VMGDB_STUB, "no descriptor (fd:N)" },
	{ "fd:x", VMGDB_STUB, "descriptor 'x' is not a number from 0 to 2147483647" },
	{ "fd:1000", VMGDB_STUB, "descriptor 1000: Bad file descriptor" },
	{ "vsock", VMGDB_STUB, "no port (vsock:[CID:]PORT)" },
	{ "vsock:x:1", VMGDB_STUB, "CID 'x' is not a number, any, local or host" },
	{ "vsock:4294967295:1", VMGDB_STUB,
	  "CID '4294967295' is not a number, any, local or host" },
	{ "vsock:12345678901:1", VMGDB_STUB, "the CID '12345678901...' is longer than 10 bytes" },
	{ "vsock:4294967295", VMGDB_STUB,
	  "port '4294967295' is not a number from 0 to 4294967294" },
	{ "vsock:any:1", VMGDB_DEBUGGER, "CID 'any' can't be dialled" },
	{ "vsock:0", VMGDB_DEBUGGER, "port '0' can't be dialled" },
	{ "vsock:1,allow=joe", VMGDB_STUB,
	  "option 'allow': 'joe' is not an id of a peer, nor 'any'" },
	{ "serial", VMGDB_STUB, "no device (serial:DEVICE)" },
	{ "serial:", VMGDB_STUB, "the device is empty" },
	{ "serial:/dev/null", VMGDB_STUB, "'/dev/null' is not a serial line" },
	{ "serial:/nonexistent", VMGDB_STUB,
	  "can't open '/nonexistent': No such file or directory" },
	{ "serial:/dev/null,baud=12345", VMGDB_STUB, "option 'baud': 12345 is no usual speed" },
	{ "serial:/dev/null,baud=fast", VMGDB_STUB,
	  "option 'baud': 'fast' is not a speed in bits a second" },
	{ "serial:/dev/null,baud=0", VMGDB_STUB,
	  "option 'baud': '0' is not a speed in bits a second" },
	{ "serial:/dev/null,flow=xonxoff", VMGDB_STUB,
	  "option 'flow': 'xonxoff' is not none or hw" },
	{ "virtio", VMGDB_STUB, "no port name (virtio:NAME)" },
	{ "virtio:", VMGDB_STUB, "the port name is empty" },
	{ "virtio:/dev/nonexistent", VMGDB_STUB,
	  "can't open '/dev/nonexistent': No such file or directory" },
	{ "uds-vsock:/a", VMGDB_DEBUGGER, "no port after '/a' (uds-vsock:PATH:PORT)" },
	{ "uds-vsock::1", VMGDB_DEBUGGER, "the path is empty" },
	{ "uds-vsock:/a:x", VMGDB_DEBUGGER, "port 'x' is not a number from 0 to 4294967294" },
	{ "uds-vsock:/a:1", VMGDB_ACCEPT,
	  "'uds-vsock' can only be dialled, by the debugger's side" },
	{ "uds-vsock:/a:1", VMGDB_STUB, "'uds-vsock' can only be dialled, by the debugger's side" },
	{ "uds-vsock:/a:1,dial", VMGDB_STUB, "option 'dial' does not fit 'uds-vsock'" },
	{ "stdio:0", VMGDB_STUB, "'stdio' takes nothing after a colon" },
	{ "stdio:", VMGDB_STUB, "'stdio' takes nothing after a colon" },
	{ "0,frobnicate", VMGDB_STUB, "unknown option 'frobnicate'" },
	{ "0,", VMGDB_STUB, "unknown option ''" },
	{ "0,wait,,ro", VMGDB_STUB, "unknown option ''" },
	{ "0,wait=1", VMGDB_STUB, "option 'wait' takes no value" },
	{ "0,log", VMGDB_STUB, "option 'log': no file after '='" },
	{ "0,log=", VMGDB_STUB, "option 'log': no file after '='" },
	{ "0,on-disconnect=explode", VMGDB_STUB,
	  "option 'on-disconnect': 'explode' is not resume, stay or kill" },
	{ "0,baud=9600", VMGDB_STUB, "option 'baud' does not fit 'tcp'" },
	{ "0,allow=0", VMGDB_STUB, "option 'allow' does not fit 'tcp'" },
	{ "0,ro", VMGDB_DEBUGGER, "option 'ro' is for the VMM's side" },
	{ "0,dial", VMGDB_ACCEPT, "option 'dial': this side waits to be dialled" },
	{ "unix:x,allow=root", VMGDB_STUB,
	  "option 'allow': 'root' is not an id of a peer, nor 'any'" },
	{ "unix:x,allow=1++2", VMGDB_STUB, "option 'allow': '' is not an id of a peer, nor 'any'" },
	{ "unix:x,allow=1+2+3+4+5+6+7+8+9+10+11+12+13+14+15+16+17", VMGDB_STUB,
	  "option 'allow': more than 16 ids" },
	{ "unix:/nonexistent/d", VMGDB_STUB,
	  "can't make '/nonexistent/d': No such file or directory" },
};

static void expect_bad(const struct bad *b)
{
	struct vmgdb_endpoint *ep = (void *)1;
	bool cut = strlen(b->text) > 100;
	char err[256], expected[256];

	cr_expect_neq(vmgdb_endpoint_open(b->text, b->role, &ep, err, sizeof(err)), 0, "%s",
		      b->text);
	cr_expect_null(ep);
	snprintf(expected, sizeof(expected), "endpoint '%.*s%s': %s", cut ? 97 : 100, b->text,
		 cut ? "..." : "", b->error);
	cr_expect_str_eq(err, expected);
}

Test(endpoint, bad, .description = "a bad spec is refused with a line that names the part at fault")
{
	size_t i;

	for (i = 0; i < sizeof(bads) / sizeof(bads[0]); i++)
		expect_bad(&bads[i]);
}

Test(endpoint, short_buffer, .description = "an error text is cut to the caller's room")
{
	struct vmgdb_endpoint *ep;
	char err[16];

	memset(err, '#', sizeof(err));
	cr_expect_eq(vmgdb_endpoint_open("fd:1000", VMGDB_STUB, &ep, err, 10), -EBADF);
	cr_expect_str_eq(err, "endpoint ");
	cr_expect_eq(err[10], '#');
	cr_expect_eq(vmgdb_endpoint_open("x", VMGDB_STUB, &ep, err, 0), -EINVAL);
	cr_expect_str_eq(err, "endpoint ");
}

Test(endpoint, longest_error, .description = "the longest spec still leaves room for the reason")
{
	char spec[8192], err[256];
	struct vmgdb_endpoint *ep;

	memset(spec, 'x', sizeof(spec));
	spec[sizeof(spec) - 1] = '\0';
	cr_expect_eq(vmgdb_endpoint_open(spec, VMGDB_STUB, &ep, err, sizeof(err)), -EINVAL);
	cr_expect(strstr(err, "uds-vsock)"), "%s", err);
}

Test(endpoint, policy, .description = "the session's options arrive in the endpoint's policy")
{
	struct vmgdb_endpoint *ep;
	char err[256];

	cr_assert_eq(vmgdb_endpoint_open("0,wait,ro,ack,takeover,on-disconnect=stay,log=/a,"
					 "log=/dev/null",
					 VMGDB_STUB, &ep, err, sizeof(err)),
		     0, "%s", err);
	cr_expect(ep->policy.wait && ep->policy.ro && ep->policy.ack && ep->policy.takeover);
	cr_expect_eq(ep->policy.on_disconnect, DISCONNECT_STAY);
	cr_expect_str_eq(ep->policy.log, "/dev/null");
	cr_expect_eq(fcntl(ep->policy.log_fd, F_GETFL) & (O_ACCMODE | O_APPEND),
		     O_WRONLY | O_APPEND);
	cr_expect_eq(fcntl(ep->policy.log_fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	vmgdb_endpoint_close(ep);

	cr_assert_eq(vmgdb_endpoint_open("0", VMGDB_STUB, &ep, err, sizeof(err)), 0);
	cr_expect(!ep->policy.wait && !ep->policy.ro && !ep->policy.ack && !ep->policy.log);
	cr_expect(!ep->policy.takeover && ep->policy.log_fd < 0);
	cr_expect_eq(ep->policy.on_disconnect, DISCONNECT_RESUME);
	vmgdb_endpoint_close(ep);
}

Test(endpoint, log, .description = "a transcript that can't be opened is an error of the spec")
{
	struct vmgdb_endpoint *ep;
	char err[256];

	cr_expect_eq(vmgdb_endpoint_open("0,log=/nonexistent/x", VMGDB_STUB, &ep, err, sizeof(err)),
		     -ENOENT);
	cr_expect_str_eq(err, "endpoint '0,log=/nonexistent/x': option 'log': can't open "
			      "'/nonexistent/x': No such file or directory");
	cr_expect_null(ep);
}

Test(endpoint, takeover, .description = "who may take the VM over from whom")
{
	const uint32_t own = geteuid();
	const struct {
		struct peer_id new, attached;
		bool may;
	} rows[] = {
		{ { PEER_UID, 1234 }, { PEER_UID, 1234 }, true },
		{ { PEER_UID, 1234 }, { PEER_UID, 1235 }, false },
		{ { PEER_UID, 0 }, { PEER_UID, 1234 }, true },
		{ { PEER_UID, own + 1 }, { PEER_UID, own }, false },
		{ { PEER_UID, own }, { PEER_TCP, 0 }, true },
		{ { PEER_UID, own + 1 }, { PEER_TCP, 0 }, false },
		{ { PEER_UID, own + 1 }, { PEER_UNKNOWN, own + 1 }, false },
		{ { PEER_CID, 3 }, { PEER_CID, 3 }, true },
		{ { PEER_CID, 3 }, { PEER_CID, 4 }, false },
		{ { PEER_CID, 3 }, { PEER_UID, 3 }, false },
		{ { PEER_TCP_LOOPBACK, 0 }, { PEER_TCP_LOOPBACK, 0 }, true },
		{ { PEER_TCP_LOOPBACK, 0 }, { PEER_TCP, 0 }, true },
		{ { PEER_TCP_LOOPBACK, 0 }, { PEER_UNKNOWN, 0 }, true },
		{ { PEER_TCP_LOOPBACK, 0 }, { PEER_UID, own }, false },
		{ { PEER_TCP, 0 }, { PEER_TCP, 0 }, false },
		{ { PEER_UNKNOWN, 0 }, { PEER_UNKNOWN, 0 }, false },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(peer_may_take_over(&rows[i].new, &rows[i].attached), rows[i].may,
			     "row %zu", i);
}

Test(endpoint, stdio_policy,
     .description =
	     "a VM that its debugger has started ends with it, unless the spec says otherwise")
{
	static const struct {
		const char *spec;
		enum disconnect_policy policy;
	} rows[] = {
		{ "stdio", DISCONNECT_KILL },
		{ "stdio,on-disconnect=resume", DISCONNECT_RESUME },
		{ "stdio,on-disconnect=stay,ro", DISCONNECT_STAY },
	};
	struct vmgdb_endpoint *ep;
	char err[256];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_assert_eq(vmgdb_endpoint_open(rows[i].spec, VMGDB_STUB, &ep, err, sizeof(err)),
			     0, "%s", err);
		cr_expect_eq(ep->policy.on_disconnect, rows[i].policy, "%s", rows[i].spec);
		vmgdb_endpoint_close(ep);
	}
}

Test(endpoint, help, .description = "each kind and option has one line of help, SYNTAX tab TEXT")
{
	unsigned int i, kinds = 0, options = 0;
	const char *line;

	for (i = 0; (line = vmgdb_endpoint_help(i)); i++) {
		const char *tab = strchr(line, '\t');

		cr_assert(tab && tab > line && tab[1], "%s", line);
		cr_expect_null(strchr(line, '\n'));
		cr_expect_null(strchr(tab + 1, '\t'));
		if (transports[kinds].kind)
			cr_expect_eq(strncmp(line, transports[kinds].kind,
					     strlen(transports[kinds].kind)),
				     0);
		else
			options++;
		kinds += transports[kinds].kind != NULL;
	}
	cr_expect_eq(options, 10);
	cr_expect_null(vmgdb_endpoint_help(i + 1));
}

Test(endpoint, close_null, .description = "closing no endpoint does nothing")
{
	vmgdb_endpoint_close(NULL);
}
