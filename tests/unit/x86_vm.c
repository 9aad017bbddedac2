// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tests/unit/x86_vm.h"

/* ---- what a guest starts from ---------------------------------------------------------------- */

static void put64(uint8_t *mem, size_t at, uint64_t value)
{
	memcpy(mem + at, &value, sizeof(value));
}

static void put32(uint8_t *mem, size_t at, uint32_t value)
{
	memcpy(mem + at, &value, sizeof(value));
}

static const uint64_t gdt[] = {
	[X86_SEL_CODE64 / 8] = 0x00af9b000000ffff,
	[X86_SEL_DATA / 8] = 0x00cf93000000ffff,
	[X86_SEL_CODE32 / 8] = 0x00cf9b000000ffff,
	[X86_SEL_USER_DATA / 8] = 0x00cff3000000ffff,
	[X86_SEL_USER_CODE64 / 8] = 0x00affb000000ffff,
	[X86_SEL_ABSENT / 8] = 0x00cf13000000ffff,
	[X86_SEL_TSS / 8] = 0x00008b0000000067 | (uint64_t)X86_TSS << 16,
	[X86_SEL_CODE16 / 8] = 0x00009b000000ffff,
};

static void put_idt(uint8_t *mem, enum x86_guest mode)
{
	uint32_t i, handler;

	for (i = 0; i < 32; i++) {
		handler = X86_HANDLERS + 16 * i;
		mem[handler] = 0xf4;
		if (mode == X86_GUEST_REAL)
			put32(mem, 4 * i, handler);
		else if (mode == X86_GUEST_32)
			put64(mem, X86_IDT + 8 * i,
			      0x00008e0000000000 | (uint64_t)X86_SEL_CODE32 << 16 | handler);
		else
			put64(mem, X86_IDT + 16 * i,
			      0x00008e0000000000 | (uint64_t)X86_SEL_CODE64 << 16 | handler);
	}
}

/* 1 MiB one to one, for the kernel and for users. */
static void put_tables(uint8_t *mem)
{
	unsigned int i;

	put64(mem, X86_TABLES, (X86_TABLES + 0x1000) | 7);
	put64(mem, X86_TABLES + 0x1000, (X86_TABLES + 0x2000) | 7);
	put64(mem, X86_TABLES + 0x2000, (X86_TABLES + 0x3000) | 7);
	for (i = 0; i < X86_MEM_SIZE / 0x1000; i++)
		put64(mem, X86_TABLES + 0x3000 + 8 * i, i * 0x1000ull | 7);
}

void x86_guest_memory(uint8_t *mem, enum x86_guest mode)
{
	memcpy(mem + X86_GDT, gdt, sizeof(gdt));
	put_idt(mem, mode);
	if (mode == X86_GUEST_64)
		put_tables(mem);
	put64(mem, X86_TSS + 4, X86_STACK - 0x8000); /* RSP0 */
}

static struct x86_seg segment(uint32_t selector, uint8_t type, bool code64, bool db)
{
	return (struct x86_seg){
		.selector = selector,
		.limit = 0xffffffff,
		.type = type,
		.s = 1,
		.present = 1,
		.l = code64,
		.db = db,
		.g = 1,
	};
}

static void real_state(struct x86_state *s)
{
	int i;

	for (i = X86_ES; i <= X86_GS; i++) {
		s->seg[i] = segment(0, i == X86_CS ? 0xb : 3, false, false);
		s->seg[i].limit = 0xffff;
		s->seg[i].g = 0;
	}
	s->seg[X86_CS].selector = X86_CODE >> 4;
	s->seg[X86_CS].base = X86_CODE;
	s->rip = 0;
	s->gpr[X86_RSP] = 0xf000;
	s->idt = (struct x86_dtable){ 0, 0x3ff };
	s->cr0 = X86_CR0_ET;
}

static void protected_state(struct x86_state *s, bool is64)
{
	int i;

	for (i = X86_ES; i <= X86_GS; i++)
		s->seg[i] = segment(X86_SEL_DATA, 3, false, true);
	s->seg[X86_CS] = segment(is64 ? X86_SEL_CODE64 : X86_SEL_CODE32, 0xb, is64, !is64);
	s->rip = X86_CODE;
	s->gpr[X86_RSP] = X86_STACK;
	s->gdt = (struct x86_dtable){ X86_GDT, X86_GDT_LIMIT };
	s->idt = (struct x86_dtable){ X86_IDT, is64 ? 511 : 255 };
	s->cr0 = X86_CR0_PE | X86_CR0_ET;
}

void x86_guest_state(struct x86_state *s, enum x86_guest mode)
{
	memset(s, 0, sizeof(*s));
	s->rflags = X86_FL_ONE;
	s->fpu.mxcsr = 0x1f80;
	s->fpu.mxcsr_mask = 0xffff;
	if (mode == X86_GUEST_REAL)
		real_state(s);
	else
		protected_state(s, mode == X86_GUEST_64);
	s->seg[X86_TR] = (struct x86_seg){
		.base = X86_TSS, .limit = 0x67, .selector = X86_SEL_TSS, .type = 0xb, .present = 1
	};
	s->seg[X86_LDTR] = (struct x86_seg){ .type = 2, .unusable = true };
	if (mode != X86_GUEST_64)
		return;
	s->cr0 |= X86_CR0_PG;
	s->cr3 = X86_TABLES;
	s->cr4 = X86_CR4_PAE;
	s->efer = X86_EFER_LME | X86_EFER_LMA;
}

/* ---- state and memory alone ------------------------------------------------------------------ */

static int pure_need(struct cpu_view *v, unsigned int bank)
{
	return ((struct x86_pure *)v)->broken >> bank & 1 ? -EIO : 0;
}

static void pure_dirty(struct cpu_view *v, unsigned int bank)
{
	((struct x86_pure *)v)->dirty |= 1u << bank;
}

static ssize_t read_mem(const uint8_t *mem, uint64_t gpa, void *buf, size_t len)
{
	if (gpa >= X86_MEM_SIZE)
		return -EFAULT;
	len = len < X86_MEM_SIZE - gpa ? len : X86_MEM_SIZE - gpa;
	memcpy(buf, mem + gpa, len);
	return len;
}

static ssize_t pure_read(struct cpu_view *v, uint64_t gpa, void *buf, size_t len)
{
	return read_mem(((struct x86_pure *)v)->mem, gpa, buf, len);
}

static int write_mem(uint8_t *mem, uint64_t gpa, const void *buf, size_t len)
{
	if (gpa >= X86_MEM_SIZE || len > X86_MEM_SIZE - gpa)
		return -EFAULT;
	memcpy(mem + gpa, buf, len);
	return 0;
}

static int pure_write(struct cpu_view *v, uint64_t gpa, const void *buf, size_t len)
{
	return write_mem(((struct x86_pure *)v)->mem, gpa, buf, len);
}

void x86_pure_init(struct x86_pure *p, enum x86_guest mode)
{
	*p = (struct x86_pure){
		.view = { &x86_cpu, NULL, pure_need, pure_dirty, pure_read, pure_write },
		.mem = calloc(1, X86_MEM_SIZE),
	};
	cr_assert(p->mem);
	p->view.state = &p->state;
	x86_guest_memory(p->mem, mode);
	x86_guest_state(&p->state, mode);
}

void x86_pure_free(struct x86_pure *p)
{
	free(p->mem);
}

/* ---- a KVM guest ------------------------------------------------------------------------------ */

#ifdef __x86_64__
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int vm_need(struct cpu_view *v, unsigned int bank)
{
	struct x86_vm *m = (struct x86_vm *)v;
	int ret = 0;

	if (!(m->valid >> bank & 1)) {
		ret = m->ops->fetch(m->k, bank, &m->state);
		m->fetches++;
	}
	if (!ret)
		m->valid |= 1u << bank;
	return ret;
}

static void vm_dirty(struct cpu_view *v, unsigned int bank)
{
	((struct x86_vm *)v)->dirty |= 1u << bank;
}

static ssize_t vm_read(struct cpu_view *v, uint64_t gpa, void *buf, size_t len)
{
	return read_mem(((struct x86_vm *)v)->mem, gpa, buf, len);
}

static int vm_write(struct cpu_view *v, uint64_t gpa, const void *buf, size_t len)
{
	return write_mem(((struct x86_vm *)v)->mem, gpa, buf, len);
}

static void on_kick(int sig)
{
	(void)sig;
}

static void give_memory(struct x86_vm *m)
{
	struct kvm_userspace_memory_region r = { .memory_size = X86_MEM_SIZE };

	m->mem =
		mmap(NULL, X86_MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert(m->mem != MAP_FAILED);
	r.userspace_addr = (uintptr_t)m->mem;
	cr_assert_eq(ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &r), 0);
}

static void give_cpuid(struct x86_vm *m)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + 200 * sizeof(c->entries[0]));

	cr_assert(c);
	c->nent = 200;
	cr_assert_eq(ioctl(m->kvm, KVM_GET_SUPPORTED_CPUID, c), 0);
	cr_assert_eq(ioctl(m->vcpu, KVM_SET_CPUID2, c), 0);
	free(c);
}

static void give_vcpu(struct x86_vm *m)
{
	m->vcpu = ioctl(m->vm, KVM_CREATE_VCPU, 0);
	cr_assert(m->vcpu >= 0);
	m->run_size = ioctl(m->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	m->run = mmap(NULL, m->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, m->vcpu, 0);
	cr_assert(m->run != MAP_FAILED);
	give_cpuid(m);
	cr_assert_eq(x86_kvm_create(m->vcpu, m->run, SIGRTMIN, &m->k, &m->caps), 0);
	m->ops = &x86_kvm_ops;
}

/* Store the banks that a guest starts with, through the ops themselves. */
static void give_state(struct x86_vm *m, enum x86_guest mode)
{
	struct x86_state s;
	unsigned int bank;

	x86_guest_state(&s, mode);
	for (bank = X86_BANK_GPR; bank <= X86_BANK_SREGS; bank++) {
		cr_assert_eq(vm_need(&m->view, bank), 0);
		cr_assert_eq(m->ops->store(m->k, bank, &s), 0);
	}
	m->valid = 0;
}

static bool open_vm(struct x86_vm *m, enum x86_guest mode, bool irqchip)
{
	*m = (struct x86_vm){ .view = { &x86_cpu, NULL, vm_need, vm_dirty, vm_read, vm_write } };
	m->view.state = &m->state;
	m->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (m->kvm < 0)
		return false;
	signal(SIGRTMIN, on_kick);
	m->vm = ioctl(m->kvm, KVM_CREATE_VM, 0);
	cr_assert(m->vm >= 0);
	ioctl(m->vm, KVM_SET_TSS_ADDR, 0xfffbd000);
	if (irqchip)
		cr_assert_eq(ioctl(m->vm, KVM_CREATE_IRQCHIP, 0), 0);
	give_memory(m);
	x86_guest_memory(m->mem, mode);
	give_vcpu(m);
	give_state(m, mode);
	return true;
}

bool x86_vm_open(struct x86_vm *m, enum x86_guest mode)
{
	return open_vm(m, mode, false);
}

bool x86_vm_open_irqchip(struct x86_vm *m, enum x86_guest mode)
{
	return open_vm(m, mode, true);
}

void x86_vm_close(struct x86_vm *m)
{
	m->ops->release(m->k);
	munmap(m->run, m->run_size);
	close(m->vcpu);
	close(m->vm);
	close(m->kvm);
	munmap(m->mem, X86_MEM_SIZE);
}

const struct x86_state *x86_vm_get(struct x86_vm *m, unsigned int bank)
{
	cr_assert_eq(vm_need(&m->view, bank), 0);
	return &m->state;
}

struct x86_state *x86_vm_set(struct x86_vm *m, unsigned int bank)
{
	cr_assert_eq(vm_need(&m->view, bank), 0);
	vm_dirty(&m->view, bank);
	return &m->state;
}

void x86_vm_code(struct x86_vm *m, const void *code, size_t len)
{
	struct x86_state *s = x86_vm_set(m, X86_BANK_GPR);

	memcpy(m->mem + X86_CODE, code, len);
	s->rip = x86_real_mode(x86_vm_get(m, X86_BANK_SREGS)) ? 0 : X86_CODE;
}

static void flush(struct x86_vm *m)
{
	unsigned int bank;

	for (bank = 0; bank < X86_BANKS; bank++)
		if (m->dirty >> bank & 1)
			cr_assert_eq(m->ops->store(m->k, bank, &m->state), 0, "bank %u", bank);
	m->dirty = 0;
}

int x86_vm_run(struct x86_vm *m, const struct debug_control *control, struct trap *t)
{
	int ret;

	flush(m);
	cr_assert_eq(m->ops->arm(m->k, control), 0);
	m->valid = 0;
	ret = ioctl(m->vcpu, KVM_RUN, 0) < 0 ? -errno : 0;
	m->ops->classify(m->k, t);
	return ret;
}

static bool reached(const struct step_plan *p, const struct trap *t)
{
	unsigned int i;

	for (i = 0; i < p->nuntil; i++)
		if (t->kind & TRAP_EXEC && p->until[i] == t->pc)
			return true;
	return false;
}

static bool step_once(struct x86_vm *m, struct step_plan *plan, struct trap *t)
{
	struct debug_control control = { .block_irq = plan->block_irq };

	plan->pc = x86_vm_get(m, X86_BANK_GPR)->rip;
	cr_assert_eq(x86_cpu.step_begin(&m->view, plan), 0);
	*t = (struct trap){ .kind = TRAP_STEP };
	if (plan->emulated)
		return true;
	control.step = !plan->nuntil || plan->until_too;
	for (; control.nhw < plan->nuntil; control.nhw++)
		control.hw[control.nhw] = (struct hw_slot){ HW_EXEC, plan->until[control.nhw], 1 };
	cr_assert_eq(x86_vm_run(m, &control, t), 0);
	return t->kind & TRAP_STEP || reached(plan, t);
}

void x86_vm_step(struct x86_vm *m, const struct step_plan *how, struct trap *t)
{
	struct step_plan plan;
	bool trapped;

	do {
		plan = *how;
		trapped = step_once(m, &plan, t);
	} while (x86_cpu.step_end(&m->view, &plan, trapped) > 0);
}
#endif
