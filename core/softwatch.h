/* SPDX-License-Identifier: MIT */
/*
 * Watchpoints without debug registers: while there is one, the engine steps every vCPU, one at a
 * time, and compares after each step. Slow, but exact on any host, however many there are. By
 * guest-physical address, so that it makes no difference who writes, or through which mapping.
 */
#ifndef VMGDB_CORE_SOFTWATCH_H
#define VMGDB_CORE_SOFTWATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/points.h"
#include "core/target.h"

enum { SOFTWATCH_LEN_MAX = 64 };

struct softwatch {
	uint64_t addr; /* as the debugger named it */
	uint64_t gpa;
	size_t len;
	uint8_t old[SOFTWATCH_LEN_MAX]; /* what was there when it was looked at last */
};

struct softwatches {
	struct softwatch *w;
	size_t n;
};

void softwatch_fini(struct softwatches *s);

/*
 * Watch len bytes at gpa for a change. 0, also when it is watched already; -EINVAL: too long;
 * -EFAULT: no memory there; -ENOMEM. *why tells a person.
 */
int softwatch_insert(struct softwatches *s, struct points *mem, uint64_t addr, uint64_t gpa,
		     uint64_t len, const char **why);

/* Removing what is not there is no error. */
void softwatch_remove(struct softwatches *s, uint64_t addr, uint64_t len);
void softwatch_remove_all(struct softwatches *s);

/* The watch with that name, or NULL. */
struct softwatch *softwatch_find(const struct softwatches *s, uint64_t addr);

/* What changed since it was looked at last, or NULL. All are then up to date. */
const struct softwatch *softwatch_changed(struct softwatches *s, struct points *mem);

#endif
