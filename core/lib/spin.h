/* SPDX-License-Identifier: MIT */
/*
 * A short wait without a sleep, for what is likely to come within microseconds: a sleep and a wake-up
 * cost several times as much. The processor is yielded meanwhile, so that it also pays where the one
 * that is waited for has to run on the same core. Waits that were in vain make it rarer.
 */
#ifndef VMGDB_CORE_LIB_SPIN_H
#define VMGDB_CORE_LIB_SPIN_H

#include <stdbool.h>

enum { SPIN_US = 50 }; /* about twice what a sleep and a wake-up cost */

struct spin {
	unsigned int us; /* how long at most; 0: not at all */
	unsigned int misses;
};

/* Wait until done(opaque) is true: true; false when the time is up. By the owner of s. */
bool spin_until(struct spin *s, bool (*done)(const void *opaque), const void *opaque);

#endif
