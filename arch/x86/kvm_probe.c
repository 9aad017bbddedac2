// SPDX-License-Identifier: MIT
/*
 * Which debug exits this host's KVM really gives. Some accept every debug control and never exit for
 * it: an instruction emulator that knows no data breakpoints, a nested host whose processor is itself
 * emulated. No capability says so, so a guest of three instructions tries.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch/x86/kvm_vcpu.h"
#include "arch/x86/segment.h"

enum { SIZE = 4096, STACK = 0x700, DATA = 0x800, GDT = 0x900, IDT = 0xa00, TSS = 0xfffbd000 };
enum { AT_NOP = 7, AT_INT3 = 8, AT_HLT = 9 };
enum { CODE_SEL = 8, DATA_SEL = 16, TRIES = 16 };

/* movb $1, DATA; nop; int3; hlt. That is the handler of the int3, too. */
static const uint8_t code[] = { 0xc6, 0x05, 0x00, 0x08, 0x00, 0x00, 0x01, 0x90, 0xcc, 0xf4 };
static const uint64_t gdt[] = { 0, 0x00cf9b000000ffff, 0x00cf93000000ffff };
/* In real mode int3 and hlt are the same bytes. */
static const uint16_t ivt_bp[] = { AT_HLT, 0 };
static const uint64_t idt[] = { [X86_VEC_BP] = 0x00008e0000000000 | CODE_SEL << 16 | AT_HLT };

struct probe {
	int kvm, vm, vcpu;
	void *mem;
	struct kvm_run *run;
	size_t run_size;
	struct x86_kvm *k;
};

static void probe_close(struct probe *p)
{
	if (p->k)
		x86_kvm_release(p->k);
	if (p->run != MAP_FAILED)
		munmap(p->run, p->run_size);
	if (p->mem != MAP_FAILED)
		munmap(p->mem, SIZE);
	if (p->vcpu >= 0)
		close(p->vcpu);
	if (p->vm >= 0)
		close(p->vm);
	if (p->kvm >= 0)
		close(p->kvm);
}

static bool give_memory(struct probe *p)
{
	struct kvm_userspace_memory_region r = { .memory_size = SIZE };

	p->mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p->mem == MAP_FAILED)
		return false;
	memcpy(p->mem, code, sizeof(code));
	memcpy((uint8_t *)p->mem + X86_VEC_BP * sizeof(ivt_bp), ivt_bp, sizeof(ivt_bp));
	memcpy((uint8_t *)p->mem + GDT, gdt, sizeof(gdt));
	memcpy((uint8_t *)p->mem + IDT, idt, sizeof(idt));
	r.userspace_addr = (uintptr_t)p->mem;
	return !ioctl(p->vm, KVM_SET_USER_MEMORY_REGION, &r);
}

static bool give_vcpu(struct probe *p)
{
	struct vcpu_caps caps;
	int size = ioctl(p->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	p->vcpu = ioctl(p->vm, KVM_CREATE_VCPU, 0);
	if (p->vcpu < 0 || size < 0)
		return false;
	p->run_size = size;
	p->run = mmap(NULL, p->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, p->vcpu, 0);
	return p->run != MAP_FAILED && !x86_kvm_create(p->vcpu, p->run, 0, &p->k, &caps);
}

static bool probe_open(struct probe *p)
{
	*p = (struct probe){ -1, -1, -1, MAP_FAILED, MAP_FAILED, 0, NULL };
	p->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (p->kvm < 0)
		return false;
	p->vm = ioctl(p->kvm, KVM_CREATE_VM, 0);
	if (p->vm < 0)
		return false;
	ioctl(p->vm, KVM_SET_TSS_ADDR, (unsigned long)TSS);
	return give_memory(p) && give_vcpu(p);
}

/* Protected mode, all segments flat: what a processor runs without KVM's help. */
static void flat(struct x86_state *s)
{
	int i;

	for (i = X86_ES; i <= X86_GS; i++)
		s->seg[i] = x86_flat_seg(DATA_SEL, 3, 0, false);
	s->seg[X86_CS] = x86_flat_seg(CODE_SEL, 11, 0, false);
	s->gdt = (struct x86_dtable){ GDT, sizeof(gdt) - 1 };
	s->idt = (struct x86_dtable){ IDT, sizeof(idt) - 1 };
	s->cr0 = X86_CR0_PE | X86_CR0_ET;
}

static void real(struct x86_state *s)
{
	int i;

	for (i = X86_ES; i <= X86_GS; i++)
		s->seg[i] = (struct x86_seg){
			.limit = UINT16_MAX,
			.type = i == X86_CS ? 11 : 3,
			.s = 1,
			.present = 1,
		};
	s->idt = (struct x86_dtable){ 0, UINT16_MAX };
	s->cr0 = X86_CR0_ET;
}

static bool set_state(struct probe *p, void (*mode)(struct x86_state *s), uint64_t rip)
{
	struct x86_state s = { 0 };

	if (x86_kvm_fetch(p->k, X86_BANK_SREGS, &s))
		return false;
	mode(&s);
	s.gpr[X86_RSP] = STACK;
	s.rflags = X86_FL_ONE;
	s.rip = rip;
	return !x86_kvm_store(p->k, X86_BANK_SREGS, &s) && !x86_kvm_store(p->k, X86_BANK_GPR, &s);
}

/* Started in that mode at rip, does the guest trap so? False only if it has run past the place. */
static bool traps(struct probe *p, void (*mode)(struct x86_state *s), uint64_t rip,
		  const struct debug_control *control, enum trap_kind kind)
{
	struct trap t;
	int tries, ret = -1;

	if (!set_state(p, mode, rip) || x86_kvm_arm(p->k, control))
		return true;
	for (tries = 0; ret && tries < TRIES; tries++) {
		ret = ioctl(p->vcpu, KVM_RUN, 0);
		if (ret && errno != EINTR)
			return true;
	}
	x86_kvm_classify(p->k, &t);
	return ret || t.kind & kind;
}

unsigned int x86_kvm_unsupported_traps(void)
{
	const struct debug_control brk = { .trap_brk = true };
	const struct debug_control exec = { .nhw = 1, .hw = { { HW_EXEC, AT_NOP, 1 } } };
	const struct debug_control watch = { .nhw = 1, .hw = { { HW_WRITE, DATA, 1 } } };
	unsigned int never = 0;
	struct probe p;

	if (probe_open(&p)) {
		never |= traps(&p, flat, 0, &watch, TRAP_WATCH) ? 0 : TRAP_WATCH;
		never |= traps(&p, flat, 0, &exec, TRAP_EXEC) ? 0 : TRAP_EXEC;
		never |= traps(&p, flat, AT_INT3, &brk, TRAP_BRK) ? 0 : TRAP_BRK;
		never |= traps(&p, real, AT_INT3, &brk, TRAP_BRK) ? 0 : X86_TRAP_BRK_REAL;
	}
	probe_close(&p);
	return never;
}
