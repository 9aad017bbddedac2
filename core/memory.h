/* SPDX-License-Identifier: MIT */
/*
 * Guest-physical memory as the VMM has it mapped: raw bytes, inserted breakpoints included.
 *
 * The VMM's mapping may be read-only, PROT_NONE or a file that was cut short. So the library never
 * loads from it or stores to it itself: the kernel copies between the mapping and a memory file of
 * the library, pwritev() out of the mapping and preadv() into it. There, memory that can't be accessed
 * is an error instead of a signal, and many small pieces are one system call.
 */
#ifndef VMGDB_CORE_MEMORY_H
#define VMGDB_CORE_MEMORY_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * Slots are sorted by gpa. The lock is held for reading around every use of an hva, so that nobody
 * touches a mapping whose slot is removed.
 */
struct memory {
	pthread_rwlock_t lock;
	struct memslot *slots;
	size_t nslots;
	pthread_mutex_t window_lock;
	uint8_t *window; /* the memory file */
	int window_fd;
	bool plain; /* there is none on this host: plain loads and stores */
};

/* 0 or -errno. */
int memory_init(struct memory *m);
void memory_fini(struct memory *m);

/* As vmgdb_add_memory(). */
int memory_add(struct memory *m, uint64_t gpa, void *hva, uint64_t size);

/* ---- the caller holds the lock, for reading unless said otherwise --------------------------- */

/* Remove the slot that starts at gpa: 0 or -ENOENT. The lock is held for writing. */
int memory_remove(struct memory *m, uint64_t gpa);

/* The host address of gpa, and in *len how many bytes from there on are contiguous; NULL: a hole. */
uint8_t *memory_hva(const struct memory *m, uint64_t gpa, size_t *len);

/* Is that host address guest memory, at whatever guest-physical address? */
bool memory_has_hva(const struct memory *m, const uint8_t *hva);

/* Copy out, up to the first hole or page that can't be accessed: how many bytes. */
size_t memory_read(struct memory *m, uint64_t gpa, void *buf, size_t len);

/* Copy in, all of it or nothing: 0, -EFAULT or -ENOMEM. */
int memory_write(struct memory *m, uint64_t gpa, const void *buf, size_t len);

/*
 * Copy pieces of host memory, none of which crosses a page, to buf one after the other, or from it: at
 * most so many, and so many bytes. Each has its place in buf, also where others can't be accessed: ok[i]
 * says whether piece i was copied.
 */
enum { MEMORY_PIECES_MAX = 1024, MEMORY_WINDOW = 1 << 16 };
void memory_gather(struct memory *m, const struct iovec *pieces, unsigned int n, void *buf,
		   bool *ok);
void memory_scatter(struct memory *m, const struct iovec *pieces, unsigned int n, const void *buf,
		    bool *ok);

#endif
