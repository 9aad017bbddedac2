// SPDX-License-Identifier: MIT
#include "tests/bench/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BUFFER = 1 << 20, RUN_BIAS = 29, DEFAULT_PACKET_SIZE = 400 };

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static int dial_tcp(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
		die("port %d: %s", port, strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static int dial_unix(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
		die("%s: %s", path, strerror(errno));
	return fd;
}

size_t client_frame(char *out, const char *text, size_t len)
{
	uint8_t sum = 0;
	size_t i;

	out[0] = '$';
	memcpy(out + 1, text, len);
	for (i = 0; i < len; i++)
		sum = (uint8_t)(sum + (uint8_t)text[i]);
	return len + 1 + (size_t)sprintf(out + 1 + len, "#%02x", sum);
}

void client_send(struct client *c, const char *bytes, size_t len)
{
	ssize_t n;

	for (; len; bytes += n, len -= (size_t)n) {
		n = write(c->fd, bytes, len);
		if (n <= 0)
			die("write: %s", strerror(errno));
	}
}

static void fill(struct client *c)
{
	ssize_t n = read(c->fd, c->in + c->in_len, BUFFER - c->in_len);

	if (n <= 0)
		die("the stub has closed the connection");
	c->in_len += (size_t)n;
}

/* Where byte is among the received ones, from the given place on. */
static size_t find(struct client *c, char byte, size_t from)
{
	const char *at;

	for (;;) {
		at = memchr(c->in + from, byte, c->in_len - from);
		if (at)
			return (size_t)(at - c->in);
		from = c->in_len;
		fill(c);
	}
}

const char *client_receive(struct client *c)
{
	size_t start = find(c, '$', 0) + 1, end = find(c, '#', start);

	while (c->in_len < end + 3)
		fill(c);
	c->reply_len = end - start;
	memcpy(c->reply, c->in + start, c->reply_len);
	c->reply[c->reply_len] = '\0';
	c->in_len -= end + 3;
	memmove(c->in, c->in + end + 3, c->in_len);
	if (c->ack)
		client_send(c, "+", 1);
	return c->reply;
}

const char *client_ask(struct client *c, const char *text)
{
	char out[256];

	client_send(c, out, client_frame(out, text, strlen(text)));
	return client_receive(c);
}

/* Undo run lengths: how many characters are written; at most max. */
static size_t expand(const struct client *c, char *out, size_t max)
{
	size_t i, n = 0, run;

	for (i = 0; i < c->reply_len && n < max; i++) {
		if (c->reply[i] != '*' || !n) {
			out[n++] = c->reply[i];
			continue;
		}
		run = (size_t)(uint8_t)c->reply[++i] - RUN_BIAS;
		run = run < max - n ? run : max - n;
		memset(out + n, out[n - 1], run);
		n += run;
	}
	return n;
}

static unsigned int nibble(char digit)
{
	return (unsigned int)(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
}

size_t client_hex(const struct client *c, uint8_t *out, size_t max)
{
	char *digits = malloc(2 * max);
	size_t n = expand(c, digits, 2 * max) / 2, i;

	for (i = 0; i < n; i++)
		out[i] = (uint8_t)(nibble(digits[2 * i]) << 4 | nibble(digits[2 * i + 1]));
	free(digits);
	return n;
}

size_t client_binary(const struct client *c, uint8_t *out, size_t max)
{
	char *bytes = malloc(2 * max + 1);
	size_t len = expand(c, bytes, 2 * max + 1), i, n = 0;

	for (i = 1; i < len && n < max; i++)
		out[n++] = (uint8_t)(bytes[i] == '}' ? bytes[++i] ^ 0x20 : bytes[i]);
	free(bytes);
	return n;
}

/* QEMU stops the VM when a debugger connects, and reports that before it replies to anything. */
static size_t negotiate(struct client *c)
{
	char features[4096];
	const char *size;

	client_ask(c, "qSupported:multiprocess+;swbreak+;vContSupported+;binary-upload+");
	while (c->reply[0] == 'T')
		client_receive(c);
	features[expand(c, features, sizeof(features) - 1)] = '\0';
	size = strstr(features, "PacketSize=");
	return size ? strtoul(size + strlen("PacketSize="), NULL, 16) : DEFAULT_PACKET_SIZE;
}

void client_init(struct client *c, const char *endpoint)
{
	*c = (struct client){ .ack = true, .in = malloc(BUFFER), .reply = malloc(BUFFER) };
	c->fd = strncmp(endpoint, "tcp:", 4) ? dial_unix(endpoint + 5)
					     : dial_tcp(atoi(endpoint + 4));
	c->packet_size = negotiate(c);
	if (c->packet_size > BUFFER / 2)
		c->packet_size = BUFFER / 2;
	if (!strcmp(client_ask(c, "QStartNoAckMode"), "OK"))
		c->ack = false;
}

void client_fini(struct client *c)
{
	close(c->fd);
	free(c->in);
	free(c->reply);
}
