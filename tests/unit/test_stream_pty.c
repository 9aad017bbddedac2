// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "transport_help.h"

static char path[64];

static void start(void)
{
	snprintf(path, sizeof(path), "%s/vm0", temp_dir());
}

TestSuite(pty, .init = start, .fini = remove_temp_dir);

static int open_slave(const struct vmgdb_endpoint *ep)
{
	int fd = open(vmgdb_endpoint_attach(ep), O_RDWR | O_NOCTTY);

	cr_assert(fd >= 0, "%s: %s", ep->attach, strerror(errno));
	return fd;
}

/* A debugger that has sent bytes, and its stream. */
static struct stream *open_and_send(struct vmgdb_endpoint *ep, int *fd)
{
	struct stream *s;

	*fd = open_slave(ep);
	cr_assert_eq(write(*fd, "+", 1), 1);
	s = accept_one(ep);
	cr_assert_eq(read_soon(s, &(char){ 0 }, 1), 1);
	return s;
}

Test(pty, raw, .description = "raw, without echo, mode 0600, before any debugger opens it")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "pty");
	struct termios t;
	struct stat st;
	int fd = open_slave(ep);

	cr_expect_eq(strncmp(ep->attach, "/dev/pts/", 9), 0);
	cr_expect_str_eq(ep->name, "pty");
	cr_assert_eq(tcgetattr(fd, &t), 0);
	cr_expect_eq(t.c_lflag & (ICANON | ECHO | ISIG), 0);
	cr_expect_eq(t.c_oflag & OPOST, 0);
	cr_assert_eq(fstat(fd, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0600);
	close(fd);
	vmgdb_endpoint_close(ep);
}

Test(pty, exchange,
     .description = "1 MiB of random bytes each way arrives unchanged: nothing is dropped")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "pty");
	int fd;
	struct stream *s = open_and_send(ep, &fd);

	cr_expect_eq(s->traits, STREAM_RELIABLE | STREAM_HANGUP);
	cr_expect_str_eq(s->peer, ep->attach);
	exchange(s, fd);
	s->ops->close(s);
	close(fd);
	vmgdb_endpoint_close(ep);
}

Test(pty, slow_reader,
     .description = "a full pty gives -EAGAIN, and the bytes that it has accepted arrive")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "pty");
	size_t taken = 0, got = 0;
	char buf[1000];
	ssize_t n;
	int fd;
	struct stream *s = open_and_send(ep, &fd);

	memset(buf, 'x', sizeof(buf));
	while ((n = s->ops->write(s, buf, sizeof(buf))) > 0)
		taken += (size_t)n;
	cr_expect_eq(n, -EAGAIN);
	cr_expect_gt(taken, 4096);
	while (got < taken) {
		n = read(fd, buf, sizeof(buf));
		cr_assert(n > 0);
		got += (size_t)n;
	}
	cr_expect_eq(got, taken);
	s->ops->close(s);
	close(fd);
	vmgdb_endpoint_close(ep);
}

Test(pty, leaves_full, .description = "a writer to a full pty sees that the debugger has closed it")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "pty");
	char buf[1000] = "";
	int fd;
	struct stream *s = open_and_send(ep, &fd);

	while (s->ops->write(s, buf, sizeof(buf)) > 0)
		;
	close(fd);
	cr_expect_eq(s->ops->write(s, buf, sizeof(buf)), -EPIPE);
	s->ops->close(s);
	s = open_and_send(ep, &fd);
	s->ops->close(s);
	close(fd);
	vmgdb_endpoint_close(ep);
}

Test(pty, early_bytes,
     .description = "bytes that a debugger sends before it is accepted are not lost")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "pty");
	int fd = open_slave(ep);
	struct stream *s;

	cr_assert_eq(write(fd, "+$?#", 4), 4);
	usleep(20000);
	cr_assert_eq(write(fd, "3f", 2), 2);
	s = accept_one(ep);
	usleep(20000);
	char buf[16];
	cr_expect_eq(read_soon(s, buf, sizeof(buf)), 6);
	cr_expect_eq(memcmp(buf, "+$?#3f", 6), 0);
	s->ops->close(s);
	close(fd);
	vmgdb_endpoint_close(ep);
}

Test(pty, silent,
     .description = "a process that opens the pty and sends nothing is not accepted as a debugger")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "pty");
	struct stream *s;
	int fd;

	close(open_slave(ep));
	cr_expect_eq(accept_within(ep, 100, &s), -EAGAIN);
	s = open_and_send(ep, &fd);
	say_hello(s, fd);
	s->ops->close(s);
	close(fd);
	vmgdb_endpoint_close(ep);
}

Test(pty, no_spin,
     .description = "waiting causes no wakeups, before the first debugger and after it")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "pty");
	struct stream *s;
	int fd;

	cr_expect_leq(wakeups(ep, 300), 3);
	s = open_and_send(ep, &fd);
	cr_expect_eq(ep->pfd.fd, -1, "not polled while the stream lives");
	close(fd);
	expect_gone(s);
	s->ops->close(s);
	cr_expect_leq(wakeups(ep, 300), 4);
	vmgdb_endpoint_close(ep);
}

Test(pty, leave, .description = "50 debuggers one after the other; each hang-up is detected")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "pty");
	int before = count_fds();
	int i;

	for (i = 0; i < 50; i++) {
		int fd;
		struct stream *s = open_and_send(ep, &fd);

		say_hello(s, fd);
		close(fd);
		expect_gone(s);
		s->ops->close(s);
	}
	cr_expect_eq(count_fds(), before);
	vmgdb_endpoint_close(ep);
	cr_expect_eq(count_fds(), before - 3, "master, epoll and inotify");
}

Test(pty, leftovers,
     .description = "the next debugger gets no bytes that were written for the last one")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "pty");
	int fd;
	struct stream *s = open_and_send(ep, &fd);
	char buf[16];

	cr_assert_eq(s->ops->write(s, "$stale#00", 9), 9);
	usleep(20000);
	close(fd);
	expect_gone(s);
	s->ops->close(s);
	cr_expect_eq(accept_within(ep, 50, &s), -EAGAIN);

	s = open_and_send(ep, &fd);
	cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	usleep(20000);
	cr_expect_eq(read(fd, buf, sizeof(buf)), -1);
	s->ops->close(s);
	close(fd);
	vmgdb_endpoint_close(ep);
}

Test(pty, unseen,
     .description = "bytes of a debugger that closed before it was accepted do not reach the next")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "pty");
	int fd = open_slave(ep);
	struct stream *s;

	cr_assert_eq(write(fd, "$stale#00", 9), 9);
	close(fd);
	cr_expect_eq(accept_within(ep, 100, &s), -EAGAIN);
	s = open_and_send(ep, &fd);
	say_hello(s, fd);
	s->ops->close(s);
	close(fd);
	vmgdb_endpoint_close(ep);
}

Test(pty, back_at_once,
     .description = "a debugger that closes and opens the pty between two reads is a new one")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "pty");
	int i;

	for (i = 0; i < 50; i++) {
		int fd;
		struct stream *s = open_and_send(ep, &fd);

		cr_assert_eq(s->ops->write(s, "$stale#00", 9), 9);
		usleep(1000);
		close(fd);
		fd = open_slave(ep);
		cr_assert_eq(write(fd, "+", 1), 1);
		expect_gone(s);
		s->ops->close(s);

		s = accept_one(ep);
		cr_assert_eq(read_soon(s, &(char){ 0 }, 1), 1, "its first byte is there");
		say_hello(s, fd);
		close(fd);
		expect_gone(s);
		s->ops->close(s);
	}
	vmgdb_endpoint_close(ep);
}

Test(pty, final_bytes,
     .description = "bytes that a debugger sends just before it closes are still read")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "pty");
	char buf[16];
	int fd;
	struct stream *s = open_and_send(ep, &fd);

	cr_assert_eq(write(fd, "$k#6b", 5), 5);
	close(fd);
	cr_expect_eq(read_soon(s, buf, sizeof(buf)), 5);
	expect_gone(s);
	s->ops->close(s);
	vmgdb_endpoint_close(ep);
}

Test(pty, stub_closes,
     .description =
	     "when the stub closes the stream its last reply arrives, and the debugger may go on")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "pty");
	char buf[16];
	int fd;
	struct stream *s = open_and_send(ep, &fd);

	cr_assert_eq(s->ops->write(s, "$OK#9a", 6), 6);
	s->ops->close(s);
	cr_expect_eq(accept_within(ep, 100, &s), -EAGAIN, "it has to speak first");
	cr_expect_eq(read(fd, buf, sizeof(buf)), 6);
	cr_assert_eq(write(fd, "+", 1), 1);
	s = accept_one(ep);
	cr_assert_eq(read_soon(s, buf, 1), 1);
	say_hello(s, fd);
	s->ops->close(s);
	close(fd);
	vmgdb_endpoint_close(ep);
}

Test(pty, killed, .description = "a killed debugger is a hang-up")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "pty");
	struct stream *s;
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open_slave(ep);

		if (write(fd, "+", 1) != 1)
			_exit(1);
		pause();
	}
	s = accept_one(ep);
	cr_assert_eq(read_soon(s, &(char){ 0 }, 1), 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	expect_gone(s);
	s->ops->close(s);
	vmgdb_endpoint_close(ep);
}

Test(pty, cooked,
     .description = "the pty is raw again for the next debugger after one that made it cooked")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "pty");
	struct termios t;
	struct stream *s;
	int fd;

	s = open_and_send(ep, &fd);
	tcgetattr(fd, &t);
	t.c_lflag |= ICANON | ECHO;
	tcsetattr(fd, TCSANOW, &t);
	close(fd);
	expect_gone(s);
	s->ops->close(s);
	cr_expect_eq(accept_within(ep, 50, &s), -EAGAIN);
	fd = open_slave(ep);
	tcgetattr(fd, &t);
	cr_expect_eq(t.c_lflag & (ICANON | ECHO), 0);
	close(fd);
	vmgdb_endpoint_close(ep);
}

Test(pty, link, .description = "LINK points to the pty while the endpoint exists")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "pty:%s", path);
	char target[64] = "", name[80];
	struct stream *s;
	int fd;

	snprintf(name, sizeof(name), "pty:%s", path);
	cr_expect_str_eq(ep->name, name);
	cr_expect_str_eq(ep->attach, path);
	cr_expect(readlink(path, target, sizeof(target) - 1) > 0);
	cr_expect_eq(strncmp(target, "/dev/pts/", 9), 0, "%s", target);
	s = open_and_send(ep, &fd);
	say_hello(s, fd);
	s->ops->close(s);
	close(fd);
	vmgdb_endpoint_close(ep);
	cr_expect_eq(readlink(path, target, sizeof(target)), -1);
}

Test(pty, link_stale, .description = "a link to a pty that no longer exists is replaced")
{
	struct vmgdb_endpoint *ep;

	cr_assert_eq(symlink("/dev/pts/999999", path), 0);
	ep = open_endpoint(VMGDB_STUB, "pty:%s", path);
	close(open_slave(ep));
	vmgdb_endpoint_close(ep);
}

Test(pty, shortage, .description = "out of descriptors, no link is left behind")
{
	char spec[80];

	snprintf(spec, sizeof(spec), "pty:%s", path);
	open_short_of_descriptors(spec);
}

Test(pty, link_reused, .description = "a link to the number that this pty got is replaced")
{
	struct vmgdb_endpoint *ep;
	char err[256], spec[160];
	int i;

	snprintf(spec, sizeof(spec), "pty:%s", path);
	/* another process may get the number meanwhile: then the link is in use, and is refused */
	for (i = 0;; i++) {
		ep = open_endpoint(VMGDB_STUB, "pty");
		cr_assert_eq(symlink(ep->attach, path), 0);
		vmgdb_endpoint_close(ep);
		if (vmgdb_endpoint_open(spec, VMGDB_STUB, &ep, err, sizeof(err)) == 0)
			break;
		cr_assert(i < 100 && strstr(err, "which is in use"), "%s", err);
		cr_assert_eq(unlink(path), 0);
	}
	close(open_slave(ep));
	vmgdb_endpoint_close(ep);
}

Test(pty, link_live,
     .description = "a link to another process's live pty is refused and not changed")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "pty:%s", path);
	int before = count_fds();
	const char *err = open_refused(-EEXIST, "pty:%s", path);

	cr_expect(strstr(err, "which is in use"), "%s", err);
	cr_expect_eq(count_fds(), before);
	close(open_slave(ep));
	vmgdb_endpoint_close(ep);
}

static void expect_refused_and_kept(void)
{
	const char *err = open_refused(-EEXIST, "pty:%s", path);
	struct stat st;

	cr_expect(strstr(err, "exists and is not a link to a pty"), "%s", err);
	cr_expect_eq(lstat(path, &st), 0);
}

Test(pty, link_foreign,
     .description = "a file, a folder and a link elsewhere are refused and not changed")
{
	close(open(path, O_CREAT | O_WRONLY, 0644));
	expect_refused_and_kept();
	unlink(path);

	cr_assert_eq(mkdir(path, 0755), 0);
	expect_refused_and_kept();
	rmdir(path);

	cr_assert_eq(symlink("/dev/null", path), 0);
	expect_refused_and_kept();
	unlink(path);

	cr_assert_eq(symlink("/dev/pts/../null", path), 0);
	expect_refused_and_kept();
	unlink(path);
}

Test(pty, link_taken, .description = "a link that was changed meanwhile is not removed at close")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "pty:%s", path);

	unlink(path);
	cr_assert_eq(symlink("/dev/null", path), 0);
	vmgdb_endpoint_close(ep);
	cr_expect_eq(unlink(path), 0);
}

Test(pty, link_no_dir,
     .description = "a link that can't be created is an error, and nothing is left behind")
{
	int before = count_fds();
	const char *err = open_refused(-ENOENT, "pty:/nonexistent/vm0");

	cr_expect(strstr(err, "can't make the link '/nonexistent/vm0': No such file"), "%s", err);
	cr_expect_eq(count_fds(), before);
}
