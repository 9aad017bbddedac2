// SPDX-License-Identifier: MIT
/* The stub's thread between a real stream and a software VM. */
#define _GNU_SOURCE
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/server/admission.h"
#include "core/server/connection.h"
#include "core/server/server.h"
#include "core/server/transcript.h"
#include "tests/unit/softvm.h"
#include "tests/unit/transport_help.h"

struct bench {
	struct softvm vm;
	struct server server;
	struct vmgdb_endpoint *ep;
	int fd; /* the debugger's end */
	atomic_uint stopped, killed;
};

static void notify(void *opaque)
{
	server_wake(opaque);
}

/* An exit that takes the VMM a while: so long does a stop take. */
static bool dawdle(struct softvm_cpu *c)
{
	(void)c;
	poll(NULL, 0, 20);
	return false;
}

/* ---- what the log says ------------------------------------------------------------------- */

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char logged[16384];

static void on_log(void *opaque, enum vmgdb_log_level level, const char *line)
{
	(void)opaque, (void)level;
	pthread_mutex_lock(&log_lock);
	strncat(logged, line, sizeof(logged) - strlen(logged) - 2);
	strcat(logged, "\n");
	pthread_mutex_unlock(&log_lock);
}

/* How many lines have text in them. */
static int log_count(const char *text)
{
	const char *p;
	int n = 0;

	pthread_mutex_lock(&log_lock);
	for (p = logged; (p = strstr(p, text)); p = strchr(p, '\n'))
		n++;
	pthread_mutex_unlock(&log_lock);
	return n;
}

static void on_stopped(void *opaque)
{
	((struct bench *)opaque)->stopped++;
}

static void on_kill(void *opaque)
{
	((struct bench *)opaque)->killed++;
}

/* ---- a VM and its debuggers -------------------------------------------------------------- */

/* A VM that runs, and a server without endpoints. */
static void boot(struct bench *b)
{
	softvm_init(&b->vm, &soft8_ops, 1, NULL);
	softvm_loops(&b->vm);
	CODE(&b->vm, loop_of(0), I(OUT, 0, 0, 0), JMP(-2));
	b->vm.engine.config.log = on_log;
	b->vm.engine.config.stopped = on_stopped;
	b->vm.engine.config.kill = on_kill;
	b->vm.engine.config.opaque = b;
	b->stopped = b->killed = 0;
	logged[0] = '\0';
	cr_assert_eq(server_init(&b->server, &b->vm.engine), 0);
	b->vm.engine.notify = notify;
	b->vm.engine.notify_opaque = &b->server;
	b->fd = -1;
}

static void add(struct bench *b, struct vmgdb_endpoint *ep)
{
	b->ep = ep;
	cr_assert_eq(server_add_endpoint(&b->server, ep), 0);
}

static void start(struct bench *b)
{
	softvm_start(&b->vm);
	cr_assert_eq(server_start(&b->server), 0);
}

/* A VM that runs, and a debugger whose connection is made. */
static void begin(struct bench *b)
{
	int sv[2];

	boot(b);
	b->vm.on_exit = dawdle;
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	add(b, open_endpoint(VMGDB_STUB, "fd:%d", sv[1]));
	start(b);
	b->fd = sv[0];
}

static void end(struct bench *b)
{
	if (b->fd >= 0)
		close(b->fd);
	softvm_stop(&b->vm);
	server_fini(&b->server);
	softvm_fini(&b->vm);
}

/* What comes until text is in it, or for five seconds. */
static const char *read_until(int fd, const char *text)
{
	static char got[4096];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t len = 0;

	got[0] = '\0';
	while (!strstr(got, text) && len + 1 < sizeof(got) && poll(&p, 1, 5000) > 0) {
		ssize_t n = read(fd, got + len, sizeof(got) - 1 - len);

		if (n <= 0)
			break;
		len += (size_t)n;
		got[len] = '\0';
	}
	return got;
}

static const char *debugger_reads(struct bench *b, const char *text)
{
	return read_until(b->fd, text);
}

static void say_to(int fd, const char *text)
{
	cr_assert_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text), "%s",
		     strerror(errno));
}

static void say(struct bench *b, const char *text)
{
	say_to(b->fd, text);
}

/* A packet that is answered with this. */
static void ask(int fd, const char *packet, const char *answer)
{
	const char *got;

	say_to(fd, packet);
	got = read_until(fd, answer);
	cr_assert(strstr(got, answer), "%s: %s", packet, got);
}

/* A debugger that attaches. */
static void join(int fd)
{
	ask(fd, "+$QStartNoAckMode#b0", "OK#9a");
	say_to(fd, "+");
}

/* Nothing more comes, or what is read up to then. */
static void expect_end(int fd)
{
	char bytes[256];
	ssize_t n;

	do
		n = read(fd, bytes, sizeof(bytes));
	while (n > 0);
	cr_expect_eq(n, 0, "%s", strerror(errno));
}

/* Until the peer has shut its writing side, or hung up. */
static void await_end(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	cr_assert_eq(poll(&p, 1, 5000), 1, "it does not hang up");
}

Test(server, all_of_a_new_client,
     .description = "all that one says at once which comes while the VM runs is answered")
{
	struct bench b;
	int i;

	begin(&b);
	for (i = 0; i < 10; i++) {
		say(&b, "+$QStartNoAckMode#b0");
		cr_assert(strstr(debugger_reads(&b, "OK#9a"), "OK#9a"));
		say(&b, "+$vCont;c#a8");
		poll(NULL, 0, 5);
		say(&b, "+$qSupported#37$qC#b4$?#3f");
		cr_assert(strstr(debugger_reads(&b, "$T"), "$QC"), "round %d", i);
	}
	end(&b);
}

/* GDB manual, "Bytecode Descriptions": a condition, and a command that is printf("%d;", r0). */
Test(server, output, .description = "what a breakpoint's commands print comes as O packets")
{
	const char *got;
	struct bench b;
	int i;

	begin(&b);
	say(&b, "+$QStartNoAckMode#b0");
	cr_assert(strstr(debugger_reads(&b, "OK#9a"), "OK#9a"));
	say(&b, "$Z0,104,1;X3,220127;"
		"cmds:0,X10,260002220022003401000425643b0027#92");
	cr_assert(strstr(debugger_reads(&b, "OK#9a"), "$OK#9a"));
	say(&b, "$vCont;c#a8");
	for (i = 0; i < 5; i++) {
		got = debugger_reads(&b, "$O303b");
		cr_assert(strstr(got, "$O303b"));
		cr_assert_null(strstr(got, "$T"), "it is no stop");
	}
	say(&b, "\003");
	cr_assert(strstr(debugger_reads(&b, "$T02"), "$T02"));
	end(&b);
}

/* ---- limits ------------------------------------------------------------------------------ */

enum { SILENT_PEERS = 137 };

static int dial(const struct bench *b)
{
	int port;

	if (b->ep->attach[0] == '/')
		return dial_unix(b->ep->attach);
	cr_assert_eq(sscanf(b->ep->attach, "127.0.0.1:%d", &port), 1);
	return dial_tcp(port);
}

/* Another process that makes so many connections and says nothing. */
static pid_t stay_silent(const struct bench *b, int n)
{
	int done[2];
	pid_t pid;
	char c;

	cr_assert_eq(pipe(done), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(done[0]);
		close(b->fd);
		while (n--)
			dial(b);
		close(done[1]);
		for (;;)
			pause();
	}
	close(done[1]);
	cr_assert_eq(read(done[0], &c, 1), 0);
	close(done[0]);
	return pid;
}

static void end_process(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void limit_descriptors(rlim_t n)
{
	struct rlimit limit;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = n;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void serve_among_silent(const char *spec)
{
	struct bench b;
	pid_t pid;

	boot(&b);
	limit_descriptors(256);
	add(&b, open_endpoint(VMGDB_STUB, "%s", spec));
	start(&b);
	pid = stay_silent(&b, SILENT_PEERS);
	b.fd = dial(&b);
	join(b.fd);
	ask(b.fd, "$qC#b4", "$QC1#c5");
	cr_expect_gt(log_count("closed to make room: too many connections"), 0, "%s", logged);
	cr_expect_leq(log_count("too many connections"), 20, "%s", logged);
	end_process(pid);
	end(&b);
}

Test(server, silent_peers, .timeout = 60,
     .description = "137 peers that say nothing, with 256 descriptors, keep no debugger away")
{
	char spec[64];

	serve_among_silent("tcp:0");
	snprintf(spec, sizeof(spec), "unix:%s/s", temp_dir());
	serve_among_silent(spec);
	remove_temp_dir();
}

Test(server, few_descriptors, .timeout = 60,
     .description = "silent peers that hold the last descriptors make room")
{
	struct bench b;
	pid_t pid;
	int fd, i;

	boot(&b);
	add(&b, open_endpoint(VMGDB_STUB, "tcp:0"));
	start(&b);
	b.fd = dial(&b);
	join(b.fd);
	pid = stay_silent(&b, 4);
	for (i = 0; i < 8; i++)
		ask(b.fd, "$qC#b4", "$QC1#c5"); /* by then they were accepted */
	limit_descriptors(64);
	for (fd = b.fd; (i = dup(b.fd)) >= 0; fd = i)
		;
	close(fd);
	fd = dial(&b); /* takes the last one */
	ask(fd, "+$qC#b4", "another debugger holds the VM");
	close(fd);
	end_process(pid);
	end(&b);
}

/* One that has to make room, or is refused: it reads the reason and the end, whatever it goes on to send. */
static void expect_refusal(int fd)
{
	await_end(fd);
	say_to(fd, "+$vMustReplyEmpty#3a");
	cr_expect_str_eq(read_until(fd, "#5d"), "+$E.too many connections#5d");
	expect_end(fd);
}

static void expect_oldest_refused(const char *spec)
{
	int fds[17], i;
	struct bench b;

	boot(&b);
	add(&b, open_endpoint(VMGDB_STUB, "%s", spec));
	start(&b);
	for (i = 0; i < 17; i++)
		fds[i] = dial(&b);
	expect_refusal(fds[0]);
	for (i = 1; i < 17; i++)
		cr_expect_eq(recv(fds[i], &(char){ 0 }, 1, MSG_DONTWAIT), -1, "peer %d", i);
	join(fds[1]);
	for (i = 0; i < 17; i++)
		close(fds[i]);
	end(&b);
}

Test(server, silent_is_told, .timeout = 60,
     .description = "the peer that said nothing longest makes room, and gets the reason")
{
	char spec[64];

	expect_oldest_refused("tcp:0");
	snprintf(spec, sizeof(spec), "unix:%s/s", temp_dir());
	expect_oldest_refused(spec);
	remove_temp_dir();
}

Test(server, no_packet, .timeout = 60,
     .description =
	     "peers without a packet, renewed all the time, make room for a debugger at once")
{
	static const char *const noise[] = { "+", "$", "+$?#00", "\003", "-+$qSupp" };
	int fds[20], fd, i, k;
	struct bench b;

	boot(&b);
	add(&b, open_endpoint(VMGDB_STUB, "tcp:0"));
	start(&b);
	for (i = 0; i < 20; i++)
		fds[i] = -1;
	for (k = 0; k < 5; k++) {
		for (i = 0; i < 20; i++) {
			close(fds[i]);
			fds[i] = dial(&b);
			say_to(fds[i], noise[k]);
		}
		fd = dial(&b);
		join(fd);
		ask(fd, "$D#44", "$OK#9a");
		await_end(fd);
		close(fd);
	}
	for (i = 0; i < 20; i++)
		close(fds[i]);
	end(&b);
}

Test(server, all_endpoints, .timeout = 60,
     .description =
	     "all endpoints together have 64 connections, and the oldest silent one makes room")
{
	enum { ENDPOINTS = 5, EACH = 13 };
	struct vmgdb_endpoint *eps[ENDPOINTS];
	int fds[ENDPOINTS][EACH], i, k;
	struct bench b;

	boot(&b);
	for (i = 0; i < ENDPOINTS; i++) {
		eps[i] = open_endpoint(VMGDB_STUB, "tcp:0");
		add(&b, eps[i]);
	}
	start(&b);
	b.fd = dial(&b);
	join(b.fd);
	for (i = 0; i < ENDPOINTS; i++) {
		b.ep = eps[i];
		for (k = 0; k < EACH; k++) {
			fds[i][k] = dial(&b);
			ask(b.fd, "$qC#b4", "$QC1#c5"); /* by then it was accepted */
			ask(b.fd, "$qC#b4", "$QC1#c5");
		}
	}
	for (k = 0; k < 2; k++)
		cr_expect_str_eq(read_until(fds[0][k], "#5d"), "+$E.too many connections#5d");
	cr_expect_eq(recv(fds[0][2], &(char){ 0 }, 1, MSG_DONTWAIT), -1);
	for (i = 0; i < ENDPOINTS; i++)
		for (k = 0; k < EACH; k++)
			close(fds[i][k]);
	end(&b);
}

/* How many there are, besides those that only see the end. */
static unsigned int open_connections(const struct bench *b, unsigned int *lingering)
{
	const struct connection *c;
	unsigned int n = 0;

	*lingering = 0;
	for (c = b->server.connections; c; c = c->next) {
		n += c->state < CONNECTION_LINGERING;
		*lingering += c->state == CONNECTION_LINGERING;
	}
	return n;
}

/* A connection of which the server has read this, at a time of the test's. */
static int connect_at(struct bench *b, long long now, const char *text)
{
	struct pollfd pfds[2];
	struct connection *c;
	size_t n = 1;
	int fd = dial(b);

	b->server.clock.now = now;
	admission_accept(&b->server, &b->server.endpoints[0], accept_one(b->ep));
	c = b->server.connections;
	if (!text)
		return fd;
	say_to(fd, text);
	connection_poll(c, pfds, &n);
	cr_assert_eq(poll(pfds + 1, 1, 5000), 1);
	connection_receive(c, pfds);
	cr_assert_eq(c->state, CONNECTION_OPEN);
	return fd;
}

Test(server, slow_peers,
     .description =
	     "a peer with a packet that has not attached in 10 s makes room, but not earlier")
{
	unsigned int lingering;
	int fds[18], i;
	struct bench b;

	boot(&b);
	add(&b, open_endpoint(VMGDB_STUB, "tcp:0"));
	for (i = 0; i < 16; i++)
		fds[i] = connect_at(&b, 1000 + i, "+$?#3f");
	fds[16] = connect_at(&b, 10999, NULL);
	expect_refusal(fds[16]);
	cr_expect_eq(log_count("refused: too many connections"), 1, "%s", logged);
	cr_expect_eq(recv(fds[0], &(char){ 0 }, 1, MSG_DONTWAIT), -1);
	fds[17] = connect_at(&b, 11000, NULL);
	expect_refusal(fds[0]);
	cr_expect_eq(recv(fds[17], &(char){ 0 }, 1, MSG_DONTWAIT), -1);
	cr_expect_eq(open_connections(&b, &lingering), 16);
	cr_expect_eq(lingering, 2);
	for (i = 0; i < 18; i++)
		close(fds[i]);
	end(&b);
}

Test(server, refusals_are_bounded,
     .description = "peers that are refused and do not leave hold no place, and are not many")
{
	unsigned int lingering;
	int fds[100], i;
	struct bench b;

	boot(&b);
	add(&b, open_endpoint(VMGDB_STUB, "tcp:0"));
	for (i = 0; i < 100; i++)
		fds[i] = connect_at(&b, 1000 + i, i % 2 ? "+" : NULL);
	cr_expect_eq(open_connections(&b, &lingering), 16);
	cr_expect_eq(lingering, LINGERING_MAX);
	for (i = 99; i >= 84; i--)
		cr_expect_eq(recv(fds[i], &(char){ 0 }, 1, MSG_DONTWAIT), -1, "peer %d", i);
	for (; i >= 84 - LINGERING_MAX; i--)
		expect_refusal(fds[i]);
	cr_expect_leq(log_count("too many connections"), 20);
	for (i = 0; i < 100; i++)
		close(fds[i]);
	end(&b);
}

Test(server, silent_cost,
     .description = "a connection costs next to no memory before its peer says something")
{
	int fds[15], i;
	struct bench b;
	size_t before;

	boot(&b);
	add(&b, open_endpoint(VMGDB_STUB, "tcp:0"));
	start(&b);
	b.fd = dial(&b);
	join(b.fd);
	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	for (i = 0; i < 15; i++) {
		fds[i] = dial(&b);
		ask(b.fd, "$qC#b4", "$QC1#c5");
		ask(b.fd, "$qC#b4", "$QC1#c5");
	}
	cr_expect_lt(mallinfo2().uordblks + mallinfo2().hblkhd - before, 15 * 1024);
	for (i = 0; i < 15; i++)
		close(fds[i]);
	end(&b);
}

/* ---- who is no debugger, or not the first ------------------------------------------------ */

Test(server, web_page,
     .description = "an HTTP request whose body is a packet is obeyed by no means, and logged")
{
	uint8_t before[SOFTVM_MEM];
	struct bench b;

	boot(&b);
	add(&b, open_endpoint(VMGDB_STUB, "tcp:0"));
	memcpy(before, b.vm.mem, sizeof(before));
	start(&b);
	b.fd = dial(&b);
	say(&b, "POST / HTTP/1.1\r\nHost: localhost\r\n\r\n$M800,4:deadbeef#9f$c#63");
	cr_expect_str_eq(debugger_reads(&b, "$"), "");
	cr_expect_eq(log_count("not a debugger (an HTTP client?)"), 1, "%s", logged);
	cr_expect_eq(log_count("127.0.0.1:"), 1, "%s", logged);
	cr_expect_eq(b.stopped, 0);
	cr_expect_eq(memcmp(before + 0x800, b.vm.mem + 0x800, 4), 0);
	end(&b);
}

static void second_debugger(const char *spec)
{
	static const char why[] = "$E.another debugger holds the VM#";
	const char *got;
	struct bench b;
	int fd;

	boot(&b);
	add(&b, open_endpoint(VMGDB_STUB, "%s", spec));
	start(&b);
	b.fd = dial(&b);
	join(b.fd);
	fd = dial(&b);
	say_to(fd, "+$qSupported#37");
	await_end(fd);
	say_to(fd, "+$vMustReplyEmpty#3a");
	ask(b.fd, "$qC#b4", "$QC1#c5");
	got = read_until(fd, why);
	cr_expect(strstr(got, why), "%s", got);
	expect_end(fd);
	close(fd);
	end(&b);
}

Test(server, second_debugger, .timeout = 60,
     .description = "one that is turned away reads the reason, whatever it goes on to send")
{
	char spec[64];

	second_debugger("tcp:0");
	snprintf(spec, sizeof(spec), "unix:%s/s", temp_dir());
	second_debugger(spec);
	remove_temp_dir();
}

Test(server, lingers_not_for_ever, .timeout = 60,
     .description = "one that was turned away and does not leave is closed")
{
	struct pollfd p = { .events = POLLIN };
	struct bench b;

	boot(&b);
	add(&b, open_endpoint(VMGDB_STUB, "unix:%s/s", temp_dir()));
	start(&b);
	b.fd = dial(&b);
	join(b.fd);
	p.fd = dial(&b);
	say_to(p.fd, "$qSupported#37");
	p.events = 0; /* POLLHUP: both directions have ended */
	cr_expect_eq(poll(&p, 1, 20000), 1);
	ask(b.fd, "$qC#b4", "$QC1#c5");
	close(p.fd);
	end(&b);
	remove_temp_dir();
}

static void take_over(const char *spec)
{
	struct bench b;
	int old;

	boot(&b);
	add(&b, open_endpoint(VMGDB_STUB, "%s,takeover", spec));
	start(&b);
	old = dial(&b);
	join(old);
	ask(old, "$Z0,108,1#ac", "$OK#9a");
	say_to(old, "$vCont;c#a8");
	b.fd = dial(&b);
	say(&b, "+");
	ask(b.fd, "$?#3f", "$T05");
	read_until(old, "\n"); /* all that it was sent */
	expect_end(old);
	cr_expect_eq(log_count("takes the VM over from"), 1, "%s", logged);
	cr_expect(softvm_stands(&b.vm), "the VM stays stopped");
	cr_expect_not(breakpoints_in_memory(b.vm.engine.bps), "the breakpoint is gone");
	close(old);
	end(&b);
}

Test(server, takeover, .timeout = 60,
     .description = "with takeover a new debugger gets the VM, stopped, and the old one is closed")
{
	char spec[64];

	take_over("tcp:0");
	snprintf(spec, sizeof(spec), "unix:%s/s", temp_dir());
	take_over(spec);
	remove_temp_dir();
}

Test(server, takeover_by_debuggers, .timeout = 60,
     .description = "a peer that has sent no packet takes nothing over")
{
	struct bench b;
	int fd;

	boot(&b);
	add(&b, open_endpoint(VMGDB_STUB, "tcp:0,takeover"));
	start(&b);
	b.fd = dial(&b);
	join(b.fd);
	fd = dial(&b);
	say_to(fd, "+$?#");
	poll(NULL, 0, 300); /* the accept timeout has passed, however long this takes */
	ask(b.fd, "$qC#b4", "$QC1#c5");
	say_to(fd, "3f");
	await_end(b.fd);
	close(fd);
	end(&b);
}

Test(server, takeover_by_web_page, .timeout = 60,
     .description = "an HTTP request whose body is a packet takes nothing over")
{
	struct bench b;
	int fd;

	boot(&b);
	add(&b, open_endpoint(VMGDB_STUB, "tcp:0,takeover"));
	start(&b);
	b.fd = dial(&b);
	join(b.fd);
	fd = dial(&b);
	say_to(fd, "POST / HTTP/1.1\r\n\r\n$?#3f");
	await_end(fd);
	ask(b.fd, "$qC#b4", "$QC1#c5");
	cr_expect_eq(log_count("not a debugger"), 1, "%s", logged);
	close(fd);
	end(&b);
}

Test(server, log_flood, .timeout = 60,
     .description = "peers that are refused again and again do not fill the log")
{
	struct bench b;
	int i, fd;

	boot(&b);
	add(&b, open_endpoint(VMGDB_STUB, "tcp:0"));
	start(&b);
	for (i = 0; i < 200; i++) {
		fd = dial(&b);
		say_to(fd, "GET / HTTP/1.1\r\n\r\n");
		await_end(fd);
		close(fd);
	}
	cr_expect_gt(log_count("not a debugger"), 0);
	cr_expect_lt(log_count("not a debugger"), 150);
	end(&b);
}

/* ---- the thread -------------------------------------------------------------------------- */

static atomic_bool handled;

static void on_signal(int sig)
{
	(void)sig;
	handled = true;
}

Test(server, signals, .description = "the server's thread takes no signal of the process")
{
	struct bench b;

	handled = false;
	cr_assert_neq(signal(SIGUSR1, on_signal), SIG_ERR);
	begin(&b);
	join(b.fd);
	cr_assert_eq(pthread_kill(b.server.thread, SIGUSR1), 0);
	ask(b.fd, "$qC#b4", "$QC1#c5");
	ask(b.fd, "$qC#b4", "$QC1#c5");
	cr_expect_not(handled);
	end(&b);
}

static void no_notice(void *opaque)
{
	(void)opaque;
}

Test(server, late_stop, .timeout = 60,
     .description = "a stop that comes late is found without notice, while vCPUs are chased for it")
{
	struct bench b;

	boot(&b);
	b.vm.engine.notify = no_notice;
	b.vm.on_exit = dawdle;
	add(&b, open_endpoint(VMGDB_STUB, "tcp:0"));
	start(&b);
	b.fd = dial(&b);
	join(b.fd);
	say(&b, "$vCont;c#a8");
	ask(b.fd, "\003", "$T02");
	end(&b);
}

static bool saw_stop(void *opaque)
{
	return ((struct bench *)opaque)->stopped > 1;
}

Test(server, stay, .timeout = 60,
     .description =
	     "with on-disconnect=stay the VMM learns that a lost debugger has left the VM stopped")
{
	struct bench b;

	boot(&b);
	add(&b, open_endpoint(VMGDB_STUB, "tcp:0,on-disconnect=stay"));
	start(&b);
	b.fd = dial(&b);
	join(b.fd);
	say(&b, "$vCont;c#a8");
	softvm_run_on(&b.vm, 0, 10);
	close(b.fd);
	b.fd = -1;
	softvm_until(saw_stop, &b);
	cr_expect(softvm_stands(&b.vm));
	end(&b);
}

/* ---- an endpoint that is used once ------------------------------------------------------- */

/* A server whose one endpoint is a connected socket; b->fd is its peer. */
static void boot_once(struct bench *b, const char *options)
{
	int sv[2];

	boot(b);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	add(b, open_endpoint(VMGDB_STUB, "fd:%d%s", sv[1], options));
	b->fd = sv[0];
}

/* The peer says this and leaves; the server has seen that. */
static void leave_once(struct bench *b, const char *text)
{
	say(b, text);
	shutdown(b->fd, SHUT_WR);
	debugger_reads(b, "\n"); /* all, up to the end */
	close(b->fd);
	b->fd = -1;
}

static bool was_killed(void *opaque)
{
	return ((struct bench *)opaque)->killed;
}

static const char *const no_packets[] = { "", "+", "$", "GET / HTTP/1.1\r\n\r\n" };
enum { NO_PACKETS = 4 };

Test(server, once_kill, .timeout = 60,
     .description = "the only peer goes without a packet: with on-disconnect=kill the VM is ended")
{
	struct bench b;
	int i;

	for (i = 0; i < 2 * NO_PACKETS; i++) {
		boot_once(&b, ",on-disconnect=kill");
		b.vm.engine.vm_held = i % 2;
		start(&b);
		leave_once(&b, no_packets[i / 2]);
		softvm_until(was_killed, &b);
		end(&b);
		cr_expect_eq(b.killed, 1);
	}
}

Test(server, once_resume, .timeout = 60,
     .description = "the only peer goes without a packet: a VM that waits for it runs by default")
{
	struct bench b;
	int i;

	for (i = 0; i < NO_PACKETS; i++) {
		boot_once(&b, "");
		b.vm.engine.vm_held = true;
		start(&b);
		leave_once(&b, no_packets[i]);
		softvm_run_on(&b.vm, 0, 10);
		end(&b);
		cr_expect_eq(b.killed, 0);
	}
}

Test(server, once_stay, .timeout = 60,
     .description =
	     "the only peer goes without a packet: with on-disconnect=stay the VM is as it was")
{
	struct bench b;
	int i;

	for (i = 0; i < 2 * NO_PACKETS; i++) {
		boot_once(&b, ",on-disconnect=stay");
		b.vm.engine.vm_held = i % 2;
		start(&b);
		leave_once(&b, no_packets[i / 2]);
		if (i % 2)
			cr_expect(softvm_stands(&b.vm));
		else
			softvm_run_on(&b.vm, 0, 10);
		end(&b);
	}
}

Test(server, once_detached, .timeout = 60,
     .description = "a debugger that has detached has said what becomes of the VM: it is not ended")
{
	struct bench b;

	boot_once(&b, ",on-disconnect=kill");
	start(&b);
	join(b.fd);
	say(&b, "$D#44");
	close(b.fd); /* the reply may meet a closed socket */
	b.fd = -1;
	softvm_run_on(&b.vm, 0, 10);
	end(&b);
	cr_expect_eq(b.killed, 0);
}

Test(server, once_beside_a_debugger, .timeout = 60,
     .description =
	     "the only peer goes without a packet: a VM that another debugger holds is its own")
{
	struct bench b;
	int fd;

	boot_once(&b, ",on-disconnect=kill");
	fd = b.fd;
	add(&b, open_endpoint(VMGDB_STUB, "tcp:0"));
	start(&b);
	b.fd = dial(&b);
	join(b.fd);
	ask(fd, "$qC#b4", "another debugger holds the VM");
	close(fd);
	ask(b.fd, "$qC#b4", "$QC1#c5");
	ask(b.fd, "$qC#b4", "$QC1#c5");
	cr_expect(softvm_stands(&b.vm));
	end(&b);
	cr_expect_eq(b.killed, 0);
}

Test(server, once_keeps_its_place,
     .description = "the only peer that an endpoint can have makes no room, and is not refused")
{
	unsigned int lingering;
	int fds[64], i;
	struct bench b;

	boot_once(&b, "");
	for (i = 0; i < 4; i++)
		add(&b, open_endpoint(VMGDB_STUB, "tcp:0"));
	b.server.clock.now = 1000;
	admission_accept(&b.server, &b.server.endpoints[0], accept_one(b.server.endpoints[0].ep));
	admission_make_room(&b.server);
	for (i = 0; i < 64; i++) {
		b.ep = b.server.endpoints[1 + i / 16].ep;
		fds[i] = dial(&b);
		admission_accept(&b.server, &b.server.endpoints[1 + i / 16], accept_one(b.ep));
	}
	cr_expect_eq(open_connections(&b, &lingering), 64);
	cr_expect_eq(recv(b.fd, &(char){ 0 }, 1, MSG_DONTWAIT), -1);
	expect_refusal(fds[0]);
	for (i = 0; i < 64; i++)
		close(fds[i]);
	end(&b);
}

/* ---- transcripts ------------------------------------------------------------------------- */

Test(server, full_disk,
     .description = "a transcript that can't be written is reported once, and the session goes on")
{
	struct bench b;
	int i;

	boot(&b);
	add(&b, open_endpoint(VMGDB_STUB, "tcp:0,log=/dev/full"));
	start(&b);
	b.fd = dial(&b);
	join(b.fd);
	for (i = 0; i < 5; i++)
		ask(b.fd, "$qC#b4", "$QC1#c5");
	cr_expect_eq(log_count("bytes are missing in the transcript '/dev/full': No space left"), 1,
		     "%s", logged);
	end(&b);
}

static char *contents(int fd)
{
	static char text[8192];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	cr_assert_geq(n, 0);
	text[n] = '\0';
	return text;
}

static void limit_file_size(rlim_t n)
{
	struct rlimit limit;

	cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = n;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(transcript, gap, .description = "what is missing is said where it is missing")
{
	FILE *file = tmpfile();
	struct transcript t = { .fd = fileno(file) };
	const char *text;

	signal(SIGXFSZ, SIG_IGN);
	cr_expect_eq(transcript_write(&t, TRANSCRIPT_IN, "one", 3), 0);
	limit_file_size((rlim_t)lseek(t.fd, 0, SEEK_END) + 10);
	cr_expect_eq(transcript_write(&t, TRANSCRIPT_IN, "three", 5), -EFBIG);
	cr_expect_eq(t.err, -EFBIG);
	cr_expect_eq(transcript_write(&t, TRANSCRIPT_OUT, "four", 4), 0, "reported once");
	cr_expect_eq(t.lost, 9);
	limit_file_size(RLIM_INFINITY);
	cr_expect_eq(transcript_write(&t, TRANSCRIPT_OUT, "\\\x01", 2), 0);
	cr_expect_eq(t.err, 0);
	text = contents(t.fd);
	cr_expect(strstr(text, " < one\n"), "%s", text);
	cr_expect(strstr(text, " ! 9 bytes are missing: File too large\n"), "%s", text);
	cr_expect(strstr(text, " > \\\\\\x01\n"), "%s", text);
	fclose(file);
}

Test(transcript, short_writes, .description = "a long piece is cut into lines, and none is lost")
{
	enum { BYTES = 3000 };
	FILE *file = tmpfile();
	struct transcript t = { .fd = fileno(file) };
	char bytes[BYTES];
	const char *p;
	size_t n = 0;

	memset(bytes, 'x', sizeof(bytes));
	cr_expect_eq(transcript_write(&t, TRANSCRIPT_IN, bytes, sizeof(bytes)), 0);
	for (p = contents(t.fd); *p; p++)
		n += *p == 'x';
	cr_expect_eq(n, BYTES);
	fclose(file);
}
