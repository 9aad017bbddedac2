/* SPDX-License-Identifier: MIT */
/* A raw RSP client for timing a stub. What goes wrong ends the program, with a line on stderr. */
#ifndef VMGDB_BENCH_CLIENT_H
#define VMGDB_BENCH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client {
	int fd;
	bool ack;
	char *in; /* bytes received and not consumed */
	size_t in_len;
	char *reply; /* the last one, NUL-terminated, escapes and run lengths as sent */
	size_t reply_len;
	size_t packet_size; /* that the stub grants */
};

__attribute__((noreturn, format(printf, 1, 2))) void die(const char *fmt, ...);

/* Connect to tcp:PORT on the loopback or unix:PATH, and negotiate. */
void client_init(struct client *c, const char *endpoint);
void client_fini(struct client *c);

/* "$text#checksum" in out, which must have room for len + 4 bytes: how many bytes that are. */
size_t client_frame(char *out, const char *text, size_t len);

void client_send(struct client *c, const char *bytes, size_t len);
const char *client_receive(struct client *c);

/* Send a packet and receive its reply. */
const char *client_ask(struct client *c, const char *text);

/* The bytes of a hex reply, run lengths undone, or of the binary reply to x, escapes undone: how many
 * there are; at most max are written. */
size_t client_hex(const struct client *c, uint8_t *out, size_t max);
size_t client_binary(const struct client *c, uint8_t *out, size_t max);

#endif
