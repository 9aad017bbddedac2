// SPDX-License-Identifier: MIT
/*
 * Times a stub: rspbench ENDPOINT TYPE LEAF OTHER MEMORY [WHAT COUNT]
 *
 * The target calls two functions at LEAF and OTHER in turns (guest.S, spin.c) and has 2 MiB of memory
 * at MEMORY, all addresses hexadecimal. Hits are of breakpoints of TYPE: 0, software, or 1. Prints a line "WHAT<tab>VALUE" for each row of the table of
 * measurements: the median of its samples, or "-" where the stub does not have the command.
 *
 * With WHAT and COUNT only this row is done, so many times, for others to count system calls by: its
 * samples begin when a line can be read from stdin, after "ready" was printed, and "done" is printed
 * behind them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/bench/client.h"

enum {
	RANDOM_SIZE = 1 << 20, /* what is read and written; breakpoints lie behind it */
	MANY = 10000,
	SPACING = 16,
	SAMPLES_MIN = 5,
	SAMPLES_MAX = 2000,
	BUDGET_US = 50000, /* for the samples of one row */
	IDLE_NS = 200000,
	RUNNING_NS = 1000000,
	OVERHEAD = 32, /* of a packet: command, address, length, frame */
};

/* A packet that writes a piece of the random bytes. */
struct write {
	char *packet;
	size_t len, bytes;
};

struct bench {
	struct client c;
	char type; /* of the breakpoints that are hit, as the digit of its packets */
	uint64_t leaf, other, memory;
	char step[64];	 /* the packet that steps the stopped thread */
	bool steps_over; /* a resume at a breakpoint does not hit it again */
	uint64_t pc;	 /* of the last hit */
	uint8_t *random; /* what is in the target's memory, RANDOM_SIZE bytes */
	size_t at;	 /* where the next sample reads */
	struct write *write;
	size_t writes, next_write;
};

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Ask, and the reply must begin so. */
static void expect(struct bench *b, const char *packet, const char *reply)
{
	if (strncmp(client_ask(&b->c, packet), reply, strlen(reply)) != 0)
		die("%s: the reply is %.40s, not %s", packet, b->c.reply, reply);
}

/* Z or z */
static void breakpoint(struct bench *b, char what, char type, uint64_t addr)
{
	char packet[64];

	snprintf(packet, sizeof(packet), "%c%c,%" PRIx64 ",1", what, type, addr);
	expect(b, packet, "OK");
}

static uint64_t spare(const struct bench *b, unsigned int i)
{
	return b->memory + RANDOM_SIZE + (uint64_t)i * SPACING;
}

/* ---- the measurements: a sample is microseconds, or below 0: the stub does not have it ------------- */

static double timed(struct bench *b, const char *packet)
{
	double t = now_us();

	client_ask(&b->c, packet);
	return b->c.reply_len ? now_us() - t : -1;
}

static double round_trip(struct bench *b)
{
	return timed(b, "qC");
}

/* The stub has nothing left to do: it is neither awake for a last acknowledgement, nor spins. */
static double round_trip_from_idle(struct bench *b)
{
	const struct timespec idle = { 0, IDLE_NS };

	nanosleep(&idle, NULL);
	return timed(b, "qC");
}

static double all_registers(struct bench *b)
{
	return timed(b, "g");
}

static double one_register(struct bench *b)
{
	return timed(b, "p0");
}

static double step(struct bench *b)
{
	double t = now_us();

	expect(b, b->step, "T05");
	return now_us() - t;
}

static void set_leaf(struct bench *b)
{
	breakpoint(b, 'Z', b->type, b->leaf);
	expect(b, "c", "T05");
	b->pc = b->leaf;
}

static void remove_leaf(struct bench *b)
{
	breakpoint(b, 'z', b->type, b->leaf);
}

static void set_both(struct bench *b)
{
	set_leaf(b);
	breakpoint(b, 'Z', b->type, b->other);
}

static void remove_both(struct bench *b)
{
	remove_leaf(b);
	breakpoint(b, 'z', b->type, b->other);
}

/* As gdb does it where the stub leaves it to the debugger. */
static void step_over(struct bench *b)
{
	breakpoint(b, 'z', b->type, b->pc);
	expect(b, b->step, "T05");
	breakpoint(b, 'Z', b->type, b->pc);
}

static double hit(struct bench *b)
{
	double t = now_us();

	if (!b->steps_over)
		step_over(b);
	expect(b, "c", "T05");
	return now_us() - t;
}

static double hit_next(struct bench *b)
{
	double t = hit(b);

	b->pc = b->pc == b->leaf ? b->other : b->leaf;
	return t;
}

static double set_remove(struct bench *b)
{
	double t = now_us();

	breakpoint(b, 'Z', '0', spare(b, MANY));
	breakpoint(b, 'z', '0', spare(b, MANY));
	return now_us() - t;
}

static void set_many(struct bench *b)
{
	unsigned int i;

	for (i = 0; i < MANY - 1; i++)
		breakpoint(b, 'Z', '0', spare(b, i));
	set_leaf(b);
}

static double interrupt(struct bench *b)
{
	const struct timespec running = { 0, RUNNING_NS };
	char out[8];
	double t;

	client_send(&b->c, out, client_frame(out, "c", 1));
	nanosleep(&running, NULL);
	t = now_us();
	client_send(&b->c, "\x03", 1);
	if (strncmp(client_receive(&b->c), "T02", 3) != 0)
		die("Ctrl-C: the reply is %.40s", b->c.reply);
	return now_us() - t;
}

/* What a reply to m has room for, whole pages if it can be. */
static size_t piece(const struct bench *b)
{
	size_t n = (b->c.packet_size - OVERHEAD) / 2;

	return n > 4096 ? n & ~(size_t)4095 : n;
}

/* How many bytes this read asks for; 0: the stub does not have the command. */
static size_t read_piece(struct bench *b, char command, size_t at)
{
	size_t n = piece(b) < RANDOM_SIZE - at ? piece(b) : RANDOM_SIZE - at;
	char packet[64];

	snprintf(packet, sizeof(packet), "%c%" PRIx64 ",%zx", command, b->memory + at, n);
	client_ask(&b->c, packet);
	return b->c.reply_len > 3 ? n : 0;
}

/* One packet; the time is what all RANDOM_SIZE bytes would take. */
static double read_next(struct bench *b, char command)
{
	double t = now_us();
	size_t n = read_piece(b, command, b->at);

	t = now_us() - t;
	b->at = b->at + n < RANDOM_SIZE ? b->at + n : 0;
	return n ? t * RANDOM_SIZE / (double)n : -1;
}

static double read_hex(struct bench *b)
{
	return read_next(b, 'm');
}

static double read_binary(struct bench *b)
{
	return read_next(b, 'x');
}

/* The target's memory, read by this command, is what was written last. */
static void verify(struct bench *b, char command,
		   size_t (*decode)(const struct client *c, uint8_t *out, size_t max))
{
	uint8_t *got = malloc(RANDOM_SIZE);
	size_t at, n;

	for (at = 0; at < RANDOM_SIZE; at += n) {
		n = read_piece(b, command, at);
		if (!n || decode(&b->c, got, n) != n || memcmp(got, b->random + at, n) != 0)
			die("memory read by %c is not what was written", command);
	}
	free(got);
}

static void verify_hex(struct bench *b)
{
	verify(b, 'm', client_hex);
}

static void verify_binary(struct bench *b)
{
	if (read_piece(b, 'x', 0))
		verify(b, 'x', client_binary);
}

/* The same bytes for every stub (xorshift), others with each seed. */
static void randomize(struct bench *b, uint32_t seed)
{
	size_t i;

	for (i = 0; i < RANDOM_SIZE; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 17;
		seed ^= seed << 5;
		b->random[i] = (uint8_t)(seed >> 11);
	}
}

static size_t add_hex(char *out, uint8_t byte)
{
	static const char digits[] = "0123456789abcdef";

	out[0] = digits[byte >> 4];
	out[1] = digits[byte & 15];
	return 2;
}

static size_t add_binary(char *out, uint8_t byte)
{
	if (!byte || !strchr("#$*}", byte)) {
		out[0] = (char)byte;
		return 1;
	}
	out[0] = '}';
	out[1] = (char)(byte ^ 0x20);
	return 2;
}

/* The packet that writes the random bytes from at on: how many are in it. */
static size_t make_write(struct bench *b, char command, size_t (*add)(char *, uint8_t), size_t at)
{
	size_t room = b->c.packet_size - OVERHEAD, len = 0, n = 0, head;
	char *data = malloc(room), *packet = malloc(b->c.packet_size);
	struct write *w = &b->write[b->writes++];

	while (at + n < RANDOM_SIZE && len + 2 <= room)
		len += add(data + len, b->random[at + n++]);
	head = (size_t)snprintf(packet, OVERHEAD, "%c%" PRIx64 ",%zx:", command, b->memory + at, n);
	memcpy(packet + head, data, len);
	*w = (struct write){ .packet = malloc(b->c.packet_size), .bytes = n };
	w->len = client_frame(w->packet, packet, head + len);
	free(data);
	free(packet);
	return n;
}

static void free_writes(struct bench *b)
{
	while (b->writes)
		free(b->write[--b->writes].packet);
}

/* One packet; the time is what all RANDOM_SIZE bytes would take. */
static double write_next(struct bench *b)
{
	const struct write *w = &b->write[b->next_write];
	double t = now_us();

	client_send(&b->c, w->packet, w->len);
	if (strcmp(client_receive(&b->c), "OK") != 0)
		return -1;
	t = now_us() - t;
	b->next_write = (b->next_write + 1) % b->writes;
	return t * RANDOM_SIZE / (double)w->bytes;
}

/* New random bytes, written once as the samples will write them. */
static void write_all(struct bench *b, uint32_t seed, char command, size_t (*add)(char *, uint8_t))
{
	size_t at, i;

	randomize(b, seed);
	free_writes(b);
	for (at = 0; at < RANDOM_SIZE;)
		at += make_write(b, command, add, at);
	b->next_write = 0;
	for (i = 0; i < b->writes; i++)
		if (write_next(b) < 0)
			die("%c: the reply is %.40s", command, b->c.reply);
}

static bool has_binary_write(struct bench *b)
{
	return client_ask(&b->c, "X0,0:")[0] != '\0';
}

static void write_all_hex(struct bench *b)
{
	write_all(b, 1, 'M', add_hex);
}

/* A stub without X keeps what M wrote. */
static void write_all_binary(struct bench *b)
{
	free_writes(b);
	if (has_binary_write(b))
		write_all(b, 2, 'X', add_binary);
}

static double write_binary(struct bench *b)
{
	return b->writes ? write_next(b) : -1;
}

/* In this order: what M and X write is what m and x read; hits among many are with those set before. */
static const struct measurement {
	const char *what, *unit;
	void (*before)(struct bench *b); /* or NULL */
	double (*sample)(struct bench *b);
	void (*after)(struct bench *b); /* or NULL */
	double bytes;			/* of a sample that is shown as MB/s; 0: as us */
} measurements[] = {
	{ "round trip (qC)", "us", NULL, round_trip, NULL, 0 },
	{ "round trip from idle (qC)", "us", NULL, round_trip_from_idle, NULL, 0 },
	{ "all registers (g)", "us", NULL, all_registers, NULL, 0 },
	{ "one register (p)", "us", NULL, one_register, NULL, 0 },
	{ "step", "us", NULL, step, NULL, 0 },
	{ "hit", "us", set_leaf, hit, remove_leaf, 0 },
	{ "hit, two in turns", "us", set_both, hit_next, remove_both, 0 },
	{ "set, remove", "us", NULL, set_remove, NULL, 0 },
	{ "Ctrl-C", "us", NULL, interrupt, NULL, 0 },
	{ "write memory (M)", "MB/s", write_all_hex, write_next, verify_hex, RANDOM_SIZE },
	{ "write memory (X)", "MB/s", write_all_binary, write_binary, verify_hex, RANDOM_SIZE },
	{ "read memory (m)", "MB/s", NULL, read_hex, NULL, RANDOM_SIZE },
	{ "read memory (x)", "MB/s", verify_binary, read_binary, NULL, RANDOM_SIZE },
	{ "set, remove among 10,000", "us", set_many, set_remove, NULL, 0 },
	{ "hit among 10,000", "us", NULL, hit, NULL, 0 },
};

enum { MEASUREMENTS = sizeof(measurements) / sizeof(measurements[0]) };

/* ---- samples ------------------------------------------------------------------------------------ */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The median; below 0: the stub does not have it. */
static double median(struct bench *b, const struct measurement *m)
{
	double samples[SAMPLES_MAX], end = now_us() + BUDGET_US;
	size_t n = 0;

	while (n < SAMPLES_MIN || (n < SAMPLES_MAX && now_us() < end)) {
		samples[n] = m->sample(b);
		if (samples[n++] < 0)
			return -1;
	}
	qsort(samples, n, sizeof(samples[0]), by_value);
	return samples[n / 2];
}

static void measure(struct bench *b, const struct measurement *m)
{
	double t;

	if (m->before)
		m->before(b);
	t = median(b, m);
	if (m->after)
		m->after(b);
	if (t < 0)
		printf("%s, %s\t-\n", m->what, m->unit);
	else
		printf("%s, %s\t%.2f\n", m->what, m->unit, m->bytes ? m->bytes / t : t);
}

static void repeat(struct bench *b, const struct measurement *m, unsigned long count)
{
	if (m->before)
		m->before(b);
	puts("ready");
	fflush(stdout);
	getchar();
	while (count--)
		m->sample(b);
	puts("done");
	fflush(stdout);
	getchar();
}

static const struct measurement *find(const char *what)
{
	size_t i;

	for (i = 0; i < MEASUREMENTS; i++)
		if (!strcmp(measurements[i].what, what))
			return &measurements[i];
	die("%s: no such measurement", what);
}

/* ---- what the stub is like ---------------------------------------------------------- */

static void make_step(struct bench *b)
{
	const char *thread = strstr(client_ask(&b->c, "?"), "thread:");

	if (thread)
		snprintf(b->step, sizeof(b->step), "vCont;s:%.*s", (int)strcspn(thread + 7, ";"),
			 thread + 7);
	else
		snprintf(b->step, sizeof(b->step), "s");
}

/* rip is register 16 of gdb's x86-64; those before it have 8 bytes as well. */
static uint64_t read_pc(struct bench *b)
{
	uint64_t regs[17];

	client_ask(&b->c, "g");
	if (client_hex(&b->c, (uint8_t *)regs, sizeof(regs)) != sizeof(regs))
		die("g: the reply is %.40s", b->c.reply);
	return regs[16];
}

static void look_for_step_over(struct bench *b)
{
	uint64_t pc;

	set_both(b);
	pc = read_pc(b);
	if (pc != b->leaf)
		die("the target is at %" PRIx64 " and not in its loop", pc);
	expect(b, "c", "T05");
	b->steps_over = read_pc(b) == b->other;
	remove_both(b);
}

static void init(struct bench *b, char **argv)
{
	client_init(&b->c, argv[1]);
	b->type = argv[2][0];
	b->leaf = strtoull(argv[3], NULL, 16);
	b->other = strtoull(argv[4], NULL, 16);
	b->memory = strtoull(argv[5], NULL, 16);
	b->random = malloc(RANDOM_SIZE);
	b->write = calloc(RANDOM_SIZE, sizeof(b->write[0]));
	make_step(b);
	look_for_step_over(b);
}

static void fini(struct bench *b)
{
	client_fini(&b->c);
	free(b->random);
	free_writes(b);
	free(b->write);
}

int main(int argc, char **argv)
{
	struct bench b = { 0 };
	size_t i;

	if (argc != 6 && argc != 8)
		die("usage: rspbench ENDPOINT TYPE LEAF OTHER MEMORY [WHAT COUNT]");
	init(&b, argv);
	if (argc == 8)
		repeat(&b, find(argv[6]), strtoul(argv[7], NULL, 10));
	for (i = 0; argc == 6 && i < MEASUREMENTS; i++)
		measure(&b, &measurements[i]);
	fini(&b);
	return 0;
}
