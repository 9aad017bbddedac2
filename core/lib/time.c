// SPDX-License-Identifier: MIT
#include "core/lib/time.h"

static struct timespec now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t;
}

int64_t time_us(void)
{
	const struct timespec t = now();

	return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

int64_t time_ms(void)
{
	return time_us() / 1000;
}

struct timespec time_in_ms(long ms)
{
	const struct timespec t = now();
	const long ns = t.tv_nsec + ms % 1000 * 1000000L;

	return (struct timespec){ t.tv_sec + ms / 1000 + ns / 1000000000L, ns % 1000000000L };
}
