// SPDX-License-Identifier: MIT
/*
 * Preloaded into Bochs, for three of its ways (2.7):
 *
 * It keeps the guest's memory in blocks of 128 KiB, allocated as they are first touched, and reads
 * an image (optramimage) straight into them with no heed to where a block ends; it asks again after
 * a short read.  So a read() gives one block at most.
 *
 * It sends each byte of a serial line by itself, and the second one then waits for the first one's
 * acknowledgement, 40 ms.  So its sockets do not wait.
 *
 * It looks for a key on its terminal once in a millisecond of the guest's time, and waits for one
 * a millisecond of ours: more than half of the time.  So select() on descriptor 0 does not wait.
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

/* what read() is in a program built with -D_FORTIFY_SOURCE */
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
