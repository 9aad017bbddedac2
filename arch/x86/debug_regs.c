// SPDX-License-Identifier: MIT
#include "arch/x86/debug_regs.h"

#include <errno.h>

#include "arch/hw_split.h"

enum { DR_LEN_MAX = 8, DR7_FIXED = 0x600 /* GE, and the bit that is always one */ };

/* The longest naturally aligned piece at the front of [addr, addr + len). */
static uint64_t piece(uint64_t addr, uint64_t len)
{
	uint64_t n = DR_LEN_MAX;

	while (n > len || addr & (n - 1))
		n /= 2;
	return n;
}

int x86_hw_split(enum hw_kind kind, uint64_t addr, uint64_t len, struct hw_slot *out,
		 unsigned int max, const char **why)
{
	if (kind == HW_READ)
		return hw_refuse(-EOPNOTSUPP,
				 "x86 can't watch for reads alone: use an access watchpoint", why);
	if (kind != HW_EXEC)
		return hw_split_data(kind, addr, len, out, max, why, piece);
	if (len != 1)
		return hw_refuse(-EINVAL, "the kind of a hardware breakpoint is 1 on x86", why);
	if (!max)
		return hw_refuse(-ENOSPC, "no debug register is free", why);
	out[0] = (struct hw_slot){ HW_EXEC, addr, 1 };
	return 1;
}

/* DR7's R/W and LEN fields of one register (SDM vol. 3, 17.2.4), or -errno. */
static int dr7_field(const struct hw_slot *s)
{
	static const int8_t lens[] = { [1] = 0, [2] = 1, [4] = 3, [8] = 2 };
	int len;

	if (s->len > DR_LEN_MAX || s->len & (s->len - 1) || !s->len || s->addr & (s->len - 1))
		return -EINVAL;
	len = lens[s->len] << 2;
	switch (s->kind) {
	case HW_EXEC: return s->len == 1 ? 0 : -EINVAL;
	case HW_WRITE: return len | 1;
	case HW_ACCESS: return len | 3;
	default: return -EOPNOTSUPP;
	}
}

int x86_hw_encode(const struct hw_slot *slots, unsigned int n, uint64_t dr[8])
{
	uint32_t dr7 = DR7_FIXED;
	unsigned int i;
	int field;

	if (n > X86_HW_SLOTS)
		return -ENOSPC;
	for (i = 0; i < n; i++) {
		field = dr7_field(&slots[i]);
		if (field < 0)
			return field;
		dr[i] = slots[i].addr;
		dr7 |= 2u << 2 * i | (uint32_t)field << (16 + 4 * i);
	}
	dr[7] = dr7;
	return 0;
}
