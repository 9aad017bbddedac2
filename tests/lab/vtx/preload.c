// SPDX-License-Identifier: MIT
/*
 * Preloaded into Bochs, to work around three properties of it (2.7):
 *
 * Bochs keeps the guest's memory in blocks of 128 KiB, allocated as they are first touched, and
 * reads an image (optramimage) straight into them without regard to where a block ends; it calls
 * read() again after a short read. So a read() here returns one block at most.
 *
 * Bochs sends each byte of a serial line in a packet of its own, and the second packet then waits
 * for the first one's acknowledgement, 40 ms.  So its sockets get TCP_NODELAY.
 *
 * Bochs polls its terminal for a key once in a millisecond of the guest's time, and waits a
 * millisecond of real time for one: more than half of its time. So select() on descriptor 0 does
 * not wait.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 128 * 1024 };

ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);

ssize_t read(int fd, void *buf, size_t len)
{
	return syscall(SYS_read, fd, buf, len < BLOCK ? len : BLOCK);
}

/* -D_FORTIFY_SOURCE makes read() a call of this */
ssize_t __read_chk(int fd, void *buf, size_t len, size_t room)
{
	return read(fd, buf, len < room ? len : room);
}

int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	return (int)syscall(SYS_connect, fd, addr, len);
}

int select(int count, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout)
{
	struct timespec t = { 0 };

	if (timeout && count > 1) {
		t.tv_sec = timeout->tv_sec;
		t.tv_nsec = timeout->tv_usec * 1000;
	}
	return pselect(count, in, out, except, timeout ? &t : NULL, NULL);
}
