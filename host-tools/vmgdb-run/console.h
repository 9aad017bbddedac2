/* SPDX-License-Identifier: MIT */
/*
 * The serial console: a 16550A as seen by the guest, two file descriptors as seen by the host.
 *
 * The guest's side (console_read, console_write) is called by vCPU threads and never blocks; the
 * host's side (the rest) belongs to the main thread, which polls. Between them are two queues.
 */
#ifndef VMGDB_RUN_CONSOLE_H
#define VMGDB_RUN_CONSOLE_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct console;

/* A serial port has this many registers of a byte each. */
enum { CONSOLE_REGS = 8 };

/*
 * in, out: descriptors, not owned; in is -1 for a console without input. irq(opaque, level) drives
 * the interrupt line; any thread, under the console's lock. Returns NULL when out of memory.
 */
struct console *console_create(int in, int out, void (*irq)(void *opaque, bool level),
			       void *opaque);
void console_destroy(struct console *c);

uint8_t console_read(struct console *c, unsigned int reg);
void console_write(struct console *c, unsigned int reg, uint8_t value);

/*
 * Let keys of a person at a terminal be commands: Ctrl-A and then a key calls command(opaque, key), with
 * the opaque of console_create(), on the main thread; Ctrl-A twice is a Ctrl-A for the guest. Input
 * is then read, and lost, also while the guest takes none: a person can always end vmgdb-run.
 */
void console_set_commands(struct console *c, void (*command)(void *opaque, char key));

/* Leave the input alone, or read it again; main thread. */
void console_pause_input(struct console *c, bool pause);

/* What to poll for; serve with the results. */
enum { CONSOLE_POLLFDS = 3 };
void console_poll_prepare(struct console *c, struct pollfd *fds);
void console_poll_serve(struct console *c, const struct pollfd *fds);

/* Whether nobody can read what the guest writes any more: the output is a pipe or socket whose reader has
 * gone. Main thread. */
bool console_output_lost(const struct console *c);

/* Bring out what the guest has written, waiting at most timeout_ms for a slow reader. */
void console_drain(struct console *c, int timeout_ms);

#endif
