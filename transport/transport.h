/* SPDX-License-Identifier: MIT */
/*
 * What a transport is to the parser, and what it builds its endpoints with. Private.
 *
 * To add a transport: write one file with its openers, and its row in the table in transports.c. Calls
 * go one way: endpoint.c -> spec.c -> options.c, and from the table's openers down to spec_error.c and
 * endpoint_base.c.
 */
#ifndef VMGDB_TRANSPORT_TRANSPORT_H
#define VMGDB_TRANSPORT_TRANSPORT_H

#include "transport/spec.h"

/* Options that only some kinds have, as bits of transport.takes. */
enum { TAKES_DIAL = 1 << 0, TAKES_ALLOW = 1 << 1, TAKES_LINE = 1 << 2, TAKES_TAKEOVER = 1 << 3 };

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
 * Zeroed memory of size bytes that begins with a struct vmgdb_endpoint, policy filled in but for
 * the log, nothing to poll. NULL: no memory. To be freed by endpoint_free().
 */
void *endpoint_new(const struct endpoint_spec *s, size_t size, const struct endpoint_ops *ops);
void endpoint_free(struct vmgdb_endpoint *ep);

/* Nothing is polled: accept() is to be called in ms milliseconds. */
void endpoint_backoff(struct vmgdb_endpoint *ep, int ms);

/*
 * Whether that time has not come yet, for an accept() that is called earlier, as it may be; then
 * retry_ms is what is left of it.
 */
bool endpoint_backoff_pending(struct vmgdb_endpoint *ep);

#endif
