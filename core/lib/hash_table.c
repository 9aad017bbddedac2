// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "core/lib/hash_table.h"

enum { BUCKETS_MIN = 16 };

/* The highest bits depend on all bits of the key, and on the seed: whoever chooses the keys can't choose
 * many that share a bucket. */
static size_t bucket_of(const struct hash_table *t, uint64_t key)
{
	key = (key ^ t->seed) * 0x9e3779b97f4a7c15ULL;
	key = (key ^ key >> 32) * 0x9e3779b97f4a7c15ULL;
	return key >> (64 - __builtin_ctzll(t->nbuckets));
}

static uint64_t new_seed(const void *buckets)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = (uintptr_t)buckets; /* early in the host's boot */
	return seed;
}

static void push(struct hash_table *t, struct hash_node *node)
{
	struct hash_node **b = &t->buckets[bucket_of(t, node->key)];

	node->next = *b;
	*b = node;
}

static int grow(struct hash_table *t)
{
	struct hash_table old = *t;
	struct hash_node *n, *next;
	size_t i;

	t->nbuckets = old.nbuckets ? old.nbuckets * 2 : BUCKETS_MIN;
	t->buckets = calloc(t->nbuckets, sizeof(*t->buckets));
	if (!t->buckets) {
		*t = old;
		return -ENOMEM;
	}
	if (!old.nbuckets)
		t->seed = new_seed(t->buckets);
	for (i = 0; i < old.nbuckets; i++)
		for (n = old.buckets[i]; n; n = next) {
			next = n->next;
			push(t, n);
		}
	free(old.buckets);
	return 0;
}

void hash_table_fini(struct hash_table *t)
{
	free(t->buckets);
	*t = (struct hash_table){ 0 };
}

struct hash_node *hash_table_find(const struct hash_table *t, uint64_t key)
{
	struct hash_node *n = t->count ? t->buckets[bucket_of(t, key)] : NULL;

	while (n && n->key != key)
		n = n->next;
	return n;
}

int hash_table_add(struct hash_table *t, struct hash_node *node)
{
	int ret = t->count < t->nbuckets ? 0 : grow(t);

	if (ret)
		return ret;
	push(t, node);
	t->count++;
	return 0;
}

void hash_table_del(struct hash_table *t, struct hash_node *node)
{
	struct hash_node **p = &t->buckets[bucket_of(t, node->key)];

	while (*p != node)
		p = &(*p)->next;
	*p = node->next;
	t->count--;
}
