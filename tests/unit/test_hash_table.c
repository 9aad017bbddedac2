// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include <criterion/criterion.h>

#include "tests/unit/table_chain.h"

enum { MANY = 10000 };

static struct hash_node *nodes(size_t n)
{
	struct hash_node *all = calloc(n, sizeof(*all));

	cr_assert(all);
	return all;
}

Test(table, empty, .description = "an all-zero table is empty and can be searched")
{
	struct hash_table t = { 0 };

	cr_assert_null(hash_table_find(&t, 0));
	hash_table_fini(&t);
}

Test(table, add_find_del, .description = "what was added is found, what was taken out is not")
{
	struct hash_node *n = nodes(MANY);
	struct hash_table t = { 0 };
	size_t i;

	for (i = 0; i < MANY; i++) {
		n[i].key = i * 0x10001;
		cr_assert_eq(hash_table_add(&t, &n[i]), 0);
	}
	cr_assert_eq(t.count, MANY);
	for (i = 0; i < MANY; i += 2)
		hash_table_del(&t, &n[i]);
	cr_assert_eq(t.count, MANY / 2);
	for (i = 0; i < MANY; i++)
		cr_assert_eq(hash_table_find(&t, i * 0x10001), i % 2 ? &n[i] : NULL);
	hash_table_fini(&t);
	free(n);
}

Test(table, extreme_keys, .description = "the smallest and the largest key are keys like others")
{
	struct hash_node n[] = { { .key = 0 }, { .key = UINT64_MAX }, { .key = 1ULL << 63 } };
	struct hash_table t = { 0 };
	size_t i;

	for (i = 0; i < 3; i++)
		cr_assert_eq(hash_table_add(&t, &n[i]), 0);
	for (i = 0; i < 3; i++)
		cr_assert_eq(hash_table_find(&t, n[i].key), &n[i]);
	hash_table_fini(&t);
}

Test(table, spread, .description = "addresses of any stride spread: no bucket gets many of 10,000")
{
	struct hash_node *n = nodes(MANY);
	unsigned int shift;
	size_t i;

	for (shift = 0; shift <= 40; shift += 4) {
		struct hash_table t = { 0 };

		for (i = 0; i < MANY; i++) {
			n[i].key = 0xffffffff80000000ULL + ((uint64_t)i << shift);
			cr_assert_eq(hash_table_add(&t, &n[i]), 0);
		}
		cr_expect_leq(longest_chain(&t), 12, "stride 2^%u: %zu in a bucket", shift,
			      longest_chain(&t));
		hash_table_fini(&t);
	}
	free(n);
}

/* What times 0x9e3779b97f4a7c15 is 1: such keys follow each other after a multiplication. */
static uint64_t inverse(void)
{
	uint64_t x = 1;
	int i;

	for (i = 0; i < 6; i++)
		x *= 2 - x * 0x9e3779b97f4a7c15ULL;
	return x;
}

Test(table, chosen_keys,
     .description = "keys that a peer has chosen to share a bucket spread as well")
{
	struct hash_node *n = nodes(MANY);
	struct hash_table t = { 0 };
	size_t i;

	for (i = 0; i < MANY; i++) {
		n[i].key = i * inverse();
		cr_assert_eq(hash_table_add(&t, &n[i]), 0);
	}
	cr_expect_leq(longest_chain(&t), 12, "%zu in a bucket", longest_chain(&t));
	hash_table_fini(&t);
	free(n);
}
