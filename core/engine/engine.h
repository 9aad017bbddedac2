/* SPDX-License-Identifier: MIT */
/*
 * The debug engine: stops, resumes and steps a set of vCPUs. docs/engine.md draws its state machines.
 *
 * Each vCPU is driven by a thread of the VMM, which comes by before and after each entry into the
 * guest (vmgdb_vcpu_enter, vmgdb_vcpu_exit) and decides there, under the one lock, whether to park,
 * to step or to run. The server's thread only changes what is wished, kicks, and waits until all
 * are parked. While they are, it may read and change their state.
 */
#ifndef VMGDB_CORE_ENGINE_H
#define VMGDB_CORE_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "core/breakpoints/hw_breakpoint.h"
#include "core/memory.h"
#include "core/breakpoints/sw_breakpoint.h"
#include "core/breakpoints/soft_watchpoint.h"
#include "core/target.h"
#include "core/accel.h"
#include <vmgdb/vmgdb.h>

enum { CONSOLE_MAX = 16384 };

enum engine_mode {
	ENGINE_IDLE,	/* no debugger: vCPUs run, nothing is armed */
	ENGINE_STOPPED, /* vCPUs park; once quiet, the server's thread owns their state */
	ENGINE_RUNNING, /* vCPUs do what their actions say, until stop_wanted */
};

struct vmgdb_vcpu {
	struct cpu_view view; /* first member */
	struct engine *engine;
	unsigned int index;
	const struct vcpu_ops *ops;
	void *ctx;

	uint64_t *valid; /* a bit for each bank that state holds */
	uint64_t *dirty; /* ... and that was changed */

	pthread_cond_t wake;
	atomic_bool attn; /* come to the slow path: false only while no debugger is there */
	bool started;	  /* its thread has been here */
	bool parked;	  /* its thread waits in the library */

	struct resume_action action;
	struct stop event;	      /* what it stopped for and nobody was told yet */
	unsigned long event_seq;      /* which event came first */
	bool over;		      /* on a planted breakpoint: step with that lifted, alone */
	bool hop;		      /* on an armed slot: step with that disarmed */
	bool afresh;		      /* nobody looked at what is at its PC */
	bool met;		      /* what is at met_at was told, or decided by its rules */
	bool watched;		      /* ... at watched_at, and was a watchpoint */
	uint64_t met_at, watched_at;  /* as vcpu_code() */
	bool stepping;		      /* a step was begun and has not ended */
	struct site *lifted;	      /* by that step */
	uint64_t stepped_from;	      /* where that step began, as vcpu_code() */
	unsigned int nsteps;	      /* whole ones, in a run that is made of steps */
	struct step_plan plan;	      /* of that step */
	struct debug_control control; /* as it was armed last */
	uint8_t map[HW_SLOTS_MAX];    /* control.hw[] to engine.hw.armed[] */
};

struct engine {
	struct target target; /* first member */
	pthread_mutex_t lock;
	struct memory mem;
	struct points points;
	struct hw_breakpoints hw;
	struct soft_watchpoints soft;
	bool options[OPTION_COUNT];
	struct vmgdb_config config;
	void (*notify)(void *opaque); /* poll() would have something; any thread, lock held */
	void *notify_opaque;

	struct vmgdb_vcpu **vcpus; /* by ascending index */
	unsigned int nvcpus;

	enum engine_mode mode;
	bool attached;		   /* a debugger holds the VM */
	bool hold;		   /* the server thread has the target's hold */
	const struct tdesc *tdesc; /* of the debugger; NULL: none was given */
	bool held;		   /* without a debugger vCPUs wait for one that lets them run */
	bool stop_wanted;	   /* running: everybody parks */
	bool ran;		   /* something did since the breakpoints were verified */
	bool ran_free;		   /* ... and more than single steps */
	bool vmm_stopped;	   /* the VMM was told so, and of no resume since */
	bool down;		   /* vmgdb_shutdown() */
	bool exited, exit_told;	   /* vmgdb_exited(), and its status */
	int exit_status;
	struct vmgdb_vcpu *over;   /* steps over a breakpoint: nobody else runs */
	struct vmgdb_vcpu *writer; /* whose step ended last: what has changed is by it */
	struct resume_action rest; /* of the last resume: for a vCPU that is added while it runs */
	unsigned int current;	   /* index of the vCPU that was reported last */
	unsigned long seq;
	size_t console_len; /* what breakpoint commands printed and nobody took yet */
	char console[CONSOLE_MAX];
	pthread_cond_t quiet; /* all vCPUs are parked */
};

int engine_init(struct engine *e, const struct vmgdb_config *config);
/* No vCPU thread is in the library any more. */
void engine_fini(struct engine *e);

/* As vmgdb_add_vcpu(). */
int engine_add_vcpu(struct engine *e, unsigned int index, const struct vcpu_ops *ops,
		    const struct vcpu_caps *caps, void *ctx, struct vmgdb_vcpu **out);

/* As vmgdb_remove_memory(). */
int engine_remove_memory(struct engine *e, uint64_t gpa);

/* As vmgdb_exited() and vmgdb_shutdown(). */
void engine_exited(struct engine *e, int status);
void engine_shutdown(struct engine *e);

/* The VM waits for a debugger to let it run: none has since vmgdb_hold(), or since one stayed. */
bool engine_held(struct engine *e);

/* ---- between the engine's own files; the lock is held ---------------------------------------- */

extern const struct target_ops engine_target_ops;

static inline struct engine *engine_of(struct target *t)
{
	return (struct engine *)t; /* the target is its first member */
}

struct vmgdb_vcpu *engine_vcpu(const struct engine *e, unsigned int index);
bool engine_is_quiet(const struct engine *e);

/* Everybody parks: sets stop_wanted, kicks; notifies at once if all are parked already. The second
 * leaves out one that is about to park, and the notice. */
void engine_want_stop(struct engine *e);
void engine_want_stop_but(struct engine *e, const struct vmgdb_vcpu *but);

/* Notify if all are parked. */
void engine_tell_if_quiet(struct engine *e);

/* All that are parked look again whether they may go. */
void engine_wake_all(const struct engine *e);

/* Wait until all are parked, kicking those that are not: 0, -ETIMEDOUT, or -ESHUTDOWN when the VM has
 * ended: some may never come again. */
int engine_wait_quiet(struct engine *e);

/* Change the mode and let every vCPU look at it. */
void engine_set_mode(struct engine *e, enum engine_mode mode);

/* A line to the VMM's log. */
void engine_log(const struct engine *e, enum vmgdb_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The target's ops that control who runs (engine_run.c); target.h has what they do. */
int engine_resume(struct target *t, const struct resume_action *actions, unsigned int n,
		  const struct resume_action *rest);
void engine_interrupt(struct target *t);
bool engine_poll(struct target *t, struct stop *out);
int engine_attach(struct target *t, struct stop *stop);
void engine_detach(struct target *t, enum detach_how how);
void engine_renew(struct target *t);
int engine_kill(struct target *t);

/* For struct points_mmu: through the vCPU that is named, else through any (engine_target.c). */
int engine_translate(void *opaque, unsigned int vcpu, uint64_t va, uint64_t *gpa);

/* Does a vCPU with this action execute more than single steps? */
static inline bool action_is_free(const struct resume_action *a)
{
	return a->kind == RESUME_CONTINUE || a->kind == RESUME_RANGE;
}

/* What a vCPU comes to (vcpu_meet.c). */

/* It has something to tell: it parks, and so does everybody else. */
void vcpu_set_event(struct vmgdb_vcpu *v, const struct stop *event);

bool vcpu_is_halted(const struct vmgdb_vcpu *v);

/* The planted breakpoint at pc, as the vCPU sees memory; or NULL. */
struct site *vcpu_site_here(struct vmgdb_vcpu *v, uint64_t pc);

/* The debugger knows that the vCPU is where it is: what is there is not met again. */
void vcpu_meet(struct vmgdb_vcpu *v);

/* Does the vCPU have to step before it runs: is a breakpoint or an armed slot, already met, where it
 * stands? */
void vcpu_look_at_pc(struct vmgdb_vcpu *v);

/* It is somewhere that nobody looked at: what is there was not met yet. */
void vcpu_look_afresh(struct vmgdb_vcpu *v);

/*
 * Is a planted breakpoint that was come to at addr to be told? Not if it was come to by another name
 * of its memory: the debugger has nothing at that address, and would not know what to make of it.
 */
bool vcpu_is_told(struct vmgdb_vcpu *v, uint64_t addr);

/* It came to a breakpoint of ours at addr: told, or to be stepped over. */
void vcpu_meet_break(struct vmgdb_vcpu *v, uint64_t addr);

/* A slot has fired. False: it is not to be told. */
bool vcpu_meet_slot(struct vmgdb_vcpu *v, const struct armed *a);

/* The vCPU is to be stepped from somewhere that nobody looked at, and the stepping rules may take it
 * past what is there. True when it is to go through the gate again. */
bool vcpu_meet_here(struct vmgdb_vcpu *v);

/* Has memory changed that is watched by comparing? Then the vCPU whose step ended last keeps that as
 * its event; if it has another, the change waits. False: there is no such event. */
bool engine_keep_change(struct engine *e);

/* A step of this vCPU has ended, however it did: the same, and everybody parks. */
bool vcpu_soft_event(struct vmgdb_vcpu *v);

/* One step of a vCPU (vcpu_step.c). */

/* It is not just let run. */
bool vcpu_must_step(const struct vmgdb_vcpu *v);

/* Ready it for one step. False: there is nothing to run, it was made without that. */
bool vcpu_begin_step(struct vmgdb_vcpu *v);

/* The step that was begun has ended, by its own trap or by something else. True when the architecture
 * is content; false when it wants another step first. */
bool vcpu_end_step(struct vmgdb_vcpu *v, bool trapped);

/* A whole step was made. Is it what the debugger waits for? */
void vcpu_step_done(struct vmgdb_vcpu *v);

/* Whether interrupts may come in its step. */
bool vcpu_lets_irqs_in(const struct vmgdb_vcpu *v);

/* An exit that was the debugger's, while one is attached. */
void vcpu_handle_trap(struct vmgdb_vcpu *v, const struct trap *t);

/* Fill v->control for the next run (vcpu_wish.c). */
void vcpu_make_wish(struct vmgdb_vcpu *v);

/* State of a vCPU by bank (vcpu_state.c). */
int vcpu_state_init(struct vmgdb_vcpu *v);
void vcpu_state_fini(struct vmgdb_vcpu *v);
void vcpu_state_forget(struct vmgdb_vcpu *v); /* it will run: nothing read so far holds */
int vcpu_state_flush(struct vmgdb_vcpu *v);   /* store what was changed */
int vcpu_pc(struct vmgdb_vcpu *v, uint64_t *pc);
int vcpu_code(struct vmgdb_vcpu *v, uint64_t *addr); /* the PC as breakpoints know it */

/* Virtual memory of a vCPU (vcpu_memory.c). read: up to the first hole, how many bytes. write: all or
 * nothing, 0 or -EFAULT; by the debugger, to whom it is no news. */
int vcpu_translate(struct vmgdb_vcpu *v, uint64_t va, uint64_t *gpa);
size_t vcpu_read(struct vmgdb_vcpu *v, uint64_t addr, void *buf, size_t len);
int vcpu_write(struct vmgdb_vcpu *v, uint64_t addr, const void *buf, size_t len);

/* Is a hit at this vCPU to be told, or do the rules that came with the breakpoint do without it? */
bool vcpu_hit(struct vmgdb_vcpu *v, const struct rules *rules);

#endif
