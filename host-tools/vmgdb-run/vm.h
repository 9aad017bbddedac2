/* SPDX-License-Identifier: MIT */
/*
 * The virtual machine of vmgdb-run, and what its parts know of each other.
 *
 * main.c reads the options, vm_create.c makes the machine, load*.c put a guest into it, run.c runs it.
 * Everything that depends on the processor is behind machine.h, in x86/ and arm64/.
 */
#ifndef VMGDB_RUN_VM_H
#define VMGDB_RUN_VM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host-tools/vmgdb-run/console.h"

struct vmgdb;
struct vmgdb_vcpu;
struct kvm_run;
struct machine;
struct vm;

enum { CPUS_MAX = 64, RAM_RANGES_MAX = 2 };

/* Guest memory that is contiguous in guest-physical addresses. */
struct ram {
	uint64_t gpa, size;
	uint8_t *hva;
};

struct vcpu {
	struct vm *vm;
	unsigned int index;
	int fd;
	struct kvm_run *run;
	struct vmgdb_vcpu *stub;
	pthread_t thread;
};

struct vm {
	int kvm, fd;
	struct ram ram[RAM_RANGES_MAX];
	unsigned int nram;
	uint64_t mem_size; /* of all ram[], which are one mapping, in order */
	struct vcpu vcpus[CPUS_MAX];
	unsigned int ncpus;	/* vCPUs that have been created */
	unsigned int want_cpus; /* vCPUs that the machine will have */
	size_t run_size;
	struct machine *machine; /* x86/ or arm64/ */
	struct console *console;
	struct vmgdb *stub;
	bool debuggable; /* there are endpoints by which debuggers can attach */
	bool verbose;	 /* everything that the library logs goes to stderr */

	/* How the VM ended, by the first call of vm_end(). Written under lock. */
	pthread_mutex_t lock;
	int end_event; /* eventfd: readable when it has ended */
	bool ended;
	int status;

	char error[512]; /* what went wrong, for a person; see vm_fail() */
};

/*
 * Make a machine with ncpus vCPUs and mem_size bytes of memory, nothing loaded. mem_size is a
 * multiple of the page size. Returns 0 or -errno with vm->error set; vm_destroy() either way.
 */
int vm_create(struct vm *vm, unsigned int ncpus, uint64_t mem_size);
void vm_destroy(struct vm *vm);

/* Put a message into vm->error, "TEXT: strerror(err)", or TEXT alone for err 0. Returns -err, or -EINVAL. */
int vm_fail(struct vm *vm, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Where [gpa, gpa + len) is in this process; NULL when not all of it is memory of the guest. */
void *vm_memory(const struct vm *vm, uint64_t gpa, uint64_t len);

/*
 * The machine has come to its end, with this exit status for vmgdb-run. fmt: why, for a person, or
 * NULL. Any thread. Only the first call counts.
 */
void vm_end(struct vm *vm, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
