/* SPDX-License-Identifier: MIT */
/* The table of built-in guests, from the architecture's list.h. */
#include <string.h>

#include "host-tools/vmgdb-run/guests.h"

#ifdef __x86_64__
#define GUEST_LIST "host-tools/vmgdb-run/guests/x86/list.h"
#else
#define GUEST_LIST "host-tools/vmgdb-run/guests/arm64/list.h"
#endif

#define GUEST(name, file, what) extern const uint8_t guest_##name[], guest_##name##_end[];
#include GUEST_LIST
#undef GUEST

#define GUEST(name, file, what) { #name, what, guest_##name, guest_##name##_end },
static const struct guest guests[] = {
#include GUEST_LIST
};
#undef GUEST

const struct guest *guest_get(size_t i)
{
	return i < sizeof(guests) / sizeof(guests[0]) ? &guests[i] : NULL;
}

const struct guest *guest_find(const char *name)
{
	const struct guest *g;

	for (size_t i = 0; (g = guest_get(i)); i++) {
		if (strcmp(g->name, name) == 0)
			return g;
	}
	return NULL;
}
