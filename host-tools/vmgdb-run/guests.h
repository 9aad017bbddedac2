/* SPDX-License-Identifier: MIT */
/* The guests that are built into vmgdb-run. */
#ifndef VMGDB_RUN_GUESTS_H
#define VMGDB_RUN_GUESTS_H

#include <stddef.h>
#include <stdint.h>

struct guest {
	const char *name;
	const char *what; /* a line for --help */
	const uint8_t *data, *end;
};

/* The i-th, from 0; NULL after the last. */
const struct guest *guest_get(size_t i);

/* NULL: no such guest. */
const struct guest *guest_find(const char *name);

#endif
