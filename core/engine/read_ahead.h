/* SPDX-License-Identifier: MIT */
/*
 * Page walks and stepping rules read the same few words of guest memory at each step: tables, the
 * instruction, gates, the stack. Each read of guest memory is a system call (memory.h); so the
 * blocks that were read in one turn of a vCPU are read all at once at the beginning of the next.
 */
#ifndef VMGDB_CORE_READ_AHEAD_H
#define VMGDB_CORE_READ_AHEAD_H

#include "core/breakpoints/breakpoints.h"

struct read_ahead {
	bool fresh; /* what is in pieces is of this turn */
	unsigned int n;
	struct bp_piece pieces[BP_PIECES_MAX];
	unsigned char unused[BP_PIECES_MAX]; /* for how many turns each was not asked for */
};

/* Guest memory may have changed since. By the vCPU's owner. */
static inline void read_ahead_expire(struct read_ahead *r)
{
	r->fresh = false;
}

/* As breakpoints_read(). By the vCPU's owner. */
size_t read_ahead(struct read_ahead *r, struct breakpoints *b, uint64_t gpa, void *buf, size_t len);

#endif
