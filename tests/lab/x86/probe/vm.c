// SPDX-License-Identifier: MIT
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "tests/lab/x86/probe/vm.h"

enum { SEL_CODE = 8, SEL_DATA = 16, GATE = 0x8e00, TSS_ADDR = 0x7ffbd000, STEP_TRIES = 8 };

static int must(int value, const char *what)
{
	if (value < 0)
		err(1, "%s", what);
	return value;
}

static void *map(size_t size, int flags, int fd)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, 0);

	must(p == MAP_FAILED ? -1 : 0, "mmap");
	return p;
}

static void put_tables(struct vm *m)
{
	static const uint64_t gdt[] = { 0, 0x00cf9b000000ffff, 0x00cf93000000ffff };
	uint16_t gate[] = { 0, SEL_CODE, GATE, 0 };
	unsigned int i;

	memcpy(m->mem + GDT, gdt, sizeof(gdt));
	for (i = 0; i < VECTORS; i++) {
		gate[0] = vm_handler(m, i, "\xf4", 1);
		memcpy(m->mem + IDT + i * sizeof(gate), gate, sizeof(gate));
	}
}

static void flat(struct kvm_sregs *s)
{
	const struct kvm_segment data = { .limit = UINT32_MAX,
					  .selector = SEL_DATA,
					  .type = 3,
					  .present = 1,
					  .db = 1,
					  .s = 1,
					  .g = 1 };

	s->ds = s->es = s->fs = s->gs = s->ss = data;
	s->cs = data;
	s->cs.selector = SEL_CODE;
	s->cs.type = 11;
	s->gdt = (struct kvm_dtable){ .base = GDT, .limit = 23 };
	s->idt = (struct kvm_dtable){ .base = IDT, .limit = VECTORS * 8 - 1 };
	s->cr0 = 0x31; /* NE, ET, PE */
}

static void put_vcpu(struct vm *m, unsigned int index)
{
	const struct kvm_regs regs = { .rip = CODE, .rsp = STACK, .rflags = FL_ONE };
	struct kvm_sregs sregs;

	m->vcpu = must(ioctl(m->fd, KVM_CREATE_VCPU, index), "KVM_CREATE_VCPU");
	m->run = map((size_t)ioctl(m->kvm, KVM_GET_VCPU_MMAP_SIZE, 0), 0, m->vcpu);
	must(ioctl(m->vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	flat(&sregs);
	must(ioctl(m->vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	vm_set_regs(m, &regs);
}

void vm_add(const struct vm *m, unsigned int index, struct vm *out)
{
	*out = *m;
	put_vcpu(out, index);
}

/* The local APIC lets interrupts in: SVR, SDM vol. 3, 10.9. */
static void enable_apic(struct vm *m)
{
	const uint32_t svr = 0x1ff;
	struct kvm_lapic_state apic;

	must(ioctl(m->vcpu, KVM_GET_LAPIC, &apic), "KVM_GET_LAPIC");
	memcpy(apic.regs + 0xf0, &svr, sizeof(svr));
	must(ioctl(m->vcpu, KVM_SET_LAPIC, &apic), "KVM_SET_LAPIC");
}

void vm_open(struct vm *m, const char *code, size_t len, bool irqchip)
{
	struct kvm_userspace_memory_region region = { .memory_size = MEM_SIZE };
	int flags;

	m->kvm = must(open("/dev/kvm", O_RDWR), "/dev/kvm");
	m->fd = must(ioctl(m->kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	must(ioctl(m->fd, KVM_SET_TSS_ADDR, (long)TSS_ADDR), "KVM_SET_TSS_ADDR");
	if (irqchip)
		must(ioctl(m->fd, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	m->mem = map(MEM_SIZE, MAP_ANONYMOUS, -1);
	region.userspace_addr = (uintptr_t)m->mem;
	must(ioctl(m->fd, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
	flags = ioctl(m->kvm, KVM_CHECK_EXTENSION, KVM_CAP_SET_GUEST_DEBUG2);
	m->flags = flags > 0 ? (uint32_t)flags : 0;
	put_tables(m);
	memcpy(m->mem + CODE, code, len);
	put_vcpu(m, 0);
	if (irqchip)
		enable_apic(m);
}

/* A KVM that emulates its guests can't emulate INT3. */
bool vm_emulated(void)
{
	struct vm m;

	vm_open(&m, "\xcc\xf4", 2, false);
	return vm_run(&m) == KVM_EXIT_INTERNAL_ERROR;
}

uint32_t vm_handler(struct vm *m, unsigned int vector, const char *code, size_t len)
{
	uint32_t at = HANDLERS + 16 * vector;

	memcpy(m->mem + at, code, len);
	return at;
}

struct kvm_regs vm_regs(struct vm *m)
{
	struct kvm_regs regs;

	must(ioctl(m->vcpu, KVM_GET_REGS, &regs), "KVM_GET_REGS");
	return regs;
}

void vm_set_regs(struct vm *m, const struct kvm_regs *regs)
{
	must(ioctl(m->vcpu, KVM_SET_REGS, regs), "KVM_SET_REGS");
}

void vm_arm(struct vm *m, uint32_t control, uint64_t dr0, uint64_t dr7)
{
	struct kvm_guest_debug d = { .control = control };

	d.arch.debugreg[0] = dr0;
	d.arch.debugreg[7] = dr7 ? dr7 | 0x600 : 0;
	must(ioctl(m->vcpu, KVM_SET_GUEST_DEBUG, &d), "KVM_SET_GUEST_DEBUG");
}

int vm_run(struct vm *m)
{
	return ioctl(m->vcpu, KVM_RUN, 0) < 0 ? -errno : (int)m->run->exit_reason;
}

int vm_step(struct vm *m, uint32_t control)
{
	const struct kvm_regs before = vm_regs(m);
	struct kvm_regs after;
	int tries = STEP_TRIES, exit;

	do {
		vm_arm(m, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | control, 0, 0);
		exit = vm_run(m);
		after = vm_regs(m);
	} while (--tries && exit == KVM_EXIT_DEBUG && after.rip == before.rip &&
		 after.rcx == before.rcx);
	return exit;
}

uint32_t vm_word(const struct vm *m, uint32_t gpa)
{
	uint32_t word;

	memcpy(&word, m->mem + gpa, sizeof(word));
	return word;
}
