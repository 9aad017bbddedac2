/* SPDX-License-Identifier: MIT */
/*
 * What the engine's files share. Private to core/engine and its tests.
 *
 * Who owns what. A vCPU belongs to its own thread, which asks for permission before each entry
 * (vcpu_run.c); while it is RUN_PARKED it belongs to whoever has the hold, the server thread. So registers
 * and all that decides how a vCPU goes on are touched by one thread at a time, and without a lock.
 *
 * The lock covers only who runs: the fields marked with it. It is held for a few instructions; nothing
 * that can block is called under it but vcpu_ops.kick and clear_kick. The order of locks: this one, then
 * that of the breakpoints, then that of memory.
 */
#ifndef VMGDB_CORE_ENGINE_STATE_H
#define VMGDB_CORE_ENGINE_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/breakpoints/breakpoints.h"
#include "core/engine/engine.h"
#include "core/engine/read_ahead.h"
#include "core/engine/vcpu_debug.h"
#include "core/lib/spin.h"
#include "core/memory.h"

enum engine_state {
	ENGINE_IDLE,	 /* no debugger: vCPUs run, nothing is armed */
	ENGINE_STOPPING, /* vCPUs are to park and have been kicked; not all have parked */
	ENGINE_STOPPED,	 /* all are parked until the debugger resumes or detaches */
	ENGINE_RUNNING,	 /* vCPUs do what their actions say */
	ENGINE_ENDED,	 /* the VM has ended or is taken down; nothing is touched any more */
};

/* What a vCPU's thread has to do at its entries and exits. Its own thread may only close it. */
enum vcpu_gate {
	GATE_OPEN,   /* nothing: there is no debugger */
	GATE_EXITS,  /* the vCPU runs free: look whether an exit is the debugger's */
	GATE_CLOSED, /* ask for permission before the next entry */
};

/* Where a vCPU's thread was seen last, for the log. */
enum vcpu_seen { SEEN_NEVER, SEEN_ENTERING, SEEN_EXITING };

struct vmgdb_vcpu {
	struct cpu_view view; /* first member */
	struct engine *engine;
	struct vmgdb_vcpu *_Atomic next; /* by ascending index */
	unsigned int index;
	const struct vcpu_ops *ops;
	struct vcpu_caps caps;
	void *ctx;

	atomic_uint gate; /* enum vcpu_gate */
	/* A kick that its thread has not seen: until then the gate stays closed, so that it is */
	atomic_bool kicked;
	atomic_uint seen; /* enum vcpu_seen */
	/* enum run_state; to and from RUN_PARKED under the lock, between others by its own thread */
	atomic_uint run;
	pthread_cond_t wake; /* with the lock */
	atomic_uint wakeups;
	struct spin spin; /* for the next step */
	/* Its thread (vcpu_thread.c) */
	bool has_thread;
	pthread_t thread;
	struct vmgdb_vcpu *next_of_thread; /* driven by the same one */

	/* Registers by bank (vcpu_state.c) */
	uint64_t *valid; /* a bit for each bank that view.state holds */
	uint64_t *dirty; /* ... and that was changed */
	struct read_ahead reads;

	/* What the debugger wants of it, and what it has to report; set by the server thread
	 * while it is parked, and by its own thread under the lock */
	struct resume_action action;
	struct stop pending;	   /* STOP_NONE: nothing to report */
	uint64_t pending_at;	   /* the PC then, as vcpu_code() */
	bool pending_access;	   /* it is of a slot that fires before the access */
	unsigned long pending_seq; /* which one came first */

	/* The debug state machine */
	enum pc_status pc;
	uint64_t pc_at; /* the address that pc speaks of, as vcpu_code() */

	/* The step that it is in (vcpu_step.c) */
	struct step_plan plan;
	bool runnable;		    /* neither halted nor off, as its last step shows */
	uint64_t step_from;	    /* where it began, as vcpu_code() */
	struct bp_location *lifted; /* NULL: none */
	unsigned int nsteps;	    /* complete ones, ever */

	/* What is armed (vcpu_arm.c) */
	struct debug_control control;
	uint8_t slot_of[HW_SLOTS_MAX]; /* control.hw[] to breakpoints_slots() */
};

struct engine {
	struct target target; /* first member */
	struct vmgdb_config config;
	void (*notify)(void *opaque);
	void *notify_opaque;
	struct memory mem;
	struct breakpoints *bps;
	pthread_key_t thread_key; /* to each vCPU thread the first of its vCPUs */

	pthread_mutex_t lock;
	struct vmgdb_vcpu *_Atomic vcpus; /* grows under the lock, is walked without */
	atomic_uint state;		  /* enum engine_state; changed under the lock */

	/* Under the lock */
	_Atomic unsigned int unparked;	      /* vCPUs that are not RUN_PARKED */
	pthread_cond_t quiet;		      /* unparked is 0 */
	struct vmgdb_vcpu *_Atomic exclusive; /* the only one that may run: it steps alone */
	struct resume_action rest;	      /* of vCPUs that are added */
	unsigned long seq;		      /* of pending reports */
	bool attached;			      /* by a debugger */
	bool vm_held;			      /* without one vCPUs wait for one */
	bool down;			      /* engine_shutdown() */
	bool exited, exit_reported;
	int exit_status;
	long long parking_since, kicked_at; /* of vCPUs that are to park, in ms */
	bool late_logged;		    /* ... and those that are late are in the log */

	struct spin spin;    /* the server thread's, for a step to end */
	atomic_bool awaited; /* ... which it waits for: no notice is needed */

	/* The server thread's; others read it while it has the hold */
	bool hold_taken;  /* all vCPUs are parked and stay so; written under the lock */
	bool vmm_stopped; /* the VMM's callbacks were called so last */
	bool host_known;
	enum bp_sync sync;     /* of the last resume */
	atomic_bool step_only; /* the last resume was a single step of one vCPU */
	unsigned int current;
	const struct tdesc *tdesc; /* by which conditions number registers; NULL: none was given */
	/* Completed the last step: a changed watchpoint is its. Any thread reads it. */
	struct vmgdb_vcpu *_Atomic writer;
	atomic_bool options[OPTION_COUNT];

	pthread_mutex_t console_lock;
	size_t console_len;
	char console[16384];
};

static inline struct engine *engine_of(struct target *t)
{
	return (struct engine *)t; /* the target is its first member */
}

static inline enum engine_state engine_state(const struct engine *e)
{
	return (enum engine_state)atomic_load(&e->state);
}

static inline enum run_state vcpu_run_state(const struct vmgdb_vcpu *v)
{
	return (enum run_state)atomic_load(&v->run);
}

static inline struct vmgdb_vcpu *vcpu_first(const struct engine *e)
{
	return atomic_load(&e->vcpus);
}

static inline struct vmgdb_vcpu *vcpu_after(const struct vmgdb_vcpu *v)
{
	return atomic_load(&v->next);
}

#define for_each_vcpu(E, V) for ((V) = vcpu_first(E); (V); (V) = vcpu_after(V))

/* The vCPU with that index, or NULL. Any thread. */
struct vmgdb_vcpu *vcpu_find(const struct engine *e, unsigned int index);

/* Does a vCPU with this action run? */
static inline bool action_runs(const struct resume_action *a)
{
	return a->kind != RESUME_HOLD;
}

/* ---- who runs: stop.c; the lock is held, unless said otherwise ----------------------------------- */

void vcpu_set_parked(struct vmgdb_vcpu *v);
void vcpu_set_unparked(struct vmgdb_vcpu *v);

/* Are all vCPUs parked, this one aside? */
bool others_parked(const struct vmgdb_vcpu *v);

/* Let a parked vCPU look again whether it may go; all of them. Also without the lock. */
void vcpu_wake(struct vmgdb_vcpu *v);
void wake_all(struct engine *e);

/* Without the lock: this vCPU has stepped alone, if it did; the others may go. */
void release_exclusive(struct vmgdb_vcpu *v);

/* All vCPUs but this one (or NULL) are to park: close their gates, and kick them. */
void park_all(struct engine *e, const struct vmgdb_vcpu *but);

/* The same for a stop, from ENGINE_IDLE and ENGINE_RUNNING. */
void request_stop(struct engine *e, const struct vmgdb_vcpu *but);

/* Kick a vCPU, whose gate is closed; its own thread, and those that have the lock. */
void vcpu_kick(struct vmgdb_vcpu *v);
/* Without the lock: its own thread has seen that. */
void vcpu_clear_kick(struct vmgdb_vcpu *v);

/* Wait until all are parked, kicking again: 0; -ETIMEDOUT; -ESHUTDOWN: the VM has ended. */
int wait_all_parked(struct engine *e);

/* Are there vCPUs that are to park and have not? Whoever waits for them chases them: a kick may be lost. */
bool is_parking(const struct engine *e);
/* Wait for the condition, but no longer than until the next chase. No cancellation point. */
void wait_to_chase(struct engine *e, pthread_cond_t *cond);

/* All that were to park have. Also without the lock. */
bool all_have_stopped(const struct engine *e);

/* Without the lock: poll() may have something; it has, if all that were to park have. */
void engine_notify(struct engine *e);
void notify_if_stopped(struct engine *e);

/* ---- a vCPU's thread: vcpu_thread.c ------------------------------------------------------------- */

/* 0 or -errno. */
int threads_init(struct engine *e);
void threads_fini(struct engine *e);
/* The vCPU is driven by the calling thread; when that ends, the vCPU is parked. */
void vcpu_note_thread(struct vmgdb_vcpu *v);

/* ---- the console: any thread, no lock held -------------------------------------------------------- */

/* Text for the person at the debugger. What finds no room is dropped: a guest that prints faster than
 * the link carries must not stop. */
void console_print(struct engine *e, const char *text, size_t len);

/* ---- registers and memory: by the vCPU's owner ---------------------------------------------------- */

/* 0 or -ENOMEM; vcpu_state_fini() after either. */
int vcpu_state_init(struct vmgdb_vcpu *v);
void vcpu_state_fini(struct vmgdb_vcpu *v);
/* Others have run: what each vCPU has read of guest memory does not hold. With the hold. */
void expire_reads(struct engine *e);
void vcpu_state_forget(struct vmgdb_vcpu *v); /* it will run: nothing read so far holds */
int vcpu_state_flush(struct vmgdb_vcpu *v);   /* store what was changed: 0 or the first -errno */
int vcpu_pc(struct vmgdb_vcpu *v, uint64_t *pc);
/* The PC in the address space of breakpoints: linear on x86. */
int vcpu_code(struct vmgdb_vcpu *v, uint64_t *addr);
/* As vcpu_ops.halted: it reaches the instruction at its PC only when it was woken, or NULL. */
const char *vcpu_halted(const struct vmgdb_vcpu *v);

/* The vCPU itself if it maps the address, else the first other one that does: the kernel's memory is there
 * for the debugger also while the vCPU is in tables without the kernel. With the hold. */
struct vmgdb_vcpu *vcpu_that_maps(struct vmgdb_vcpu *v, uint64_t addr);
/* The location that is inserted at this address, or NULL. */
struct bp_location *vcpu_location(struct vmgdb_vcpu *v, uint64_t addr);
/*
 * Virtual memory as this vCPU sees it, or, with `any', which needs the hold, each page as vcpu_that_maps()
 * finds it; a write always does. read: up to the first hole, how many bytes. write: all or nothing, 0 or
 * -EFAULT.
 */
size_t vcpu_read(struct vmgdb_vcpu *v, bool any, uint64_t addr, void *buf, size_t len);
int vcpu_write(struct vmgdb_vcpu *v, uint64_t addr, const void *buf, size_t len);

/* ---- reports: vcpu_report.c, by the vCPU's own thread ---------------------------------------------- */

/* Queue a stop; all others are to stop. */
void vcpu_report(struct vmgdb_vcpu *v, const struct stop *stop);
/* The same without stopping anybody. The lock is held, or all vCPUs are parked. */
void vcpu_set_pending(struct vmgdb_vcpu *v, const struct stop *stop);

/* Do the conditions and commands of that breakpoint want this hit reported? They are run by this. */
bool vcpu_wants_report(struct vmgdb_vcpu *v, enum bp_type type, uint64_t addr, uint64_t kind);

/* The next changed memory of a watchpoint that is carried by steps, as a stop of the vCPU that stepped
 * last: true if there is one to report. */
bool engine_changed_watchpoint(struct engine *e, struct stop *out);

/* ---- the debug state machine at work: by the vCPU's own thread -------------------------------------- */

/* The state machine takes a step: vcpu_event.c. Gives the actions that are left to the caller. */
unsigned int vcpu_take(struct vmgdb_vcpu *v, enum vcpu_event event);

/* What is known of the breakpoint at this address, if the vCPU is there. */
enum pc_status vcpu_pc_status(const struct vmgdb_vcpu *v, uint64_t addr);
void vcpu_set_pc_status(struct vmgdb_vcpu *v, enum pc_status status);

/* What stands at this PC (vcpu_check.c). */
enum pc_content vcpu_content(struct vmgdb_vcpu *v, uint64_t addr);
/* It is at, or has hit, this: report it, or pass it by its conditions. True: reported. */
bool vcpu_hit_location(struct vmgdb_vcpu *v, uint64_t addr);
bool vcpu_hit_slot(struct vmgdb_vcpu *v, const struct bp_slot *slot);
/* The same for what stands at its PC. */
bool vcpu_hit_here(struct vmgdb_vcpu *v, uint64_t addr);
/* Would that be reported? Conditions and commands are run by this. */
bool vcpu_stops_here(struct vmgdb_vcpu *v, uint64_t addr);

/* After a resume that was a step of this vCPU alone there is no breakpoint in guest memory, but it is going
 * to execute more than the instruction that the debugger steps. True: some may be there now. */
bool vcpu_insert_breakpoints(struct vmgdb_vcpu *v);

/* One step (vcpu_step.c). begin: false when there is nothing to run: the stepping rules have made it
 * themselves (plan.emulated), or it has to begin anew. end: by its own trap or not; true when the step
 * is complete. */
bool vcpu_must_step(const struct vmgdb_vcpu *v);
bool vcpu_begin_step(struct vmgdb_vcpu *v);
bool vcpu_end_step(struct vmgdb_vcpu *v, bool trapped);
/* A complete step was made: report it if the debugger waits for it. */
void vcpu_step_done(struct vmgdb_vcpu *v);
/* The step, if the vCPU is in one, ends here, before the vCPU waits or does something else. */
void vcpu_cut_step(struct vmgdb_vcpu *v);
/* If this vCPU's last step has changed watched memory: report that, and true. */
bool vcpu_report_change(struct vmgdb_vcpu *v);
bool vcpu_lets_irqs_in(const struct vmgdb_vcpu *v);
/* Has the step a run to this address as its end? */
bool vcpu_step_ends_at(const struct vmgdb_vcpu *v, uint64_t addr);

/* Fill v->control for the next entry (vcpu_arm.c). */
void vcpu_make_control(struct vmgdb_vcpu *v, bool goes_on);

/* A debug exit of a vCPU under a debugger (vcpu_trap.c). */
void vcpu_handle_trap(struct vmgdb_vcpu *v, const struct trap *t);

/* ---- the target's ops: run_control.c, attach.c, console.c, target_ops.c; by the server thread ---------------- */

extern const struct target_ops engine_target_ops;

int engine_hold(struct target *t);
void engine_release(struct target *t);
int engine_resume(struct target *t, const struct resume_action *actions, unsigned int n,
		  const struct resume_action *rest);
void engine_interrupt(struct target *t);
bool engine_poll(struct target *t, struct stop *out);
int engine_attach(struct target *t, struct stop *stop);
void engine_detach(struct target *t, enum detach_how how);
void engine_renew(struct target *t);
size_t engine_console(struct target *t, char *buf, size_t len);

/* For breakpoints: through the vCPU that is named, else through any that maps the address. */
int engine_translate(void *opaque, unsigned int vcpu, uint64_t va, struct xlat *out,
		     const char **no_brk);

/* Call the VMM's stopped or resumed, in turns. No lock held. */
void call_vmm(struct engine *e, bool stopped);

/* engine_create() and engine_destroy() in place, for tests. */
int engine_init(struct engine *e, const struct vmgdb_config *config);
void engine_fini(struct engine *e);

#endif
