// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include <criterion/criterion.h>

#include "tests/unit/table_chain.h"

enum { MANY = 10000 };

static struct table_node *nodes(size_t n)
{
	struct table_node *all = calloc(n, sizeof(*all));

	cr_assert(all);
	return all;
}

Test(table, empty, .description = "an all-zero table is empty and can be searched and walked")
{
	struct table t = { 0 };

	cr_assert_null(table_find(&t, 0));
	cr_assert_null(table_first(&t));
	table_fini(&t);
}

Test(table, add_find_del, .description = "what was added is found, what was taken out is not")
{
	struct table_node *n = nodes(MANY);
	struct table t = { 0 };
	size_t i;

	for (i = 0; i < MANY; i++) {
		n[i].key = i * 0x10001;
		cr_assert_eq(table_add(&t, &n[i]), 0);
	}
	cr_assert_eq(t.count, MANY);
	for (i = 0; i < MANY; i += 2)
		table_del(&t, &n[i]);
	cr_assert_eq(t.count, MANY / 2);
	for (i = 0; i < MANY; i++)
		cr_assert_eq(table_find(&t, i * 0x10001), i % 2 ? &n[i] : NULL);
	table_fini(&t);
	free(n);
}

Test(table, extreme_keys, .description = "the smallest and the largest key are keys like others")
{
	struct table_node n[] = { { .key = 0 }, { .key = UINT64_MAX }, { .key = 1ULL << 63 } };
	struct table t = { 0 };
	size_t i;

	for (i = 0; i < 3; i++)
		cr_assert_eq(table_add(&t, &n[i]), 0);
	for (i = 0; i < 3; i++)
		cr_assert_eq(table_find(&t, n[i].key), &n[i]);
	table_fini(&t);
}

Test(table, walk,
     .description = "a walk gives every node once, also when each is taken out on the way")
{
	struct table_node *n = nodes(MANY), *p, *next;
	char *seen = calloc(MANY, 1);
	struct table t = { 0 };
	size_t i, count = 0;

	cr_assert(seen);
	for (i = 0; i < MANY; i++) {
		n[i].key = i << 12;
		cr_assert_eq(table_add(&t, &n[i]), 0);
	}
	for (p = table_first(&t); p; p = next, count++) {
		next = table_next(&t, p);
		cr_assert_eq(seen[p - n]++, 0);
		table_del(&t, p);
	}
	cr_assert_eq(count, MANY);
	cr_assert_eq(t.count, 0);
	cr_assert_null(table_first(&t));
	table_fini(&t);
	free(seen);
	free(n);
}

Test(table, spread, .description = "addresses of any stride spread: no bucket gets many of 10,000")
{
	struct table_node *n = nodes(MANY);
	unsigned int shift;
	size_t i;

	for (shift = 0; shift <= 40; shift += 4) {
		struct table t = { 0 };

		for (i = 0; i < MANY; i++) {
			n[i].key = 0xffffffff80000000ULL + ((uint64_t)i << shift);
			cr_assert_eq(table_add(&t, &n[i]), 0);
		}
		cr_expect_leq(longest_chain(&t), 8, "stride 2^%u: %zu in a bucket", shift,
			      longest_chain(&t));
		table_fini(&t);
	}
	free(n);
}
