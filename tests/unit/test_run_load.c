/* SPDX-License-Identifier: MIT */
/* vmgdb-run's ELF loader, on files made here; the machine around it is a fake. */
#include <criterion/criterion.h>

#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "host-tools/vmgdb-run/load.h"
#include "host-tools/vmgdb-run/machine.h"

enum {
	RAM = 0x10000,
	RAM_SIZE = 0x4000,
	RESERVED = 0x10000,
	RESERVED_SIZE = 0x1000,
	FILE_SIZE = 1024
};

const struct ram machine_reserved = { .gpa = RESERVED, .size = RESERVED_SIZE };

static uint8_t ram[RAM_SIZE];

bool machine_runs(uint16_t elf_machine)
{
	return elf_machine == EM_X86_64 || elf_machine == EM_386;
}

int vm_fail(struct vm *vm, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(vm->error, sizeof(vm->error), fmt, ap);
	va_end(ap);
	return err ? -err : -EINVAL;
}

void *vm_memory(const struct vm *vm, uint64_t gpa, uint64_t len)
{
	(void)vm;
	if (gpa < RAM || gpa - RAM > RAM_SIZE || len > RAM_SIZE - (gpa - RAM))
		return NULL;
	return ram + (gpa - RAM);
}

/* An executable with one segment: eight bytes of 0xab, and eight of zeros after them. */
struct file {
	uint8_t bytes[FILE_SIZE];
	size_t size;
};

static const Elf64_Phdr segment64 = {
	.p_type = PT_LOAD,
	.p_offset = 512,
	.p_vaddr = 0xffffffff80012000,
	.p_paddr = 0x12000,
	.p_filesz = 8,
	.p_memsz = 16,
};

static void make64(struct file *f, Elf64_Half type, Elf64_Half machine, const Elf64_Phdr *p)
{
	Elf64_Ehdr h = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB },
		.e_type = type,
		.e_machine = machine,
		.e_entry = 0x12004,
		.e_phoff = sizeof(h),
		.e_phentsize = sizeof(*p),
		.e_phnum = 1,
	};

	memset(f, 0xab, sizeof(*f));
	memcpy(f->bytes, &h, sizeof(h));
	memcpy(f->bytes + sizeof(h), p, sizeof(*p));
	f->size = 520;
}

static void make32(struct file *f)
{
	Elf32_Ehdr h = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB },
		.e_type = ET_EXEC,
		.e_machine = EM_386,
		.e_entry = 0x12004,
		.e_phoff = sizeof(h),
		.e_phentsize = sizeof(Elf32_Phdr),
		.e_phnum = 1,
	};
	Elf32_Phdr p = {
		.p_type = PT_LOAD,
		.p_offset = 512,
		.p_paddr = 0x12000,
		.p_filesz = 8,
		.p_memsz = 16,
	};

	memset(f, 0xab, sizeof(*f));
	memcpy(f->bytes, &h, sizeof(h));
	memcpy(f->bytes + sizeof(h), &p, sizeof(p));
	f->size = 520;
}

static int load(const struct file *f, struct image *image, struct vm *vm)
{
	memset(vm, 0, sizeof(*vm));
	memset(ram, 0xee, sizeof(ram));
	*image = (struct image){ .name = "file", .data = f->bytes, .size = f->size };
	if (!is_elf(image))
		return -ENOEXEC;
	return load_elf(vm, image);
}

static void expect_loaded(const struct file *f, uint16_t machine)
{
	static const uint8_t expected[] = { 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0,
					    0,	  0,	0,    0,    0,	  0,	0,    0xee };
	static struct vm vm;
	struct image image;

	cr_assert_eq(load(f, &image, &vm), 0, "%s", vm.error);
	cr_expect_eq(image.entry, 0x12004);
	cr_expect_eq(image.elf_machine, machine);
	cr_expect_eq(memcmp(ram + 0x2000, expected, sizeof(expected)), 0);
	cr_expect_eq(ram[0x1fff], 0xee, "nothing before it is touched");
}

static void expect_refused(const struct file *f, const char *text)
{
	static struct vm vm;
	struct image image;

	cr_expect(load(f, &image, &vm) < 0, "%s", text);
	cr_expect(strstr(vm.error, text), "\"%s\" has no \"%s\"", vm.error, text);
	cr_expect(strstr(vm.error, "file: "), "\"%s\" does not name the file", vm.error);
	for (size_t i = 0; i < sizeof(ram); i++)
		cr_assert_eq(ram[i], 0xee, "%s: memory was written", text);
}

Test(run_load, elf64, .description = "64-bit: to the physical address, the rest of it zeroed")
{
	struct file f;

	make64(&f, ET_EXEC, EM_X86_64, &segment64);
	expect_loaded(&f, EM_X86_64);
}

Test(run_load, elf32, .description = "32-bit: the same")
{
	struct file f;

	make32(&f);
	expect_loaded(&f, EM_386);
}

Test(run_load, refused, .description = "what is no executable for this machine is refused by name")
{
	struct file f;

	make64(&f, ET_DYN, EM_X86_64, &segment64);
	expect_refused(&f, "fixed address");
	make64(&f, ET_EXEC, EM_AARCH64, &segment64);
	expect_refused(&f, "another processor");
	make64(&f, ET_EXEC, EM_X86_64, &segment64);
	f.bytes[EI_DATA] = ELFDATA2MSB;
	expect_refused(&f, "little-endian");
}

Test(run_load, segments,
     .description = "segments that do not fit the file or the memory are refused")
{
	static const struct {
		uint64_t offset, paddr, filesz, memsz;
		const char *text;
	} cases[] = {
		{ 512, 0x12000, 17, 16, "sound" },
		{ 516, 0x12000, 8, 16, "cut short" },
		{ UINT64_MAX - 3, 0x12000, 8, 16, "cut short" },
		{ 512, 0x12000, UINT64_MAX, UINT64_MAX, "cut short" },
		{ 512, 0x13ff8, 8, 16, "--mem" },
		{ 512, 0, 8, 16, "--mem" },
		{ 512, UINT64_MAX - 7, 8, 16, "--mem" },
		{ 512, 0x12000, 8, UINT64_MAX, "--mem" },
		{ 512, 0x10ff8, 8, 16, "own data" },
	};
	struct file f;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		Elf64_Phdr p = segment64;

		p.p_offset = cases[i].offset;
		p.p_paddr = cases[i].paddr;
		p.p_filesz = cases[i].filesz;
		p.p_memsz = cases[i].memsz;
		make64(&f, ET_EXEC, EM_X86_64, &p);
		expect_refused(&f, cases[i].text);
	}
}

Test(run_load, cut,
     .description = "a file cut short anywhere is refused, and never read beyond its end")
{
	struct file f;

	make64(&f, ET_EXEC, EM_X86_64, &segment64);
	for (size_t size = 0; size < 520; size++) {
		static struct vm vm;
		uint8_t *copy = malloc(size ? size : 1);
		struct image image = { .name = "file", .data = copy, .size = size };

		memcpy(copy, f.bytes, size);
		cr_expect(!is_elf(&image) || load_elf(&vm, &image) < 0, "%zu bytes", size);
		free(copy);
	}
}

Test(run_load, flipped,
     .description = "any header byte may be wrong: memory outside is never touched")
{
	static struct vm vm;
	struct image image;
	struct file f;

	for (size_t i = EI_NIDENT; i < sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr); i++) {
		for (unsigned int bit = 0; bit < 8; bit++) {
			make64(&f, ET_EXEC, EM_X86_64, &segment64);
			f.bytes[i] ^= (uint8_t)(1 << bit);
			load(&f, &image, &vm);
			cr_expect_eq(ram[0], 0xee, "byte %zu bit %u", i, bit);
		}
	}
}
