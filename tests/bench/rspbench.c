// SPDX-License-Identifier: MIT
/*
 * A raw RSP client that times a stub: rspbench NAME tcp:PORT|unix:PATH ADDRESS [CODE]
 *
 * ADDRESS (hex) is where at least 1 MiB of memory can be read, with as much that nobody uses behind it;
 * CODE is what the target comes to again and again. Prints "NAME<tab>WHAT<tab>VALUE" lines;
 * times are medians. Used by tests/bench/bench.py against several stubs in one run.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { BUF = 1 << 20, ROUNDS = 2000, STEPS = 2000, READ_TOTAL = 8 << 20, REPEATS = 5, HITS = 300 };

struct client {
	int fd;
	bool ack;
	char *buf; /* bytes received and not consumed */
	size_t len;
	char *reply;
	size_t packet_size;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int dial_tcp(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static int dial_unix(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
		die("connect");
	return fd;
}

static void put(struct client *c, const char *text)
{
	static char out[BUF];
	unsigned char sum = 0;
	const char *p;
	int n;

	for (p = text; *p; p++)
		sum = (unsigned char)(sum + *p);
	n = snprintf(out, sizeof(out), "$%s#%02x", text, sum);
	if (write(c->fd, out, (size_t)n) != n)
		die("write");
}

static void fill(struct client *c)
{
	ssize_t n = read(c->fd, c->buf + c->len, BUF - c->len);

	if (n <= 0)
		die("the stub has gone");
	c->len += (size_t)n;
}

/* One packet into c->reply, escapes and run lengths as they are: only the time counts. */
static const char *get(struct client *c)
{
	char *start, *end;
	size_t n;

	for (;;) {
		start = memchr(c->buf, '$', c->len);
		end = start ? memchr(start, '#', c->len - (size_t)(start - c->buf)) : NULL;
		if (end && end + 3 <= c->buf + c->len)
			break;
		fill(c);
	}
	n = (size_t)(end - start - 1);
	memcpy(c->reply, start + 1, n);
	c->reply[n] = '\0';
	c->len -= (size_t)(end + 3 - c->buf);
	memmove(c->buf, end + 3, c->len);
	if (c->ack && write(c->fd, "+", 1) != 1)
		die("write");
	return c->reply;
}

static const char *ask(struct client *c, const char *text)
{
	put(c, text);
	return get(c);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* One packet, or two in turns. */
static double median_of_two(struct client *c, const char *packet, const char *then, int rounds)
{
	double *t = calloc((size_t)rounds, sizeof(*t)), m;
	int i;

	for (i = 0; i < rounds; i++) {
		t[i] = now_us();
		ask(c, packet);
		if (then)
			ask(c, then);
		t[i] = now_us() - t[i];
	}
	qsort(t, (size_t)rounds, sizeof(*t), by_value);
	m = t[rounds / 2];
	free(t);
	return m;
}

static double median_of(struct client *c, const char *packet, int rounds)
{
	return median_of_two(c, packet, NULL, rounds);
}

/* MB/s of guest memory, read in the largest pieces that the stub takes. */
static double read_rate(struct client *c, unsigned long addr)
{
	size_t piece = (c->packet_size - 16) / 2 & ~0xfffUL, done;
	double best = 0, t;
	char packet[64];
	int i;

	if (!piece)
		piece = (c->packet_size - 16) / 2;
	for (i = 0; i < REPEATS; i++) {
		t = now_us();
		for (done = 0; done < READ_TOTAL; done += piece) {
			snprintf(packet, sizeof(packet), "m%lx,%zx",
				 addr + done % ((1 << 20) - piece), piece);
			if (*ask(c, packet) == 'E')
				die("memory can't be read");
		}
		t = READ_TOTAL / (now_us() - t);
		best = t > best ? t : best;
	}
	return best;
}

static void step_packet(struct client *c, char *out, size_t len)
{
	const char *stop = ask(c, "?"), *thread = strstr(stop, "thread:");

	if (thread)
		snprintf(out, len, "vCont;s:%.*s", (int)strcspn(thread + 7, ";"), thread + 7);
	else
		snprintf(out, len, "s");
}

/*
 * With breakpoints from to upto more than before: what it costs to set and remove one, and what a hit
 * does, from the resume to the stop.
 */
static void time_among(struct client *c, const char *name, const char *among, unsigned long unused,
		       int from, int upto)
{
	char packet[64], set[64];
	int i;

	for (i = from; i < upto; i++) {
		snprintf(packet, sizeof(packet), "Z0,%lx,1", unused + 16UL * (unsigned long)i);
		if (strcmp(ask(c, packet), "OK") != 0)
			die("a breakpoint is refused");
	}
	snprintf(set, sizeof(set), "Z0,%lx,1", unused + 16UL * (unsigned long)upto);
	snprintf(packet, sizeof(packet), "z0,%lx,1", unused + 16UL * (unsigned long)upto);
	printf("%s\tset, remove (Z0, z0)%s, us\t%.1f\n", name, among,
	       median_of_two(c, set, packet, HITS));
	printf("%s\thit (c)%s, us\t%.1f\n", name, among, median_of(c, "c", HITS));
}

static void time_hits(struct client *c, const char *name, unsigned long unused, unsigned long code)
{
	char packet[64];

	snprintf(packet, sizeof(packet), "Z0,%lx,1", code);
	if (strcmp(ask(c, packet), "OK") != 0)
		die("a breakpoint is refused");
	time_among(c, name, "", unused, 0, 9);
	time_among(c, name, " among 10,000", unused, 9, 9999);
}

static void negotiate(struct client *c)
{
	const char *size =
		strstr(ask(c, "qSupported:multiprocess+;swbreak+;vContSupported+"), "PacketSize=");
	const char *star;

	/* run lengths in the number are undone by hand: "20* " is 20000 */
	c->packet_size = size ? strtoul(size + 11, NULL, 16) : 400;
	star = size ? strchr(size, '*') : NULL;
	if (star && star < size + 11 + strcspn(size + 11, ";"))
		c->packet_size <<= 4 * (star[1] - 29);
	if (!strcmp(ask(c, "QStartNoAckMode"), "OK"))
		c->ack = false;
}

int main(int argc, char **argv)
{
	struct client c = { .ack = true, .buf = malloc(BUF), .reply = malloc(BUF) };
	unsigned long addr;
	char step[128];

	if (argc < 4 || argc > 5)
		return 2;
	addr = strtoul(argv[3], NULL, 16);
	c.fd = strncmp(argv[2], "tcp:", 4) ? dial_unix(argv[2] + 5) : dial_tcp(atoi(argv[2] + 4));
	negotiate(&c);
	step_packet(&c, step, sizeof(step));
	printf("%s\tround trip (qC), us\t%.1f\n", argv[1], median_of(&c, "qC", ROUNDS));
	printf("%s\tall registers (g), us\t%.1f\n", argv[1], median_of(&c, "g", ROUNDS));
	printf("%s\tmemory (m), MB/s\t%.0f\n", argv[1], read_rate(&c, addr));
	printf("%s\tstep (vCont;s), us\t%.1f\n", argv[1], median_of(&c, step, STEPS));
	if (argc == 5)
		time_hits(&c, argv[1], addr + (1 << 20), strtoul(argv[4], NULL, 16));
	ask(&c, "D");
	return 0;
}
