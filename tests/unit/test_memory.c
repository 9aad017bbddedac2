// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "core/memory.h"

enum { PAGE = 4096 };

static struct memory m;
static uint8_t *host;

static void setup(void)
{
	cr_assert_eq(memory_init(&m), 0);
	host = calloc(16, PAGE);
	cr_assert(host);
}

static void teardown(void)
{
	memory_fini(&m);
	free(host);
}

TestSuite(memory, .init = setup, .fini = teardown);

Test(memory, refused, .description = "empty, misaligned and wrapping slots are refused")
{
	cr_expect_eq(memory_add(&m, 0, host, 0), -EINVAL);
	cr_expect_eq(memory_add(&m, 1, host, PAGE), -EINVAL);
	cr_expect_eq(memory_add(&m, 0, host, PAGE + 1), -EINVAL);
	cr_expect_eq(memory_add(&m, UINT64_MAX - PAGE + 1, host, 2 * PAGE), -EINVAL);
	cr_expect_eq(m.nslots, 0);
}

Test(memory, top, .description = "the last page of the address space is memory like any other")
{
	const uint64_t last = UINT64_MAX - PAGE + 1;
	uint8_t byte = 0;
	size_t len;

	cr_assert_eq(memory_add(&m, last, host, PAGE), 0);
	host[PAGE - 1] = 0x5a;
	cr_expect_eq(memory_read(&m, UINT64_MAX, &byte, 1), 1);
	cr_expect_eq(byte, 0x5a);
	cr_expect_eq(memory_hva(&m, UINT64_MAX, &len), host + PAGE - 1);
	cr_expect_eq(len, 1);
	cr_expect_null(memory_hva(&m, last - 1, &len));
}

Test(memory, overlap, .description = "a slot that overlaps another on either side is refused")
{
	cr_assert_eq(memory_add(&m, 4 * PAGE, host, 4 * PAGE), 0);
	cr_expect_eq(memory_add(&m, 4 * PAGE, host, 4 * PAGE), -EEXIST);
	cr_expect_eq(memory_add(&m, 3 * PAGE, host, 2 * PAGE), -EEXIST);
	cr_expect_eq(memory_add(&m, 7 * PAGE, host, 2 * PAGE), -EEXIST);
	cr_expect_eq(memory_add(&m, 5 * PAGE, host, PAGE), -EEXIST);
	cr_expect_eq(memory_add(&m, 0, host, 16 * PAGE), -EEXIST);
	cr_expect_eq(memory_add(&m, 3 * PAGE, host, PAGE), 0);
	cr_expect_eq(memory_add(&m, 8 * PAGE, host, PAGE), 0);
}

Test(memory, across, .description = "a copy runs over the seam of two slots and stops at a hole")
{
	uint8_t out[3 * PAGE], in[3 * PAGE];
	size_t i;

	/* added out of order, and the host's addresses the other way round */
	cr_assert_eq(memory_add(&m, 2 * PAGE, host, PAGE), 0);
	cr_assert_eq(memory_add(&m, PAGE, host + 4 * PAGE, PAGE), 0);
	for (i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 7);
	cr_expect_eq(memory_write(&m, PAGE, in, sizeof(in)), 2 * PAGE);
	cr_expect_eq(memcmp(host + 4 * PAGE, in, PAGE), 0);
	cr_expect_eq(memcmp(host, in + PAGE, PAGE), 0);
	cr_expect_eq(memory_read(&m, PAGE + 1, out, sizeof(out)), 2 * PAGE - 1);
	cr_expect_eq(memcmp(out, in + 1, 2 * PAGE - 1), 0);
	cr_expect_eq(memory_read(&m, 0, out, 1), 0);
	cr_expect_eq(memory_read(&m, 3 * PAGE, out, 1), 0);
}

Test(memory, many, .description = "among many slots each address finds its own")
{
	size_t len, i;

	for (i = 0; i < 16; i++) /* every second page, in a scrambled order */
		cr_assert_eq(memory_add(&m, i * 7 % 16 * 2 * PAGE, host + i * 7 % 16 * PAGE, PAGE),
			     0);
	for (i = 0; i < 16; i++) {
		cr_expect_eq(memory_hva(&m, i * 2 * PAGE + 5, &len), host + i * PAGE + 5);
		cr_expect_eq(len, PAGE - 5);
		cr_expect_null(memory_hva(&m, (i * 2 + 1) * PAGE, &len));
	}
}

Test(memory, removed, .description = "removed memory is a hole, and its place can be used again")
{
	uint8_t byte;

	cr_assert_eq(memory_add(&m, 0, host, PAGE), 0);
	cr_assert_eq(memory_add(&m, PAGE, host + PAGE, PAGE), 0);
	cr_expect_eq(memory_size(&m, PAGE), PAGE);
	cr_expect_eq(memory_size(&m, PAGE / 2), 0);
	cr_expect_eq(memory_remove(&m, PAGE / 2), -ENOENT);
	cr_expect_eq(memory_remove(&m, 0), 0);
	cr_expect_eq(memory_size(&m, 0), 0);
	cr_expect_eq(memory_remove(&m, 0), -ENOENT);
	cr_expect_eq(memory_read(&m, 0, &byte, 1), 0);
	cr_expect_eq(memory_read(&m, PAGE, &byte, 1), 1);
	cr_expect_eq(memory_add(&m, 0, host + 2 * PAGE, PAGE), 0);
	host[2 * PAGE] = 9;
	cr_expect_eq(memory_read(&m, 0, &byte, 1), 1);
	cr_expect_eq(byte, 9);
}
