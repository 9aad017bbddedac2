/* SPDX-License-Identifier: MIT */
/* A hash table of nodes embedded in their owners, keyed by a 64-bit number; keys are unique. */
#ifndef VMGDB_CORE_TABLE_H
#define VMGDB_CORE_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct table_node {
	struct table_node *next;
	uint64_t key;
};

/* All zero is an empty table. */
struct table {
	struct table_node **buckets;
	size_t nbuckets; /* 0 or a power of two */
	size_t count;
};

/* Frees the buckets; the nodes are their owners'. */
void table_fini(struct table *t);

/* The node with this key, or NULL. */
struct table_node *table_find(const struct table *t, uint64_t key);

/* Add a node whose key is not in the table yet. 0 or -ENOMEM. */
int table_add(struct table *t, struct table_node *node);

/* Take out a node that is in the table. */
void table_del(struct table *t, struct table_node *node);

/*
 * Walk: table_first(), then table_next() until NULL, in no order. The node that was given last may
 * be taken out when its successor has been fetched.
 */
struct table_node *table_first(const struct table *t);
struct table_node *table_next(const struct table *t, const struct table_node *node);

#endif
