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

#include "core/hwpoints.h"
#include "core/memory.h"
#include "core/points.h"
#include "core/softwatch.h"
#include "core/target.h"
#include "core/vcpu.h"
#include "core/vmgdb.h"

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
	struct stop event;	 /* what it stopped for and nobody was told yet */
	unsigned long event_seq; /* which event came first */
	bool over;		 /* on a planted breakpoint: step with that lifted, alone */
	bool hop;		 /* on an armed slot: step with that disarmed */
	bool afresh;		 /* nobody looked at what is at its PC */
	bool met;		 /* what is at met_at was told, or decided by its rules */
	bool watched;		 /* ... at watched_at, and was a watchpoint */
	bool given;		 /* ... at given_at, an exception of its own, still to be taken */
	uint64_t met_at, watched_at, given_at; /* as vcpu_code() */
	bool stepping;			       /* a step was begun and has not ended */
	struct site *lifted;		       /* by that step */
	uint64_t stepped_from;		       /* where that step began, as vcpu_code() */
	unsigned int nsteps;		       /* whole ones, in a run that is made of steps */
	struct step_plan plan;		       /* of that step */
	struct debug_wish wish;		       /* as it was armed last */
	uint8_t map[HW_SLOTS_MAX];	       /* wish.hw[] to engine.hw.armed[] */
};

struct engine {
	struct target target; /* first member; ops are in engine_target.c */
	pthread_mutex_t lock;
	struct memory mem;
	struct points points;
	struct hwpoints hw;
	struct softwatches soft;
	bool options[OPTION_COUNT];
	struct vmgdb_config config;
	void (*notify)(void *opaque); /* poll() would have something; any thread, lock held */
	void *notify_opaque;

	struct vmgdb_vcpu **vcpus; /* by ascending index */
	unsigned int nvcpus;

	enum engine_mode mode;
	bool attached;		/* a debugger holds the VM */
	bool held;		/* without a debugger vCPUs wait for one that lets them run */
	bool stop_wanted;	/* running: everybody parks */
	bool ran;		/* something did since the breakpoints were verified */
	bool ran_free;		/* ... and more than single steps */
	bool vmm_stopped;	/* the VMM was told so, and of no resume since */
	bool down;		/* vmgdb_shutdown() */
	bool exited, exit_told; /* vmgdb_exited(), and its status */
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

/* As vmgdb_exited() and vmgdb_shutdown(). */
void engine_exited(struct engine *e, int status);
void engine_shutdown(struct engine *e);

/* The VM waits for a debugger to let it run: none has since vmgdb_hold(), or since one stayed. */
bool engine_held(struct engine *e);

/* ---- between the engine's own files; the lock is held ---------------------------------------- */

extern const struct target_ops engine_target_ops;

struct vmgdb_vcpu *engine_vcpu(const struct engine *e, unsigned int index);
bool engine_is_quiet(const struct engine *e);

/* Everybody parks: sets stop_wanted, kicks; notifies at once if all are parked already. */
void engine_want_stop(struct engine *e);

/* Wait until all are parked, kicking those that are not: 0, -ETIMEDOUT, or -ESHUTDOWN when the VM has
 * ended: some may never come again. */
int engine_wait_quiet(struct engine *e);

/* Change the mode and let every vCPU look at it. */
void engine_set_mode(struct engine *e, enum engine_mode mode);

/* The debugger knows that the vCPU is where it is: what is there is not met again. */
void engine_meet(struct vmgdb_vcpu *v);

/* Does the vCPU have to step before it runs: is a breakpoint or an armed slot, already met, where it
 * stands? */
void engine_look_at_pc(struct vmgdb_vcpu *v);

/* Has memory changed that is watched by comparing? Then the vCPU whose step ended last keeps that as
 * its event; if it has another, the change waits. False: there is no such event. */
bool engine_keep_change(struct engine *e);

/* A line to the VMM's log. */
void engine_log(const struct engine *e, enum vmgdb_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

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
