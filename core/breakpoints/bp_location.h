/* SPDX-License-Identifier: MIT */
/*
 * Where breakpoint instructions are in guest memory, or are to be. A location is named by its host
 * address, so that it is the same one through every guest-physical address of that memory.
 *
 * Locations are created and freed by the server thread alone, every vCPU parked. Everything in them
 * is under the memory's lock, which these functions take.
 */
#ifndef VMGDB_CORE_BP_LOCATION_H
#define VMGDB_CORE_BP_LOCATION_H

#include "core/breakpoint.h"
#include "core/cpu.h"
#include "core/lib/hash_table.h"
#include "core/lib/list.h"
#include "core/memory.h"

enum { BRK_SIZE_MAX = 4 };

struct bp_location {
	struct hash_node node;		/* first member; key: the host address */
	struct list users;		/* the breakpoints that are here: sw_breakpoint.c's */
	unsigned int nusers, nin_slots; /* how many these are, how many of them have a slot */
	size_t place;			/* in bp_locations.places, unless lost */
	struct list event_link;		/* in bp_locations.events */
	struct bp_location *next_aside; /* in bp_locations.aside */

	bool lost;	  /* its memory has gone: it waits to be freed */
	bool unwritable;  /* the last try to insert it has failed */
	bool overwritten; /* by the guest, and not in an event yet */
};

/* What every stop and resume goes through. */
struct bp_place {
	uint8_t *hva;
	struct bp_location *l;
	uint8_t saved[BRK_SIZE_MAX]; /* the guest's own bytes, while it is inserted */
};

struct bp_locations {
	struct memory *mem;
	const struct cpu *cpu;
	void (*sync_icache)(void *hva, size_t len); /* NULL: not needed */
	struct hash_table table;
	struct bp_place *places; /* of all but lost ones: first those that are in guest memory */
	size_t room, ninserted, nunwritable;
	struct bp_location *lifted;
	struct bp_location *aside; /* out of the way of a write, which goes beneath them */
	struct list events;	   /* locations with an event that was not given yet */

	/* Those that are read or written together. */
	struct iovec pieces[MEMORY_PIECES_MAX];
	bool ok[MEMORY_PIECES_MAX]; /* of pieces */
	unsigned int piece_of[MEMORY_PIECES_MAX];
	const uint8_t *seen[MEMORY_PIECES_MAX]; /* in bytes */
	uint8_t bytes[MEMORY_WINDOW + BRK_SIZE_MAX];
};

/* Locations that are at most so far apart are one piece to read. */
enum { BP_SPAN = MEMORY_WINDOW / MEMORY_PIECES_MAX };

void bp_locations_init(struct bp_locations *ls, struct memory *mem);
/* No location has a user any more. */
void bp_locations_fini(struct bp_locations *ls);

/* The location of that memory, a new one if need be; whether it can be written is tried. 0, -EFAULT:
 * no memory there; -ENOMEM. */
int bp_locations_get(struct bp_locations *ls, uint64_t gpa, struct bp_location **out);

/* A location that has no user any more: it is removed from memory and freed. */
void bp_locations_put(struct bp_locations *ls, struct bp_location *l);

/* What has happened to one; if more than one thing has, the first of these. */
enum bp_location_event {
	LOCATION_LOST,	      /* its memory has gone */
	LOCATION_OVERWRITTEN, /* by the guest */
	LOCATION_WRITABLE,    /* .unwritable is another */
};

/* The next one that something has happened to, or NULL. */
struct bp_location *bp_locations_event(struct bp_locations *ls, enum bp_location_event *what);

/* Insert all that have a user without a slot, and remove the others. */
void bp_locations_insert(struct bp_locations *ls);

/* Remove all from memory. What can't be written any more stays inserted, and hidden. */
void bp_locations_withdraw(struct bp_locations *ls);

/* Is any inserted? */
bool bp_locations_inserted(struct bp_locations *ls);

/* As breakpoints.h says of breakpoints_location() and so on. */
struct bp_location *bp_locations_at(struct bp_locations *ls, uint64_t gpa);
void bp_locations_lift(struct bp_locations *ls, struct bp_location *l);
void bp_locations_put_back(struct bp_locations *ls, struct bp_location *l);
size_t bp_locations_read(struct bp_locations *ls, uint64_t gpa, void *buf, size_t len);
void bp_locations_read_pieces(struct bp_locations *ls, struct bp_piece *pieces, unsigned int n);
int bp_locations_write(struct bp_locations *ls, uint64_t gpa, const void *buf, size_t len);
void bp_locations_memory_gone(struct bp_locations *ls, uint64_t gpa, uint64_t len);

#endif
