/* SPDX-License-Identifier: MIT */
/*
 * What this machine's KVM can do for a debugger, found out without any of vmgdb: prints the names of
 * hosts.py's traits, one a line. x86. Tests that need what is not here are not applicable.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>

enum {
	MEMORY = 1 << 16,
	CODE = 0x1000,
	HANDLER = 0x1100,
	COUNT = 0x2000,
	IDT = 0x3000,
	GDT = 0x4000,
	STACK = 0x5000,
	TABLES = 0x6000,
	PTE = 7, /* present, writable, for user mode too */
	PTE_LARGE = 0x80,
	VECTOR = 0x40,
	EXIT_PORT = 0xf4,
};

enum mode { REAL, PROTECTED, KERNEL, USER }; /* the latter two: 64 bits */

struct vm {
	int vm, vcpu;
	unsigned char *memory;
	struct kvm_run *run;
};

static int must(int value, const char *what)
{
	if (value < 0) {
		perror(what);
		exit(1);
	}
	return value;
}

static void *map(size_t size, int flags, int fd)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	must(p == MAP_FAILED ? -1 : 0, "mmap");
	return p;
}

static struct vm vm_new(void)
{
	struct vm vm;
	int kvm = must(open("/dev/kvm", O_RDWR), "/dev/kvm");

	vm.vm = must(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	must(ioctl(vm.vm, KVM_SET_TSS_ADDR, 0xfffbd000L), "KVM_SET_TSS_ADDR");
	must(ioctl(vm.vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	vm.memory = map(MEMORY, MAP_SHARED | MAP_ANONYMOUS, -1);
	must(ioctl(vm.vm, KVM_SET_USER_MEMORY_REGION,
		   &(struct kvm_userspace_memory_region){ .memory_size = MEMORY,
							  .userspace_addr = (__u64)vm.memory }),
	     "KVM_SET_USER_MEMORY_REGION");
	vm.vcpu = must(ioctl(vm.vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	vm.run = map((size_t)ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), MAP_SHARED, vm.vcpu);
	return vm;
}

/* 64-bit, the first 4 GiB mapped to themselves by pages of 2 MiB. */
static void map_pages(struct vm *vm)
{
	unsigned long long *tables = (unsigned long long *)(vm->memory + TABLES);

	tables[0] = (TABLES + 0x1000) | PTE;
	for (unsigned long long i = 0; i < 4; i++)
		tables[512 + i] = (TABLES + 0x2000 + i * 0x1000) | PTE;
	for (unsigned long long i = 0; i < 4 * 512ULL; i++)
		tables[1024 + i] = i << 21 | PTE | PTE_LARGE;
}

static void set_regs(struct vm *vm, const struct kvm_sregs *sregs)
{
	const struct kvm_regs regs = { .rip = CODE, .rsp = STACK, .rflags = 2 };

	must(ioctl(vm->vcpu, KVM_SET_SREGS, sregs), "KVM_SET_SREGS");
	must(ioctl(vm->vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

static struct kvm_sregs get_sregs(struct vm *vm)
{
	struct kvm_sregs sregs;

	must(ioctl(vm->vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	return sregs;
}

static void start_64(struct vm *vm, unsigned char ring)
{
	static const unsigned long long gdt[] = { 0, 0x00af9b000000ffff, 0x00cf93000000ffff,
						  0x00affb000000ffff, 0x00cff3000000ffff };
	struct kvm_sregs sregs = get_sregs(vm);

	memcpy(vm->memory + GDT, gdt, sizeof(gdt));
	map_pages(vm);
	sregs.cs = (struct kvm_segment){ .limit = 0xffffffff,
					 .selector = ring ? 0x1b : 0x08,
					 .dpl = ring,
					 .type = 11,
					 .present = 1,
					 .l = 1,
					 .s = 1,
					 .g = 1 };
	sregs.ss = (struct kvm_segment){ .limit = 0xffffffff,
					 .selector = ring ? 0x23 : 0x10,
					 .dpl = ring,
					 .type = 3,
					 .present = 1,
					 .db = 1,
					 .s = 1,
					 .g = 1 };
	sregs.ds = sregs.es = sregs.ss;
	sregs.gdt = (struct kvm_dtable){ .base = GDT, .limit = sizeof(gdt) - 1 };
	sregs.idt = (struct kvm_dtable){ .base = IDT, .limit = 256 * 16 - 1 };
	sregs.cr3 = TABLES;
	sregs.cr4 = 0x20;	/* PAE */
	sregs.efer = 0x500;	/* LME, LMA */
	sregs.cr0 = 0x80000031; /* PG, NE, ET, PE */
	set_regs(vm, &sregs);
}

/* Without paging; a page directory that maps the first 4 MiB to themselves is at TABLES. */
static void start_32(struct vm *vm)
{
	struct kvm_sregs sregs = get_sregs(vm);

	*(unsigned int *)(vm->memory + TABLES) = PTE | PTE_LARGE;
	sregs.cs = (struct kvm_segment){ .limit = 0xffffffff,
					 .selector = 8,
					 .type = 11,
					 .present = 1,
					 .db = 1,
					 .s = 1,
					 .g = 1 };
	sregs.ss = sregs.cs;
	sregs.ss.selector = 16;
	sregs.ss.type = 3;
	sregs.ds = sregs.es = sregs.ss;
	sregs.cr4 = 0x10; /* PSE */
	sregs.cr0 = 0x31; /* NE, ET, PE */
	set_regs(vm, &sregs);
}

/* The vector of int3 ends the test. */
static void start_real(struct vm *vm)
{
	static const unsigned short vector[] = { HANDLER, 0 };
	struct kvm_sregs sregs = get_sregs(vm);

	memcpy(vm->memory + 3 * sizeof(vector), vector, sizeof(vector));
	memcpy(vm->memory + HANDLER, "\xe6\xf4", 2); /* out %al, $EXIT_PORT */
	sregs.cs.base = sregs.cs.selector = 0;
	set_regs(vm, &sregs);
}

static struct vm vm_start(enum mode mode, const char *code, size_t size)
{
	struct vm vm = vm_new();

	memcpy(vm.memory + CODE, code, size);
	switch (mode) {
	case REAL: start_real(&vm); break;
	case PROTECTED: start_32(&vm); break;
	case KERNEL: start_64(&vm, 0); break;
	case USER: start_64(&vm, 3); break;
	}
	return vm;
}

static bool at_the_end(const struct kvm_run *run)
{
	return run->exit_reason == KVM_EXIT_IO && run->io.port == EXIT_PORT;
}

/* Whether a guest with this code and debug control comes back before its end. */
static bool debug_exit(const char *code, size_t size, enum mode mode,
		       const struct kvm_guest_debug *debug)
{
	struct vm vm = vm_start(mode, code, size);
	struct kvm_run *run = vm.run;

	must(ioctl(vm.vcpu, KVM_SET_GUEST_DEBUG, debug), "KVM_SET_GUEST_DEBUG");
	if (ioctl(vm.vcpu, KVM_RUN, 0) < 0)
		return false;
	/* the form that a KVM which emulates the guest gives int3; Linux, Documentation/virt/kvm */
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		return run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION &&
		       run->emulation_failure.insn_bytes[0] == 0xcc;
	return run->exit_reason == KVM_EXIT_DEBUG;
}

static bool swbreak_in(enum mode mode)
{
	static const char code[] = "\x90\xcc\xe6\xf4"; /* nop; int3; out %al, $EXIT_PORT */
	const struct kvm_guest_debug debug = { .control = KVM_GUESTDBG_ENABLE |
							  KVM_GUESTDBG_USE_SW_BP };

	return debug_exit(code, sizeof(code), mode, &debug);
}

static bool hwbreak_in(enum mode mode)
{
	static const char code[] = "\x90\x90\xe6\xf4"; /* nop; nop; out */
	const struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP,
		.arch.debugreg = { CODE + 1, 0, 0, 0, 0, 0, 0, 0x402 },
	};

	return debug_exit(code, sizeof(code), mode, &debug);
}

static bool swbreak(void)
{
	return swbreak_in(KERNEL);
}

static bool hwbreak(void)
{
	return hwbreak_in(KERNEL);
}

static bool real_swbreak(void)
{
	return swbreak_in(REAL);
}

static bool user_swbreak(void)
{
	return swbreak_in(USER);
}

static bool user_hwbreak(void)
{
	return hwbreak_in(USER);
}

static bool watch(void)
{
	static const char code[] =
		"\x89\x04\x25\x00\x20\x00\x00\x90\xe6\xf4"; /* mov %eax, COUNT; nop; out */
	const struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP,
		.arch.debugreg = { COUNT, 0, 0, 0, 0, 0, 0, 0xd0402 }, /* four bytes, written */
	};

	return debug_exit(code, sizeof(code), KERNEL, &debug);
}

static bool paging_32(void)
{
	static const char code[] = "\xb8\x00\x60\x00\x00\x0f\x22\xd8" /* TABLES to cr3 */
				   "\xb8\x31\x00\x00\x80\x0f\x22\xc0" /* PG, NE, ET, PE to cr0 */
				   "\xe6\xf4";
	struct vm vm = vm_start(PROTECTED, code, sizeof(code));

	return ioctl(vm.vcpu, KVM_RUN, 0) == 0 && at_the_end(vm.run);
}

/* ---- interrupts: the APIC's timer at 1 kHz, until it has come 20 times ---- */

#define APIC_BASE	 "\xb8\x00\x00\xe0\xfe" /* mov $0xfee00000, %eax */
#define APIC(reg, value) "\xc7\x80" reg value	/* movl $value, reg(%rax) */

static const char irq_code[] =
	APIC_BASE APIC("\xf0\x00\x00\x00", "\xff\x01\x00\x00")	 /* spurious: enabled */
	APIC("\xe0\x03\x00\x00", "\x0b\x00\x00\x00")		 /* divide by 1 */
	APIC("\x20\x03\x00\x00", "\x40\x00\x02\x00")		 /* timer: periodic, VECTOR */
	APIC("\x80\x03\x00\x00", "\x40\x42\x0f\x00")		 /* every 1,000,000 ns */
	"\xfb\xeb\xfe";						 /* sti; jmp . */
static const char irq_handler[] = "\xff\x04\x25\x00\x20\x00\x00" /* incl COUNT */
	APIC_BASE APIC("\xb0\x00\x00\x00", "\x00\x00\x00\x00")	 /* end of interrupt */
	"\x83\x3c\x25\x00\x20\x00\x00\x14"			 /* cmpl $20, COUNT */
	"\x73\x02\x48\xcf\xe6\xf4";				 /* jae 1f; iretq; 1: out */

static void alarm_handler(int signal)
{
	(void)signal;
}

static bool irq(void)
{
	static const unsigned short gate[] = { HANDLER, 8, 0x8e00 };
	const struct sigaction action = { .sa_handler = alarm_handler };
	const struct itimerval limit = { .it_value.tv_usec = 300 * 1000,
					 .it_interval.tv_usec = 10 * 1000 };
	struct vm vm = vm_start(KERNEL, irq_code, sizeof(irq_code));

	memcpy(vm.memory + HANDLER, irq_handler, sizeof(irq_handler));
	memcpy(vm.memory + IDT + VECTOR * 16, gate, sizeof(gate));
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &limit, NULL);
	return ioctl(vm.vcpu, KVM_RUN, 0) == 0 && at_the_end(vm.run);
}

int main(void)
{
	static const struct {
		const char *name;
		bool (*works)(void);
	} traits[] = { { "swbreak", swbreak },		 { "hwbreak", hwbreak },
		       { "real-swbreak", real_swbreak }, { "user-swbreak", user_swbreak },
		       { "user-hwbreak", user_hwbreak }, { "watch", watch },
		       { "paging-32", paging_32 },	 { "irq", irq } };

	for (size_t i = 0; i < sizeof(traits) / sizeof(traits[0]); i++) {
		if (traits[i].works())
			puts(traits[i].name);
	}
	return 0;
}
