// SPDX-License-Identifier: MIT
#include "core/lib/time.h"

#include <limits.h>

long long time_ms(void)
{
	return time_us() / 1000;
}

long long time_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

long long time_cached_ms(struct time_cache *cache)
{
	if (!cache->now)
		cache->now = time_ms();
	return cache->now;
}

int time_left_ms(long long now_ms, long long deadline)
{
	long long left = deadline - now_ms;

	if (left <= 0)
		return 0;
	return left < INT_MAX ? (int)left : INT_MAX;
}

int time_shorter(int a_ms, int b_ms)
{
	return a_ms < 0 || (b_ms >= 0 && b_ms < a_ms) ? b_ms : a_ms;
}

struct timespec time_in_ms(long ms)
{
	long long us = time_us() + ms * 1000LL;

	return (struct timespec){ us / 1000000, us % 1000000 * 1000 };
}

void time_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}
