// SPDX-License-Identifier: MIT
#include "probe.h"
#include "tests/lab/vms.h"

const struct fact *const fact_lists[] = {
	debug_facts, register_facts, run_facts, step_facts, translation_facts, vms_facts, NULL,
};

const char *ask_fact(const struct fact *f)
{
	const char *text;
	struct vm m;

	vm_open(&m, f->setup && f->setup->off);
	text = f->holds(&m);
	vm_close(&m);
	return text;
}
