/* SPDX-License-Identifier: MIT */
/*
 * AF_VSOCK as far as one machine shows it: listening. Connections are made in the labs, where the
 * kernel and its loopback are known (tests/lab).
 */
#define _GNU_SOURCE
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/vm_sockets.h>
#include <unistd.h>

#include "transport_help.h"

static void need_vsock(void)
{
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (fd < 0)
		cr_skip_test("this kernel has no AF_VSOCK: %s", strerror(errno));
	close(fd);
}

TestSuite(vsock, .init = need_vsock);

static unsigned int port_of(const struct vmgdb_endpoint *ep)
{
	unsigned int port;

	cr_assert_eq(sscanf(vmgdb_endpoint_name(ep), "vsock:any:%u", &port), 1, "%s", ep->name);
	return port;
}

Test(vsock, listen, .description = "port 0 is replaced; attach is a pipe through vmgdb-connect")
{
	int before = count_fds();
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "vsock:0");
	unsigned int port = port_of(ep), cid, attach_port;
	struct sockaddr_vm a;
	socklen_t len = sizeof(a);
	struct stream *s;

	cr_expect_eq(getsockname(ep->pfd.fd, (struct sockaddr *)&a, &len), 0);
	cr_expect_eq(a.svm_port, port);
	cr_expect_eq(a.svm_cid, VMADDR_CID_ANY);
	cr_expect_eq(sscanf(ep->attach, "| vmgdb-connect vsock:%u:%u", &cid, &attach_port), 2, "%s",
		     ep->attach);
	cr_expect_eq(attach_port, port);
	cr_expect(cid != VMADDR_CID_ANY && cid != 0);
	cr_expect_eq(fcntl(ep->pfd.fd, F_GETFD), FD_CLOEXEC);
	cr_expect_eq(accept_within(ep, 50, &s), -EAGAIN);
	vmgdb_endpoint_close(ep);
	cr_expect_eq(count_fds(), before);
}

Test(vsock, in_use, .description = "a port that somebody listens on is refused, and says so")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "vsock:any:0");
	int before = count_fds();
	const char *err = open_refused(-EADDRINUSE, "vsock:%u", port_of(ep));
	char expected[80];

	snprintf(expected, sizeof(expected), "another process listens on port %u", port_of(ep));
	cr_expect(strstr(err, expected), "%s", err);
	cr_expect_eq(count_fds(), before);
	vmgdb_endpoint_close(ep);
}

Test(vsock, not_ours, .description = "another machine's CID can't be listened on")
{
	const char *err = open_refused(-EADDRNOTAVAIL, "vsock:7777:0");

	cr_expect(strstr(err, "can't listen: Cannot assign requested address"), "%s", err);
}

Test(vsock, dial_closed, .description = "a dialling endpoint can be closed before it dials")
{
	int before = count_fds();
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_DEBUGGER, "vsock:42:1234");

	cr_expect_str_eq(ep->name, "vsock:42:1234");
	vmgdb_endpoint_close(ep);
	ep = open_endpoint(VMGDB_STUB, "vsock:1234,dial");
	cr_expect_str_eq(ep->name, "vsock:2:1234", "a stub calls its host");
	vmgdb_endpoint_close(ep);
	ep = open_endpoint(VMGDB_DEBUGGER, "vsock::1234");
	cr_expect_str_eq(ep->name, "vsock:1:1234");
	vmgdb_endpoint_close(ep);
	cr_expect_eq(count_fds(), before);
}
