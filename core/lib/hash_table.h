/* SPDX-License-Identifier: MIT */
/* A hash table of nodes embedded in their owners, keyed by a 64-bit number; keys are unique. */
#ifndef VMGDB_CORE_HASH_TABLE_H
#define VMGDB_CORE_HASH_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct hash_node {
	struct hash_node *next;
	uint64_t key;
};

/* All zero is an empty table. */
struct hash_table {
	struct hash_node **buckets;
	size_t nbuckets; /* 0 or a power of two */
	size_t count;
	uint64_t seed;
};

/* Frees the buckets; the nodes are their owners'. */
void hash_table_fini(struct hash_table *t);

/* The node with this key, or NULL. */
struct hash_node *hash_table_find(const struct hash_table *t, uint64_t key);

/* Add a node whose key is not in the table yet. 0 or -ENOMEM. */
int hash_table_add(struct hash_table *t, struct hash_node *node);

/* Take out a node that is in the table. */
void hash_table_del(struct hash_table *t, struct hash_node *node);

#endif
