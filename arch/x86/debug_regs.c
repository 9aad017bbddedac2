// SPDX-License-Identifier: MIT
/* Debug registers: what DR0-DR3 can hold (SDM vol. 3, 17.2). */
#include <errno.h>

#include "arch/x86/x86.h"

enum { DR_LEN_MAX = 8 };

static int refuse(int err, const char *text, const char **why)
{
	if (why)
		*why = text;
	return err;
}

/* The longest naturally aligned piece at the front of [addr, addr + len). */
static uint64_t piece(uint64_t addr, uint64_t len)
{
	uint64_t n = DR_LEN_MAX;

	while (n > len || addr & (n - 1))
		n /= 2;
	return n;
}

static int split_data(enum hw_kind kind, uint64_t addr, uint64_t len, struct hw_slot *out,
		      unsigned int max, const char **why)
{
	unsigned int n;
	uint64_t size;

	if (!len || addr + (len - 1) < addr)
		return refuse(-EINVAL, "a watchpoint has at least one byte and does not wrap", why);
	for (n = 0; len; n++, addr += size, len -= size) {
		if (n == max)
			return refuse(-ENOSPC,
				      "more than the free debug registers can watch; "
				      "`monitor set software-watch on' does without",
				      why);
		size = piece(addr, len);
		out[n] = (struct hw_slot){ kind, addr, size };
	}
	return n;
}

int x86_hw_split(enum hw_kind kind, uint64_t addr, uint64_t len, struct hw_slot *out,
		 unsigned int max, const char **why)
{
	if (kind == HW_READ)
		return refuse(-EOPNOTSUPP,
			      "x86 can't watch for reads alone: use an access watchpoint", why);
	if (kind != HW_EXEC)
		return split_data(kind, addr, len, out, max, why);
	if (len != 1)
		return refuse(-EINVAL, "the kind of a hardware breakpoint is 1 on x86", why);
	if (!max)
		return refuse(-ENOSPC, "no debug register is free", why);
	out[0] = (struct hw_slot){ HW_EXEC, addr, 1 };
	return 1;
}
