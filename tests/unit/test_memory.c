// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <criterion/criterion.h>

#include "core/memory.h"

enum { PAGE = 4096 };

static struct memory m;
static uint8_t *host;

static void setup(void)
{
	cr_assert_eq(memory_init(&m), 0);
	host = aligned_alloc(PAGE, 16 * PAGE);
	cr_assert(host);
	memset(host, 0, 16 * PAGE);
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
	cr_expect_eq(memory_write(&m, PAGE, in, sizeof(in)), -EFAULT);
	for (i = 0; i < 16 * PAGE; i++)
		cr_assert_eq(host[i], 0, "all or nothing");
	cr_expect_eq(memory_write(&m, PAGE, in, 2 * PAGE), 0);
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
	cr_expect_eq(memory_remove(&m, PAGE / 2), -ENOENT);
	cr_expect_eq(memory_remove(&m, 0), 0);
	cr_expect_eq(memory_remove(&m, 0), -ENOENT);
	cr_expect_eq(memory_read(&m, 0, &byte, 1), 0);
	cr_expect_eq(memory_read(&m, PAGE, &byte, 1), 1);
	cr_expect_eq(memory_add(&m, 0, host + 2 * PAGE, PAGE), 0);
	host[2 * PAGE] = 9;
	cr_expect_eq(memory_read(&m, 0, &byte, 1), 1);
	cr_expect_eq(byte, 9);
}

Test(memory, removed_hva, .description = "a host address is memory while a slot has it")
{
	uint8_t byte = 0;

	cr_assert_eq(memory_add(&m, 0, host, PAGE), 0);
	cr_assert_eq(memory_add(&m, PAGE, host + PAGE, 2 * PAGE), 0);
	cr_assert_eq(memory_add(&m, 4 * PAGE, host, PAGE), 0);
	cr_expect_eq(memory_remove(&m, 0), 0);
	cr_expect_eq(memory_write(&m, 0, &byte, 1), -EFAULT);
	cr_expect(memory_has_hva(&m, host), "at another address");
	cr_expect_eq(memory_remove(&m, 4 * PAGE), 0);
	cr_expect_not(memory_has_hva(&m, host));
	cr_expect(memory_has_hva(&m, host + 3 * PAGE - 1));
	cr_expect_not(memory_has_hva(&m, host + 3 * PAGE));
}

Test(memory, long_copies,
     .description = "copies longer than the kernel takes at once, at any offset")
{
	static uint8_t out[15 * PAGE + 1], in[15 * PAGE + 1];
	size_t i;

	for (i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 7 + i / 251);
	for (i = 0; i < 16; i++) /* page by page, and backwards in the host */
		cr_assert_eq(memory_add(&m, i * PAGE, host + (15 - i) * PAGE, PAGE), 0);
	for (i = 0; i < 16; i++)
		cr_assert_eq(memory_add(&m, (16 + i) * PAGE, host + i * PAGE, PAGE), 0);
	cr_expect_eq(memory_write(&m, 777, in, sizeof(in)), 0);
	cr_expect_eq(memory_read(&m, 777, out, sizeof(out)), sizeof(out));
	cr_expect_eq(memcmp(in, out, sizeof(in)), 0);
}

Test(memory, very_long_copies, .description = "as long as many windows")
{
	enum { LEN = 5 * MEMORY_WINDOW + 123 };
	uint8_t *big = aligned_alloc(PAGE, 6 * MEMORY_WINDOW), *buf = malloc(LEN);
	size_t i;

	cr_assert(big && buf);
	for (i = 0; i < LEN; i++)
		buf[i] = (uint8_t)(i * 11 + i / 253);
	cr_assert_eq(memory_add(&m, 0, big, 6 * MEMORY_WINDOW), 0);
	cr_expect_eq(memory_write(&m, 5, buf, LEN), 0);
	cr_expect_eq(memcmp(big + 5, buf, LEN), 0);
	memset(buf, 0, LEN);
	cr_expect_eq(memory_read(&m, 5, buf, LEN), LEN);
	cr_expect_eq(memcmp(big + 5, buf, LEN), 0);
	cr_expect_eq(memory_read(&m, 5, buf, LEN), LEN);
	free(big);
	free(buf);
}

Test(memory, pieces, .description = "of many pieces each is copied that can be, to its place")
{
	enum { N = MEMORY_PIECES_MAX, LEN = MEMORY_WINDOW / N, BAD = 3 };
	static uint8_t buf[N * LEN], seen[N * LEN];
	static struct iovec pieces[N];
	static bool ok[N];
	uint8_t *pages =
		mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i;

	cr_assert_neq(pages, MAP_FAILED);
	for (i = 0; i < N; i++) /* one page after the other, in turns */
		pieces[i] = (struct iovec){ pages + i % 16 * PAGE + i / 16 * LEN, LEN };
	for (i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(i * 7 + i / 251 + 1);
	cr_assert_eq(mprotect(pages + BAD * PAGE, PAGE, PROT_NONE), 0);
	memory_scatter(&m, pieces, N, buf, ok);
	for (i = 0; i < N; i++)
		cr_assert_eq(ok[i], i % 16 != BAD);
	memory_gather(&m, pieces, N, seen, ok);
	for (i = 0; i < N; i++) {
		cr_assert_eq(ok[i], i % 16 != BAD);
		cr_assert(!ok[i] || !memcmp(seen + i * LEN, buf + i * LEN, LEN));
	}
	munmap(pages, 16 * PAGE);
}

Test(memory, file_limit, .description = "a limit on the length of files keeps nothing from working")
{
	const struct rlimit none = { 0, RLIM_INFINITY };
	struct memory limited;
	uint8_t byte = 5;

	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
	cr_assert_eq(memory_init(&limited), 0);
	cr_assert_eq(memory_add(&limited, 0, host, PAGE), 0);
	cr_expect_eq(memory_write(&limited, 0, &byte, 1), 0);
	cr_expect_eq(host[0], 5);
	memory_fini(&limited);
}
