/* SPDX-License-Identifier: MIT */
/* The serial console. Registers as in the data sheet of the PC16550D (National Semiconductor). */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "host-tools/vmgdb-run/console.h"

/* Registers by offset. With LCR.DLAB the first two are the divisor. */
enum { RBR_THR, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCR };

enum {
	IER_RX = 1 << 0,
	IER_TX = 1 << 1,
	IER_LINE = 1 << 2,
	IIR_NONE = 0x01,
	IIR_TX = 0x02,
	IIR_RX = 0x04,
	IIR_LINE = 0x06,
	IIR_FIFO = 0xc0,
	FCR_ENABLE = 1 << 0,
	FCR_CLEAR_RX = 1 << 1,
	LCR_DLAB = 1 << 7,
	MCR_DTR = 1 << 0,
	MCR_RTS = 1 << 1,
	MCR_OUT1 = 1 << 2,
	MCR_OUT2 = 1 << 3,
	MCR_LOOP = 1 << 4,
	LSR_READY = 1 << 0,
	LSR_OVERRUN = 1 << 1,
	LSR_THRE = 1 << 5,
	LSR_TEMT = 1 << 6,
	MSR_CTS = 1 << 4,
	MSR_DSR = 1 << 5,
	MSR_RI = 1 << 6,
	MSR_DCD = 1 << 7,
};

enum {
	ESCAPE = 1, /* Ctrl-A */
	QUEUE = 4096,
	TX_FIFO = 16, /* what a driver may write after it has seen THRE */
	CHUNK = 256,  /* what may be written to a terminal or pipe that polls writable */
};

struct queue {
	uint8_t bytes[QUEUE];
	size_t head, len;
};

struct console {
	pthread_mutex_t lock;
	int in, out;
	int wake; /* eventfd: there is output, or room for input */
	void (*irq)(void *opaque, bool level);
	void (*command)(void *opaque, char key); /* NULL: all input is the guest's */
	void *opaque;
	bool paused;  /* the input is not read for now */
	bool escaped; /* the last byte of input was an ESCAPE, and not the second one */
	bool level;

	struct queue rx, tx;
	uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
	bool overrun;
	bool output_lost;
	bool tx_irq; /* THRE has become true since IIR was last read */
};

static bool queue_put(struct queue *q, uint8_t byte)
{
	if (q->len == QUEUE)
		return false;
	q->bytes[(q->head + q->len++) % QUEUE] = byte;
	return true;
}

static void queue_drop(struct queue *q, size_t n)
{
	q->head = (q->head + n) % QUEUE;
	q->len -= n;
}

static uint8_t queue_get(struct queue *q)
{
	uint8_t byte = q->bytes[q->head];

	queue_drop(q, 1);
	return byte;
}

/* The bytes at the head that lie in one piece. */
static size_t queue_run(const struct queue *q)
{
	return q->len < QUEUE - q->head ? q->len : QUEUE - q->head;
}

static void wake(struct console *c)
{
	eventfd_write(c->wake, 1);
}

static bool tx_room(const struct console *c)
{
	return c->tx.len + TX_FIFO <= QUEUE;
}

/* What IIR says: the highest of the pending interrupts. */
static uint8_t pending(const struct console *c)
{
	if ((c->ier & IER_LINE) && c->overrun)
		return IIR_LINE;
	if ((c->ier & IER_RX) && c->rx.len)
		return IIR_RX;
	if ((c->ier & IER_TX) && c->tx_irq)
		return IIR_TX;
	return IIR_NONE;
}

static void update_irq(struct console *c)
{
	bool level = pending(c) != IIR_NONE;

	if (level != c->level)
		c->irq(c->opaque, level);
	c->level = level;
}

static uint8_t read_rbr(struct console *c)
{
	bool was_full = c->rx.len == QUEUE;
	uint8_t byte;

	if (c->rx.len == 0)
		return 0;
	byte = queue_get(&c->rx);
	if (was_full)
		wake(c);
	return byte;
}

static uint8_t read_iir(struct console *c)
{
	uint8_t iir = pending(c);

	if (iir == IIR_TX)
		c->tx_irq = false;
	return iir | (c->fcr & FCR_ENABLE ? IIR_FIFO : 0);
}

static uint8_t read_lsr(struct console *c)
{
	uint8_t lsr = (c->rx.len ? LSR_READY : 0) | (c->overrun ? LSR_OVERRUN : 0) |
		      (tx_room(c) ? LSR_THRE : 0) | (c->tx.len == 0 ? LSR_TEMT : 0);

	c->overrun = false;
	return lsr;
}

/* In loopback the modem's outputs are its inputs; otherwise the other end is always there. */
static uint8_t read_msr(const struct console *c)
{
	if (!(c->mcr & MCR_LOOP))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	return (c->mcr & MCR_RTS ? MSR_CTS : 0) | (c->mcr & MCR_DTR ? MSR_DSR : 0) |
	       (c->mcr & MCR_OUT1 ? MSR_RI : 0) | (c->mcr & MCR_OUT2 ? MSR_DCD : 0);
}

static uint8_t read_reg(struct console *c, unsigned int reg)
{
	bool dlab = c->lcr & LCR_DLAB;

	switch (reg) {
	case RBR_THR: return dlab ? c->dll : read_rbr(c);
	case IER: return dlab ? c->dlm : c->ier;
	case IIR_FCR: return read_iir(c);
	case LCR: return c->lcr;
	case MCR: return c->mcr;
	case LSR: return read_lsr(c);
	case MSR: return read_msr(c);
	default: return c->scr;
	}
}

uint8_t console_read(struct console *c, unsigned int reg)
{
	uint8_t value;

	pthread_mutex_lock(&c->lock);
	value = read_reg(c, reg);
	update_irq(c);
	pthread_mutex_unlock(&c->lock);
	return value;
}

static void write_thr(struct console *c, uint8_t byte)
{
	if (c->mcr & MCR_LOOP) {
		c->overrun |= !queue_put(&c->rx, byte);
		return;
	}
	queue_put(&c->tx, byte);
	c->tx_irq = tx_room(c);
	if (c->tx.len == 1)
		wake(c);
}

static void write_ier(struct console *c, uint8_t value)
{
	if ((value & ~c->ier & IER_TX) && tx_room(c))
		c->tx_irq = true;
	c->ier = value & 0x0f;
}

static void write_fcr(struct console *c, uint8_t value)
{
	c->fcr = value;
	if (value & FCR_CLEAR_RX)
		c->rx.len = 0;
}

static void write_reg(struct console *c, unsigned int reg, uint8_t value)
{
	bool dlab = c->lcr & LCR_DLAB;

	switch (reg) {
	case RBR_THR:
		if (dlab)
			c->dll = value;
		else
			write_thr(c, value);
		break;
	case IER:
		if (dlab)
			c->dlm = value;
		else
			write_ier(c, value);
		break;
	case IIR_FCR: write_fcr(c, value); break;
	case LCR: c->lcr = value; break;
	case MCR: c->mcr = value & 0x1f; break;
	case SCR: c->scr = value; break;
	}
}

void console_write(struct console *c, unsigned int reg, uint8_t value)
{
	pthread_mutex_lock(&c->lock);
	write_reg(c, reg, value);
	update_irq(c);
	pthread_mutex_unlock(&c->lock);
}

/* ---- the host's side ---- */

enum { POLL_WAKE, POLL_IN, POLL_OUT };

/* How many bytes of input may be read. */
static size_t input_room(const struct console *c)
{
	size_t room = QUEUE - c->rx.len;

	return c->command || room > CHUNK ? CHUNK : room;
}

void console_poll_prepare(struct console *c, struct pollfd *fds)
{
	pthread_mutex_lock(&c->lock);
	fds[POLL_WAKE] = (struct pollfd){ .fd = c->wake, .events = POLLIN };
	fds[POLL_IN] =
		(struct pollfd){ .fd = !c->paused && input_room(c) ? c->in : -1, .events = POLLIN };
	fds[POLL_OUT] = (struct pollfd){ .fd = c->tx.len ? c->out : -1, .events = POLLOUT };
	pthread_mutex_unlock(&c->lock);
}

/* Carries out the commands that are in the input; returns how many bytes are left for the guest. */
static size_t take_commands(struct console *c, uint8_t *bytes, size_t n)
{
	size_t left = 0;

	for (size_t i = 0; i < n; i++) {
		bool escaped = c->escaped;

		c->escaped = bytes[i] == ESCAPE && !escaped;
		if (c->escaped)
			continue;
		if (escaped && bytes[i] != ESCAPE)
			c->command(c->opaque, (char)bytes[i]);
		else
			bytes[left++] = bytes[i];
	}
	return left;
}

/*
 * Both read and write outside the lock, so that no vCPU ever waits for a terminal. The
 * console stops reading input that has ended.
 */
static void take_input(struct console *c)
{
	uint8_t buf[CHUNK];
	size_t room;
	ssize_t n;

	pthread_mutex_lock(&c->lock);
	room = input_room(c);
	pthread_mutex_unlock(&c->lock);
	n = read(c->in, buf, room);
	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
		c->in = -1;
	if (c->command && n > 0)
		n = (ssize_t)take_commands(c, buf, (size_t)n);
	pthread_mutex_lock(&c->lock);
	for (ssize_t i = 0; i < n; i++)
		c->overrun |= !queue_put(&c->rx, buf[i]);
	update_irq(c);
	pthread_mutex_unlock(&c->lock);
}

/* Output that nobody will ever read is thrown away. */
static void write_output(struct console *c)
{
	size_t run;
	ssize_t n;

	pthread_mutex_lock(&c->lock);
	run = queue_run(&c->tx);
	pthread_mutex_unlock(&c->lock);
	n = write(c->out, c->tx.bytes + c->tx.head, run < CHUNK ? run : CHUNK);
	if (n < 0 && errno != EINTR && errno != EAGAIN) {
		c->output_lost = errno == EPIPE;
		n = (ssize_t)run;
	}
	if (n <= 0)
		return;
	pthread_mutex_lock(&c->lock);
	c->tx_irq |= !tx_room(c);
	queue_drop(&c->tx, (size_t)n);
	update_irq(c);
	pthread_mutex_unlock(&c->lock);
}

void console_poll_serve(struct console *c, const struct pollfd *fds)
{
	eventfd_t count;

	if (fds[POLL_WAKE].revents)
		eventfd_read(c->wake, &count);
	if (fds[POLL_IN].revents && !c->paused)
		take_input(c);
	if (fds[POLL_OUT].revents)
		write_output(c);
}

bool console_output_lost(const struct console *c)
{
	return c->output_lost;
}

void console_drain(struct console *c, int timeout_ms)
{
	struct pollfd fds[CONSOLE_POLLFDS];

	for (;;) {
		console_poll_prepare(c, fds);
		fds[POLL_WAKE].fd = fds[POLL_IN].fd = -1;
		if (fds[POLL_OUT].fd < 0 || poll(fds, CONSOLE_POLLFDS, timeout_ms) <= 0)
			return;
		console_poll_serve(c, fds);
	}
}

struct console *console_create(int in, int out, void (*irq)(void *opaque, bool level), void *opaque)
{
	struct console *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->in = in;
	c->out = out;
	c->irq = irq;
	c->opaque = opaque;
	c->dll = 1;
	pthread_mutex_init(&c->lock, NULL);
	c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->wake < 0) {
		console_destroy(c);
		return NULL;
	}
	return c;
}

void console_pause_input(struct console *c, bool pause)
{
	c->paused = pause;
}

void console_set_commands(struct console *c, void (*command)(void *opaque, char key))
{
	c->command = command;
}

void console_destroy(struct console *c)
{
	if (!c)
		return;
	if (c->wake >= 0)
		close(c->wake);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
