/* SPDX-License-Identifier: MIT */
/* For tests: how evenly a table spreads its nodes. */
#ifndef TESTS_UNIT_TABLE_CHAIN_H
#define TESTS_UNIT_TABLE_CHAIN_H

#include "core/lib/hash_table.h"

/* Nodes in its fullest bucket. */
static inline size_t longest_chain(const struct hash_table *t)
{
	const struct hash_node *n;
	size_t b, len, longest = 0;

	for (b = 0; b < t->nbuckets; b++) {
		for (len = 0, n = t->buckets[b]; n; n = n->next)
			len++;
		longest = len > longest ? len : longest;
	}
	return longest;
}

#endif
