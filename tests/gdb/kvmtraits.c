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
	PTE = 3, /* present, writable */
	PTE_LARGE = 0x80,
	VECTOR = 0x40,
	EXIT_PORT = 0xf4,
};

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

static void start(struct vm *vm, const char *code_bytes, size_t size)
{
	static const unsigned long long gdt[] = { 0, 0x00af9b000000ffff, 0x00cf93000000ffff };
	const struct kvm_segment code = {
		.limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .l = 1, .s = 1, .g = 1
	};
	const struct kvm_segment data = { .limit = 0xffffffff,
					  .selector = 16,
					  .type = 3,
					  .present = 1,
					  .db = 1,
					  .s = 1,
					  .g = 1 };
	const struct kvm_regs regs = { .rip = CODE, .rsp = STACK, .rflags = 2 };
	struct kvm_sregs sregs;

	memcpy(vm->memory + CODE, code_bytes, size);
	memcpy(vm->memory + GDT, gdt, sizeof(gdt));
	map_pages(vm);
	must(ioctl(vm->vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.ss = data;
	sregs.gdt = (struct kvm_dtable){ .base = GDT, .limit = sizeof(gdt) - 1 };
	sregs.idt = (struct kvm_dtable){ .base = IDT, .limit = 256 * 16 - 1 };
	sregs.cr3 = TABLES;
	sregs.cr4 = 0x20;	/* PAE */
	sregs.efer = 0x500;	/* LME, LMA */
	sregs.cr0 = 0x80000031; /* PG, NE, ET, PE */
	must(ioctl(vm->vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	must(ioctl(vm->vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

/* Whether a guest with this code and debug control comes back before its end. */
static bool debug_exit(const char *code, size_t size, const struct kvm_guest_debug *debug)
{
	struct vm vm = vm_new();
	struct kvm_run *run = vm.run;

	start(&vm, code, size);
	must(ioctl(vm.vcpu, KVM_SET_GUEST_DEBUG, debug), "KVM_SET_GUEST_DEBUG");
	if (ioctl(vm.vcpu, KVM_RUN, 0) < 0)
		return false;
	/* the form that a KVM which emulates the guest gives int3; Linux, Documentation/virt/kvm */
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		return run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION &&
		       run->emulation_failure.insn_bytes[0] == 0xcc;
	return run->exit_reason == KVM_EXIT_DEBUG;
}

static bool swbreak(void)
{
	static const char code[] = "\x90\xcc\xe6\xf4"; /* nop; int3; out %al, $EXIT_PORT */
	const struct kvm_guest_debug debug = { .control = KVM_GUESTDBG_ENABLE |
							  KVM_GUESTDBG_USE_SW_BP };

	return debug_exit(code, sizeof(code), &debug);
}

static bool hwbreak(void)
{
	static const char code[] = "\x90\x90\xe6\xf4"; /* nop; nop; out */
	const struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP,
		.arch.debugreg = { CODE + 1, 0, 0, 0, 0, 0, 0, 0x402 },
	};

	return debug_exit(code, sizeof(code), &debug);
}

static bool watch(void)
{
	static const char code[] =
		"\x89\x04\x25\x00\x20\x00\x00\x90\xe6\xf4"; /* mov %eax, COUNT; nop; out */
	const struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP,
		.arch.debugreg = { COUNT, 0, 0, 0, 0, 0, 0, 0xd0402 }, /* four bytes, written */
	};

	return debug_exit(code, sizeof(code), &debug);
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
	struct vm vm = vm_new();

	memcpy(vm.memory + HANDLER, irq_handler, sizeof(irq_handler));
	memcpy(vm.memory + IDT + VECTOR * 16, gate, sizeof(gate));
	start(&vm, irq_code, sizeof(irq_code));
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &limit, NULL);
	return ioctl(vm.vcpu, KVM_RUN, 0) == 0 && vm.run->exit_reason == KVM_EXIT_IO &&
	       vm.run->io.port == EXIT_PORT;
}

int main(void)
{
	static const struct {
		const char *name;
		bool (*works)(void);
	} traits[] = {
		{ "swbreak", swbreak }, { "hwbreak", hwbreak }, { "watch", watch }, { "irq", irq }
	};

	for (size_t i = 0; i < sizeof(traits) / sizeof(traits[0]); i++) {
		if (traits[i].works())
			puts(traits[i].name);
	}
	return 0;
}
