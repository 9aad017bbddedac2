/* SPDX-License-Identifier: MIT */
/*
 * What a debugger may see of a software VM. The model executes each instruction that a software vCPU
 * has executed once more, on memory of its own in which there are no breakpoints, and compares; and
 * it knows what the debugger wished, so that it can tell whether a vCPU was allowed to execute that
 * instruction now, and whether a reported stop is the right one. What is wrong ends the run by
 * fibers_fail().
 */
#ifndef VMGDB_TESTS_SOFTMODEL_H
#define VMGDB_TESTS_SOFTMODEL_H

#include "tests/unit/softvm.h"

enum { MODEL_POINTS = 16, MODEL_SOFT_MAX = 64 };

/* What the debugger has asked the engine for, and what it was told. */
enum model_phase {
	MODEL_FREE,	 /* no debugger */
	MODEL_ATTACHING, /* between two states: vCPUs may still be running */
	MODEL_STOPPED,
	MODEL_RUNNING,
	MODEL_DETACHING,
};

struct model_point {
	enum bp_type type;
	uint64_t addr, len;
	unsigned int vcpu;
	bool silent;   /* has a condition that never holds */
	bool resolved; /* software: its memory is known */
	uint64_t gpa;  /* ... and here */
	bool set;      /* as of the last resume it is hit when it is come to */
	bool perhaps;  /* it may be: slots do not suffice for all that wait for their memory */

	bool soft;		     /* a watchpoint carried by stepping, of [gpa, gpa + len) */
	bool kept;		     /* ... a change, before the last stop, is yet to be told */
	bool maybe;		     /* ... a change may be told once more, but need not be */
	unsigned int writer;	     /* ... who made the last one */
	uint8_t old[MODEL_SOFT_MAX]; /* ... what was there when a change was told, or kept */
};

/* A breakpoint's place in memory: it is wished for as long as one point is there. */
struct model_site {
	uint64_t gpa;
	unsigned int refs;
	bool overwritten; /* by the guest, and not set anew since */
};

struct model_cpu {
	struct soft_regs regs;
	struct resume_action action;
	bool halted;
	bool given_back;   /* its own breakpoint: the exception is yet to come */
	bool owed;	   /* a stop that has to be told */
	bool owed_perhaps; /* ... or not: it came while the debugger did */
	struct stop owes;
	uint64_t owed_pc;
	bool watch_due;	 /* its next exit must be for a watchpoint */
	bool told;	 /* the debugger knows that it is at told_pc */
	bool told_watch; /* ... for a watchpoint */
	bool told_loose; /* ... but it was let go since, even if it did not get away */
	uint64_t told_pc;
	bool named;	     /* the debugger steps it from here */
	unsigned long steps; /* since the resume, as a debugger counts them */
};

struct model {
	struct softvm *vm;
	struct soft_mem mem;
	struct model_cpu cpus[SOFTVM_CPUS];
	enum model_phase phase;
	struct model_point points[MODEL_POINTS];
	unsigned int npoints;
	struct model_site sites[MODEL_POINTS * 2];
	unsigned int nsites;
	bool interrupted; /* the debugger has asked for a stop */
	bool must_stop;	  /* a stop was owed at the resume: nobody may run */
	bool ran, ran_free;
	bool unwatched; /* a watchpoint that is carried by stepping was removed in this stop */
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
void model_insert(struct model *m, const struct model_point *p);
void model_remove(struct model *m, unsigned int i);
void model_write(struct model *m, uint64_t gpa, const void *bytes, size_t n);
void model_move(struct model *m, unsigned int cpu, uint64_t pc);
void model_resume(struct model *m, const struct resume_action *actions,
		  const struct resume_action *rest);
void model_attaching(struct model *m);
void model_detaching(struct model *m);

/* ... and after. */
void model_attached(struct model *m);
void model_detached(struct model *m);
void model_stopped(struct model *m, const struct stop *s);

/* A resume has been made and nothing happens any more: is that right? */
void model_idle(const struct model *m);

/* The point of the same type at this address; -1: none. */
int model_find(const struct model *m, enum bp_type type, uint64_t addr);

#endif
