// SPDX-License-Identifier: MIT
#include "tests/unit/arm64_cpu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "arch/arm64/cpu.h"

static struct arm64_test *test_of(struct cpu_view *v)
{
	return (struct arm64_test *)v;
}

static int need(struct cpu_view *v, unsigned int bank)
{
	return bank == test_of(v)->broken ? -EIO : 0;
}

static void dirty(struct cpu_view *v, unsigned int bank)
{
	test_of(v)->dirty[bank / 64] |= 1ULL << bank % 64;
}

static struct arm64_chunk *find(struct arm64_test *t, uint64_t gpa)
{
	unsigned int i;

	for (i = 0; i < t->nchunks; i++)
		if (t->chunks[i].gpa == gpa - gpa % ARM64_CHUNK_SIZE)
			return &t->chunks[i];
	return NULL;
}

static ssize_t read_phys(struct cpu_view *v, uint64_t gpa, void *buf, size_t len)
{
	const struct arm64_chunk *c = find(test_of(v), gpa);
	const size_t at = gpa % ARM64_CHUNK_SIZE;

	if (!c)
		return -EFAULT;
	len = len < ARM64_CHUNK_SIZE - at ? len : ARM64_CHUNK_SIZE - at;
	memcpy(buf, c->bytes + at, len);
	return len;
}

void arm64_test_init(struct arm64_test *t)
{
	*t = (struct arm64_test){
		.view = {
			.cpu = &arm64_cpu,
			.state = &t->state,
			.need = need,
			.dirty = dirty,
			.read_phys = read_phys,
		},
		.state.pstate = PSTATE_EL1H,
		.broken = ARM64_NBANKS,
	};
}

void arm64_test_free(struct arm64_test *t)
{
	while (t->nchunks)
		free(t->chunks[--t->nchunks].bytes);
}

void *arm64_test_mem(struct arm64_test *t, uint64_t gpa)
{
	struct arm64_chunk *c = find(t, gpa);

	if (!c) {
		cr_assert_lt(t->nchunks, ARM64_CHUNKS);
		c = &t->chunks[t->nchunks++];
		c->gpa = gpa - gpa % ARM64_CHUNK_SIZE;
		c->bytes = calloc(1, ARM64_CHUNK_SIZE);
		cr_assert(c->bytes);
	}
	return c->bytes + gpa % ARM64_CHUNK_SIZE;
}

bool arm64_test_dirty(const struct arm64_test *t, unsigned int bank)
{
	return t->dirty[bank / 64] >> bank % 64 & 1;
}
