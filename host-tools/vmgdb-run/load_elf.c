/* SPDX-License-Identifier: MIT */
/*
 * ELF images, 32- and 64-bit, little-endian, statically linked. Segments go to their physical
 * addresses (p_paddr); e_entry is taken as a physical address too.
 */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "host-tools/vmgdb-run/load.h"
#include "host-tools/vmgdb-run/machine.h"

bool is_elf(const struct image *image)
{
	return image->size >= EI_NIDENT && memcmp(image->data, ELFMAG, SELFMAG) == 0;
}

static bool is64(const struct image *image)
{
	return image->data[EI_CLASS] == ELFCLASS64;
}

/* The header, a 32-bit one widened. */
static bool read_header(const struct image *image, Elf64_Ehdr *h)
{
	Elf32_Ehdr h32;

	if (image->size < (is64(image) ? sizeof(*h) : sizeof(h32)) ||
	    image->data[EI_DATA] != ELFDATA2LSB)
		return false;
	if (is64(image)) {
		memcpy(h, image->data, sizeof(*h));
		return true;
	}
	memcpy(&h32, image->data, sizeof(h32));
	*h = (Elf64_Ehdr){ .e_type = h32.e_type,
			   .e_machine = h32.e_machine,
			   .e_entry = h32.e_entry,
			   .e_phoff = h32.e_phoff,
			   .e_phentsize = h32.e_phentsize,
			   .e_phnum = h32.e_phnum };
	return true;
}

/* The i-th program header, a 32-bit one widened. */
static bool read_phdr(const struct image *image, const Elf64_Ehdr *h, unsigned int i, Elf64_Phdr *p)
{
	Elf32_Phdr p32;
	size_t size = is64(image) ? sizeof(*p) : sizeof(p32);
	const uint8_t *from;

	if (h->e_phentsize < size || h->e_phoff > image->size ||
	    i >= (image->size - h->e_phoff) / h->e_phentsize)
		return false;
	from = image->data + h->e_phoff + (size_t)i * h->e_phentsize;
	if (is64(image)) {
		memcpy(p, from, sizeof(*p));
		return true;
	}
	memcpy(&p32, from, sizeof(p32));
	*p = (Elf64_Phdr){ .p_type = p32.p_type,
			   .p_offset = p32.p_offset,
			   .p_paddr = p32.p_paddr,
			   .p_filesz = p32.p_filesz,
			   .p_memsz = p32.p_memsz };
	return true;
}

static bool overlaps(const Elf64_Phdr *p, const struct ram *r)
{
	return p->p_paddr < r->gpa + r->size && r->gpa < p->p_paddr + p->p_memsz;
}

static int load_segment(struct vm *vm, const struct image *image, const Elf64_Phdr *p)
{
	uint8_t *to = vm_memory(vm, p->p_paddr, p->p_memsz);

	if (p->p_filesz > p->p_memsz || p->p_offset > image->size ||
	    p->p_filesz > image->size - p->p_offset)
		return vm_fail(vm, 0, "%s: cut short, or not a sound ELF file", image->name);
	if (!to)
		return vm_fail(vm, 0,
			       "%s: its %" PRIu64 " bytes at %#" PRIx64
			       " are not within the guest's memory (--mem)",
			       image->name, p->p_memsz, p->p_paddr);
	if (overlaps(p, &machine_reserved))
		return vm_fail(vm, 0, "%s: loads at %#" PRIx64 ", where vmgdb-run has its own data",
			       image->name, p->p_paddr);
	memcpy(to, image->data + p->p_offset, p->p_filesz);
	memset(to + p->p_filesz, 0, p->p_memsz - p->p_filesz);
	return 0;
}

static int check_header(struct vm *vm, const struct image *image, const Elf64_Ehdr *h)
{
	if (h->e_type != ET_EXEC)
		return vm_fail(vm, 0, "%s: not an executable that is linked to a fixed address",
			       image->name);
	if (!machine_runs(h->e_machine))
		return vm_fail(vm, 0, "%s: for another processor (ELF machine %u)", image->name,
			       h->e_machine);
	return 0;
}

int load_elf(struct vm *vm, struct image *image)
{
	Elf64_Ehdr h;
	Elf64_Phdr p;
	int ret;

	if (!read_header(image, &h))
		return vm_fail(vm, 0, "%s: cut short, or not a little-endian ELF file",
			       image->name);
	ret = check_header(vm, image, &h);
	for (unsigned int i = 0; i < h.e_phnum && ret == 0; i++) {
		if (!read_phdr(image, &h, i, &p))
			return vm_fail(vm, 0, "%s: cut short: program header %u", image->name, i);
		if (p.p_type == PT_LOAD && p.p_memsz != 0)
			ret = load_segment(vm, image, &p);
	}
	image->elf_machine = h.e_machine;
	image->entry = h.e_entry;
	return ret;
}
