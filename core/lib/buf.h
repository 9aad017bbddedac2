/* SPDX-License-Identifier: MIT */
/*
 * Bounded text: a builder of replies (struct buf) and a reader of packets (struct scan).
 */
#ifndef VMGDB_CORE_BUF_H
#define VMGDB_CORE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- building ---------------------------------------------------------------------------- */

/*
 * A reply under construction. An addition that does not fit is left out whole, and so is all that comes
 * after it.
 */
struct buf {
	char *data;
	size_t len;
	size_t cap;
	bool over; /* something was left out */
};

/* mem belongs to the caller and outlives the buf. */
void buf_init(struct buf *b, void *mem, size_t cap);
void buf_clear(struct buf *b);

/* Add n bytes for the caller to fill: where they are, or NULL when they do not fit. */
void *buf_grow(struct buf *b, size_t n);

void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_char(struct buf *b, char c);
void buf_str(struct buf *b, const char *s);
void buf_fmt(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Two digits a byte, lower case. */
void buf_hex(struct buf *b, const void *bytes, size_t n);

/* A number as the protocol writes it: most significant digit first, no leading zeros. */
void buf_num(struct buf *b, uint64_t value);

/* ---- reading ----------------------------------------------------------------------------- */

/* What is left of a packet. Each call takes what it names from the front, or nothing and is false. */
struct scan {
	const char *p;
	const char *end;
};

bool scan_char(struct scan *s, char c);
bool scan_str(struct scan *s, const char *word);
bool scan_end(const struct scan *s);
size_t scan_left(const struct scan *s);

/* A hexadecimal number of 1 to 16 significant digits. */
bool scan_hex(struct scan *s, uint64_t *out);

/* All up to the next `delim`, which is taken too, or up to the end. False at the end. */
bool scan_field(struct scan *s, char delim, struct scan *field);

#endif
