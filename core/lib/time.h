/* SPDX-License-Identifier: MIT */
/*
 * Time by the monotonic clock. A moment is a number of milliseconds since an unknown origin; a deadline
 * is a moment. Any thread.
 */
#ifndef VMGDB_CORE_LIB_TIME_H
#define VMGDB_CORE_LIB_TIME_H

#include <pthread.h>
#include <time.h>

/* The moment that is now, and in microseconds. */
long long time_ms(void);
long long time_us(void);

/* The moment that is now, read at the first question after it was set to zero. */
struct time_cache {
	long long now;
};
long long time_cached_ms(struct time_cache *cache);

/* Milliseconds from now_ms until the deadline, for poll(): 0 when it has passed. */
int time_left_ms(long long now_ms, long long deadline);

/* The shorter of two timeouts of poll(), of which -1 is none. */
int time_shorter(int a_ms, int b_ms);

/* The moment in ms milliseconds, for pthread_cond_timedwait() on a condition of time_cond_init(). */
struct timespec time_in_ms(long ms);

/* A condition variable that counts by the monotonic clock. */
void time_cond_init(pthread_cond_t *cond);

#endif
