/* SPDX-License-Identifier: MIT */
/*
 * Guests for vms.c, which an architecture makes: vCPUs that each execute a loop of their own, which
 * counts in a register and exits to the VMM once a round.
 */
#ifndef TESTS_LAB_VMS_H
#define TESTS_LAB_VMS_H

#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>

#include "core/accel.h"
#include "tests/lab/facts.h"

struct vms_cpu {
	int fd;
	struct kvm_run *run;
	struct vcpu_ops ops; /* without release(): the VM has the rest */
	struct vcpu_caps caps;
	void *ctx;
};

struct vms_guest {
	struct vm *vm; /* the architecture's */
	uint8_t *mem;
	uint64_t gpa, size;
};

/* A VM without vCPUs in the engine. Ends the program on failure, like vms_cpu(). */
void vms_open(struct vms_guest *g);

/* vCPU 0 or 1 at the first instruction of its loop. */
void vms_cpu(struct vms_guest *g, unsigned int index, struct vms_cpu *out);

/* Where that loop is: the first instruction counts. */
uint64_t vms_loop(unsigned int index);

/* How far that vCPU has counted. */
uint64_t vms_count(struct cpu_view *v);

extern const struct fact vms_facts[];

#endif
