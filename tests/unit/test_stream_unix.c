// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "transport_help.h"

static char path[64];

static void start(void)
{
	snprintf(path, sizeof(path), "%s/d.sock", temp_dir());
}

TestSuite(unix_socket, .init = start, .fini = remove_temp_dir);

Test(unix_socket, mode,
     .description = "the socket file has mode 0600 whatever the umask is, and close removes it")
{
	struct vmgdb_endpoint *ep;
	struct stat st;

	umask(0);
	ep = open_endpoint(VMGDB_STUB, "unix:%s", path);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect(S_ISSOCK(st.st_mode));
	cr_expect_eq(st.st_mode & 07777, 0600);
	cr_expect_str_eq(vmgdb_endpoint_attach(ep), path);
	cr_expect_str_eq(vmgdb_endpoint_name(ep) + strlen("unix:"), path);
	vmgdb_endpoint_close(ep);
	cr_expect_eq(stat(path, &st), -1);
}

static int listened, seen_early;

/* Replaces listen() in this program: records whether the socket file existed before the call. */
int listen(int fd, int backlog)
{
	listened++;
	seen_early += access(path, F_OK) == 0;
	return (int)syscall(SYS_listen, fd, backlog);
}

Test(unix_socket, listens_first,
     .description = "the socket file appears only once the socket listens, and is the only file")
{
	struct vmgdb_endpoint *ep;
	char dir[64];

	snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path), path);
	listened = seen_early = 0;
	ep = open_endpoint(VMGDB_STUB, "unix:%s", path);
	cr_expect_geq(listened, 1);
	/* listen() may be called again on a socket that listens */
	cr_expect_eq(seen_early, listened - 1);
	cr_expect_eq(count_entries(dir), 1);
	open_refused(-EADDRINUSE, "unix:%s", path);
	cr_expect_eq(count_entries(dir), 1, "a refused one leaves nothing");
	vmgdb_endpoint_close(ep);
	cr_expect_eq(count_entries(dir), 0);
}

Test(unix_socket, long_path, .description = "a path of 107 bytes, the longest")
{
	char dir[128], file[200];
	struct vmgdb_endpoint *ep;

	snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path), path);
	snprintf(file, sizeof(file), "%s/%0*d", dir, 107 - (int)strlen(dir) - 1, 0);
	cr_assert_eq(strlen(file), 107);
	ep = open_endpoint(VMGDB_STUB, "unix:%s", file);
	cr_expect_str_eq(ep->attach, file);
	close(dial_unix(file));
	vmgdb_endpoint_close(ep);
	cr_expect_eq(count_entries(dir), 0);
}

Test(unix_socket, exchange, .description = "1 MiB of random bytes each way arrives unchanged")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "unix:%s", path);
	int fd = dial_unix(path);
	struct stream *s = accept_one(ep);
	char peer[64];

	snprintf(peer, sizeof(peer), "uid %u pid %d", geteuid(), getpid());
	cr_expect_str_eq(s->peer, peer);
	cr_expect(s->id.kind == PEER_UID && s->id.id == geteuid());
	cr_expect_eq(s->traits, STREAM_RELIABLE | STREAM_HANGUP);
	exchange(s, fd);
	s->ops->close(s);
	close(fd);
	vmgdb_endpoint_close(ep);
}

Test(unix_socket, leave,
     .description = "50 debuggers one after the other; each disconnect is detected")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "unix:%s", path);
	int before = count_fds();
	int i;

	for (i = 0; i < 50; i++) {
		int fd = dial_unix(path);
		struct stream *s = accept_one(ep);

		say_hello(s, fd);
		close(fd);
		expect_gone(s);
		s->ops->close(s);
	}
	cr_expect_eq(count_fds(), before);
	vmgdb_endpoint_close(ep);
}

Test(unix_socket, stale, .description = "a socket file that no process listens on is replaced")
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct vmgdb_endpoint *ep;
	struct stream *s;

	strcpy(a.sun_path, path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd);
	ep = open_endpoint(VMGDB_STUB, "unix:%s", path);
	fd = dial_unix(path);
	s = accept_one(ep);
	say_hello(s, fd);
	close(fd);
	s->ops->close(s);
	vmgdb_endpoint_close(ep);
}

Test(unix_socket, shortage, .description = "out of descriptors, no socket file is left behind")
{
	char spec[200], log[80];

	snprintf(spec, sizeof(spec), "unix:%s", path);
	open_short_of_descriptors(spec);
	snprintf(log, sizeof(log), "%s/log", temp_dir());
	snprintf(spec, sizeof(spec), "unix:%s,log=%s", path, log);
	open_short_of_descriptors(spec);
	cr_expect_eq(unlink(log), 0);
}

Test(unix_socket, live,
     .description =
	     "a socket that a process listens on is refused, and that process gets no connection")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "unix:%s", path);
	int before = count_fds();
	const char *err = open_refused(-EADDRINUSE, "unix:%s", path);
	struct stream *s;
	int fd;

	cr_expect(strstr(err, "another process listens on '/"), "%s", err);
	cr_expect_eq(count_fds(), before);
	cr_expect_eq(accept_within(ep, 50, &s), -EAGAIN, "nobody came");
	fd = dial_unix(path);
	s = accept_one(ep);
	say_hello(s, fd);
	close(fd);
	s->ops->close(s);
	vmgdb_endpoint_close(ep);
}

Test(unix_socket, not_a_socket, .description = "another type of file is refused and not changed")
{
	int fd = open(path, O_CREAT | O_WRONLY, 0644);
	const char *err;
	struct stat st;

	cr_assert_eq(write(fd, "precious", 8), 8);
	close(fd);
	err = open_refused(-EEXIST, "unix:%s", path);
	cr_expect(strstr(err, "exists and is not a socket"), "%s", err);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_size, 8);
	unlink(path);
}

Test(unix_socket, foreign, .description = "a file that replaced the socket is not removed")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "unix:%s", path);

	unlink(path);
	close(open(path, O_CREAT | O_WRONLY, 0644));
	vmgdb_endpoint_close(ep);
	cr_expect_eq(unlink(path), 0);
}

Test(unix_socket, chdir, .description = "a relative path is removed also after chdir()")
{
	char dir[64], cwd[256];
	struct vmgdb_endpoint *ep;

	snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path), path);
	cr_assert_not_null(getcwd(cwd, sizeof(cwd)));
	cr_assert_eq(chdir(dir), 0);
	ep = open_endpoint(VMGDB_STUB, "unix:d.sock");
	cr_assert_eq(chdir("/"), 0);
	cr_expect_eq(access(path, F_OK), 0);
	vmgdb_endpoint_close(ep);
	cr_expect_eq(access(path, F_OK), -1);
	cr_assert_eq(chdir(cwd), 0);
}

/* Become uid, connect, and wait for the end of the connection. */
static pid_t visit(uid_t uid)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	if (setuid(uid) < 0)
		_exit(2);
	_exit(read(dial_unix(path), &(char){ 0 }, 1) == 0 ? 0 : 1);
}

static int wait_for(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Test(unix_socket, refused,
     .description = "a uid that is not allowed is refused by name and disconnected")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "unix:%s,allow=12345+54321", path);
	int before = count_fds();
	char expected[64];
	struct stream *s;
	pid_t pid;

	pid = visit(geteuid());
	cr_expect_eq(accept_within(ep, 5000, &s), -EACCES);
	snprintf(expected, sizeof(expected), "uid %u pid %d is not allowed", geteuid(), pid);
	cr_expect_str_eq(ep->refused, expected);
	cr_expect_eq(wait_for(pid), 0);
	cr_expect_eq(count_fds(), before);
	vmgdb_endpoint_close(ep);
}

Test(unix_socket, allowed, .description = "allow= admits the uids that it names, and allow=any all")
{
	struct vmgdb_endpoint *ep;
	struct stream *s;
	pid_t pid;

	ep = open_endpoint(VMGDB_STUB, "unix:%s,allow=12345+%u", path, geteuid());
	pid = visit(geteuid());
	s = accept_one(ep);
	s->ops->close(s);
	cr_expect_eq(wait_for(pid), 0);
	vmgdb_endpoint_close(ep);

	ep = open_endpoint(VMGDB_STUB, "unix:%s,allow=12345,allow=any", path);
	pid = visit(geteuid());
	s = accept_one(ep);
	s->ops->close(s);
	cr_expect_eq(wait_for(pid), 0);
	vmgdb_endpoint_close(ep);
}

static void open_to_all(void)
{
	char *slash = strrchr(path, '/');

	chmod(path, 0666);
	*slash = '\0';
	chmod(path, 0755);
	*slash = '/';
}

Test(unix_socket, stranger,
     .description = "by default another user is refused, also with a file mode for all")
{
	struct vmgdb_endpoint *ep;
	struct stream *s;
	pid_t pid;

	if (geteuid() != 0)
		cr_skip_test("only root can become another user");
	ep = open_endpoint(VMGDB_STUB, "unix:%s", path);
	open_to_all();
	pid = visit(12345);
	cr_expect_eq(accept_within(ep, 5000, &s), -EACCES);
	cr_expect_eq(strncmp(ep->refused, "uid 12345 pid ", 14), 0, "%s", ep->refused);
	cr_expect_eq(wait_for(pid), 0);
	vmgdb_endpoint_close(ep);
}

Test(unix_socket, dial,
     .description = "the debugger's side connects, and gets an error that names what is missing")
{
	struct vmgdb_endpoint *d = open_endpoint(VMGDB_DEBUGGER, "unix:%s", path), *ep;
	struct stream *c, *s;

	cr_expect_eq(accept_within(d, 5000, &c), -ENOENT);
	cr_expect(strstr(d->refused, "No such file"), "%s", d->refused);
	ep = open_endpoint(VMGDB_STUB, "unix:%s", path);
	c = accept_one(d);
	s = accept_one(ep);
	exchange(s, c->rfd);
	s->ops->close(s);
	expect_gone(c);
	c->ops->close(c);
	vmgdb_endpoint_close(d);
	vmgdb_endpoint_close(ep);
}

Test(unix_socket, dial_later, .description = "a stub that dials waits until the socket file exists")
{
	struct vmgdb_endpoint *d = open_endpoint(VMGDB_STUB, "unix:%s,dial", path), *ep;
	struct stream *c, *s;

	cr_expect_leq(wakeups(d, 500), 8);
	ep = open_endpoint(VMGDB_ACCEPT, "unix:%s", path);
	c = accept_one(d);
	s = accept_one(ep);
	say_hello(c, s->rfd);
	s->ops->close(s);
	c->ops->close(c);
	vmgdb_endpoint_close(d);
	vmgdb_endpoint_close(ep);
}

Test(unix_socket, full_queue,
     .description = "connecting to a listener whose queue is full is retried")
{
	struct vmgdb_endpoint *d = open_endpoint(VMGDB_DEBUGGER, "unix:%s", path);
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int l = socket(AF_UNIX, SOCK_STREAM, 0), fd;
	struct stream *s;

	strcpy(a.sun_path, path);
	cr_assert_eq(bind(l, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(l, 0), 0);
	fd = dial_unix(path);
	cr_expect_eq(accept_within(d, 300, &s), -EAGAIN);
	close(accept(l, NULL, NULL));
	s = accept_one(d);
	s->ops->close(s);
	vmgdb_endpoint_close(d);
	close(fd);
	close(l);
	unlink(path);
}
