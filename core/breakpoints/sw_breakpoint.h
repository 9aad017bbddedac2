/* SPDX-License-Identifier: MIT */
/*
 * Software breakpoints.
 *
 * A debugger names them by virtual address (struct point); guest memory is patched by physical
 * address (struct site), so that two virtual addresses of one page share the byte. What is wished
 * and what is in memory are apart: wishes change at once, memory at points_commit(), just before
 * vCPUs run. So the four states of a breakpoint are
 *
 *	cleared		no point, no site
 *	set pending	a point without a site (not mapped yet), or a site not planted yet
 *	set		point, site, planted
 *	clear pending	a planted site that no point refers to
 *
 * and a debugger that takes out all its breakpoints at each stop and puts them back before each
 * resume costs no write to guest memory at all.
 *
 * Under the engine's lock; but for points_read(), which the server's thread may call without it while
 * all vCPUs are parked.
 */
#ifndef VMGDB_CORE_POINTS_H
#define VMGDB_CORE_POINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cpu.h"
#include "core/memory.h"
#include "core/breakpoints/bp_condition.h"
#include "core/lib/hash_table.h"

enum { BRK_SIZE_MAX = 4 };

struct site {
	struct hash_node node; /* key: guest-physical address */
	struct point *points;  /* those that refer to it: NULL: to be cleared */
	bool planted;	       /* the breakpoint instruction is in guest memory */
	bool again;	       /* lifted for a write beneath it, to be planted over that */
	bool dirty;	       /* in the list of sites to commit */
	struct site *next_dirty;
	size_t place;		     /* in points.places, while planted */
	uint8_t saved[BRK_SIZE_MAX]; /* what it covers, while planted */
};

struct point {
	struct hash_node node;	     /* key: virtual address */
	struct site *site;	     /* NULL: not mapped yet */
	struct point *next;	     /* of those that share the site, or of those that have none */
	struct point **pending_link; /* what points to it, in the list of those that have none */
	struct rules *rules;	     /* NULL: none */
	unsigned int vcpu;	     /* through whose tables the debugger named it */
};

/* Where a planted site is. All of them lie in one array: it is gone through at every stop. */
struct place {
	const uint8_t *hva; /* NULL: that memory is gone */
	struct site *site;
};

/* Virtual to physical through a vCPU's tables, any vCPU's if that one does not map it. */
struct points_mmu {
	int (*translate)(void *opaque, unsigned int vcpu, uint64_t va, uint64_t *gpa);
	void *opaque;
};

struct points {
	const struct cpu *cpu;
	struct memory *mem;
	void (*sync_icache)(void *hva, size_t len); /* NULL: not needed */
	struct points_mmu mmu;
	struct hash_table points;
	struct hash_table sites;
	struct site *dirty;
	struct point *pending, **pending_end; /* points without a site, the oldest first */
	size_t npending;
	struct place *places; /* of planted sites, in no order; room for all sites */
	size_t nplaces, room;
	unsigned long generation; /* of the memory that .hva are of */
};

void points_fini(struct points *p);

/*
 * Wish for a breakpoint at va. 0, also when it is not mapped to memory yet (it is tried again at each
 * commit) and when it is there already: then it goes where va is mapped now. -EINVAL: not aligned;
 * -ENOMEM.
 */
int points_insert(struct points *p, unsigned int vcpu, uint64_t va);

/* The point at va, or NULL. */
struct point *points_find(const struct points *p, uint64_t va);

/* No more control for one at va. Removing what is not there is no error. */
void points_remove(struct points *p, uint64_t va);
void points_remove_all(struct points *p);

/* Bring guest memory to what is wished. -ENOMEM at worst; what can't be done stays pending. */
int points_commit(struct points *p);

/*
 * The guest has run: see which breakpoints it wrote over, or lost with the memory that they were in.
 * Those are pending again, and what the guest wrote is what will be there when they are cleared.
 */
void points_verify(struct points *p);

/* The planted site at gpa, or NULL. */
struct site *points_site(const struct points *p, uint64_t gpa);

/* Take the instruction out of memory for a moment, and put it back. */
void points_lift(struct points *p, struct site *s);
void points_plant(struct points *p, struct site *s);

/* As memory_read() and memory_write(), with what is planted hidden: reads see what the guest would,
 * writes go under the breakpoints. */
size_t points_read(struct points *p, uint64_t gpa, void *buf, size_t len);
size_t points_write(struct points *p, uint64_t gpa, const void *buf, size_t len);

/* That memory is about to go: breakpoints are taken out of it, and wait for other memory. */
void points_leave(struct points *p, uint64_t gpa, size_t len);

#endif
