// SPDX-License-Identifier: MIT
#include <err.h>
#include <signal.h>
#include <string.h>

#include "arch/x86/kvm_vcpu.h"
#include "arch/x86/state.h"
#include "tests/lab/vms.h"
#include "tests/lab/x86/probe/vm.h"

enum { APART = 0x100 };

/* inc %eax; out %al, $0x80; jmp to it */
static const char loop[] = "\xff\xc0\xe6\x80\xeb\xfa";

void vms_open(struct vms_guest *g)
{
	static struct vm vms[2];
	static unsigned int n;

	g->vm = &vms[n++];
	vm_open(g->vm, loop, sizeof(loop) - 1, false);
	memcpy(g->vm->mem + CODE + APART, loop, sizeof(loop) - 1);
	g->mem = g->vm->mem;
	g->gpa = 0;
	g->size = MEM_SIZE;
}

void vms_cpu(struct vms_guest *g, unsigned int index, struct vms_cpu *out)
{
	struct vm one = *g->vm;
	struct kvm_regs regs;
	struct x86_kvm *k;

	if (index)
		vm_add(g->vm, index, &one);
	regs = vm_regs(&one);
	regs.rip = vms_loop(index);
	vm_set_regs(&one, &regs);
	*out = (struct vms_cpu){ .fd = one.vcpu, .run = one.run, .ops = x86_kvm_ops };
	out->ops.release = NULL;
	if (x86_kvm_create(one.vcpu, one.run, KICK_SIGNAL, &k, &out->caps))
		errx(1, "x86_kvm_create");
	out->ctx = k;
}

uint64_t vms_loop(unsigned int index)
{
	return CODE + index * APART;
}

uint64_t vms_count(struct cpu_view *v)
{
	return v->need(v, X86_BANK_GPR) ? UINT64_MAX : ((struct x86_state *)v->state)->gpr[X86_RAX];
}
