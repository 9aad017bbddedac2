// SPDX-License-Identifier: MIT
#include "vm.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <signal.h>
#include <unistd.h>

#include "arch/arm64/cpu.h"
#include "arch/arm64/walk.h"
#include "guest.h"
#include "tests/lab/facts.h"

enum { NWORDS = (ARM64_NBANKS + 63) / 64 };

static struct vm *vm_of(struct cpu_view *v)
{
	return (struct vm *)v;
}

static int need(struct cpu_view *v, unsigned int bank)
{
	struct vm *m = vm_of(v);
	int ret;

	if (m->valid[bank / 64] >> bank % 64 & 1)
		return 0;
	ret = arm64_kvm_ops.fetch(m->k, bank, &m->state);
	if (!ret)
		m->valid[bank / 64] |= 1ULL << bank % 64;
	return ret;
}

static void dirty(struct cpu_view *v, unsigned int bank)
{
	vm_of(v)->dirty[bank / 64] |= 1ULL << bank % 64;
}

static ssize_t read_phys(struct cpu_view *v, uint64_t gpa, void *buf, size_t len)
{
	if (gpa < MEM || gpa - MEM >= MEM_SIZE || len > MEM + MEM_SIZE - gpa)
		return -EFAULT;
	memcpy(buf, vm_mem(vm_of(v), gpa), len);
	return len;
}

int vm_flush(struct vm *m)
{
	unsigned int w, bank;
	int ret = 0, error;

	for (w = 0; w < NWORDS; w++)
		for (; m->dirty[w]; m->dirty[w] &= m->dirty[w] - 1) {
			bank = w * 64 + __builtin_ctzll(m->dirty[w]);
			error = arm64_kvm_ops.store(m->k, bank, &m->state);
			ret = ret ? ret : error;
		}
	memset(m->valid, 0, sizeof(m->valid));
	return ret;
}

/* ---- making it --------------------------------------------------------------------------- */

static bool has(const struct vm *m, int cap)
{
	return ioctl(m->kvm, KVM_CHECK_EXTENSION, cap) > 0;
}

static void init_vcpu(struct vm *m, bool off)
{
	struct kvm_vcpu_init init;
	int sve = KVM_ARM_VCPU_SVE;

	if (ioctl(m->fd, KVM_ARM_PREFERRED_TARGET, &init))
		err(1, "KVM_ARM_PREFERRED_TARGET");
	m->sve = has(m, KVM_CAP_ARM_SVE);
	m->pauth = has(m, KVM_CAP_ARM_PTRAUTH_ADDRESS) && has(m, KVM_CAP_ARM_PTRAUTH_GENERIC);
	init.features[0] |= 1 << KVM_ARM_VCPU_PSCI_0_2 | off << KVM_ARM_VCPU_POWER_OFF |
			    m->sve << KVM_ARM_VCPU_SVE | m->pauth << KVM_ARM_VCPU_PTRAUTH_ADDRESS |
			    m->pauth << KVM_ARM_VCPU_PTRAUTH_GENERIC;
	if (ioctl(m->vcpu, KVM_ARM_VCPU_INIT, &init))
		err(1, "KVM_ARM_VCPU_INIT");
	if (m->sve && ioctl(m->vcpu, KVM_ARM_VCPU_FINALIZE, &sve))
		err(1, "KVM_ARM_VCPU_FINALIZE");
}

static void add_memory(struct vm *m)
{
	struct kvm_userspace_memory_region region = { .guest_phys_addr = MEM,
						      .memory_size = MEM_SIZE };

	m->mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m->mem == MAP_FAILED)
		err(1, "guest memory");
	region.userspace_addr = (uintptr_t)m->mem;
	if (ioctl(m->fd, KVM_SET_USER_MEMORY_REGION, &region))
		err(1, "KVM_SET_USER_MEMORY_REGION");
	memcpy(vm_mem(m, CODE), guest_begin, guest_end - guest_begin);
	__builtin___clear_cache(vm_mem(m, CODE), vm_mem(m, CODE + (guest_end - guest_begin)));
}

static void open_vcpu(struct vm *m, unsigned int index, bool off)
{
	struct vcpu_caps caps;
	int ret;

	m->view.state = &m->state;
	m->vcpu = ioctl(m->fd, KVM_CREATE_VCPU, index);
	if (m->vcpu < 0)
		err(1, "KVM_CREATE_VCPU");
	m->run = mmap(NULL, m->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, m->vcpu, 0);
	if (m->run == MAP_FAILED)
		err(1, "kvm_run");
	init_vcpu(m, off);
	ret = arm64_kvm_create(m->vcpu, m->run, KICK_SIGNAL, &m->k, &caps);
	if (ret)
		errx(1, "arm64_kvm_create: %s", strerror(-ret));
}

void vm_add(const struct vm *m, unsigned int index, struct vm *out)
{
	*out = *m;
	open_vcpu(out, index, false);
}

void vm_open(struct vm *m, bool off)
{
	*m = (struct vm){
		.view = { .cpu = &arm64_cpu, .need = need, .dirty = dirty, .read_phys = read_phys },
		.mmio_value = 0x55
	};
	m->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	m->fd = m->kvm < 0 ? -1 : ioctl(m->kvm, KVM_CREATE_VM, 0);
	if (m->fd < 0)
		err(1, "/dev/kvm");
	m->run_size = ioctl(m->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	add_memory(m);
	open_vcpu(m, 0, off);
}

void vm_close(struct vm *m)
{
	arm64_kvm_ops.release(m->k);
	munmap(m->run, m->run_size);
	close(m->vcpu);
	close(m->fd);
	close(m->kvm);
	munmap(m->mem, MEM_SIZE);
}

/* ---- its state --------------------------------------------------------------------------- */

uint64_t vm_address(const uint8_t *label)
{
	return CODE + (label - guest_begin);
}

void *vm_mem(struct vm *m, uint64_t gpa)
{
	return m->mem + (gpa - MEM);
}

struct arm64_state *vm_state(struct vm *m, unsigned int bank)
{
	int ret = need(&m->view, bank);

	if (ret)
		errx(1, "bank %u can't be fetched: %s", bank, strerror(-ret));
	return &m->state;
}

struct arm64_state *vm_change(struct vm *m, unsigned int bank)
{
	dirty(&m->view, bank);
	return vm_state(m, bank);
}

void vm_set_sys(struct vm *m, enum arm64_sys reg, uint64_t value)
{
	vm_change(m, ARM64_BANK_SYS + reg)->sys[reg] = value;
}

void vm_start(struct vm *m, const uint8_t *label, uint64_t daif)
{
	struct arm64_state *s = vm_change(m, ARM64_BANK_CORE);

	s->pc = vm_address(label);
	s->pstate = PSTATE_EL1H | daif;
	s->sp_el[0] = STACK;
	s->sp_el[1] = s->sp = STACK + 0x1000;
	vm_change(m, ARM64_BANK_EL1)->spsr_el1 = PSTATE_EL1H;
	s->elr_el1 = 0;
	vm_set_sys(m, ARM64_VBAR, CODE);
}

/* ---- running it -------------------------------------------------------------------------- */

int vm_enter(struct vm *m, const struct debug_control *w, struct trap *t)
{
	int ret = vm_flush(m);

	*t = (struct trap){ 0 };
	ret = ret ? ret : arm64_kvm_ops.arm(m->k, w);
	if (ret)
		return ret;
	arm64_kvm_ops.clear_kick(m->k);
	ret = ioctl(m->vcpu, KVM_RUN, 0) ? -errno : 0;
	arm64_kvm_ops.classify(m->k, t);
	return ret;
}

int vm_run(struct vm *m, const struct debug_control *w, struct trap *t)
{
	int ret;

	do {
		ret = vm_enter(m, w, t);
		if (m->run->exit_reason == KVM_EXIT_MMIO && !m->run->mmio.is_write)
			memcpy(m->run->mmio.data, &m->mmio_value, sizeof(m->mmio_value));
	} while (!ret && m->run->exit_reason == KVM_EXIT_MMIO);
	return ret;
}

bool is_brk(const struct trap *t, unsigned int imm)
{
	return t->kind == TRAP_BRK && (t->syndrome[0] & 0xffff) == imm;
}

static bool at_until(const struct step_plan *p, const struct trap *t)
{
	unsigned int i;

	for (i = 0; i < p->nuntil; i++)
		if (t->kind & TRAP_EXEC && p->until[i] == t->pc)
			return true;
	return false;
}

/*
 * The rules would reinject a BRK to the guest; the probe's BRK stands for one that a debugger
 * inserted.
 */
static bool at_end(struct vm *m)
{
	struct arm64_insn in;

	return arm64_decode_at(&m->view, vm_state(m, ARM64_BANK_CORE)->pc, &in) &&
	       in.op == ARM64_OP_BRK && in.imm == END_BRK;
}

int vm_step(struct vm *m, struct trap *t)
{
	struct step_plan p = { .block_irq = false };
	struct debug_control w = { .trap_brk = true };
	int ret;

	if (at_end(m)) {
		*t = (struct trap){ .kind = TRAP_BRK, .syndrome = { END_BRK } };
		return 0;
	}
	ret = arm64_cpu.step_begin(&m->view, &p);
	if (ret || p.emulated) {
		*t = (struct trap){ .kind = TRAP_STEP };
		return ret;
	}
	w.step = !p.nuntil;
	for (; w.nhw < p.nuntil; w.nhw++)
		w.hw[w.nhw] = (struct hw_slot){ HW_EXEC, p.until[w.nhw], 4 };
	ret = vm_run(m, &w, t);
	arm64_cpu.step_end(&m->view, &p, t->kind & TRAP_STEP || at_until(&p, t));
	return ret;
}
