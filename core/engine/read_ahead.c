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

static const struct bp_piece *find(struct read_ahead *r, uint64_t gpa)
{
	unsigned int i;

	for (i = 0; i < r->n; i++)
		if (r->pieces[i].gpa == gpa) {
			r->unused[i] = 0;
			return &r->pieces[i];
		}
	return NULL;
}

/* One block that was not read in the last turns. */
static const struct bp_piece *add(struct read_ahead *r, struct breakpoints *b, uint64_t gpa)
{
	unsigned int at = r->n < BP_PIECES_MAX ? r->n++ : 0;
	struct bp_piece *p = &r->pieces[at];

	*p = (struct bp_piece){ .gpa = gpa, .len = BP_PIECE_SIZE };
	r->unused[at] = 0;
	breakpoints_read_pieces(b, p, 1);
	return p;
}

size_t read_ahead(struct read_ahead *r, struct breakpoints *b, uint64_t gpa, void *buf, size_t len)
{
	const struct bp_piece *p;
	size_t done, n, at;

	if (len > BP_PIECE_SIZE)
		return breakpoints_read(b, gpa, buf, len);
	if (!r->fresh)
		refresh(r, b);
	for (done = 0; done < len; done += n) {
		at = (gpa + done) % BP_PIECE_SIZE;
		n = BP_PIECE_SIZE - at < len - done ? BP_PIECE_SIZE - at : len - done;
		p = find(r, gpa + done - at);
		if (!p)
			p = add(r, b, gpa + done - at);
		if (!p->ok)
			break;
		memcpy((uint8_t *)buf + done, p->bytes + at, n);
	}
	return done;
}
