/* SPDX-License-Identifier: MIT */
/*
 * Sixteen bytes at a time, by the compilers' vector extension: every x86-64 and arm64 processor has
 * instructions for all of it, so there is nothing to look for at run time.
 */
#ifndef VMGDB_CORE_VEC_H
#define VMGDB_CORE_VEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t vec __attribute__((vector_size(16)));

/* A vector of those bytes of a and b, two vectors, that the indices name: a has 0 to 15. */
#ifdef __clang__
#define VEC_PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define VEC_PICK(a, b, ...) __builtin_shuffle(a, b, (vec){ __VA_ARGS__ })
#endif

static inline vec vec_load(const void *p)
{
	vec v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void vec_store(void *p, vec v)
{
	memcpy(p, &v, sizeof(v));
}

/* Whether a byte of a comparison's result is set. */
static inline bool vec_any(vec v)
{
	uint64_t half[2];

	memcpy(half, &v, sizeof(half));
	return half[0] | half[1];
}

/* The index of the first byte that is set; one is. */
static inline size_t vec_first(vec v)
{
	uint64_t half[2];

	memcpy(half, &v, sizeof(half));
	if (half[0])
		return (size_t)__builtin_ctzll(half[0]) / 8;
	return 8 + (size_t)__builtin_ctzll(half[1]) / 8;
}

#endif
