/* SPDX-License-Identifier: MIT */
/* The parameters by which walk.c becomes walk4k, walk16k or walk64k. */
#ifndef VMGDB_GUESTS_ARM64_WALK_H
#define VMGDB_GUESTS_ARM64_WALK_H

struct walk_kind {
	const char *name;
	unsigned int shift;	/* of the granule */
	unsigned int low_bits;	/* addresses of TTBR0 */
	unsigned int high_bits; /* and of TTBR1 */
	unsigned int ram_level; /* of the blocks that map the guest itself */
};

extern const struct walk_kind walk_kind;

#endif
