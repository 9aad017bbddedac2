// SPDX-License-Identifier: MIT
#include "transport/spec.h"

bool parse_number(const char *text, uint32_t max, uint32_t *out)
{
	uint64_t n = 0;
	const char *p;

	for (p = text; *p >= '0' && *p <= '9'; p++) {
		n = n * 10 + (uint64_t)(*p - '0');
		if (n > max)
			return false;
	}
	if (p == text || *p != '\0')
		return false;
	*out = (uint32_t)n;
	return true;
}
