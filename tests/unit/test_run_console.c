/* SPDX-License-Identifier: MIT */
/* vmgdb-run's serial port, as a guest's driver uses it. */
#define _GNU_SOURCE
#include <criterion/criterion.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "host-tools/vmgdb-run/console.h"

enum { THR, IER, IIR, LCR, MCR, LSR, MSR, SCR };
enum {
	IER_RX = 1,
	IER_TX = 2,
	IIR_NONE = 1,
	IIR_TX = 2,
	IIR_RX = 4,
	LSR_READY = 1,
	LSR_THRE = 0x20,
	LSR_TEMT = 0x40,
	QUEUE = 4096,
};

struct port {
	struct console *c;
	int to_guest, from_guest; /* our ends */
	int in, out;		  /* the console's */
	bool line;
	unsigned int edges;
	char commands[8]; /* keys of the commands that were carried out */
	unsigned int ncommands;
};

static void irq(void *opaque, bool level)
{
	struct port *p = opaque;

	p->line = level;
	p->edges++;
}

static void open_port(struct port *p)
{
	int in[2], out[2];

	memset(p, 0, sizeof(*p));
	cr_assert_eq(pipe2(in, O_CLOEXEC), 0);
	cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
	cr_assert_neq(fcntl(out[0], F_SETFL, O_NONBLOCK), -1);
	p->to_guest = in[1];
	p->in = in[0];
	p->from_guest = out[0];
	p->out = out[1];
	p->c = console_create(p->in, p->out, irq, p);
	cr_assert_not_null(p->c);
}

static void close_port(struct port *p)
{
	console_destroy(p->c);
	close(p->to_guest);
	close(p->in);
	close(p->from_guest);
	close(p->out);
}

/* One turn of the main thread, if there is something to do. */
static bool serve(struct port *p)
{
	struct pollfd fds[CONSOLE_POLLFDS];

	console_poll_prepare(p->c, fds);
	if (poll(fds, CONSOLE_POLLFDS, 0) <= 0)
		return false;
	console_poll_serve(p->c, fds);
	return true;
}

static void type(struct port *p, const char *text)
{
	cr_assert_eq(write(p->to_guest, text, strlen(text)), (ssize_t)strlen(text));
	while (serve(p))
		;
}

static uint8_t in(struct port *p, unsigned int reg)
{
	return console_read(p->c, reg);
}

static void out(struct port *p, unsigned int reg, uint8_t value)
{
	console_write(p->c, reg, value);
}

static void print(struct port *p, const char *text)
{
	while (*text)
		out(p, THR, (uint8_t)*text++);
}

Test(run_console, output,
     .description = "what the guest writes comes out, in order, and is then sent")
{
	struct port p;
	char buf[16] = "";

	open_port(&p);
	cr_expect_eq(in(&p, LSR), LSR_THRE | LSR_TEMT);
	print(&p, "hello");
	cr_expect_eq(in(&p, LSR), LSR_THRE, "not yet sent");
	console_drain(p.c, 1000);
	cr_expect_eq(in(&p, LSR), LSR_THRE | LSR_TEMT);
	cr_expect_eq(read(p.from_guest, buf, sizeof(buf)), 5);
	cr_expect_str_eq(buf, "hello");
	close_port(&p);
}

Test(run_console, wakes, .description = "the main thread's poll is woken by the first byte")
{
	struct port p;
	struct pollfd fds[CONSOLE_POLLFDS];

	open_port(&p);
	console_poll_prepare(p.c, fds);
	cr_expect_eq(poll(fds, CONSOLE_POLLFDS, 0), 0);
	out(&p, THR, 'x');
	cr_expect_eq(poll(fds, CONSOLE_POLLFDS, 0), 1);
	close_port(&p);
}

Test(run_console, full,
     .description =
	     "a reader who does not read: no write blocks, THRE goes, and comes back with an interrupt")
{
	struct port p;
	char buf[65536];
	unsigned int n = 0;

	open_port(&p);
	cr_assert_neq(fcntl(p.out, F_SETPIPE_SZ, 4096), -1);
	while (in(&p, LSR) & LSR_THRE) {
		out(&p, THR, (uint8_t)n++);
		serve(&p);
		cr_assert(n < 100000);
	}
	cr_expect(n > QUEUE - 16, "%u bytes were taken", n);
	console_drain(p.c, 0);
	cr_expect_eq(in(&p, LSR) & LSR_THRE, 0);
	out(&p, IER, IER_TX);
	cr_expect_eq(p.line, false);
	cr_expect(read(p.from_guest, buf, sizeof(buf)) > 0);
	while (serve(&p))
		;
	cr_expect_eq(p.line, true);
	cr_expect_eq(in(&p, IIR), IIR_TX);
	cr_expect_eq(in(&p, LSR) & LSR_THRE, LSR_THRE);
	close_port(&p);
}

Test(run_console, input,
     .description = "input is there to be read, and raises the line until it is")
{
	struct port p;

	open_port(&p);
	out(&p, IER, IER_RX);
	type(&p, "ab");
	cr_expect_eq(p.line, true);
	cr_expect_eq(in(&p, IIR), IIR_RX);
	cr_expect_eq(in(&p, LSR) & LSR_READY, LSR_READY);
	cr_expect_eq(in(&p, THR), 'a');
	cr_expect_eq(p.line, true);
	cr_expect_eq(in(&p, THR), 'b');
	cr_expect_eq(p.line, false);
	cr_expect_eq(in(&p, IIR), IIR_NONE);
	cr_expect_eq(in(&p, LSR) & LSR_READY, 0);
	close_port(&p);
}

Test(run_console, input_full,
     .description = "more input than fits is left in the pipe, none is lost")
{
	struct port p;
	char text[QUEUE + 100];

	open_port(&p);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i % 26);
	cr_assert_eq(write(p.to_guest, text, sizeof(text)), (ssize_t)sizeof(text));
	for (size_t i = 0; i < sizeof(text); i++) {
		while (serve(&p))
			;
		cr_assert_eq(in(&p, THR), text[i], "byte %zu", i);
	}
	close_port(&p);
}

Test(run_console, input_paused,
     .description =
	     "input that comes during a pause is left in the pipe until the end of the pause")
{
	struct port p;

	open_port(&p);
	console_pause_input(p.c, true);
	type(&p, "a");
	cr_expect_eq(in(&p, LSR) & LSR_READY, 0);
	console_pause_input(p.c, false);
	cr_expect(serve(&p));
	cr_expect_eq(in(&p, THR), 'a');
	close_port(&p);
}

Test(run_console, input_end, .description = "at the end of input the console stops reading")
{
	struct port p;

	open_port(&p);
	type(&p, "z");
	close(p.to_guest);
	p.to_guest = -1;
	cr_expect(serve(&p), "the end is seen");
	cr_expect_not(serve(&p), "and only once");
	cr_expect_eq(in(&p, THR), 'z');
	close_port(&p);
}

Test(run_console, tx_interrupt,
     .description = "THRE interrupts when it is enabled and after each byte; reading IIR clears it")
{
	struct port p;

	open_port(&p);
	out(&p, IER, IER_TX);
	cr_expect_eq(p.line, true);
	cr_expect_eq(in(&p, IIR), IIR_TX);
	cr_expect_eq(p.line, false);
	cr_expect_eq(in(&p, IIR), IIR_NONE);
	out(&p, THR, 'x');
	cr_expect_eq(p.line, true);
	out(&p, IER, 0);
	cr_expect_eq(p.line, false);
	close_port(&p);
}

Test(run_console, priority, .description = "input is reported before THRE")
{
	struct port p;

	open_port(&p);
	out(&p, IER, IER_RX | IER_TX);
	type(&p, "a");
	cr_expect_eq(in(&p, IIR), IIR_RX);
	cr_expect_eq(in(&p, THR), 'a');
	cr_expect_eq(in(&p, IIR), IIR_TX);
	close_port(&p);
}

Test(run_console, loopback, .description = "loopback, by which drivers probe: outputs are inputs")
{
	struct port p;

	open_port(&p);
	out(&p, MCR, 0x1a);
	cr_expect_eq(in(&p, MSR) & 0xf0, 0x90, "RTS is CTS, OUT2 is DCD");
	out(&p, THR, 'q');
	cr_expect_eq(in(&p, LSR) & LSR_READY, LSR_READY);
	cr_expect_eq(in(&p, THR), 'q');
	cr_expect_not(serve(&p), "nothing went out");
	close_port(&p);
}

Test(run_console, registers,
     .description = "divisor behind DLAB, scratch, fifo bits, IER's four bits")
{
	struct port p;

	open_port(&p);
	out(&p, LCR, 0x83);
	out(&p, THR, 0x34);
	out(&p, IER, 0x12);
	cr_expect_eq(in(&p, THR), 0x34);
	cr_expect_eq(in(&p, IER), 0x12);
	cr_expect_not(serve(&p), "the divisor is no output");
	out(&p, LCR, 0x03);
	cr_expect_eq(in(&p, LCR), 0x03);
	cr_expect_eq(in(&p, IER), 0);
	out(&p, IER, 0xff);
	cr_expect_eq(in(&p, IER), 0x0f);
	out(&p, IER, 0);
	out(&p, SCR, 0x5a);
	cr_expect_eq(in(&p, SCR), 0x5a);
	out(&p, IIR, 1);
	cr_expect_eq(in(&p, IIR), 0xc0 | IIR_NONE);
	close_port(&p);
}

Test(run_console, clear, .description = "FCR throws away the input that has not been read")
{
	struct port p;

	open_port(&p);
	type(&p, "abc");
	out(&p, IIR, 1 | 2);
	cr_expect_eq(in(&p, LSR) & LSR_READY, 0);
	close_port(&p);
}

static void on_command(void *opaque, char key)
{
	struct port *p = opaque;

	p->commands[p->ncommands++ % sizeof(p->commands)] = key;
}

static void expect_input(struct port *p, const char *bytes)
{
	for (; *bytes; bytes++) {
		cr_assert_eq(in(p, LSR) & LSR_READY, LSR_READY);
		cr_expect_eq(in(p, THR), *bytes);
	}
	cr_expect_eq(in(p, LSR) & LSR_READY, 0);
}

Test(run_console, commands,
     .description = "Ctrl-A and a key is a command, Ctrl-A twice a Ctrl-A, all else is the guest's")
{
	struct port p;

	open_port(&p);
	type(&p, "\x01x");
	expect_input(&p, "\x01x");
	console_set_commands(p.c, on_command);
	type(&p, "a\x03\x01xb\x01\x01x\x01");
	type(&p, "hc");
	expect_input(&p, "a\x03"
			 "b\x01xc");
	cr_expect_eq(p.ncommands, 2);
	cr_expect_eq(memcmp(p.commands, "xh", 2), 0);
	close_port(&p);
}

Test(run_console, commands_when_full,
     .description = "a command is carried out though the guest has not read what came before it")
{
	struct port p;
	char text[QUEUE + 100];

	open_port(&p);
	console_set_commands(p.c, on_command);
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	type(&p, text);
	type(&p, "\x01x");
	cr_expect_eq(p.ncommands, 1);
	cr_expect_eq(p.commands[0], 'x');
	close_port(&p);
}
