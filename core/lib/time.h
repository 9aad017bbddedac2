/* SPDX-License-Identifier: MIT */
/* The monotonic clock. */
#ifndef VMGDB_CORE_LIB_TIME_H
#define VMGDB_CORE_LIB_TIME_H

#include <stdint.h>
#include <time.h>

int64_t time_ms(void);
int64_t time_us(void);

/* The time that many milliseconds from now, as pthread_cond_timedwait() wants it. */
struct timespec time_in_ms(long ms);

#endif
