/* SPDX-License-Identifier: MIT */
/*
 * Guest images: what kinds there are and how they get into memory. How the guest then finds the
 * machine is the boot protocol at the top of x86/boot.c and arm64/boot.c.
 */
#ifndef VMGDB_RUN_LOAD_H
#define VMGDB_RUN_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm;

/* A guest, in a file or built in. */
struct image {
	const char *name; /* for messages */
	const uint8_t *data;
	size_t size;

	/* by load_image(): */
	uint16_t elf_machine; /* e_machine, or EM_NONE for one that is not ELF */
	uint64_t entry;	      /* guest-physical */
};

/*
 * Copy an image to guest memory and fill elf_machine and entry. What is not ELF is flat. 0 or -errno
 * with vm->error set.
 */
int load_image(struct vm *vm, struct image *image);

/* The loaders, of images that are ELF, and of all others. As load_image(). */
bool is_elf(const struct image *image);
int load_elf(struct vm *vm, struct image *image);
int load_flat(struct vm *vm, struct image *image);

/* Map a file as an image; unmap_image() unmaps it. 0 or -errno with vm->error set. */
int map_image(struct vm *vm, const char *path, struct image *image);
void unmap_image(struct image *image);

#endif
