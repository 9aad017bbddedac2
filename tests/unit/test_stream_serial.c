// SPDX-License-Identifier: MIT
/* Serial lines: a pty pair serves as the line, and the test is the other end at its master. */
#define _GNU_SOURCE
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "transport_help.h"
#include "transport/parmrk.h"

static char device[64];

static int open_line(void)
{
	int m = posix_openpt(O_RDWR | O_NOCTTY);

	cr_assert(m >= 0 && unlockpt(m) == 0);
	cr_assert_eq(ptsname_r(m, device, sizeof(device)), 0);
	return m;
}

Test(parmrk, plain, .description = "bytes without marks stay as they are, NULs too")
{
	unsigned char buf[] = { 'a', 0, 'b', 0, 0 };
	enum parmrk_state state = PARMRK_DATA;

	cr_expect_eq(parmrk_decode(&state, buf, sizeof(buf)), sizeof(buf));
	cr_expect_arr_eq(buf, ((unsigned char[]){ 'a', 0, 'b', 0, 0 }), sizeof(buf));
}

Test(parmrk, marks, .description = "0377 0377 is 0377, 0377 0 0 is an interrupt, cut anywhere")
{
	static const unsigned char in[] = { 'a', 0xff, 0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0, 'b' };
	static const unsigned char expected[] = { 'a', 0xff, 0x03, 0xff, 0, 0, 'b' };
	size_t cut;

	for (cut = 0; cut <= sizeof(in); cut++) {
		enum parmrk_state state = PARMRK_DATA;
		unsigned char buf[sizeof(in)];
		size_t n;

		memcpy(buf, in, cut);
		n = parmrk_decode(&state, buf, cut);
		memcpy(buf + n, in + cut, sizeof(in) - cut);
		n += parmrk_decode(&state, buf + n, sizeof(in) - cut);
		cr_expect_eq(n, sizeof(expected));
		cr_expect_arr_eq(buf, expected, sizeof(expected));
	}
}

Test(parmrk, framing,
     .description = "a byte marked as damaged is passed on: the checksum detects it")
{
	unsigned char buf[] = { 0xff, 0, 'x', 'y' };
	enum parmrk_state state = PARMRK_DATA;

	cr_expect_eq(parmrk_decode(&state, buf, sizeof(buf)), 2);
	cr_expect_arr_eq(buf, "xy", 2);
}

Test(serial, traits, .description = "a serial line is not reliable and does not show a hang-up")
{
	int m = open_line();
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "serial:%s", device);
	struct stream *s;

	cr_expect_str_eq(ep->attach, "");
	cr_expect_eq(strncmp(ep->name, "serial:/dev/pts/", 16), 0);
	cr_assert_eq(write(m, "+", 1), 1);
	s = accept_one(ep);
	cr_expect_eq(s->traits, 0);
	cr_expect_str_eq(s->peer, device);
	s->ops->close(s);
	vmgdb_endpoint_close(ep);
	close(m);
}

Test(serial, exchange, .description = "1 MiB of random bytes each way, 0377 among them, unchanged")
{
	int m = open_line();
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "serial:%s", device);
	struct stream *s;

	cr_assert_eq(write(m, "\xff", 1), 1);
	s = accept_one(ep);
	unsigned char c = 0;
	cr_expect_eq(read_soon(s, &c, 1), 1);
	cr_expect_eq(c, 0xff);
	exchange(s, m);
	s->ops->close(s);
	vmgdb_endpoint_close(ep);
	close(m);
}

Test(serial, settings,
     .description = "raw, 8N1, BREAK is marked, the speed is set; close restores all settings")
{
	int m = open_line(), fd = open(device, O_RDWR | O_NOCTTY);
	struct termios before, during, after;
	struct vmgdb_endpoint *ep;

	cr_assert_eq(tcgetattr(fd, &before), 0);
	ep = open_endpoint(VMGDB_STUB, "serial:%s,baud=9600,flow=hw", device);
	cr_assert_eq(tcgetattr(fd, &during), 0);
	cr_expect_eq(cfgetospeed(&during), B9600);
	cr_expect_eq(during.c_lflag & (ICANON | ECHO | ISIG), 0);
	cr_expect_eq(during.c_cflag & (CSIZE | PARENB | CSTOPB), CS8);
	cr_expect_eq(during.c_cflag & CRTSCTS, CRTSCTS);
	cr_expect_eq(during.c_iflag & (PARMRK | IGNBRK | BRKINT | INPCK), PARMRK);
	vmgdb_endpoint_close(ep);
	cr_assert_eq(tcgetattr(fd, &after), 0);
	cr_expect_eq(after.c_iflag, before.c_iflag);
	cr_expect_eq(after.c_oflag, before.c_oflag);
	cr_expect_eq(after.c_cflag, before.c_cflag);
	cr_expect_eq(after.c_lflag, before.c_lflag);
	cr_expect_eq(cfgetospeed(&after), cfgetospeed(&before));
	close(fd);
	close(m);
}

Test(serial, exclusive,
     .description = "a line that another process uses is refused, and that process keeps it")
{
	int m = open_line(), excl = 0;
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "serial:%s", device);
	int before = count_fds();
	const char *err = open_refused(-EBUSY, "serial:%s", device);
	int fd = open(device, O_RDWR | O_NOCTTY);

	cr_expect(strstr(err, "is in use by another process"), "%s", err);
	cr_expect_eq(ioctl(fd, TIOCGEXCL, &excl), 0);
	cr_expect_eq(excl, 1);
	close(fd);
	cr_expect_eq(count_fds(), before);
	vmgdb_endpoint_close(ep);
	vmgdb_endpoint_close(open_endpoint(VMGDB_STUB, "serial:%s", device));
	close(m);
}

Test(serial, next_stream,
     .description =
	     "after a stream is closed the next byte begins another; the endpoint does not spin")
{
	int m = open_line(), i;
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "serial:%s", device);
	int before = count_fds();

	cr_expect_leq(wakeups(ep, 200), 2);
	for (i = 0; i < 50; i++) {
		struct stream *s;

		cr_assert_eq(write(m, "+", 1), 1);
		s = accept_one(ep);
		cr_expect_eq(ep->pfd.fd, -1, "not polled while the stream lives");
		cr_assert_eq(read_soon(s, &(char){ 0 }, 1), 1);
		cr_assert_eq(s->ops->write(s, "-", 1), 1);
		cr_assert_eq(read(m, &(char){ 0 }, 1), 1);
		s->ops->close(s);
	}
	cr_expect_eq(count_fds(), before);
	vmgdb_endpoint_close(ep);
	close(m);
}

Test(serial, debugger, .description = "the debugger's side does not wait for bytes of the stub")
{
	int m = open_line();
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_DEBUGGER, "serial:%s", device);
	struct stream *s = accept_one(ep);

	say_hello(s, m);
	s->ops->close(s);
	vmgdb_endpoint_close(ep);
	close(m);
}

Test(serial, unplugged,
     .description = "a device that is unplugged ends the stream, and the endpoint waits for it")
{
	int m = open_line();
	struct vmgdb_endpoint *ep;
	struct stream *s;
	char link[64];

	snprintf(link, sizeof(link), "%s/ttyUSB0", temp_dir());
	cr_assert_eq(symlink(device, link), 0);
	ep = open_endpoint(VMGDB_STUB, "serial:%s", link);
	cr_assert_eq(write(m, "+", 1), 1);
	s = accept_one(ep);
	cr_assert_eq(read_soon(s, &(char){ 0 }, 1), 1);
	unlink(link);
	close(m);
	expect_gone(s);
	s->ops->close(s);
	cr_expect_leq(wakeups(ep, 1500), 4);

	m = open_line();
	cr_assert_eq(symlink(device, link), 0);
	cr_expect_eq(accept_within(ep, 1200, &s), -EAGAIN);
	cr_assert_eq(write(m, "+", 1), 1);
	s = accept_one(ep);
	s->ops->close(s);
	vmgdb_endpoint_close(ep);
	close(m);
	unlink(link);
	remove_temp_dir();
}

Test(serial, pty_gone,
     .description = "the endpoint does not wait for a pty by number that has gone away")
{
	int m = open_line();
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "serial:%s", device);
	struct stream *s;

	close(m);
	cr_expect_eq(accept_within(ep, 1000, &s), -EIO);
	vmgdb_endpoint_close(ep);
}
