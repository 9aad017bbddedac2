/* SPDX-License-Identifier: MIT */
/*
 * The debug state machine of one vCPU: what it is doing, what is known of its PC, and what follows from
 * an event. Pure: no locks, no I/O, nothing of the engine. vcpu_run.c and its neighbours find out
 * which event has happened and carry out the actions.
 *
 * The table in vcpu_debug.c has a row for each state and event that can meet; docs/engine.md prints
 * the same rows, and tests/unit/test_vcpu_debug.c holds one against the other.
 */
#ifndef VMGDB_CORE_VCPU_DEBUG_H
#define VMGDB_CORE_VCPU_DEBUG_H

#include <stdbool.h>

/* What a vCPU is doing. */
enum run_state {
	RUN_PARKED, /* its thread waits in the library, or has not come yet: others may access it */
	RUN_GUEST,  /* in the guest or in the VMM, and in no step */
	RUN_STEP,   /* executes one instruction */
	RUN_STEP_OVER, /* ... under a software breakpoint, all other vCPUs parked */
	RUN_STEP_OFF,  /* ... with the debug register that stands there disarmed on this vCPU */
	RUN_COMPLETE, /* enters once more, only to complete the port I/O or MMIO of its last exit */
	RUN_STATES
};

/* What is known of the breakpoint at the PC of a vCPU. */
enum pc_status {
	PC_UNCHECKED,	   /* nothing: a breakpoint here stops the vCPU */
	PC_REPORTED,	   /* the debugger knows that the vCPU is here: it does not stop again */
	PC_REPORTED_WATCH, /* ... by a watchpoint that fires before the access, which is yet to come */
	PC_PASSED,	   /* a condition was false here: it does not stop again */
	PC_STEPPED, /* the debugger steps from here by name: the same, until the next resume */
	PC_STATUSES
};

/* What stands at the PC of a vCPU. */
enum pc_content {
	AT_NOTHING,
	AT_LOCATION, /* a software breakpoint in guest memory */
	AT_SLOT,     /* an armed execution slot */
	AT_CONTENTS
};

enum vcpu_event {
	/* Before an entry */
	EV_WAIT,	/* the vCPU has to wait */
	EV_UNPARK,	/* it has waited and may go */
	EV_INCOMPLETE,	/* its last exit must be completed before it waits or goes on with a step */
	EV_GO_FREE,	/* it may go, with nothing to be stepped */
	EV_GO_STEP,	/* it may go, for one instruction */
	EV_GO_OVER,	/* ... which is under a software breakpoint */
	EV_GO_OFF,	/* ... at which a debug register stands */
	EV_GO_ON,	/* it may go on with the step that it is in */
	EV_GO_DETACHED, /* there is no debugger any more */
	/* After an entry */
	EV_EXIT,	/* an exit that is the VMM's */
	EV_INTERRUPTED, /* a kick or a signal ended the entry */
	EV_STEPPED,	/* the step is complete, as cpu.step_end() says */
	EV_STEP_CUT,   /* it has ended before it was complete: by anything else, or to begin anew */
	EV_HIT,	       /* the vCPU is at a breakpoint, or has hit a watchpoint, that is reported */
	EV_PASS,       /* it is at a breakpoint that is not reported */
	EV_GUEST_TRAP, /* the guest's own debug exception was intercepted */
	EV_FATAL,      /* it can't go on, or the VM is about to end */
	VCPU_EVENTS
};

enum vcpu_action {
	ACT_PUT_BACK = 1 << 0,	 /* insert the lifted location again; the others may go */
	ACT_LIFT = 1 << 1,	 /* remove the location at the PC, all others being parked */
	ACT_BEGIN_STEP = 1 << 2, /* apply the stepping rules; they may make the step themselves */
	ACT_ARM = 1 << 3,	 /* set guest debug control, and enter the guest */
	ACT_KICK = 1 << 4,	 /* make the next entry come back at once */
	ACT_CLEAR_KICK = 1 << 5, /* the kick has been seen */
	ACT_REINJECT = 1 << 6,	 /* give the exception to the guest */
	ACT_REPORT = 1 << 7,	 /* queue a stop, and stop all others */
	ACT_PARK = 1 << 8,	 /* wait; others may access its state */
};

/* What becomes of pc_status. */
enum pc_change {
	PC_KEEP,
	PC_FORGET, /* PC_UNCHECKED */
	PC_PASS,   /* PC_PASSED */
	PC_MOVED,  /* PC_UNCHECKED if the PC has changed since the step began */
};

struct transition {
	bool possible; /* false: this event can't happen in this state */
	enum run_state next;
	enum pc_change pc;
	unsigned int actions; /* enum vcpu_action, carried out by ascending bit */
};

/* What follows when a vCPU in this state has this event. */
struct transition vcpu_next(enum run_state state, enum vcpu_event event);

/*
 * What a vCPU that may go and is in no step has to do: one of EV_GO_*, or EV_HIT when what is at its PC
 * stops it there, its condition permitting. must_step: it may not run freely.
 */
enum vcpu_event vcpu_plan(enum pc_status pc, enum pc_content at, bool must_step);

/* Is this state one of a step? */
static inline bool run_is_step(enum run_state s)
{
	return s == RUN_STEP || s == RUN_STEP_OVER || s == RUN_STEP_OFF;
}

/* Names, for docs and messages; static. */
const char *run_state_name(enum run_state s);
const char *vcpu_event_name(enum vcpu_event e);

#endif
