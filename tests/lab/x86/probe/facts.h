/* SPDX-License-Identifier: MIT */
/* What arch/x86 relies on: the facts, in the order of their numbers in docs/kvm-notes.md. */
#ifndef TESTS_LAB_X86_PROBE_FACTS_H
#define TESTS_LAB_X86_PROBE_FACTS_H

#include "tests/lab/facts.h"
#include "tests/lab/x86/probe/vm.h"

enum { PROCESSOR = 1, IRQCHIP = 2 };

struct setup {
	unsigned int on; /* PROCESSOR: not on an emulating KVM; IRQCHIP: with KVM's controllers */
	const char *code;
	size_t len;
};

/* The last one has no name. */
extern const struct fact facts[];

#endif
