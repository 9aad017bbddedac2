// SPDX-License-Identifier: MIT
#include "tests/lab/vms.h"
#include "tests/lab/x86/probe/facts.h"

const struct fact *const fact_lists[] = { facts, vms_facts, NULL };

const char *ask_fact(const struct fact *f)
{
	const struct setup *s = f->setup;
	struct vm m;

	if (!s)
		return f->holds(NULL);
	if (s->on & PROCESSOR && vm_emulated())
		return NOT_APPLICABLE "this KVM runs its guests by an emulator";
	vm_open(&m, s->code, s->len, s->on & IRQCHIP);
	return f->holds(&m);
}
