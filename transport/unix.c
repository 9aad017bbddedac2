/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/socket.h"

bool unix_parse_uid(const char *text, uint32_t *id)
{
	return parse_number(text, UINT32_MAX - 1, id);
}

void unix_address(const char *path, union socket_address *a)
{
	memset(a, 0, sizeof(*a));
	a->un.sun_family = AF_UNIX;
	memcpy(a->un.sun_path, path, strnlen(path, sizeof(a->un.sun_path) - 1));
}

static void unix_name(const union socket_address *a, char *buf, size_t len)
{
	snprintf(buf, len, "unix:%s", a->un.sun_path);
}

static void unix_attach(const union socket_address *a, char *buf, size_t len)
{
	snprintf(buf, len, "%s", a->un.sun_path);
}

static bool uid_allowed(const struct allow_list *allow, uid_t uid)
{
	size_t i;

	if (!allow->given)
		return uid == 0 || uid == geteuid();
	for (i = 0; i < allow->count; i++)
		if (allow->ids[i] == uid)
			return true;
	return allow->any;
}

static bool unix_admit(int fd, const struct allow_list *allow, char *buf, size_t len)
{
	struct ucred cred = { .uid = (uid_t)-1 };
	socklen_t clen = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &clen) < 0) {
		snprintf(buf, len, "a peer without credentials");
		return allow->any;
	}
	snprintf(buf, len, "uid %u pid %d", cred.uid, cred.pid);
	return uid_allowed(allow, cred.uid);
}

const struct socket_family unix_family = {
	.name = unix_name,
	.attach = unix_attach,
	.admit = unix_admit,
};

/*
 * Remove a socket file that no socket is bound to. A datagram socket can't be connected to a stream
 * socket that lives (EPROTOTYPE), so this asks without the listener's ever hearing of it.
 */
static int remove_stale(const union socket_address *a)
{
	struct stat st;
	int fd, err;

	if (lstat(a->un.sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = connect(fd, &a->any, sizeof(a->un)) == 0 ? 0 : errno;
	close(fd);
	if (err != ECONNREFUSED)
		return -EADDRINUSE;
	return unlink(a->un.sun_path) == 0 || errno == ENOENT ? 0 : -errno;
}

/*
 * The mode of the descriptor becomes the file's, less the umask: it is never open to others. Scripts
 * take a socket file for one that is listened on: make it so at once.
 */
static int bind_and_listen(int fd, const union socket_address *a)
{
	if (fchmod(fd, 0600) < 0 || bind(fd, &a->any, sizeof(a->un)) < 0)
		return -errno;
	return listen(fd, SOCKET_BACKLOG) < 0 ? -errno : 0;
}

static int make_socket_file(int fd, const union socket_address *a)
{
	int ret = bind_and_listen(fd, a);

	if (ret != -EADDRINUSE)
		return ret;
	ret = remove_stale(a);
	return ret ? ret : bind_and_listen(fd, a);
}

static int bind_failed(const struct endpoint_spec *s, int err)
{
	switch (err) {
	case -EEXIST: return spec_error(s, err, "'%s' exists and is not a socket", s->name);
	case -EADDRINUSE: return spec_error(s, err, "another process listens on '%s'", s->name);
	default: return spec_failed(s, err, "can't make '%s'", s->name);
	}
}

int unix_listen(const struct endpoint_spec *s, struct vmgdb_endpoint **out)
{
	struct owned_name file = { 0 };
	union socket_address a;
	int fd, ret;

	unix_address(s->name, &a);
	fd = socket_open(AF_UNIX);
	if (fd < 0)
		return spec_failed(s, fd, "can't make a socket");
	ret = make_socket_file(fd, &a);
	if (ret == 0)
		ret = owned_name_take(&file, s->name);
	if (ret) {
		close(fd);
		return bind_failed(s, ret);
	}
	return socket_listen(s, fd, &file, out);
}

int unix_dial(const struct endpoint_spec *s, struct vmgdb_endpoint **out)
{
	union socket_address a;
	struct dialer *d;
	int ret;

	unix_address(s->name, &a);
	ret = socket_dial(s, &unix_family, &a, sizeof(a.un), &d);
	if (ret == 0)
		*out = &d->ep;
	return ret;
}
