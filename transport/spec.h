/* SPDX-License-Identifier: MIT */
/* An endpoint's spec, parsed, and how what is wrong with it is reported. Private. */
#ifndef VMGDB_TRANSPORT_SPEC_H
#define VMGDB_TRANSPORT_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmgdb/endpoint.h>
#include "transport/stream.h"

enum { SPEC_NAME_MAX = 150, SPEC_ALLOW_MAX = 16 };

/* Who may connect: uids or CIDs. */
struct allow_list {
	bool given; /* the transport's default holds when it is not */
	bool any;
	size_t count;
	uint32_t ids[SPEC_ALLOW_MAX];
};

struct transport;

/* Lives as long as vmgdb_endpoint_open() runs. */
struct endpoint_spec {
	const char *text;
	const struct transport *kind;
	enum vmgdb_role role;
	bool dial;		      /* connect out; otherwise listen */
	char name[SPEC_NAME_MAX + 1]; /* HOST, CID, PATH, LINK, DEVICE or NAME; empty: not given */
	uint32_t number;	      /* PORT or N */
	struct allow_list allow;
	unsigned int baud;
	bool hw_flow;
	struct stream_policy policy; /* vmgdb_endpoint_open() owns .log; the endpoint may take it */
	char *err;
	size_t errlen;
};

/* Write "endpoint 'TEXT': MESSAGE" to s->err. Returns err (a negative errno). */
int spec_error(const struct endpoint_spec *s, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same for a call that failed: ": Permission denied" is added. */
int spec_failed(const struct endpoint_spec *s, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* A decimal number from 0 to max, and nothing else: true and *out. */
bool parse_number(const char *text, uint32_t max, uint32_t *out);

#endif
