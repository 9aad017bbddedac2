// SPDX-License-Identifier: MIT
#include "tests/unit/rsp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IN_SIZE = 4 * PACKET_SIZE };

void rsp_open(struct rsp *r, struct target *t, const struct session_config *config)
{
	memset(r, 0, sizeof(*r));
	packet_decoder_init(&r->in, malloc(IN_SIZE), IN_SIZE);
	r->in.expand = true;
	r->frame = malloc(IN_SIZE);
	r->reply = calloc(1, IN_SIZE + 1);
	if (session_create(&r->session, t, config) < 0)
		abort();
}

void rsp_close(struct rsp *r)
{
	session_destroy(r->session);
	free(r->in.data);
	free(r->frame);
	free(r->reply);
}

void rsp_clear(struct rsp *r)
{
	r->packets = r->acks = r->naks = r->bad = r->junk = 0;
	r->reply_len = r->all_len = 0;
	r->reply[0] = r->all[0] = '\0';
}

size_t rsp_frame(char *dst, const void *data, size_t n)
{
	const unsigned char *p = data;
	unsigned char sum = 0;
	char *out = dst;

	*out++ = '$';
	for (size_t i = 0; i < n; i++) {
		if (strchr("$#}*", p[i]) && p[i]) {
			*out++ = '}';
			*out++ = (char)(p[i] ^ 0x20);
		} else {
			*out++ = (char)p[i];
		}
	}
	for (char *c = dst + 1; c < out; c++)
		sum += (unsigned char)*c;
	return (size_t)(out - dst) + (size_t)sprintf(out, "#%02x", sum);
}

static void take_packet(struct rsp *r)
{
	size_t n = r->in.len;

	r->packets++;
	memcpy(r->reply, r->in.data, n);
	r->reply[n] = '\0';
	r->reply_len = n;
	if (n + 2 < sizeof(r->all) - r->all_len)
		r->all_len += (size_t)sprintf(r->all + r->all_len, "%s|", r->reply);
}

static void take(struct rsp *r, const uint8_t *p, size_t n)
{
	while (n) {
		size_t eaten;

		switch (packet_decode(&r->in, p, n, &eaten)) {
		case PACKET_DATA:
			take_packet(r);
			if (!r->no_ack)
				session_input(r->session, "+", 1);
			break;
		case PACKET_ACK: r->acks++; break;
		case PACKET_NAK: r->naks++; break;
		case PACKET_NONE: break;
		case PACKET_JUNK: r->junk++; break;
		default: r->bad++; break;
		}
		p += eaten;
		n -= eaten;
	}
}

void rsp_pump(struct rsp *r)
{
	const void *out;
	size_t n;

	session_poll(r->session);
	while (!r->deaf && (out = session_output(r->session, &n)) && n) {
		/* copied, because acks that the session takes meanwhile free the output */
		uint8_t *copy = malloc(n);

		memcpy(copy, out, n);
		session_sent(r->session, n);
		take(r, copy, n);
		free(copy);
		session_poll(r->session);
	}
}

void rsp_bytes(struct rsp *r, const void *bytes, size_t n)
{
	const char *p = bytes;

	while (n) {
		size_t most = r->chunk && r->chunk < n ? r->chunk : n;
		size_t eaten = session_input(r->session, p, most);

		rsp_pump(r);
		if (!eaten)
			eaten = session_input(r->session, p, most);
		if (!eaten)
			return;
		p += eaten;
		n -= eaten;
	}
	rsp_pump(r);
}

void rsp_text(struct rsp *r, const char *bytes)
{
	rsp_bytes(r, bytes, strlen(bytes));
}

void rsp_send(struct rsp *r, const void *data, size_t n)
{
	rsp_bytes(r, r->frame, rsp_frame((char *)r->frame, data, n));
}

const char *rsp_call_bytes(struct rsp *r, const void *data, size_t n)
{
	rsp_clear(r);
	rsp_send(r, data, n);
	if (r->packets == 1)
		return r->reply;
	sprintf(r->reply, r->packets ? "(%u replies)" : "(none)", r->packets);
	return r->reply;
}

const char *rsp_call(struct rsp *r, const char *packet)
{
	return rsp_call_bytes(r, packet, strlen(packet));
}
