/* SPDX-License-Identifier: MIT */
/*
 * What a processor architecture brings to the machine: implemented once in x86/ and once in arm64/,
 * of which one is built. Errors are -errno with vm->error set.
 */
#ifndef VMGDB_RUN_MACHINE_H
#define VMGDB_RUN_MACHINE_H

#include "host-tools/vmgdb-run/vm.h"

struct image;

/* Where flat images go, and how long they may be. */
extern const struct ram machine_flat;

/* Memory that machine_boot() fills, where no ELF image may be. */
extern const struct ram machine_reserved;

/* Whether ELF images of this e_machine can run. */
bool machine_runs(uint16_t elf_machine);

/* Where size bytes of memory lie: fills gpa and size of ram[], returns how many. */
unsigned int machine_memory_map(uint64_t size, struct ram *ram);

/* After KVM_CREATE_VM, before the first vCPU: interrupt controller, timers, devices. */
int machine_create(struct vm *vm);

/* After KVM_CREATE_VCPU: identity, features, interrupt pins. */
int machine_create_vcpu(struct vcpu *vcpu);

/* All vCPUs are there, the image is in memory: make vCPU 0 start it. */
int machine_boot(struct vm *vm, const struct image *image);

/*
 * Serve an exit that is this architecture's: port I/O, MMIO, failures. Own thread.
 * False: not known here.
 */
bool machine_exit(struct vcpu *vcpu);

/* Drive the console's interrupt line. Any thread. */
void machine_console_irq(struct vm *vm, bool level);

/* The vCPU's program counter, for a message; 0 when it can't be read. */
uint64_t machine_pc(const struct vcpu *vcpu);

void machine_destroy(struct vm *vm);

#endif
