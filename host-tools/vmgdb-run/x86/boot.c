/* SPDX-License-Identifier: MIT */
/*
 * The boot protocol. vCPU 0 starts at the image's entry, with interrupts off, in the mode that the
 * image is made for; the other vCPUs wait for INIT-SIPI-SIPI from the guest.
 *
 *	64-bit ELF	long mode; CS, DS, ES, SS flat, FS and GS as well with base 0. RDI is the
 *			address of a struct boot_info, RSP the top of a page of stack, RBP 0. The
 *			first 4 GiB are mapped to themselves by 2 MiB pages, all writable.
 *	32-bit ELF	protected mode without paging, flat segments; EDI, ESP and EBP as above.
 *	flat		real mode at 0000:7c00, as a boot sector; SP is 7c00, DS, ES, SS are 0.
 *
 * No IDT is set up: until the guest has one an exception is a triple fault. Below 1 MiB vmgdb-run
 * uses, for the ELF kinds:
 *
 *	0x1000		GDT: null, 64-bit code, data, 32-bit code, TSS
 *	0x2000		struct boot_info
 *	0x3000-0x8fff	page tables (64-bit)
 *	0x9000-0x9fff	stack
 *
 * All of it may be overwritten once the guest has its own.
 */
#include <elf.h>
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "host-tools/vmgdb-run/guests/x86/bootinfo.h"
#include "host-tools/vmgdb-run/load.h"
#include "host-tools/vmgdb-run/x86/x86.h"

enum {
	GDT_ADDR = 0x1000,
	BOOT_INFO_ADDR = 0x2000,
	PML4_ADDR = 0x3000,
	PDPT_ADDR = 0x4000,
	PD_ADDR = 0x5000, /* four of them */
	STACK_TOP = 0xa000,
	PAGE = 0x1000,

	SEL_CODE64 = 0x08,
	SEL_DATA = 0x10,
	SEL_CODE32 = 0x18,
	SEL_TSS = 0x20,

	SEG_DATA = 3, /* types: Intel SDM vol. 3, 3.4.5.1 and 3.5 */
	SEG_CODE = 11,
	SEG_TSS_BUSY = 11,

	CR0_PE = 1 << 0,
	CR0_ET = 1 << 4,
	CR0_NE = 1 << 5,
	CR0_WP = 1 << 16,
	CR4_PAE = 1 << 5,
	EFER_LME = 1 << 8,
	EFER_LMA = 1 << 10,

	PTE_PRESENT = 1 << 0,
	PTE_WRITE = 1 << 1,
	PTE_LARGE = 1 << 7,
};

#define CR0_PG (1UL << 31)

const struct ram machine_reserved = { .gpa = GDT_ADDR, .size = STACK_TOP - GDT_ADDR };
const struct ram machine_flat = { .gpa = 0x7c00, .size = 0x9fc00 - 0x7c00 };

bool machine_runs(uint16_t elf_machine)
{
	return elf_machine == EM_X86_64 || elf_machine == EM_386;
}

static struct kvm_segment segment(uint16_t selector, uint8_t type, bool system)
{
	return (struct kvm_segment){
		.selector = selector,
		.limit = 0xffffffff,
		.type = type,
		.present = 1,
		.s = !system,
		.g = !system,
		.db = !system,
	};
}

static struct kvm_segment code64(void)
{
	struct kvm_segment s = segment(SEL_CODE64, SEG_CODE, false);

	s.db = 0;
	s.l = 1;
	return s;
}

static struct kvm_segment tss(void)
{
	struct kvm_segment s = segment(SEL_TSS, SEG_TSS_BUSY, true);

	s.limit = 0x67;
	return s;
}

/* The descriptor that gives this segment (Intel SDM vol. 3, figure 3-8). */
static uint64_t descriptor(const struct kvm_segment *s)
{
	uint64_t limit = s->g ? s->limit >> 12 : s->limit;
	uint64_t flags = s->type | (uint64_t)s->s << 4 | (uint64_t)s->dpl << 5 |
			 (uint64_t)s->present << 7 | (uint64_t)s->avl << 12 | (uint64_t)s->l << 13 |
			 (uint64_t)s->db << 14 | (uint64_t)s->g << 15;

	return (limit & 0xffff) | (s->base & 0xffffff) << 16 | flags << 40 |
	       (limit >> 16 & 0xf) << 48 | (s->base >> 24 & 0xff) << 56;
}

static void write_gdt(uint64_t *gdt)
{
	const struct kvm_segment c64 = code64(), t = tss();
	const struct kvm_segment c32 = segment(SEL_CODE32, SEG_CODE, false);
	const struct kvm_segment data = segment(SEL_DATA, SEG_DATA, false);

	gdt[SEL_CODE64 / 8] = descriptor(&c64);
	gdt[SEL_DATA / 8] = descriptor(&data);
	gdt[SEL_CODE32 / 8] = descriptor(&c32);
	gdt[SEL_TSS / 8] = descriptor(&t);
	gdt[SEL_TSS / 8 + 1] = 0; /* the upper half of its base */
}

static void write_page_tables(uint8_t *low)
{
	uint64_t *pml4 = (uint64_t *)(low + PML4_ADDR);
	uint64_t *pdpt = (uint64_t *)(low + PDPT_ADDR);
	uint64_t *pd = (uint64_t *)(low + PD_ADDR);

	pml4[0] = PDPT_ADDR | PTE_PRESENT | PTE_WRITE;
	for (uint64_t i = 0; i < 4; i++)
		pdpt[i] = (PD_ADDR + i * PAGE) | PTE_PRESENT | PTE_WRITE;
	for (uint64_t i = 0; i < 4 * 512; i++)
		pd[i] = i << 21 | PTE_PRESENT | PTE_WRITE | PTE_LARGE;
}

static void write_boot_info(struct vm *vm, void *to)
{
	int tsc_khz = ioctl(vm->vcpus[0].fd, KVM_GET_TSC_KHZ, 0);
	struct boot_info info = {
		.ncpus = vm->ncpus,
		.tsc_khz = tsc_khz > 0 ? (uint32_t)tsc_khz : 0,
		.mem_size = vm->mem_size,
	};

	memcpy(to, &info, sizeof(info));
}

static void set_segments(struct kvm_sregs *s, struct kvm_segment code)
{
	s->cs = code;
	s->ds = s->es = s->fs = s->gs = s->ss = segment(SEL_DATA, SEG_DATA, false);
	s->tr = tss();
	s->gdt.base = GDT_ADDR;
	s->gdt.limit = SEL_TSS + 15;
	s->idt.limit = 0;
}

static void start_protected(struct kvm_sregs *s)
{
	set_segments(s, segment(SEL_CODE32, SEG_CODE, false));
	s->cr0 = CR0_PE | CR0_ET | CR0_NE;
}

static void start_long(struct kvm_sregs *s)
{
	set_segments(s, code64());
	s->cr3 = PML4_ADDR;
	s->cr4 = CR4_PAE;
	s->efer = EFER_LME | EFER_LMA;
	s->cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
}

/* After a reset all other segments begin at 0 already (Intel SDM vol. 3, "Processor State After Reset"). */
static void start_real(struct kvm_sregs *s)
{
	s->cs.selector = 0;
	s->cs.base = 0;
}

static int set_sregs(struct vm *vm, const struct image *image)
{
	struct kvm_sregs sregs;

	if (ioctl(vm->vcpus[0].fd, KVM_GET_SREGS, &sregs) < 0)
		return vm_fail(vm, errno, "vCPU 0: KVM_GET_SREGS");
	switch (image->elf_machine) {
	case EM_NONE: start_real(&sregs); break;
	case EM_386: start_protected(&sregs); break;
	case EM_X86_64: start_long(&sregs); break;
	}
	if (ioctl(vm->vcpus[0].fd, KVM_SET_SREGS, &sregs) < 0)
		return vm_fail(vm, errno, "vCPU 0: KVM_SET_SREGS");
	return 0;
}

static int set_regs(struct vm *vm, const struct image *image)
{
	struct kvm_regs regs = {
		.rip = image->entry,
		.rflags = 2,
		.rsp = STACK_TOP,
		.rdi = BOOT_INFO_ADDR,
	};

	if (image->elf_machine == EM_NONE) {
		regs.rsp = machine_flat.gpa;
		regs.rdi = 0;
	}
	if (ioctl(vm->vcpus[0].fd, KVM_SET_REGS, &regs) < 0)
		return vm_fail(vm, errno, "vCPU 0: KVM_SET_REGS");
	return 0;
}

int machine_boot(struct vm *vm, const struct image *image)
{
	uint8_t *low = vm_memory(vm, 0, STACK_TOP);
	int ret;

	if (image->elf_machine != EM_NONE) {
		write_gdt((uint64_t *)(low + GDT_ADDR));
		write_boot_info(vm, low + BOOT_INFO_ADDR);
	}
	if (image->elf_machine == EM_X86_64)
		write_page_tables(low);
	ret = set_sregs(vm, image);
	return ret < 0 ? ret : set_regs(vm, image);
}
