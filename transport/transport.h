/* SPDX-License-Identifier: MIT */
/*
 * What the parser gives to a transport, and what a transport gives to the parser. Private.
 *
 * To add a transport: write one file with its openers, and its row in the table in transports.c.
 */
#ifndef VMGDB_TRANSPORT_TRANSPORT_H
#define VMGDB_TRANSPORT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmgdb/endpoint.h>
#include "transport/stream.h"

enum { SPEC_NAME_MAX = 150, SPEC_ALLOW_MAX = 16 };

/* Who may come: uids or CIDs. */
struct allow_list {
	bool given; /* the transport's default holds when it is not */
	bool any;
	size_t count;
	uint32_t ids[SPEC_ALLOW_MAX];
};

/* A spec, parsed. Lives as long as vmgdb_endpoint_open() runs. */
struct endpoint_spec {
	const char *text;
	enum vmgdb_role role;
	bool dial;		      /* connect out; otherwise listen */
	char name[SPEC_NAME_MAX + 1]; /* HOST, CID, PATH, LINK, DEVICE or NAME; empty: not given */
	uint32_t number;	      /* PORT or N */
	struct allow_list allow;
	unsigned int baud;
	bool hw_flow;
	struct stream_policy policy; /* owned by the parser; endpoint_new() copies it */
	char *err;
	size_t errlen;
};

/* Options that only some kinds have, as bits of transport.takes. */
enum { TAKES_DIAL = 1 << 0, TAKES_ALLOW = 1 << 1, TAKES_LINE = 1 << 2 };

typedef int endpoint_opener(const struct endpoint_spec *s, struct vmgdb_endpoint **out);

/* A kind of endpoint. A NULL opener: it can't be used that way. */
struct transport {
	const char *kind;
	const char *help; /* "SYNTAX\tWHAT IT IS" */

	/* The argument, [NAME:]NUMBER, NAME or NUMBER: what to call the parts; NULL: has none. */
	const char *name;
	const char *number;
	size_t name_max;
	uint32_t number_max;
	bool name_optional;
	bool name_may_be_empty; /* before the colon */

	unsigned int takes;
	enum disconnect_policy on_disconnect; /* unless the spec says otherwise */
	/* An id of allow=: a uid or a CID; false: not one. Only with TAKES_ALLOW. */
	bool (*parse_id)(const char *text, uint32_t *id);

	endpoint_opener *listen;
	endpoint_opener *dial;
};

/* All kinds; the last has no kind. The first is what a bare PORT means. */
extern const struct transport transports[];

endpoint_opener tcp_listen, tcp_dial;
endpoint_opener vsock_listen, vsock_dial;
endpoint_opener unix_listen, unix_dial;
endpoint_opener pty_listen;
endpoint_opener serial_open;
endpoint_opener virtio_open;
endpoint_opener fd_open, stdio_open;
endpoint_opener uds_vsock_dial;

bool unix_parse_uid(const char *text, uint32_t *id);
bool vsock_parse_cid(const char *text, uint32_t *id);

/*
 * Parse text into *s, and find its kind. Returns 0, -EINVAL with s->err saying which part is at
 * fault, or -ENOMEM. s->policy.log is to be freed in any case.
 */
int spec_parse(struct endpoint_spec *s, const struct transport **kind);

/* Apply the option NAME[=VALUE]. text is changed. As spec_parse(). */
int option_parse(struct endpoint_spec *s, const struct transport *kind, char *text);

/* The help line of option i, or NULL after the last. */
const char *option_help(unsigned int i);

/* A decimal number from 0 to max, and nothing else: true and *out. */
bool parse_number(const char *text, uint32_t max, uint32_t *out);

/* Write "endpoint 'TEXT': MESSAGE" to s->err. Returns err (a negative errno). */
int spec_error(const struct endpoint_spec *s, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same for a call that failed: ": Permission denied" is added. */
int spec_failed(const struct endpoint_spec *s, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Zeroed memory of size bytes that begins with a struct vmgdb_endpoint, policy filled in, nothing
 * to poll. NULL: no memory. To be freed by endpoint_free().
 */
void *endpoint_new(const struct endpoint_spec *s, size_t size, const struct endpoint_ops *ops);
void endpoint_free(struct vmgdb_endpoint *ep);

#endif
