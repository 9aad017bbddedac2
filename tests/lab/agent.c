// SPDX-License-Identifier: MIT
/*
 * What runs as process 1 in a lab host: starts the commands that the control channel carries, and
 * sends back what they print and their exit status. channel.py is the other end.
 *
 *	agent DEVICE
 *
 * DEVICE is a virtio-serial port or a serial line.  It carries frames, little-endian:
 *
 *	mark a5 4c, type u8, spare u8, job u16, seq u16, len u16, len bytes, crc u16
 *
 * crc is CRC-16/XMODEM over all before it.  A serial line into a busy host loses bytes,
 * so frames to the agent are numbered, acknowledged and retransmitted; the way out loses nothing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum {
	MARK0 = 0xa5,
	MARK1 = 0x4c,
	HEAD = 10,
	PAYLOAD = 2048,
	FRAME = HEAD + PAYLOAD + 2,
	JOBS = 64,
};

enum frame_type {
	START = 1,  /* in: 'p' on a pty, 'i' with INPUT to come or '-', then what sh -c runs */
	INPUT = 2,  /* in: bytes for its standard input; none: end of file */
	KILL = 3,   /* in: signal u8, for its process group */
	RESIZE = 4, /* in: rows u16, columns u16 of its pty */
	ACK = 16,   /* out: seq is the last frame taken */
	HELLO = 17, /* out: the agent is up */
	OUT = 18,   /* out: from standard output */
	ERR = 19,   /* out: from standard error */
	EXIT = 20,  /* out: exit status u8, signal u8 */
};

struct job {
	bool used;
	uint16_t id;
	pid_t pid;
	int in, out, err; /* -1: closed; of a pty in is a duplicate of out */
	bool eof;	  /* close in once input is written */
	uint8_t *input;
	size_t input_len;
};

struct agent {
	int ctl;
	uint16_t seq; /* the last frame taken */
	uint8_t rx[FRAME];
	size_t rx_len;
	struct job jobs[JOBS];
};

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = v & 0xff;
	p[1] = v >> 8;
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint16_t crc16(const uint8_t *p, size_t len)
{
	uint16_t crc = 0;

	while (len--) {
		crc ^= (uint16_t)(*p++ << 8);
		for (int bit = 0; bit < 8; bit++)
			crc = (uint16_t)(crc << 1 ^ (crc & 0x8000 ? 0x1021 : 0));
	}
	return crc;
}

static void write_all(int fd, const uint8_t *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return;
		if (n < 0)
			poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, 100);
		else
			p += n, len -= (size_t)n;
	}
}

static void send_frame(struct agent *a, enum frame_type type, uint16_t job, const void *data,
		       size_t len)
{
	uint8_t f[FRAME] = { MARK0, MARK1, (uint8_t)type };

	put16(f + 4, job);
	put16(f + 6, a->seq);
	put16(f + 8, (uint16_t)len);
	if (len)
		memcpy(f + HEAD, data, len);
	put16(f + HEAD + len, crc16(f, HEAD + len));
	write_all(a->ctl, f, HEAD + len + 2);
}

static struct job *find_job(struct agent *a, uint16_t id)
{
	for (struct job *j = a->jobs; j < a->jobs + JOBS; j++)
		if (j->used && j->id == id)
			return j;
	return NULL;
}

static struct job *new_job(struct agent *a, uint16_t id)
{
	for (struct job *j = a->jobs; j < a->jobs + JOBS; j++)
		if (!j->used) {
			*j = (struct job){ .used = true, .id = id, .in = -1, .out = -1, .err = -1 };
			return j;
		}
	return NULL;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void exec_command(const char *command)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

static int start_on_pty(struct job *j, const char *command)
{
	j->pid = forkpty(&j->out, NULL, NULL, NULL);
	if (j->pid < 0)
		return -errno;
	if (!j->pid)
		exec_command(command);
	j->in = fcntl(j->out, F_DUPFD_CLOEXEC, 0);
	return 0;
}

static int start_on_pipes(struct job *j, const char *command, bool input)
{
	int in[2], out[2], err[2];

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		return -errno;
	j->pid = fork();
	if (!j->pid) {
		setsid();
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(err[1], 2);
		exec_command(command);
	}
	close(in[0]);
	close(out[1]);
	close(err[1]);
	j->in = in[1];
	j->out = out[0];
	j->err = err[0];
	j->eof = !input;
	return j->pid < 0 ? -errno : 0;
}

static void send_exit(struct agent *a, uint16_t id, int code, int signal)
{
	send_frame(a, EXIT, id, (uint8_t[]){ (uint8_t)code, (uint8_t)signal }, 2);
}

static void start_job(struct agent *a, uint16_t id, const uint8_t *p, size_t len)
{
	struct job *j = new_job(a, id);
	char command[PAYLOAD];
	int err;

	if (!j || !len) {
		send_exit(a, id, 126, 0);
		return;
	}
	memcpy(command, p + 1, len - 1);
	command[len - 1] = 0;
	err = p[0] == 'p' ? start_on_pty(j, command) : start_on_pipes(j, command, p[0] == 'i');
	if (err) {
		send_exit(a, id, 126, 0);
		j->used = false;
		return;
	}
	fcntl(j->in, F_SETFL, O_NONBLOCK);
	fcntl(j->out, F_SETFL, O_NONBLOCK);
	if (j->err >= 0)
		fcntl(j->err, F_SETFL, O_NONBLOCK);
}

static void queue_input(struct job *j, const uint8_t *p, size_t len)
{
	uint8_t *grown;

	if (!len) {
		j->eof = true;
		return;
	}
	grown = realloc(j->input, j->input_len + len);
	if (!grown)
		return;
	memcpy(grown + j->input_len, p, len);
	j->input = grown;
	j->input_len += len;
}

static void write_input(struct job *j)
{
	ssize_t n = j->input_len ? write(j->in, j->input, j->input_len) : 0;

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		j->input_len = 0;
		close_fd(&j->in);
	} else if (n > 0) {
		j->input_len -= (size_t)n;
		memmove(j->input, j->input + n, j->input_len);
	}
	if (!j->input_len && j->eof)
		close_fd(&j->in);
}

static void resize(struct job *j, const uint8_t *p)
{
	ioctl(j->out, TIOCSWINSZ, &(struct winsize){ .ws_row = get16(p), .ws_col = get16(p + 2) });
}

static void take_frame(struct agent *a, const uint8_t *f, size_t len)
{
	uint16_t id = get16(f + 4);
	struct job *j = find_job(a, id);
	const uint8_t *p = f + HEAD;

	switch (f[2]) {
	case START: start_job(a, id, p, len); break;
	case INPUT:
		if (j && j->in >= 0)
			queue_input(j, p, len);
		break;
	case KILL:
		if (j && len >= 1)
			kill(-j->pid, p[0]);
		break;
	case RESIZE:
		if (j && len >= 4)
			resize(j, p);
		break;
	default: break;
	}
}

/* Returns how many bytes of a->rx it has consumed; 0: it needs more. */
static size_t parse(struct agent *a)
{
	const uint8_t *f = a->rx;
	size_t len;

	if (a->rx_len && f[0] != MARK0)
		return 1;
	if (a->rx_len < HEAD)
		return 0;
	len = get16(f + 8);
	if (f[1] != MARK1 || len > PAYLOAD)
		return 1;
	if (a->rx_len < HEAD + len + 2)
		return 0;
	if (crc16(f, HEAD + len) != get16(f + HEAD + len))
		return 1;
	if (get16(f + 6) == (uint16_t)(a->seq + 1)) {
		a->seq++;
		take_frame(a, f, len);
	}
	send_frame(a, ACK, 0, NULL, 0);
	return HEAD + len + 2;
}

static void read_control(struct agent *a)
{
	ssize_t n = read(a->ctl, a->rx + a->rx_len, sizeof(a->rx) - a->rx_len);
	size_t used;

	if (n <= 0) {
		usleep(20000); /* while its other end is closed a virtio port polls as readable */
		return;
	}
	a->rx_len += (size_t)n;
	while ((used = parse(a)) != 0) {
		a->rx_len -= used;
		memmove(a->rx, a->rx + used, a->rx_len);
	}
}

/* Returns false when there is nothing to read now. */
static bool relay(struct agent *a, struct job *j, enum frame_type type, int *fd)
{
	uint8_t buf[PAYLOAD];
	ssize_t n = *fd < 0 ? -1 : read(*fd, buf, sizeof(buf));

	if (n > 0)
		send_frame(a, type, j->id, buf, (size_t)n);
	else if (*fd >= 0 && (n == 0 || (errno != EAGAIN && errno != EINTR)))
		close_fd(fd);
	return n > 0;
}

static void end_job(struct agent *a, struct job *j, int status)
{
	/* as much as pipes hold: a child of the command may go on writing for ever */
	for (int n = 0; n < 2 * 65536 / PAYLOAD; n++)
		if (!relay(a, j, OUT, &j->out) && !relay(a, j, ERR, &j->err))
			break;
	close_fd(&j->in);
	close_fd(&j->out);
	close_fd(&j->err);
	free(j->input);
	j->used = false;
	send_exit(a, j->id, WIFEXITED(status) ? WEXITSTATUS(status) : 0,
		  WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

/* As process 1 the agent also gets the orphans of its commands. */
static void reap(struct agent *a, int sigfd)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	if (read(sigfd, &info, sizeof(info)) < 0)
		return;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (struct job *j = a->jobs; j < a->jobs + JOBS; j++)
			if (j->used && j->pid == pid)
				end_job(a, j, status);
}

static void serve_jobs(struct agent *a, const struct pollfd *p)
{
	for (struct job *j = a->jobs; j < a->jobs + JOBS; j++, p += 3) {
		if (p[0].revents)
			write_input(j);
		if (p[1].revents)
			relay(a, j, OUT, &j->out);
		if (p[2].revents)
			relay(a, j, ERR, &j->err);
	}
}

static void serve(struct agent *a, int sigfd)
{
	struct pollfd p[2 + 3 * JOBS] = {
		{ .fd = a->ctl, .events = POLLIN },
		{ .fd = sigfd, .events = POLLIN },
	};
	struct pollfd *q = p + 2;

	for (struct job *j = a->jobs; j < a->jobs + JOBS; j++, q += 3) {
		bool writes = j->used && (j->input_len || j->eof);

		q[0] = (struct pollfd){ .fd = writes ? j->in : -1, .events = POLLOUT };
		q[1] = (struct pollfd){ .fd = j->used ? j->out : -1, .events = POLLIN };
		q[2] = (struct pollfd){ .fd = j->used ? j->err : -1, .events = POLLIN };
	}
	if (poll(p, 2 + 3 * JOBS, -1) < 0)
		return;
	serve_jobs(a, p + 2);
	if (p[1].revents)
		reap(a, sigfd);
	if (p[0].revents)
		read_control(a);
}

static int open_control(const char *path)
{
	struct termios t;
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd >= 0 && tcgetattr(fd, &t) == 0) {
		cfmakeraw(&t);
		cfsetspeed(&t, B115200);
		t.c_cflag |= CLOCAL | CREAD;
		tcsetattr(fd, TCSANOW, &t);
	}
	return fd;
}

int main(int argc, char **argv)
{
	struct agent *a = calloc(1, sizeof(*a));
	sigset_t set;
	int sigfd;

	if (argc != 2 || !a) {
		fprintf(stderr, "usage: agent DEVICE\n");
		return 1;
	}
	a->ctl = open_control(argv[1]);
	if (a->ctl < 0) {
		fprintf(stderr, "agent: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	send_frame(a, HELLO, 0, NULL, 0);
	for (;;)
		serve(a, sigfd);
}
