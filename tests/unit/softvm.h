/* SPDX-License-Identifier: MIT */
/*
 * A tiny VMM around the engine: software vCPUs, one thread each, that run the loop which
 * core/include/vmgdb/vmgdb.h
 * prescribes, and the debugger's side of it (target.h) with waits that are bounded.
 */
#ifndef VMGDB_TESTS_SOFTVM_H
#define VMGDB_TESTS_SOFTVM_H

#include "core/engine/state.h"
#include "tests/unit/softcpu.h"

enum { SOFTVM_CPUS = 5, SOFTVM_MEM = 8192 };

struct softvm;

struct softvm_cpu {
	struct softcpu cpu;
	struct vmgdb_vcpu *vcpu;
	struct softvm *vm;
	pthread_t thread;
	bool running;	  /* its thread was started */
	atomic_bool ends; /* its thread ends at the next exit that is the VMM's */
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
	atomic_uint stops, resumes, kills, errors, warnings;
	char warning[256]; /* the last one */
	/* What config.log calls as well, from whatever thread; or NULL. */
	void (*on_log)(struct softvm *vm, enum vmgdb_log_level level);

	/* What the VMM does at these exits, from the vCPU's thread; true: leave the loop. NULL: OUT is
	 * counted, IN yields 7, fatal exits and events end the loop. */
	bool (*on_exit)(struct softvm_cpu *c);
	/* The same where softcpu_run() was interrupted; NULL: it goes on. */
	bool (*on_interrupted)(struct softvm_cpu *c);
	void *opaque;		 /* the test's */
	atomic_bool hang, hangs; /* the VMM keeps I/O exits; one was kept */
};

/* A VM with ncpus vCPUs of the kind that ops tell; their threads do not run yet. Aborts the test
 * when something fails, as all of these do. */
void softvm_init(struct softvm *vm, const struct vcpu_ops *ops, unsigned int ncpus,
		 const struct soft_hooks *hooks);
/* The same, with each vCPU in its loop: softvm_loops(). */
void softvm_init_loops(struct softvm *vm, const struct vcpu_ops *ops, unsigned int ncpus,
		       const struct soft_hooks *hooks);
/* The same as softvm_init() with so much memory, a multiple of 4096. */
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

/* How many instructions all vCPUs have done. */
unsigned long softvm_retired(const struct softvm *vm);

/* Write a program at gpa; pc of all vCPUs stays. */
void softvm_code(struct softvm *vm, uint64_t gpa, const struct soft_insn *code, size_t n);

/* ---- the debugger: it has the hold (core/target.h) while the VM is stopped ----------------- */

/* The next stop: waits for the engine's notice. False when none came in ms milliseconds. */
bool softvm_wait(struct softvm *vm, struct stop *out, int ms);

/* Take the hold, unless the VM runs or has ended; and give it back. */
int softvm_hold(struct softvm *vm);
void softvm_release(struct softvm *vm);

/* The next stop, which must come. */
struct stop softvm_stopped(struct softvm *vm);

void softvm_attach(struct softvm *vm);
/* Started, and attached before the first instruction. */
void softvm_begin(struct softvm *vm);
void softvm_detach(struct softvm *vm);
void softvm_insert(struct softvm *vm, enum bp_type type, uint64_t addr, uint64_t len);
void softvm_remove(struct softvm *vm, enum bp_type type, uint64_t addr, uint64_t len);

/* Resume: all with the same action; one with it and the others, also those to come, held or
 * continuing. */
void softvm_resume(struct softvm *vm, enum resume_kind kind);
void softvm_resume_one(struct softvm *vm, unsigned int vcpu, enum resume_kind kind,
		       enum resume_kind others);

/* All continue. */
void softvm_continue(struct softvm *vm);

/* One steps, the others held, and its step is the next stop. */
void softvm_step(struct softvm *vm, unsigned int vcpu);

/* Ctrl-C. */
void softvm_interrupt(struct softvm *vm);

/* Registers as the debugger sees them: the vCPU is stopped. */
const struct soft_regs *softvm_regs(struct softvm *vm, unsigned int vcpu);
/* The same, to be changed: store with softvm_store(). */
struct soft_regs *softvm_change(struct softvm *vm, unsigned int vcpu, unsigned int bank);
void softvm_store(struct softvm *vm, unsigned int vcpu);
uint64_t softvm_pc(struct softvm *vm, unsigned int vcpu);
void softvm_go_to(struct softvm *vm, unsigned int vcpu, uint64_t pc);
/* Eight bytes of memory, the same way. */
uint64_t softvm_read(struct softvm *vm, unsigned int vcpu, uint64_t addr);

/* ---- programs and tests ------------------------------------------------------------------ */

#define I(OP, A, B, C)                        \
	{                                     \
		SOFT_##OP, A, B, (uint8_t)(C) \
	}
#define LI(A, V)  I(LI, A, (V)&0xff, (V) >> 8 & 0xff)
#define JMP(N)	  I(JMP, 0, (N)&0xff, (N) >> 8 & 0xff)
#define JNZ(A, N) I(JNZ, A, (N)&0xff, (N) >> 8 & 0xff)
#define CODE(VM, GPA, ...)                                              \
	softvm_code(VM, GPA, (const struct soft_insn[]){ __VA_ARGS__ }, \
		    sizeof((const struct soft_insn[]){ __VA_ARGS__ }) / SOFT_INSN)

/*
 * What softvm_loops() writes. Each vCPU has a loop of its own:
 *
 *	+0	r0++
 *	+4	store r0 to its data
 *	+8	nop
 *	+12	jump to +0
 *
 * with its data's address in r1. The handler of exceptions and interrupts counts in r7 and returns.
 */
enum {
	VECTOR = 0x40,
	LOOP = 0x100,
	LOOP_SIZE = 0x40,
	DATA = 0x1000,
	DATA_SIZE = 0x40,
	TABLE = 0x1e00
};

static inline uint64_t loop_of(unsigned int cpu)
{
	return LOOP + cpu * LOOP_SIZE;
}

static inline uint64_t data_of(unsigned int cpu)
{
	return DATA + cpu * DATA_SIZE;
}

void softvm_loops(struct softvm *vm);

/* A page table at TABLE that maps each page to itself, for every vCPU; and one entry of it. */
void softvm_paging(struct softvm *vm);
void softvm_map(struct softvm *vm, uint64_t va, uint64_t gpa);
void softvm_unmap(struct softvm *vm, uint64_t va);

/* Software breakpoints, by address alone. */
void softvm_break(struct softvm *vm, uint64_t addr);
void softvm_unbreak(struct softvm *vm, uint64_t addr);

/* Is there a breakpoint instruction in guest memory, as the guest sees it? */
bool softvm_has_brk(const struct softvm *vm, uint64_t gpa);

/* Software breakpoints are in guest memory on this VM, never in slots. */
bool softvm_memory_only(const struct softvm *vm);

/* As target_ops.breakpoint says of the breakpoint at addr; it must be there. */
const char *softvm_state_of(struct softvm *vm, enum bp_type type, uint64_t addr);

/* What the engine has printed for the person at the debugger since the last call; a string. */
const char *softvm_console(struct softvm *vm);

/* Assert what a stop is. */
#define expect_stop(S, KIND, VCPU)                                                     \
	do {                                                                           \
		const struct stop stop_ = (S);                                         \
		cr_assert_eq(stop_.kind, KIND, "stop of kind %d", stop_.kind);         \
		cr_assert_eq(stop_.vcpu, (unsigned int)(VCPU), "vCPU %u", stop_.vcpu); \
	} while (0)

/* All continue, and the next stop is this. */
#define continue_to(VM, KIND, VCPU)                          \
	do {                                                 \
		softvm_continue(VM);                         \
		expect_stop(softvm_stopped(VM), KIND, VCPU); \
	} while (0)

/* Until a vCPU has done n more instructions. */
void softvm_run_on(struct softvm *vm, unsigned int cpu, unsigned long n);

/* Until an exit is kept: vm->hang. */
void softvm_until_hangs(struct softvm *vm);

/* A while in which what can run does: for what must not happen in it. */
void softvm_pass(int ms);

/* Nothing runs for a while. */
bool softvm_stands(const struct softvm *vm);

/* A test that runs on these kinds of processor: both, with execution slots for software breakpoints and
 * with none; with slots; with none. */
#define SOFT_TEST(SUITE, NAME, WHAT)                                                \
	SOFT_TEST_ON(SUITE, NAME, WHAT, &soft8_ops, &soft32_ops, &soft8_memory_ops, \
		     &soft32_memory_ops)
#define SOFT_TEST_SLOTS(SUITE, NAME, WHAT) SOFT_TEST_ON(SUITE, NAME, WHAT, &soft8_ops, &soft32_ops)
#define SOFT_TEST_MEMORY(SUITE, NAME, WHAT) \
	SOFT_TEST_ON(SUITE, NAME, WHAT, &soft8_memory_ops, &soft32_memory_ops)

#define SOFT_TEST_ON(SUITE, NAME, WHAT, ...)                             \
	static void NAME(struct softvm *vm, const struct vcpu_ops *ops); \
	Test(SUITE, NAME, .description = WHAT, .timeout = 60)            \
	{                                                                \
		softvm_test_on(NAME, __VA_ARGS__, NULL);                 \
	}                                                                \
	static void NAME(struct softvm *vm, const struct vcpu_ops *ops)

/* Call fn for each of the ops, up to NULL. */
void softvm_test_on(void (*fn)(struct softvm *vm, const struct vcpu_ops *ops), ...);

/* Wait until fn(opaque) is true, which must come about. */
void softvm_until(bool (*fn)(void *opaque), void *opaque);

#endif
