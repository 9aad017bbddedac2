// SPDX-License-Identifier: MIT
#include "core/engine/read_ahead.h"

#include <string.h>

enum { UNUSED_MAX = 4 };

static void forget_unused(struct read_ahead *r)
{
	unsigned int i, n = 0;

	for (i = 0; i < r->n; i++) {
		if (r->unused[i] >= UNUSED_MAX)
			continue;
		r->pieces[n] = r->pieces[i];
		r->unused[n++] = r->unused[i] + 1;
	}
	r->n = n;
}

static void refresh(struct read_ahead *r, struct breakpoints *b)
{
	forget_unused(r);
	breakpoints_read_pieces(b, r->pieces, r->n);
	r->fresh = true;
}

static struct bp_piece *find(struct read_ahead *r, uint64_t gpa, size_t len)
{
	unsigned int i;

	for (i = 0; i < r->n; i++)
		if (r->pieces[i].gpa == gpa && r->pieces[i].len == len) {
			r->unused[i] = 0;
			return &r->pieces[i];
		}
	return NULL;
}

static void remember(struct read_ahead *r, uint64_t gpa, const void *buf, size_t len)
{
	struct bp_piece *p = &r->pieces[r->n];

	if (r->n == BP_PIECES_MAX)
		return;
	*p = (struct bp_piece){ .gpa = gpa, .len = (unsigned int)len, .ok = true };
	memcpy(p->bytes, buf, len);
	r->unused[r->n++] = 0;
}

size_t read_ahead(struct read_ahead *r, struct breakpoints *b, uint64_t gpa, void *buf, size_t len)
{
	const struct bp_piece *p;
	size_t n;

	if (len > BP_PIECE_SIZE)
		return breakpoints_read(b, gpa, buf, len);
	if (!r->fresh)
		refresh(r, b);
	p = find(r, gpa, len);
	if (p && p->ok) {
		memcpy(buf, p->bytes, len);
		return len;
	}
	n = breakpoints_read(b, gpa, buf, len);
	if (!p && n == len)
		remember(r, gpa, buf, len);
	return n;
}
