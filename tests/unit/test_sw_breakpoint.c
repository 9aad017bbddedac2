// SPDX-License-Identifier: MIT
/* Breakpoints by physical address, on memory and translations of the test's own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "core/breakpoints/sw_breakpoint.h"
#include "tests/unit/softcpu.h"

enum { SIZE = 8192, PAGES = 8, PAGE = 1024, UNMAPPED = -1 };

/* Virtual page n is at physical page map[n]. */
static int map[PAGES];
static struct memory mem;
static struct points p;
static uint8_t *host, *before;
static unsigned int synced;

static int translate(void *opaque, unsigned int vcpu, uint64_t va, uint64_t *gpa)
{
	(void)opaque;
	(void)vcpu;
	if (va / PAGE >= PAGES || map[va / PAGE] == UNMAPPED)
		return -EFAULT;
	*gpa = (uint64_t)map[va / PAGE] * PAGE + va % PAGE;
	return 0;
}

static void count_sync(void *hva, size_t len)
{
	(void)hva;
	(void)len;
	synced++;
}

static void setup(const struct cpu *cpu)
{
	int i;

	p = (struct points){
		.cpu = cpu, .mem = &mem, .sync_icache = count_sync, .mmu = { translate, NULL }
	};
	synced = 0;
	cr_assert_eq(memory_init(&mem), 0);
	host = aligned_alloc(4096, SIZE);
	before = malloc(SIZE);
	cr_assert(host && before);
	for (i = 0; i < SIZE; i++)
		host[i] = (uint8_t)(i * 31 + 1) & 0x7f; /* never a breakpoint */
	memcpy(before, host, SIZE);
	for (i = 0; i < PAGES; i++)
		map[i] = i;
	cr_assert_eq(memory_add(&mem, 0, host, SIZE), 0);
}

static void teardown(void)
{
	points_fini(&p);
	memory_fini(&mem);
	free(host);
	free(before);
}

/* A body that runs on both kinds of breakpoint instruction. */
#define POINTS_TEST(NAME, WHAT)                 \
	static void NAME(void);                 \
	Test(points, NAME, .description = WHAT) \
	{                                       \
		setup(&soft8_cpu);              \
		NAME();                         \
		teardown();                     \
		setup(&soft32_cpu);             \
		NAME();                         \
		teardown();                     \
	}                                       \
	static void NAME(void)

static bool planted_at(uint64_t gpa)
{
	return !memcmp(host + gpa, p.cpu->brk, p.cpu->brk_size);
}

static void insert(uint64_t va)
{
	cr_assert_eq(points_insert(&p, 0, va), 0);
}

static void commit(void)
{
	cr_assert_eq(points_commit(&p), 0);
}

/* Guest code of a whole instruction, as the guest itself would store it. */
static void overwrite(uint64_t gpa, uint8_t seed)
{
	unsigned int i;

	for (i = 0; i < SOFT_INSN; i++)
		before[gpa + i] = host[gpa + i] = (uint8_t)(seed + i) & 0x7f;
}

static bool reads_as_before(uint64_t gpa, size_t len)
{
	uint8_t buf[64];

	cr_assert_leq(len, sizeof(buf));
	return points_read(&p, gpa, buf, len) == len && !memcmp(buf, before + gpa, len);
}

POINTS_TEST(wish_and_commit, "memory changes at the commit, not at the control")
{
	insert(0x100);
	cr_expect_eq(memcmp(host, before, SIZE), 0);
	commit();
	cr_expect(planted_at(0x100));
	points_remove(&p, 0x100);
	cr_expect(planted_at(0x100));
	commit();
	cr_expect_eq(memcmp(host, before, SIZE), 0);
	cr_expect_eq(p.sites.count, 0);
}

POINTS_TEST(out_and_in, "out and in again between two runs writes nothing")
{
	unsigned int writes;

	insert(0x100);
	commit();
	writes = synced;
	points_remove(&p, 0x100);
	insert(0x100);
	commit();
	cr_expect_eq(synced, writes);
	cr_expect(planted_at(0x100));
}

POINTS_TEST(twice, "the same breakpoint twice is one")
{
	insert(0x100);
	insert(0x100);
	commit();
	points_remove(&p, 0x100);
	points_remove(&p, 0x100);
	points_remove(&p, 0x200);
	commit();
	cr_expect_eq(memcmp(host, before, SIZE), 0);
}

POINTS_TEST(alias, "two virtual addresses of one place share it: the last one takes it away")
{
	map[2] = 1;
	insert(PAGE + 0x40);
	insert(2 * PAGE + 0x40);
	commit();
	cr_expect_eq(p.sites.count, 1);
	points_remove(&p, PAGE + 0x40);
	commit();
	cr_expect(planted_at(PAGE + 0x40));
	points_remove(&p, 2 * PAGE + 0x40);
	commit();
	cr_expect_eq(memcmp(host, before, SIZE), 0);
}

POINTS_TEST(hidden, "reads of any length and alignment show what the guest has")
{
	uint64_t from, len;

	insert(0x100);
	insert(0x104);
	commit();
	for (from = 0xf8; from < 0x110; from++)
		for (len = 1; len <= 24; len++)
			cr_expect(reads_as_before(from, len), "%u bytes at %#x", (unsigned int)len,
				  (unsigned int)from);
}

POINTS_TEST(write_under, "a write goes under the breakpoint, which comes back at the commit")
{
	uint8_t bytes[16];
	unsigned int i;

	insert(0x100);
	commit();
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = before[0xfc + i] = (uint8_t)(0x60 + i);
	cr_expect_eq(points_write(&p, 0xfc, bytes, sizeof(bytes)), sizeof(bytes));
	cr_expect(reads_as_before(0xf8, 24));
	commit();
	cr_expect(planted_at(0x100));
	cr_expect(reads_as_before(0xf8, 24));
	points_remove(&p, 0x100);
	commit();
	cr_expect_eq(memcmp(host, before, SIZE), 0);
}

POINTS_TEST(guest_overwrites, "what the guest wrote over a breakpoint stays, and gets a new one")
{
	insert(0x100);
	commit();
	overwrite(0x100, 0x11);
	cr_expect(reads_as_before(0xf8, 16), "seen at once");
	points_verify(&p);
	cr_expect_null(points_site(&p, 0x100));
	cr_expect_eq(p.npending, 1);
	commit();
	cr_expect(planted_at(0x100), "inserted anew");
	cr_expect(reads_as_before(0xf8, 16));
	points_remove(&p, 0x100);
	commit();
	cr_expect_eq(memcmp(host, before, SIZE), 0);
}

POINTS_TEST(guest_overwrites_removed,
	    "a breakpoint taken out after the guest wrote over it: no stale bytes")
{
	insert(0x100);
	commit();
	overwrite(0x100, 0x22);
	points_remove(&p, 0x100);
	commit();
	cr_expect_eq(memcmp(host, before, SIZE), 0);
}

POINTS_TEST(shared_byte,
	    "a new instruction that shares bytes with the breakpoint is shown as it is")
{
	unsigned int i, size;

	insert(0x100);
	commit();
	size = p.cpu->brk_size;
	for (i = 1; i < size; i++) /* on soft8 there is no such instruction */
		before[0x100 + i] = p.cpu->brk[i];
	if (size > 1) {
		before[0x100] = host[0x100] = SOFT_NOP;
		for (i = 0; i < size; i++)
			cr_expect(reads_as_before(0x100 + i, 1), "byte %u", i);
	}
	cr_expect(reads_as_before(0x100, 4));
}

POINTS_TEST(moved_page, "when the page went elsewhere, the new breakpoint is where it maps now")
{
	insert(PAGE + 0x40);
	commit();
	overwrite(PAGE + 0x40, 0x33); /* the page was given to something else */
	map[1] = 3;
	points_verify(&p);
	commit();
	cr_expect(planted_at(3 * PAGE + 0x40));
	cr_expect_not(planted_at(PAGE + 0x40));
	points_remove_all(&p);
	commit();
	cr_expect_eq(memcmp(host, before, SIZE), 0);
}

POINTS_TEST(named_again,
	    "the page went elsewhere: it stays where it is until the debugger names it once more")
{
	insert(PAGE + 0x40);
	insert(3 * PAGE + 0x40); /* where it will go there is one already */
	insert(0x40);
	commit();
	map[1] = 3; /* or: the tables of another process are current */
	points_verify(&p);
	commit();
	cr_expect(planted_at(PAGE + 0x40), "not moved");
	insert(PAGE + 0x40);
	commit();
	cr_expect_not(planted_at(PAGE + 0x40));
	cr_expect(reads_as_before(PAGE + 0x40, 4) && !memcmp(host + PAGE, before + PAGE, PAGE));
	points_remove(&p, 3 * PAGE + 0x40);
	commit();
	cr_expect(planted_at(3 * PAGE + 0x40), "two names of one place");
	map[1] = UNMAPPED;
	insert(PAGE + 0x40);
	commit();
	cr_expect(planted_at(3 * PAGE + 0x40), "nowhere else to go");
	cr_expect_eq(p.npending, 0);
	points_remove_all(&p);
	commit();
	cr_expect_eq(memcmp(host, before, SIZE), 0);
}

POINTS_TEST(reinserted, "the page went elsewhere: taken out and put in at a stop, it is there too")
{
	insert(PAGE + 0x40);
	commit();
	map[1] = 3;
	points_remove(&p, PAGE + 0x40);
	insert(PAGE + 0x40);
	commit();
	cr_expect(planted_at(3 * PAGE + 0x40));
	cr_expect_eq(memcmp(host + PAGE, before + PAGE, PAGE), 0);
	cr_expect(reads_as_before(3 * PAGE + 0x40, 4));
}

POINTS_TEST(pending_in_turn, "many that wait: each is set when it can be, in any order, or removed")
{
	const struct point *pt;
	uint64_t last = 0;
	unsigned int i;

	map[5] = map[6] = UNMAPPED;
	for (i = 0; i < 100; i++) {
		insert(5 * PAGE + i * 8);
		insert(6 * PAGE + i * 8);
		points_remove(&p, 5 * PAGE + i / 2 * 16);
	}
	cr_expect_eq(p.npending, 150);
	map[5] = 2;
	commit();
	cr_expect_eq(p.npending, 100);
	for (i = 0, pt = p.pending; pt; pt = pt->next, i++) {
		cr_expect_gt(pt->node.key, last, "the oldest first");
		last = pt->node.key;
	}
	cr_expect_eq(i, 100);
	cr_expect(planted_at(2 * PAGE + 8) && !planted_at(2 * PAGE));
	points_remove(&p, 6 * PAGE + 99 * 8); /* the last one */
	insert(6 * PAGE);		      /* there already */
	map[6] = 3;
	commit();
	cr_expect_eq(p.npending, 0);
	cr_expect_null(p.pending);
	cr_expect(planted_at(3 * PAGE + 98 * 8) && !planted_at(3 * PAGE + 99 * 8));
	points_remove_all(&p);
	commit();
	cr_expect_eq(memcmp(host, before, SIZE), 0);
}

POINTS_TEST(pending, "a breakpoint on an unmapped page waits, and is set when the page is there")
{
	map[5] = UNMAPPED;
	insert(5 * PAGE);
	commit();
	cr_expect_eq(p.npending, 1);
	cr_expect_eq(memcmp(host, before, SIZE), 0);
	map[5] = 6;
	commit();
	cr_expect_eq(p.npending, 0);
	cr_expect(planted_at(6 * PAGE));
	points_remove(&p, 5 * PAGE);
	commit();
	cr_expect_eq(memcmp(host, before, SIZE), 0);
}

POINTS_TEST(pending_removed, "one that never was set leaves nothing")
{
	map[5] = UNMAPPED;
	insert(5 * PAGE);
	points_remove(&p, 5 * PAGE);
	map[5] = 5;
	commit();
	cr_expect_eq(p.npending, 0);
	cr_expect_eq(p.points.count, 0);
	cr_expect_eq(memcmp(host, before, SIZE), 0);
}

POINTS_TEST(refused, "a bad alignment is refused")
{
	cr_expect_eq(points_insert(&p, 0, 0x102), p.cpu->brk_size == 4 ? -EINVAL : 0);
	points_remove(&p, 0x102);
	cr_expect_eq(p.points.count, 0);
	cr_expect_eq(p.npending, 0);
}

POINTS_TEST(memory_gone,
	    "memory that went away takes its breakpoints along; back again, they are set")
{
	insert(0x100);
	commit();
	cr_assert_eq(memory_remove(&mem, 0), 0);
	memcpy(host, before, SIZE);
	points_verify(&p);
	commit();
	cr_expect_eq(p.npending, 1);
	cr_expect_eq(memcmp(host, before, SIZE), 0);
	cr_assert_eq(memory_add(&mem, 0, host, SIZE), 0);
	commit();
	cr_expect(planted_at(0x100));
	points_remove_all(&p);
	commit();
	cr_expect_eq(memcmp(host, before, SIZE), 0);
}

POINTS_TEST(no_memory_yet,
	    "an address that is mapped to what is no memory waits until it is mapped to some")
{
	map[5] = SIZE / PAGE + 4; /* a device */
	insert(5 * PAGE);
	commit();
	cr_expect_eq(p.npending, 1);
	map[5] = 5;
	commit();
	cr_expect_eq(p.npending, 0);
	cr_expect(planted_at(5 * PAGE));
	points_remove_all(&p);
	commit();
	cr_expect_eq(memcmp(host, before, SIZE), 0);
}

POINTS_TEST(leave, "memory that is left has no breakpoint in it; back as it was, they are set anew")
{
	insert(0x100);
	insert(0x200);
	insert(5 * PAGE);
	commit();
	points_leave(&p, 0, PAGE);
	cr_expect_eq(memcmp(host, before, PAGE), 0);
	cr_expect(planted_at(5 * PAGE), "that is other memory");
	points_remove(&p, 0x200);
	points_verify(&p);
	commit();
	cr_expect(planted_at(0x100));
	cr_expect_eq(memcmp(host + 0x200, before + 0x200, p.cpu->brk_size), 0);
	points_remove_all(&p);
	commit();
	cr_expect_eq(memcmp(host, before, SIZE), 0);
}

POINTS_TEST(leave_overwritten, "what the guest wrote over a breakpoint goes with the memory")
{
	insert(0x100);
	commit();
	overwrite(0x100, 0x44);
	points_leave(&p, 0, PAGE);
	cr_expect_eq(host[0x100], 0x44);
	points_remove_all(&p);
	commit();
	cr_expect_eq(host[0x100], 0x44);
}

POINTS_TEST(memory_elsewhere,
	    "memory that is mapped elsewhere in the VMM, with what was in it: breakpoints go there")
{
	uint8_t *first = host, *second = aligned_alloc(4096, SIZE);

	cr_assert(second);
	memcpy(second, host, SIZE);
	insert(0x100);
	insert(0x200);
	commit();
	points_verify(&p);
	cr_assert_eq(memory_remove(&mem, 0), 0);
	cr_assert_eq(memory_add(&mem, 0, second, SIZE), 0);
	host = second;
	points_verify(&p);
	commit();
	cr_expect(planted_at(0x100) && planted_at(0x200));
	points_remove_all(&p);
	commit();
	cr_expect_eq(memcmp(host, before, SIZE), 0);
	free(first);
}

POINTS_TEST(gone_before_commit,
	    "memory that goes between control and commit leaves the breakpoint pending")
{
	insert(0x100);
	cr_assert_eq(memory_remove(&mem, 0), 0);
	commit();
	cr_assert_eq(memory_add(&mem, 0, host, SIZE), 0);
	points_verify(&p);
	commit();
	cr_expect(planted_at(0x100), "it is not forgotten");
	points_remove_all(&p);
	commit();
	cr_expect_eq(memcmp(host, before, SIZE), 0);
}

POINTS_TEST(gone_while_lifted,
	    "memory that goes while a breakpoint is stepped over leaves it pending")
{
	struct site *s;

	insert(0x100);
	commit();
	s = points_site(&p, 0x100);
	cr_assert(s);
	points_lift(&p, s);
	cr_assert_eq(memory_remove(&mem, 0), 0);
	points_plant(&p, s);
	cr_assert_eq(memory_add(&mem, 0, host, SIZE), 0);
	points_verify(&p);
	commit();
	cr_expect(planted_at(0x100), "it is not forgotten");
}

POINTS_TEST(lift, "lifted it is out of memory, planted again it is back")
{
	struct site *s;

	insert(0x100);
	commit();
	s = points_site(&p, 0x100);
	cr_assert(s);
	points_lift(&p, s);
	cr_expect_eq(memcmp(host, before, SIZE), 0);
	overwrite(0x100, 0x44); /* by the very instruction */
	points_plant(&p, s);
	cr_expect(planted_at(0x100));
	points_remove_all(&p);
	commit();
	cr_expect_eq(memcmp(host, before, SIZE), 0);
}

POINTS_TEST(commit_writes_what_changed,
	    "a commit writes to memory only for what changed since the last")
{
	unsigned int i, writes;

	for (i = 0; i < 1000; i++)
		insert(i * 4);
	commit();
	cr_expect_eq(synced, 1000);
	insert(0x1800);
	commit();
	cr_expect_eq(synced, 1001);
	points_remove(&p, 0x1800);
	commit();
	writes = synced;
	cr_expect_eq(writes, 1002);
	commit();
	cr_expect_eq(synced, writes);
}

POINTS_TEST(random_walk, "random wishes, writes, lost pages: a model agrees at every commit")
{
	bool wished[32] = { 0 };
	unsigned int n, i, r;

	srand(1);
	for (n = 0; n < 20000; n++) {
		i = (unsigned int)rand() % 32;
		r = (unsigned int)rand() % 8;
		if (r < 3) {
			insert(i * 4);
			wished[i] = true;
		} else if (r < 5) {
			points_remove(&p, i * 4);
			wished[i] = false;
		} else if (r == 5) {
			overwrite(i * 4, (uint8_t)n);
			points_verify(&p);
		} else if (r == 6) {
			before[i * 4] = (uint8_t)n & 0x7f;
			cr_assert_eq(points_write(&p, i * 4, &before[i * 4], 1), 1);
		} else {
			commit();
			for (i = 0; i < 32; i++)
				cr_assert_eq(planted_at(i * 4), wished[i]);
		}
		cr_assert(reads_as_before(0, 64) && reads_as_before(64, 64));
	}
	points_remove_all(&p);
	commit();
	cr_expect_eq(memcmp(host, before, SIZE), 0);
}
