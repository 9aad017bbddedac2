/* SPDX-License-Identifier: MIT */
/* A vCPU as firmware would hand it over: CPUID, MSRs, local APIC. Its APIC ID is its index. */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "host-tools/vmgdb-run/x86/x86.h"

enum {
	CPUID_MAX = 512,
	TOPOLOGY_LEAVES = 3,

	MSR_IA32_MISC_ENABLE = 0x1a0,
	MSR_IA32_MTRR_DEF_TYPE = 0x2ff,
	MISC_ENABLE_FAST_STRINGS = 1 << 0,
	MTRR_ENABLE_WRITE_BACK = 0x806,

	/* Local APIC registers (Intel SDM vol. 3, table "Local APIC Register Address Map") */
	APIC_LVT0 = 0x350,
	APIC_LVT1 = 0x360,
	APIC_LVT_MASKED = 1 << 16,
	APIC_DELIVERY = 7 << 8,
	APIC_NMI = 4 << 8,
	APIC_EXTINT = 7 << 8,
};

/* How many bits of an APIC ID tell the vCPUs apart. */
static unsigned int id_bits(unsigned int ncpus)
{
	unsigned int bits = 0;

	while ((1U << bits) < ncpus)
		bits++;
	return bits;
}

/* One package, a core for each vCPU, one thread a core. */
static void fix_entry(struct kvm_cpuid_entry2 *e, const struct vcpu *vcpu, unsigned int ncpus)
{
	unsigned int bits = id_bits(ncpus);
	bool shared = (e->eax >> 5 & 7) == 3; /* leaf 4: a level 3 cache */

	switch (e->function) {
	case 1:
		e->ebx = (e->ebx & 0xffff) | (1U << bits) << 16 | vcpu->index << 24;
		e->edx = (e->edx & ~(1U << 28)) | (ncpus > 1 ? 1U << 28 : 0);
		break;
	case 4:
		if (e->eax & 0x1f)
			e->eax = (e->eax & 0x3fff) | ((1U << bits) - 1) << 26 |
				 (shared ? ((1U << bits) - 1) << 14 : 0);
		break;
	case 0x80000001: e->ecx = (e->ecx & ~2U) | (ncpus > 1 ? 2 : 0); break;
	case 0x80000008: e->ecx = bits << 12 | (ncpus - 1); break;
	case 0x8000001e:
		e->eax = vcpu->index;
		e->ebx = vcpu->index;
		e->ecx = 0;
		break;
	}
}

/* The extended topology leaves (Intel SDM, CPUID leaf 0BH) are made anew. */
static void add_topology(struct kvm_cpuid2 *c, const struct vcpu *vcpu, unsigned int ncpus)
{
	const struct kvm_cpuid_entry2 leaves[TOPOLOGY_LEAVES] = {
		{ .index = 0, .eax = 0, .ebx = 1, .ecx = 1 << 8 | 0 },
		{ .index = 1, .eax = id_bits(ncpus), .ebx = ncpus, .ecx = 2 << 8 | 1 },
		{ .index = 2, .ecx = 2 },
	};

	for (unsigned int i = 0; i < TOPOLOGY_LEAVES && c->nent < CPUID_MAX; i++) {
		struct kvm_cpuid_entry2 *e = &c->entries[c->nent++];

		*e = leaves[i];
		e->function = 0xb;
		e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
		e->edx = vcpu->index;
	}
}

static void fix_cpuid(struct kvm_cpuid2 *c, const struct vcpu *vcpu, unsigned int ncpus)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < c->nent; i++) {
		struct kvm_cpuid_entry2 e = c->entries[i];

		if (e.function == 0xb || e.function == 0x1f)
			continue;
		fix_entry(&e, vcpu, ncpus);
		c->entries[n++] = e;
	}
	c->nent = n;
	if (c->entries[0].eax >= 0xb)
		add_topology(c, vcpu, ncpus);
}

static int set_cpuid(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + CPUID_MAX * sizeof(c->entries[0]));
	int ret = 0;

	if (!c)
		return vm_fail(vm, ENOMEM, "vCPU %u", vcpu->index);
	c->nent = CPUID_MAX;
	if (ioctl(vm->kvm, KVM_GET_SUPPORTED_CPUID, c) < 0)
		ret = vm_fail(vm, errno, "/dev/kvm: KVM_GET_SUPPORTED_CPUID");
	if (ret == 0) {
		fix_cpuid(c, vcpu, vm->want_cpus);
		if (ioctl(vcpu->fd, KVM_SET_CPUID2, c) < 0)
			ret = vm_fail(vm, errno, "vCPU %u: KVM_SET_CPUID2", vcpu->index);
	}
	free(c);
	return ret;
}

static int set_msr(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	union {
		struct kvm_msrs msrs;
		uint8_t room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	} u = { .msrs.nmsrs = 1 };

	u.msrs.entries[0] = (struct kvm_msr_entry){ .index = index, .data = value };
	if (ioctl(vcpu->fd, KVM_SET_MSRS, &u) != 1)
		return vm_fail(vcpu->vm, 0, "vCPU %u: KVM refuses MSR %#x", vcpu->index, index);
	return 0;
}

/* Memory is cached, string instructions are fast. */
static int set_msrs(struct vcpu *vcpu)
{
	int ret = set_msr(vcpu, MSR_IA32_MTRR_DEF_TYPE, MTRR_ENABLE_WRITE_BACK);

	return ret < 0 ? ret : set_msr(vcpu, MSR_IA32_MISC_ENABLE, MISC_ENABLE_FAST_STRINGS);
}

static void set_pin(struct kvm_lapic_state *apic, size_t offset, uint32_t delivery)
{
	uint32_t lvt;

	memcpy(&lvt, apic->regs + offset, sizeof(lvt));
	lvt = (lvt & ~(uint32_t)(APIC_LVT_MASKED | APIC_DELIVERY)) | delivery;
	memcpy(apic->regs + offset, &lvt, sizeof(lvt));
}

/* On the first vCPU LINT0 takes the interrupts of the two 8259s; LINT1 takes NMIs everywhere. */
static int set_apic(struct vcpu *vcpu)
{
	struct kvm_lapic_state apic;

	if (ioctl(vcpu->fd, KVM_GET_LAPIC, &apic) < 0)
		return vm_fail(vcpu->vm, errno, "vCPU %u: KVM_GET_LAPIC", vcpu->index);
	if (vcpu->index == 0)
		set_pin(&apic, APIC_LVT0, APIC_EXTINT);
	set_pin(&apic, APIC_LVT1, APIC_NMI);
	if (ioctl(vcpu->fd, KVM_SET_LAPIC, &apic) < 0)
		return vm_fail(vcpu->vm, errno, "vCPU %u: KVM_SET_LAPIC", vcpu->index);
	return 0;
}

int machine_create_vcpu(struct vcpu *vcpu)
{
	int ret = set_cpuid(vcpu);

	if (ret == 0)
		ret = set_msrs(vcpu);
	if (ret == 0)
		ret = set_apic(vcpu);
	return ret;
}

uint64_t machine_pc(const struct vcpu *vcpu)
{
	struct kvm_regs regs;

	return ioctl(vcpu->fd, KVM_GET_REGS, &regs) < 0 ? 0 : regs.rip;
}
