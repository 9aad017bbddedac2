/* SPDX-License-Identifier: MIT */
/* For tests: an arm64 vCPU's state and memory that a test sets up and reads, without KVM. */
#ifndef TESTS_UNIT_ARM64_CPU_H
#define TESTS_UNIT_ARM64_CPU_H

#include "arch/arm64/regs.h"

enum { ARM64_CHUNKS = 64, ARM64_CHUNK_SIZE = 1 << 16 };

/* Physical memory consists of chunks, at each address that a test has asked for. */
struct arm64_chunk {
	uint64_t gpa;
	uint8_t *bytes;
};

struct arm64_test {
	struct cpu_view view; /* first member */
	struct arm64_state state;
	uint64_t dirty[(ARM64_NBANKS + 63) / 64]; /* a bit for each bank */
	unsigned int broken;			  /* bank that can't be read; ARM64_NBANKS: none */
	struct arm64_chunk chunks[ARM64_CHUNKS];
	unsigned int nchunks;
};

/* At EL1h with the MMU off and nothing masked, no memory. Free with arm64_test_free(). */
void arm64_test_init(struct arm64_test *t);
void arm64_test_free(struct arm64_test *t);

/* The host address of physical memory; makes the chunk that contains it. */
void *arm64_test_mem(struct arm64_test *t, uint64_t gpa);

bool arm64_test_dirty(const struct arm64_test *t, unsigned int bank);

#endif
