// SPDX-License-Identifier: MIT
#include "core/lib/spin.h"

#include <sched.h>

#include "core/lib/time.h"

/* After so many waits in vain only one in so many is tried. */
enum { MISSES_MAX = 8, TRY_AGAIN = 16 };

static bool pays(struct spin *s)
{
	if (!s->us)
		return false;
	if (s->misses < MISSES_MAX)
		return true;
	return ++s->misses % TRY_AGAIN == 0;
}

bool spin_until(struct spin *s, bool (*done)(const void *opaque), const void *opaque)
{
	long long until;

	if (done(opaque))
		return true;
	if (!pays(s))
		return false;
	until = time_us() + s->us;
	do {
		sched_yield();
		if (done(opaque)) {
			s->misses = 0;
			return true;
		}
	} while (time_us() < until);
	s->misses++;
	return false;
}
