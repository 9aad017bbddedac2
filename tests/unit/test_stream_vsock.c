// SPDX-License-Identifier: MIT
/*
 * AF_VSOCK as far as one machine can test it: listening. The labs test connections, because
 * there the kernel and its loopback are known (tests/lab).
 */
#define _GNU_SOURCE
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
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

Test(vsock, in_use,
     .description = "a port that another socket listens on is refused with that reason")
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

Test(vsock, dial_closed, .description = "a dialling endpoint can be closed before it has dialled")
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

/*
 * Guests with CIDs of their own: a connection that the test makes stands for one, and these calls,
 * which replace the C library's in this program, report such a CID.
 */
static uint32_t dialled_by; /* 0: no connection has */

int accept4(int fd, struct sockaddr *a, socklen_t *len, int flags)
{
	int sv[2];

	if (!dialled_by)
		return (int)syscall(SYS_accept4, fd, a, len, flags);
	if (socketpair(AF_UNIX, SOCK_STREAM | flags, 0, sv) < 0)
		return -1;
	close(sv[1]);
	return sv[0];
}

int getpeername(int fd, struct sockaddr *a, socklen_t *len)
{
	const struct sockaddr_vm vm = { .svm_family = AF_VSOCK,
					.svm_cid = dialled_by,
					.svm_port = 5 };

	if (!dialled_by)
		return (int)syscall(SYS_getpeername, fd, a, len);
	memcpy(a, &vm, sizeof(vm));
	*len = sizeof(vm);
	return 0;
}

/* Whether cid may connect; a refusal names it. */
static bool admits(struct vmgdb_endpoint *ep, uint32_t cid)
{
	char expected[64];
	struct stream *s;
	int ret;

	dialled_by = cid;
	ret = ep->ops->accept(ep, &s);
	dialled_by = 0;
	snprintf(expected, sizeof(expected), "cid %u port 5", cid);
	if (ret == 0) {
		cr_expect_str_eq(s->peer, expected);
		cr_expect(s->id.kind == PEER_CID && s->id.id == cid);
		s->ops->close(s);
		return true;
	}
	cr_expect_eq(ret, -EACCES);
	strcat(expected, " is not allowed");
	cr_expect_str_eq(ep->refused, expected);
	return false;
}

Test(vsock, allow,
     .description =
	     "host and local may connect to a VMM, any guest to a debugger that waits for one")
{
	static const uint32_t cids[] = { VMADDR_CID_LOCAL, VMADDR_CID_HOST, 3, 42 };
	static const struct {
		const char *spec;
		enum vmgdb_role role;
		bool may[4];
	} rows[] = {
		{ "vsock::0", VMGDB_STUB, { true, true, false, false } },
		{ "vsock::0", VMGDB_ACCEPT, { true, true, true, true } },
		{ "vsock::0,allow=42", VMGDB_STUB, { false, false, false, true } },
		{ "vsock::0,allow=42", VMGDB_ACCEPT, { false, false, false, true } },
		{ "vsock::0,allow=3+host", VMGDB_ACCEPT, { false, true, true, false } },
		{ "vsock::0,allow=any", VMGDB_STUB, { true, true, true, true } },
	};
	size_t i, j;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vmgdb_endpoint *ep = open_endpoint(rows[i].role, "%s", rows[i].spec);

		for (j = 0; j < sizeof(cids) / sizeof(cids[0]); j++)
			cr_expect_eq(admits(ep, cids[j]), rows[i].may[j], "%s, cid %u",
				     rows[i].spec, cids[j]);
		vmgdb_endpoint_close(ep);
	}
}
