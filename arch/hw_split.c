// SPDX-License-Identifier: MIT
#include "arch/hw_split.h"

#include <errno.h>

int hw_refuse(int err, const char *text, const char **why)
{
	if (why)
		*why = text;
	return err;
}

int hw_split_data(enum hw_kind kind, uint64_t addr, uint64_t len, struct hw_slot *out,
		  unsigned int max, const char **why,
		  uint64_t (*piece)(uint64_t addr, uint64_t len))
{
	unsigned int n;
	uint64_t size;

	if (!len || addr + (len - 1) < addr)
		return hw_refuse(-EINVAL, "a watchpoint has at least one byte and does not wrap",
				 why);
	for (n = 0; len; n++, addr += size, len -= size) {
		if (n == max)
			return hw_refuse(-ENOSPC,
					 "the range needs more debug registers than are free; "
					 "`monitor set software-watch on' watches by single steps",
					 why);
		size = piece(addr, len);
		out[n] = (struct hw_slot){ kind, addr, size };
	}
	return n;
}
