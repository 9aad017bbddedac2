// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/socket.h"

enum { TRIES = 16 }; /* names for a socket that does not listen yet */

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

static bool unix_admit(int fd, const struct allow_list *allow, struct socket_peer *peer)
{
	struct ucred cred = { .uid = (uid_t)-1 };
	socklen_t clen = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &clen) < 0) {
		peer->id = (struct peer_id){ PEER_UNKNOWN, 0 };
		snprintf(peer->name, sizeof(peer->name), "a peer without credentials");
		return allow->any;
	}
	peer->id = (struct peer_id){ PEER_UID, cred.uid };
	snprintf(peer->name, sizeof(peer->name), "uid %u pid %d", cred.uid, cred.pid);
	return allow->given ? allow_list_has(allow, cred.uid)
			    : cred.uid == 0 || cred.uid == geteuid();
}

const struct socket_family unix_family = {
	.name = unix_name,
	.attach = unix_attach,
	.admit = unix_admit,
};

/*
 * Remove a socket file that no socket is bound to. A datagram socket can't be connected to a stream
 * socket that lives (EPROTOTYPE), so the listener does not notice.
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

/* "DIR/.BASE.XXXXX" for DIR/BASE, cut so that it fits: the try-th that this process may use. */
static int temporary_name(const char *path, unsigned int try, union socket_address *a)
{
	enum { EXTRA = 7, ROOM = sizeof(a->un.sun_path) - 1 };
	const char *slash = strrchr(path, '/');
	int dir = slash ? (int)(slash + 1 - path) : 0;
	int room = ROOM - EXTRA - dir;

	if (room < 0)
		return -ENAMETOOLONG;
	unix_address("", a);
	snprintf(a->un.sun_path, sizeof(a->un.sun_path), "%.*s.%.*s.%05x", dir, path, room,
		 path + dir, ((unsigned int)getpid() * TRIES + try) & 0xfffff);
	return 0;
}

/* The mode of the descriptor becomes the file's, less the umask: it is never open to others. */
static int bind_temporary(int fd, const char *path, union socket_address *a)
{
	unsigned int try;
	int ret = fchmod(fd, 0600) < 0 ? -errno : -EADDRINUSE;

	for (try = 0; ret == -EADDRINUSE && try < TRIES; try++) {
		ret = temporary_name(path, try, a);
		if (ret == 0)
			ret = bind(fd, &a->any, sizeof(a->un)) < 0 ? -errno : 0;
	}
	return ret;
}

/* Give the file from its name to, which must be free: -EEXIST. Not all file systems can rename so. */
static int rename_new(const char *from, const char *to)
{
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (link(from, to) < 0)
		return -errno;
	unlink(from);
	return 0;
}

static int publish(const union socket_address *temporary, const union socket_address *a)
{
	int ret = rename_new(temporary->un.sun_path, a->un.sun_path);

	if (ret != -EEXIST)
		return ret;
	ret = remove_stale(a);
	return ret ? ret : rename_new(temporary->un.sun_path, a->un.sun_path);
}

/*
 * Clients take a socket file for one that is listened on. So the socket gets another name until it
 * listens, and then its own.
 */
static int make_socket_file(int fd, const union socket_address *a)
{
	union socket_address temporary;
	int ret = bind_temporary(fd, a->un.sun_path, &temporary);

	if (ret)
		return ret;
	ret = listen(fd, SOMAXCONN) < 0 ? -errno : publish(&temporary, a);
	if (ret)
		unlink(temporary.un.sun_path);
	return ret;
}

static int bind_failed(const struct endpoint_spec *s, int err)
{
	switch (err) {
	case -EEXIST: return spec_error(s, err, "'%s' exists and is not a socket", s->name);
	case -EADDRINUSE: return spec_error(s, err, "another process listens on '%s'", s->name);
	default: return spec_failed(s, err, "can't make '%s'", s->name);
	}
}

/* The kernel goes on calling the socket by its temporary name. */
static void name_listener(struct vmgdb_endpoint *ep, const union socket_address *a)
{
	unix_name(a, ep->name, sizeof(ep->name));
	unix_attach(a, ep->attach, sizeof(ep->attach));
}

int unix_listen(const struct endpoint_spec *s, struct vmgdb_endpoint **out)
{
	struct owned_path file = { 0 };
	union socket_address a;
	int fd, ret;

	unix_address(s->name, &a);
	fd = socket_open(AF_UNIX);
	if (fd < 0)
		return spec_failed(s, fd, "can't make a socket");
	ret = make_socket_file(fd, &a);
	if (ret == 0)
		ret = owned_path_take(&file, s->name);
	if (ret) {
		close(fd);
		return bind_failed(s, ret);
	}
	ret = socket_listen(s, &unix_family, fd, &file, out);
	if (ret == 0)
		name_listener(*out, &a);
	return ret;
}

int unix_dial(const struct endpoint_spec *s, struct vmgdb_endpoint **out)
{
	union socket_address a;

	unix_address(s->name, &a);
	return socket_dial(s, &unix_family, &a, sizeof(a.un), out);
}
