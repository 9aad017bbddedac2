/* SPDX-License-Identifier: MIT */
/*
 * Guest images: what kinds there are and how they get into memory. A kind is a struct loader; the
 * loaders are asked in turn. How the guest then finds the machine is the boot protocol at the top
 * of x86/boot.c and arm64/boot.c.
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

	/* by the loader: */
	const struct loader *loader;
	uint16_t elf_machine; /* e_machine, or EM_NONE for one that is not ELF */
	uint64_t entry;	      /* guest-physical */
};

struct loader {
	const char *name;
	bool (*probe)(const struct image *image);
	/* Copy it to guest memory and fill elf_machine and entry. 0 or -errno with vm->error set. */
	int (*load)(struct vm *vm, struct image *image);
};

extern const struct loader loader_elf, loader_flat;

/* Load an image with the loader that knows it. 0 or -errno with vm->error set. */
int load_image(struct vm *vm, struct image *image);

/* Map a file as an image; unmap_image() unmaps it. 0 or -errno with vm->error set. */
int map_image(struct vm *vm, const char *path, struct image *image);
void unmap_image(struct image *image);

#endif
