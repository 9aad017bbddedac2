// SPDX-License-Identifier: MIT
/* Descriptors that this process was started with, or was handed: fd:N. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/inherited_fd.h"
#include "transport/socket.h"

static bool is_listening(int fd)
{
	return socket_option(fd, SO_ACCEPTCONN) > 0;
}

static const char *misfit_of_socket(int fd)
{
	union socket_address a;
	socklen_t len = sizeof(a);

	if (socket_option(fd, SO_TYPE) != SOCK_STREAM)
		return "a socket that is not of type SOCK_STREAM";
	if (!is_listening(fd) && getpeername(fd, &a.any, &len) < 0)
		return "a socket that neither is connected nor listens";
	return NULL;
}

static const char *misfit_of_device(int fd)
{
	if (!isatty(fd))
		return "a device other than a terminal";
	if ((fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDWR)
		return "a terminal that is not open for reading and writing";
	return NULL;
}

/* What fd is, if that carries no bytes to a peer and back; NULL if it does. */
static const char *misfit(int fd, mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFSOCK: return misfit_of_socket(fd);
	case S_IFCHR: return misfit_of_device(fd);
	case S_IFIFO: return "one end of a pipe";
	case S_IFREG: return "a regular file";
	case S_IFDIR: return "a directory";
	default: return "neither a socket nor a terminal";
	}
}

/* A descriptor that is refused was given by mistake, and stays as it is. */
static int take(const struct endpoint_spec *s, int fd)
{
	const char *what;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return spec_failed(s, -errno, "descriptor %d", fd);
	what = misfit(fd, st.st_mode);
	if (what)
		return spec_error(s, -EINVAL, "descriptor %d is %s", fd, what);
	return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
}

static int open_listening(const struct endpoint_spec *s, int fd, struct vmgdb_endpoint **out)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return spec_failed(s, -errno, "descriptor %d", fd);
	return socket_listen(s, socket_family_of(fd), fd, NULL, out);
}

int fd_open(const struct endpoint_spec *s, struct vmgdb_endpoint **out)
{
	int fd = (int)s->number;
	int ret = take(s, fd);

	if (ret)
		return ret;
	if (is_listening(fd))
		ret = open_listening(s, fd, out);
	else
		ret = inherited_open(s, fd, fd, out);
	if (ret == 0)
		snprintf((*out)->name, sizeof((*out)->name), "fd:%d", fd);
	return ret;
}
