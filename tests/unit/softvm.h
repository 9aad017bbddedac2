/* SPDX-License-Identifier: MIT */
/*
 * A tiny VMM around the engine: software vCPUs, one thread each, that run the loop which
 * core/vmgdb.h prescribes, and the debugger's side of it (target.h) with waits that are bounded.
 */
#ifndef VMGDB_TESTS_SOFTVM_H
#define VMGDB_TESTS_SOFTVM_H

#include "core/engine.h"
#include "tests/unit/softcpu.h"

enum { SOFTVM_CPUS = 5, SOFTVM_MEM = 8192 };

struct softvm;

struct softvm_cpu {
	struct softcpu cpu;
	struct vmgdb_vcpu *vcpu;
	struct softvm *vm;
	pthread_t thread;
	bool running; /* its thread was started */
	atomic_bool done;
	atomic_ulong outs, entries;
};

struct softvm {
	struct engine engine;
	struct target *t; /* the engine's */
	const struct vcpu_ops *ops;
	uint8_t *mem;
	struct soft_mem phys;
	const struct soft_hooks *hooks;
	unsigned int ncpus;
	struct softvm_cpu cpus[SOFTVM_CPUS];

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t news;
	bool notified;
	atomic_int paused; /* config.stopped minus config.resumed */
	atomic_uint stops, resumes, kills, logs;

	/* What the VMM does at these exits, from the vCPU's thread; true: leave the loop. NULL: OUT is
	 * counted, IN yields 7, fatal exits and events end the loop. */
	bool (*on_exit)(struct softvm_cpu *c);
	void *opaque; /* the test's */
};

/* A VM with ncpus vCPUs of the kind that ops tell; their threads do not run yet. Aborts the test
 * when something fails, as all of these do. */
void softvm_init(struct softvm *vm, const struct vcpu_ops *ops, unsigned int ncpus,
		 const struct soft_hooks *hooks);
/* The same with so much memory, a multiple of 4096. */
void softvm_init_sized(struct softvm *vm, const struct vcpu_ops *ops, unsigned int ncpus,
		       const struct soft_hooks *hooks, size_t size);

/* Ends the threads and frees all. */
void softvm_fini(struct softvm *vm);

/* One more vCPU, of the given index; it does not run yet. */
struct softvm_cpu *softvm_add(struct softvm *vm, unsigned int index);

/* Start the thread of one vCPU, or of all that have none. */
void softvm_start_cpu(struct softvm_cpu *c);
void softvm_start(struct softvm *vm);

/* Tell all to end, and wait until they have. */
void softvm_stop(struct softvm *vm);

/* Write a program at gpa; pc of all vCPUs stays. */
void softvm_code(struct softvm *vm, uint64_t gpa, const struct soft_insn *code, size_t n);

/* ---- the debugger ------------------------------------------------------------------------ */

/* The next stop: waits for the engine's notice. False when none came in ms milliseconds. */
bool softvm_wait(struct softvm *vm, struct stop *out, int ms);

/* The next stop, which must come. */
struct stop softvm_stopped(struct softvm *vm);

void softvm_attach(struct softvm *vm);
void softvm_detach(struct softvm *vm);
void softvm_insert(struct softvm *vm, enum point_type type, uint64_t addr, uint64_t len);
void softvm_remove(struct softvm *vm, enum point_type type, uint64_t addr, uint64_t len);

/* Resume: all with the same action; one with it and the others held or continuing. */
void softvm_resume(struct softvm *vm, enum resume_kind kind);
void softvm_resume_one(struct softvm *vm, unsigned int vcpu, enum resume_kind kind,
		       enum resume_kind others);

/* Registers as the debugger sees them: the vCPU is stopped. */
const struct soft_regs *softvm_regs(struct softvm *vm, unsigned int vcpu);
/* The same, to be changed: store with softvm_store(). */
struct soft_regs *softvm_change(struct softvm *vm, unsigned int vcpu, unsigned int bank);
void softvm_store(struct softvm *vm, unsigned int vcpu);
uint64_t softvm_pc(struct softvm *vm, unsigned int vcpu);

/* Wait until fn(opaque) is true, which must come about. */
void softvm_until(bool (*fn)(void *opaque), void *opaque);

#endif
