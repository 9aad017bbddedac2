/* SPDX-License-Identifier: MIT */
/*
 * What a debugger may see of a software VM. The model executes each instruction that a software vCPU
 * has executed once more, on memory of its own in which there are no breakpoints, and compares; and
 * it knows what the debugger has set, so that it can tell whether a vCPU was allowed to execute that
 * instruction now, and whether a reported stop is the right one. What is wrong ends the run by
 * fibers_fail().
 *
 * Of a vCPU in the engine it reads what it does (run), its step plan, and whether a location is lifted for
 * it; of the breakpoints, which have a slot and which are inserted. A software breakpoint may have one or be in
 * memory: where both hit it must hit, where one of them does it may.
 */
#ifndef VMGDB_TESTS_SOFTMODEL_H
#define VMGDB_TESTS_SOFTMODEL_H

#include "tests/unit/softvm.h"

enum { MODEL_BPS = 16, MODEL_SOFT_MAX = 64, MODEL_REMOVED_MAX = 64, MODEL_GONE_MAX = 16 };

/* What the debugger has asked the engine for, and what was reported. */
enum model_phase {
	MODEL_FREE,	 /* no debugger */
	MODEL_ATTACHING, /* between two states: vCPUs may still be running */
	MODEL_STOPPED,
	MODEL_RUNNING,
	MODEL_DETACHING,
};

struct model_bp {
	enum bp_type type;
	uint64_t addr, len;
	unsigned int vcpu;
	bool silent;	  /* has a condition that is always false */
	bool located;	  /* software: its memory is known */
	uint64_t gpa;	  /* ... and here */
	uint64_t tables;  /* ... by these */
	bool elsewhere;	  /* ... or perhaps at another place */
	bool inserted;	  /* ... where a breakpoint instruction was before the last instruction */
	bool overwritten; /* ... and the guest has written over it */
	bool has_room;	  /* waiting for its memory: a slot is free for it */

	bool soft;		     /* a watchpoint carried by stepping, of [gpa, gpa + len) */
	bool pending;		     /* ... a change, before the last stop, is yet to be reported */
	bool maybe;		     /* ... a change may be reported once more, but need not be */
	unsigned int writer;	     /* ... who made the last one */
	uint8_t old[MODEL_SOFT_MAX]; /* ... what was there when a change was reported, or pending */
};

struct model_cpu {
	struct soft_regs regs;
	struct resume_action action;
	bool halted;
	bool reinjected;  /* its own breakpoint: the exception is yet to come */
	bool due;	  /* a stop that has to be reported */
	bool due_perhaps; /* ... or not: it happened while the debugger came or left */
	struct stop due_stop;
	uint64_t due_pc;
	unsigned int nwatches; /* those that the access hit which due_stop is for */
	struct {
		enum bp_type type;
		uint64_t addr;
	} watches[MODEL_BPS];
	bool watch_due;	       /* its next exit must be for a watchpoint */
	bool reported;	       /* the debugger knows that it is at reported_pc */
	bool reported_watch;   /* ... for a watchpoint */
	bool reported_perhaps; /* ... but it was resumed since, even if it has executed nothing */
	uint64_t reported_pc;
	bool named;	     /* the debugger steps it from here */
	bool off_watch;	     /* in a step off a watchpoint that was reported */
	unsigned long steps; /* since the resume, as a debugger counts them */
	bool lifts;	     /* a location is lifted for it, this one */
	uint64_t lifted_gpa;
};

struct model {
	struct softvm *vm;
	struct soft_mem mem;
	struct model_cpu cpus[SOFTVM_CPUS];
	enum model_phase phase;
	struct model_bp bps[MODEL_BPS];
	unsigned int nbps;
	struct model_bp
		gone[MODEL_GONE_MAX]; /* software breakpoints that were removed in this stop */
	unsigned int ngone;
	bool interrupted; /* the debugger has asked for a stop */
	bool must_stop;	  /* a stop was pending at the resume: nobody may run */
	bool step_only;	  /* the last resume was the single step of one vCPU */
	bool unwatched;	  /* a watchpoint that is carried by stepping was removed in this stop */
	/* ... and in this session, with a change pending */
	uint64_t removed[MODEL_REMOVED_MAX];
	unsigned int nremoved;
	struct resume_action rest; /* for a vCPU that is added while they run */
	unsigned int current;
	bool trace;
	struct soft_hooks hooks;
};

/* A model of a VM whose vCPUs have not run yet; hooks of its own go into the vCPUs. */
void model_init(struct model *m, struct softvm *vm);
void model_fini(struct model *m);

/* The VMM has added a vCPU, which does not run yet. */
void model_add(struct model *m, unsigned int cpu);

/* The VMM resets a vCPU. */
void model_reset(struct model *m, unsigned int cpu, uint64_t pc);

/* The debugger, before it calls the engine for the same. */
void model_insert(struct model *m, const struct model_bp *p);
/* Remove it and set it again. */
void model_set_again(struct model *m, unsigned int i);
void model_remove(struct model *m, unsigned int i);
void model_write(struct model *m, uint64_t gpa, const void *bytes, size_t n);
void model_move(struct model *m, unsigned int cpu, uint64_t pc);
void model_resume(struct model *m, const struct resume_action *actions,
		  const struct resume_action *rest);
void model_attaching(struct model *m);
void model_detaching(struct model *m);

/* ... and after. */
void model_attached(struct model *m, const struct stop *s);
void model_detached(struct model *m);
/* The VM was taken down under its debugger. */
void model_ended(struct model *m);
void model_stopped(struct model *m, const struct stop *s);

/* A resume has been made and nothing happens any more: is that right? */
void model_idle(const struct model *m);

/* The breakpoint of the same type at this address; -1: none. */
int model_find(const struct model *m, enum bp_type type, uint64_t addr);

#endif
