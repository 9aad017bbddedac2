/* SPDX-License-Identifier: MIT */
/* What arch/arm64 relies on, shown through its KVM layer. */
#ifndef TESTS_LAB_ARM64_PROBE_PROBE_H
#define TESTS_LAB_ARM64_PROBE_PROBE_H

#include "guest.h"
#include "tests/lab/facts.h"
#include "vm.h"

struct setup {
	bool off; /* the vCPU is powered off */
};

/* By file; each list ends with an empty one. */
extern const struct fact debug_facts[], register_facts[], run_facts[], step_facts[],
	translation_facts[];

#endif
