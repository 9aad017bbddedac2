// SPDX-License-Identifier: MIT
#include "arch/arm64/debug_regs.h"

#include <errno.h>

#include "arch/arm64/insn.h"
#include "arch/hw_split.h"

enum { DOUBLEWORD = 8 };

#define MASK_MAX (1ULL << 31)

/* The largest piece that one slot watches from addr on. */
static uint64_t piece(uint64_t addr, uint64_t len)
{
	const uint64_t to_boundary = DOUBLEWORD - addr % DOUBLEWORD;
	uint64_t size = DOUBLEWORD;

	if (to_boundary != DOUBLEWORD || len < DOUBLEWORD)
		return len < to_boundary ? len : to_boundary;
	while (size < MASK_MAX && size <= len / 2 && !(addr & (2 * size - 1)))
		size *= 2;
	return size;
}

int arm64_hw_split(enum hw_kind kind, uint64_t addr, uint64_t len, struct hw_slot *out,
		   unsigned int max, const char **why)
{
	if (kind != HW_EXEC)
		return hw_split_data(kind, addr, len, out, max, why, piece);
	if (addr % ARM64_INSN_SIZE || len != ARM64_INSN_SIZE)
		return hw_refuse(-EINVAL,
				 "a hardware breakpoint is on one instruction: 4 bytes, aligned",
				 why);
	if (!max)
		return hw_refuse(-ENOSPC, "no debug register is free", why);
	*out = (struct hw_slot){ HW_EXEC, addr, len };
	return 1;
}

/* ---- registers --------------------------------------------------------------------------- */

/* E, and PxC = 3 with HMC = 0 and SSC = 0: at EL1 and EL0 */
enum { CONTROL_ENABLED = 1 | 3 << 1 };

/* Debug registers compare a sign-extended address; a tag in the top byte is not part of it. */
static uint64_t untagged(uint64_t addr)
{
	return (uint64_t)((int64_t)(addr << 8) >> 8);
}

static struct arm64_debug_pair encode_data(const struct hw_slot *s)
{
	static const uint8_t lsc[] = { [HW_READ] = 1, [HW_WRITE] = 2, [HW_ACCESS] = 3 };
	const unsigned int offset = s->addr % DOUBLEWORD;
	uint64_t bas = 0xff, mask = 0;

	if (s->len > DOUBLEWORD)
		mask = __builtin_ctzll(s->len);
	else
		bas = ((1U << s->len) - 1) << offset & 0xff;
	return (struct arm64_debug_pair){
		.value = untagged(s->addr - offset),
		.control = CONTROL_ENABLED | lsc[s->kind] << 3 | bas << 5 | mask << 24,
	};
}

struct arm64_debug_pair arm64_hw_encode(const struct hw_slot *s)
{
	if (s->kind != HW_EXEC)
		return encode_data(s);
	return (struct arm64_debug_pair){
		.value = untagged(s->addr),
		.control = CONTROL_ENABLED | 0xf << 5,
	};
}

/* ---- which one it was -------------------------------------------------------------------- */

static bool watches(const struct hw_slot *s, bool write)
{
	return s->kind == HW_ACCESS || s->kind == (write ? HW_WRITE : HW_READ);
}

static uint64_t distance(const struct hw_slot *s, uint64_t far)
{
	const uint64_t start = untagged(s->addr);

	far = untagged(far);
	if (far < start)
		return start - far;
	return far - start < s->len ? 0 : far - start - s->len + 1;
}

/* The nearest of those slots that are in among. */
static uint32_t nearest(const struct hw_slot *slots, uint32_t among, uint64_t far)
{
	uint64_t least = UINT64_MAX, d;
	uint32_t hit = 0;
	unsigned int i;

	for (; among; among &= among - 1) {
		i = __builtin_ctz(among);
		d = distance(&slots[i], far);
		if (d > least)
			continue;
		hit = (d < least ? 0 : hit) | 1U << i;
		least = d;
	}
	return hit;
}

uint32_t arm64_watch_slots(const struct hw_slot *slots, unsigned int n, uint64_t far, bool write)
{
	uint32_t data = 0, fit = 0;
	unsigned int i;

	for (i = 0; i < n; i++) {
		data |= slots[i].kind != HW_EXEC ? 1U << i : 0;
		fit |= slots[i].kind != HW_EXEC && watches(&slots[i], write) ? 1U << i : 0;
	}
	/* an atomic access both reads and writes, and the syndrome has one of them */
	return nearest(slots, fit ? fit : data, far);
}
