// SPDX-License-Identifier: MIT
#include <signal.h>

#include "guest.h"
#include "tests/lab/vms.h"
#include "vm.h"

enum { APART = 64 };

void vms_open(struct vms_guest *g)
{
	static struct vm vms[2];
	static unsigned int n;

	g->vm = &vms[n++];
	vm_open(g->vm, false);
	g->mem = g->vm->mem;
	g->gpa = MEM;
	g->size = MEM_SIZE;
}

void vms_cpu(struct vms_guest *g, unsigned int index, struct vms_cpu *out)
{
	static struct vm more;
	struct vm *one = index ? &more : g->vm;

	if (index)
		vm_add(g->vm, index, one);
	vm_start(one, s_counts + index * APART, 0);
	vm_change(one, ARM64_BANK_X)->x[0] = 0;
	vm_change(one, ARM64_BANK_X)->x[1] = MMIO;
	vm_flush(one);
	*out = (struct vms_cpu){ .fd = one->vcpu, .run = one->run, .ops = arm64_kvm_ops };
	out->ops.release = NULL;
	out->caps = one->k->caps;
	out->ctx = one->k;
}

uint64_t vms_loop(unsigned int index)
{
	return vm_address(s_counts) + index * APART;
}

uint64_t vms_count(struct cpu_view *v)
{
	return v->need(v, ARM64_BANK_X) ? UINT64_MAX : arm64_state(v)->x[0];
}
