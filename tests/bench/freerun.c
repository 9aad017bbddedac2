// SPDX-License-Identifier: MIT
/*
 * What a debugger that is attached, and has let the VM run, costs a VM with many exits: eight software
 * vCPUs, in turns without and with an attached debugger. First each vCPU leaves the guest 100,000 times a
 * second, if the machine can do that, then as often as it can. Prints a line for each turn:
 *
 *	paced|unpaced<tab>without|with<tab>EXITS A SECOND, OF ALL VCPUS<tab>CPU TIME OF AN EXIT, NS
 */
#include <errno.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/engine/state.h"
#include "tests/unit/softcpu.h"

enum {
	VCPUS = 8,
	EXITS_A_SECOND = 100000,
	BATCH = 100, /* exits of one vCPU between two waits for the clock */
	TURNS = 5,
	SETTLE_MS = 100,
	TURN_MS = 400,
	MEMORY = 4096,
	CODE_SIZE = 0x40,
	CACHE_LINE = 128,
};

struct vm;

struct cpu_thread {
	alignas(CACHE_LINE) atomic_ulong exits;
	struct softcpu cpu;
	struct vm *vm;
	struct vmgdb_vcpu *vcpu;
	pthread_t thread;
	struct timespec due; /* when the next batch begins */
};

struct vm {
	struct engine engine;
	struct target *target; /* the engine's */
	uint8_t *memory;
	atomic_bool paced; /* a vCPU that is ahead of EXITS_A_SECOND waits */
	struct cpu_thread cpus[VCPUS];
};

static void check(int ret, const char *what)
{
	if (!ret)
		return;
	fprintf(stderr, "freerun: %s: %s\n", what, strerror(-ret));
	exit(1);
}

static struct timespec after(struct timespec t, long ns)
{
	t.tv_nsec += ns;
	t.tv_sec += t.tv_nsec / 1000000000L;
	t.tv_nsec %= 1000000000L;
	return t;
}

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- the VM ------------------------------------------------------------------------------------- */

/* A vCPU that is late makes up for it, as what makes a guest exit does not wait for the guest. */
static void pace(struct cpu_thread *c)
{
	c->due = after(c->due, 1000000000L / EXITS_A_SECOND * BATCH);
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &c->due, NULL);
}

/* The loop of core/include/vmgdb/vmgdb.h. */
static void *vcpu_main(void *opaque)
{
	struct cpu_thread *c = opaque;
	unsigned long n;

	clock_gettime(CLOCK_MONOTONIC, &c->due);
	while (vmgdb_vcpu_enter(c->vcpu) == 0) {
		softcpu_run(&c->cpu);
		if (vmgdb_vcpu_exit(c->vcpu) || c->cpu.exit != SOFT_EXIT_IO)
			continue;
		n = atomic_load_explicit(&c->exits, memory_order_relaxed) + 1;
		atomic_store_explicit(&c->exits, n, memory_order_relaxed);
		if (n % BATCH == 0 && atomic_load_explicit(&c->vm->paced, memory_order_relaxed))
			pace(c);
	}
	return NULL;
}

static void add_vcpu(struct vm *vm, unsigned int i)
{
	static const struct soft_insn code[] = {
		{ SOFT_OUT, 0, 0, 0 }, { SOFT_JMP, 0, 0xfe, 0xff }, /* back to the first */
	};
	const struct soft_mem memory = { vm->memory, MEMORY };
	struct cpu_thread *c = &vm->cpus[i];

	c->vm = vm;
	memcpy(vm->memory + i * CODE_SIZE, code, sizeof(code));
	check(softcpu_init(&c->cpu, &soft8_ops, i, memory, NULL), "vCPU");
	c->cpu.regs.pc = i * CODE_SIZE;
	check(engine_add_vcpu(&vm->engine, i, &soft8_ops, &c->cpu.caps, &c->cpu, &c->vcpu), "vCPU");
}

static void nobody_waits(void *opaque)
{
	(void)opaque;
}

static void vm_init(struct vm *vm)
{
	static const struct vmgdb_config config = { 0 };
	unsigned int i;

	check(engine_init(&vm->engine, &config), "engine");
	vm->engine.notify = nobody_waits;
	vm->target = &vm->engine.target;
	vm->paced = true;
	vm->memory = calloc(1, MEMORY);
	check(memory_add(&vm->engine.mem, 0, vm->memory, MEMORY), "memory");
	for (i = 0; i < VCPUS; i++)
		add_vcpu(vm, i);
	for (i = 0; i < VCPUS; i++)
		check(-pthread_create(&vm->cpus[i].thread, NULL, vcpu_main, &vm->cpus[i]),
		      "thread");
}

static void vm_fini(struct vm *vm)
{
	unsigned int i;

	engine_shutdown(&vm->engine);
	for (i = 0; i < VCPUS; i++)
		pthread_join(vm->cpus[i].thread, NULL);
	engine_fini(&vm->engine);
	for (i = 0; i < VCPUS; i++)
		softcpu_fini(&vm->cpus[i].cpu);
	free(vm->memory);
}

static unsigned long exits(const struct vm *vm)
{
	unsigned long n = 0;
	unsigned int i;

	for (i = 0; i < VCPUS; i++)
		n += atomic_load_explicit(&vm->cpus[i].exits, memory_order_relaxed);
	return n;
}

/* ---- the turns ---------------------------------------------------------------------------------- */

static void attach_and_continue(struct vm *vm)
{
	const struct resume_action all = { .kind = RESUME_CONTINUE };
	struct stop stop;

	check(vm->target->ops->attach(vm->target, &stop), "attach");
	check(vm->target->ops->hold(vm->target), "hold");
	check(vm->target->ops->resume(vm->target, NULL, 0, &all), "resume");
}

static void pass(long ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

static void measure(const struct vm *vm, const char *how)
{
	double wall, cpu;
	unsigned long n;

	pass(SETTLE_MS);
	n = exits(vm);
	wall = seconds(CLOCK_MONOTONIC);
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	pass(TURN_MS);
	n = exits(vm) - n;
	wall = seconds(CLOCK_MONOTONIC) - wall;
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	printf("%s\t%s\t%.0f\t%.0f\n", vm->paced ? "paced" : "unpaced", how, (double)n / wall,
	       n ? cpu * 1e9 / (double)n : 0);
}

static void take_turns(struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < TURNS; i++) {
		measure(vm, "without");
		attach_and_continue(vm);
		measure(vm, "with");
		vm->target->ops->detach(vm->target, DETACH_RUN);
	}
}

int main(void)
{
	static struct vm vm;

	vm_init(&vm);
	take_turns(&vm);
	vm.paced = false;
	take_turns(&vm);
	vm_fini(&vm);
	return 0;
}
