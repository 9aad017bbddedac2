// SPDX-License-Identifier: MIT
/* What a breakpoint costs among many: time of this thread, the least of many tries. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <criterion/criterion.h>

#include "core/points.h"
#include "tests/unit/softcpu.h"

enum { MANY = 10000, FEW = 10, SIZE = 65536, ROUNDS = 500 };

static int identity(void *opaque, unsigned int vcpu, uint64_t va, uint64_t *gpa)
{
	(void)opaque;
	(void)vcpu;
	*gpa = va;
	return 0;
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* One is set, come to, looked for where there is none, and taken away. */
static uint64_t time_of_one(struct points *p, uint64_t va)
{
	uint64_t from = cpu_ns(), took;
	bool there;
	int ret;

	ret = points_insert(p, 0, va) || points_commit(p);
	there = points_site(p, va) && points_find(p, va) && !points_site(p, SIZE);
	points_remove(p, va);
	ret = points_commit(p) || ret;
	took = cpu_ns() - from;
	cr_assert(there && !ret);
	return took;
}

/* With n about. */
static uint64_t cost_among(struct points *p, unsigned int n)
{
	uint64_t least = UINT64_MAX, ns;
	unsigned int i;

	for (i = 0; i < n; i++)
		cr_assert_eq(points_insert(p, 0, i * SOFT_INSN), 0);
	cr_assert_eq(points_commit(p), 0);
	for (i = 0; i < ROUNDS; i++) {
		ns = time_of_one(p, SIZE - SOFT_INSN);
		least = ns < least ? ns : least;
	}
	points_remove_all(p);
	cr_assert_eq(points_commit(p), 0);
	return least;
}

static void compare(const struct cpu *cpu)
{
	struct memory mem;
	struct points p = { .cpu = cpu, .mem = &mem, .mmu = { identity, NULL } };
	uint8_t *host = aligned_alloc(4096, SIZE);
	uint64_t few, many;

	cr_assert(host);
	memset(host, SOFT_NOP, SIZE);
	cr_assert_eq(memory_init(&mem), 0);
	cr_assert_eq(memory_add(&mem, 0, host, SIZE), 0);
	few = cost_among(&p, FEW);
	many = cost_among(&p, MANY);
	cr_expect_lt(many, 8 * few + 2000, "%llu ns, among few %llu", (unsigned long long)many,
		     (unsigned long long)few);
	points_fini(&p);
	memory_fini(&mem);
	free(host);
}

Test(points_many, as_among_few,
     .description = "among 10,000 one is set, found and taken away as fast as among 10, about")
{
	compare(&soft8_cpu);
	compare(&soft32_cpu);
}
