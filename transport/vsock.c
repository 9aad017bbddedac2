// SPDX-License-Identifier: MIT
/* AF_VSOCK, vsock(7): sockets between a host and its guests. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "transport/socket.h"

static const struct {
	const char *name;
	uint32_t cid;
} cids[] = {
	{ "any", VMADDR_CID_ANY },
	{ "local", VMADDR_CID_LOCAL },
	{ "host", VMADDR_CID_HOST },
};

static bool parse_cid(const char *text, uint32_t *cid)
{
	size_t i;

	for (i = 0; i < sizeof(cids) / sizeof(cids[0]); i++) {
		if (strcmp(text, cids[i].name) == 0) {
			*cid = cids[i].cid;
			return true;
		}
	}
	return parse_number(text, UINT32_MAX - 1, cid);
}

bool vsock_parse_cid(const char *text, uint32_t *id)
{
	return parse_cid(text, id) && *id != VMADDR_CID_ANY;
}

static void vsock_name(const union socket_address *a, char *buf, size_t len)
{
	if (a->vm.svm_cid == VMADDR_CID_ANY)
		snprintf(buf, len, "vsock:any:%u", a->vm.svm_port);
	else
		snprintf(buf, len, "vsock:%u:%u", a->vm.svm_cid, a->vm.svm_port);
}

/* This machine's CID, or the loopback one where it has none yet. */
static uint32_t own_cid(void)
{
	int fd = open("/dev/vsock", O_RDONLY | O_CLOEXEC);
	uint32_t cid = VMADDR_CID_ANY;

	if (fd >= 0) {
		if (ioctl(fd, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid) < 0)
			cid = VMADDR_CID_ANY;
		close(fd);
	}
	return cid == VMADDR_CID_ANY ? VMADDR_CID_LOCAL : cid;
}

static void vsock_attach(const union socket_address *a, char *buf, size_t len)
{
	uint32_t cid = a->vm.svm_cid == VMADDR_CID_ANY ? own_cid() : a->vm.svm_cid;

	snprintf(buf, len, "| vmgdb-connect vsock:%u:%u", cid, a->vm.svm_port);
}

static bool vsock_admit(int fd, const struct allow_list *allow, struct socket_peer *peer)
{
	union socket_address a = { .vm.svm_cid = VMADDR_CID_ANY };
	socklen_t alen = sizeof(a);

	getpeername(fd, &a.any, &alen);
	peer->id = (struct peer_id){ PEER_CID, a.vm.svm_cid };
	snprintf(peer->name, sizeof(peer->name), "cid %u port %u", a.vm.svm_cid, a.vm.svm_port);
	return allow->given ? allow_list_has(allow, a.vm.svm_cid)
			    : a.vm.svm_cid == VMADDR_CID_HOST || a.vm.svm_cid == VMADDR_CID_LOCAL;
}

static const char *vsock_hint(const union socket_address *a, int err)
{
	bool local = a->vm.svm_cid == VMADDR_CID_LOCAL;

	switch (err) {
	case -EAFNOSUPPORT: return "is the module vsock loaded?";
	case -ENODEV:
		return local ? "is the module vsock_loopback loaded?"
			     : "is there a VM with that CID, and vhost_vsock?";
	case -EADDRNOTAVAIL:
		return local ? "is the module vsock_loopback loaded?"
			     : "is there a vsock device, or vhost_vsock?";
	case -ECONNRESET: return "nobody listens on that port";
	case -ETIMEDOUT: return "is there a VM with that CID?";
	case -EACCES: return "ports below 1024 need CAP_NET_BIND_SERVICE";
	default: return NULL;
	}
}

const struct socket_family vsock_family = {
	.name = vsock_name,
	.attach = vsock_attach,
	.admit = vsock_admit,
	.hint = vsock_hint,
};

static int parse_address(const struct endpoint_spec *s, const char *cid, union socket_address *a)
{
	memset(a, 0, sizeof(*a));
	a->vm.svm_family = AF_VSOCK;
	a->vm.svm_port = s->number;
	if (parse_cid(s->name[0] ? s->name : cid, &a->vm.svm_cid))
		return 0;
	return spec_error(s, -EINVAL, "CID '%.40s' is not a number, any, local or host", s->name);
}

static int failed(const struct endpoint_spec *s, const union socket_address *a, int err)
{
	const char *hint = vsock_hint(a, err);
	char buf[64];

	if (err == -EADDRINUSE)
		return spec_error(s, err, "another process listens on port %u", s->number);
	if (!hint)
		return spec_failed(s, err, "can't listen");
	return spec_error(s, err, "can't listen: %s (%s)", strerror_r(-err, buf, sizeof(buf)),
			  hint);
}

/* VMGDB_ACCEPT waits for a stub in some guest to dial; a stub waits for a debugger on its host. */
int vsock_listen(const struct endpoint_spec *spec, struct vmgdb_endpoint **out)
{
	struct endpoint_spec copy = *spec, *s = &copy;
	union socket_address a;
	int fd, ret;

	if (s->role == VMGDB_ACCEPT && !s->allow.given)
		s->allow.given = s->allow.any = true;
	ret = parse_address(s, "any", &a);
	if (ret)
		return ret;
	if (a.vm.svm_port == 0)
		a.vm.svm_port = VMADDR_PORT_ANY;
	fd = socket_open(AF_VSOCK);
	if (fd < 0)
		return failed(s, &a, fd);
	if (bind(fd, &a.any, sizeof(a.vm)) < 0) {
		ret = failed(s, &a, -errno);
		close(fd);
		return ret;
	}
	return socket_listen(s, &vsock_family, fd, NULL, out);
}

/* Without a CID: the debugger of a stub is most often on the stub's host, and a debugger looks for a stub on
 * this machine. */
int vsock_dial(const struct endpoint_spec *s, struct vmgdb_endpoint **out)
{
	union socket_address a;
	int ret;

	ret = parse_address(s, s->role == VMGDB_STUB ? "host" : "local", &a);
	if (ret)
		return ret;
	if (a.vm.svm_cid == VMADDR_CID_ANY)
		return spec_error(s, -EINVAL, "CID 'any' can't be dialled");
	if (s->number == 0)
		return spec_error(s, -EINVAL, "port '0' can't be dialled");
	return socket_dial(s, &vsock_family, &a, sizeof(a.vm), out);
}
