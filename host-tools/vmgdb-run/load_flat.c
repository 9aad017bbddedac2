/* SPDX-License-Identifier: MIT */
/* Flat images: bytes that go to one address, which is the entry as well. */
#include <elf.h>
#include <inttypes.h>
#include <string.h>

#include "host-tools/vmgdb-run/load.h"
#include "host-tools/vmgdb-run/machine.h"

int load_flat(struct vm *vm, struct image *image)
{
	uint8_t *to;

	if (image->size > machine_flat.size)
		return vm_fail(vm, 0,
			       "%s: not ELF, and longer than the %" PRIu64
			       " bytes that a flat image may be",
			       image->name, machine_flat.size);
	to = vm_memory(vm, machine_flat.gpa, image->size);
	if (!to)
		return vm_fail(vm, 0, "%s: does not fit the guest's memory (--mem)", image->name);
	memcpy(to, image->data, image->size);
	image->elf_machine = EM_NONE;
	image->entry = machine_flat.gpa;
	return 0;
}
