/* SPDX-License-Identifier: MIT */
/* Guest-physical memory as the VMM has it mapped: raw bytes, inserted breakpoints included. */
#ifndef VMGDB_CORE_MEMORY_H
#define VMGDB_CORE_MEMORY_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct memslot {
	uint64_t gpa;
	uint64_t size;
	uint8_t *hva;
};

/*
 * Slots are sorted by gpa. The lock is held for reading around every use of an hva, so that
 * memory_remove() returns only when nobody touches the mapping any more.
 */
struct memory {
	pthread_rwlock_t lock;
	struct memslot *slots;
	size_t nslots;
	unsigned long generation; /* another one whenever slots were added or removed */
};

int memory_init(struct memory *m);
void memory_fini(struct memory *m);

/* As vmgdb_add_memory() and vmgdb_remove_memory(). */
int memory_add(struct memory *m, uint64_t gpa, void *hva, uint64_t size);
int memory_remove(struct memory *m, uint64_t gpa);

/* How many bytes the slot has that starts at gpa; 0: none does. Any thread. */
uint64_t memory_size(struct memory *m, uint64_t gpa);

/*
 * The host address of gpa, and in *len how many bytes from there on are contiguous; NULL for a hole.
 * The caller holds the lock for reading as long as it uses the address.
 */
uint8_t *memory_hva(const struct memory *m, uint64_t gpa, size_t *len);

/* Copy out, up to the first hole: how many bytes. Any thread. */
size_t memory_read(struct memory *m, uint64_t gpa, void *buf, size_t len);

/* Copy in, up to the first hole: how many bytes. Any thread. */
size_t memory_write(struct memory *m, uint64_t gpa, const void *buf, size_t len);

#endif
