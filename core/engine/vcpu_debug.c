// SPDX-License-Identifier: MIT
#include "core/engine/vcpu_debug.h"

#define TO(NEXT, PC, ACTIONS)                                                 \
	{                                                                     \
		.possible = true, .next = NEXT, .pc = PC, .actions = ACTIONS, \
	}

/* What happens before an entry to a vCPU that is in no step; the same when it has just completed an
 * exit. */
#define GO_ROWS                                                                         \
	[EV_WAIT] = TO(RUN_PARKED, PC_KEEP, ACT_PARK),                                  \
	[EV_INCOMPLETE] = TO(RUN_COMPLETE, PC_KEEP, ACT_KICK),                          \
	[EV_GO_FREE] = TO(RUN_GUEST, PC_FORGET, ACT_ARM),                               \
	[EV_GO_STEP] = TO(RUN_STEP, PC_KEEP, ACT_BEGIN_STEP | ACT_ARM),                 \
	[EV_GO_OVER] = TO(RUN_STEP_OVER, PC_KEEP, ACT_LIFT | ACT_BEGIN_STEP | ACT_ARM), \
	[EV_GO_OFF] = TO(RUN_STEP_OFF, PC_KEEP, ACT_BEGIN_STEP | ACT_ARM),              \
	[EV_GO_DETACHED] = TO(RUN_GUEST, PC_FORGET, ACT_ARM)

/* What may come of an entry that was no step. */
#define EXIT_ROWS                                                                             \
	[EV_EXIT] = TO(RUN_GUEST, PC_KEEP, 0),                                                \
	[EV_INTERRUPTED] = TO(RUN_GUEST, PC_KEEP, ACT_CLEAR_KICK),                            \
	[EV_HIT] = TO(RUN_GUEST, PC_KEEP, ACT_REPORT), [EV_PASS] = TO(RUN_GUEST, PC_PASS, 0), \
	[EV_GUEST_TRAP] = TO(RUN_GUEST, PC_FORGET, ACT_REINJECT),                             \
	[EV_FATAL] = TO(RUN_GUEST, PC_FORGET, ACT_REPORT)

/* The rows of a step; END is what its end takes. Whatever else happens to the vCPU cuts the step first. */
#define STEP_ROWS(STATE, END)                                                                     \
	[EV_INCOMPLETE] = TO(STATE, PC_KEEP, ACT_KICK), [EV_GO_ON] = TO(STATE, PC_KEEP, ACT_ARM), \
	[EV_EXIT] = TO(STATE, PC_KEEP, 0), [EV_INTERRUPTED] = TO(STATE, PC_KEEP, ACT_CLEAR_KICK), \
	[EV_STEPPED] = TO(RUN_GUEST, PC_FORGET, END), [EV_STEP_CUT] = TO(RUN_GUEST, PC_MOVED, END)

static const struct transition table[RUN_STATES][VCPU_EVENTS] = {
	[RUN_PARKED] = {
		[EV_WAIT] = TO(RUN_PARKED, PC_KEEP, ACT_PARK),
		[EV_UNPARK] = TO(RUN_GUEST, PC_KEEP, 0),
		[EV_FATAL] = TO(RUN_PARKED, PC_FORGET, ACT_REPORT),
	},
	[RUN_GUEST] = { GO_ROWS, EXIT_ROWS },
	[RUN_STEP] = { STEP_ROWS(RUN_STEP, 0) },
	[RUN_STEP_OVER] = { STEP_ROWS(RUN_STEP_OVER, ACT_PUT_BACK) },
	[RUN_STEP_OFF] = { STEP_ROWS(RUN_STEP_OFF, 0) },
	[RUN_COMPLETE] = { GO_ROWS, EXIT_ROWS },
};

struct transition vcpu_next(enum run_state state, enum vcpu_event event)
{
	return table[state][event];
}

enum vcpu_event vcpu_plan(enum pc_status pc, enum pc_content at, bool must_step)
{
	if (pc == PC_UNCHECKED) {
		if (!must_step)
			return EV_GO_FREE; /* the breakpoint hits by itself */
		return at == AT_NOTHING ? EV_GO_STEP : EV_HIT;
	}
	if (at == AT_LOCATION)
		return EV_GO_OVER;
	if (at == AT_SLOT || pc == PC_REPORTED_WATCH)
		return EV_GO_OFF;
	return must_step ? EV_GO_STEP : EV_GO_FREE;
}

static const char *const state_names[] = {
	[RUN_PARKED] = "parked",       [RUN_GUEST] = "guest",	    [RUN_STEP] = "step",
	[RUN_STEP_OVER] = "step over", [RUN_STEP_OFF] = "step off", [RUN_COMPLETE] = "complete",
};

static const char *const event_names[] = {
	[EV_WAIT] = "wait",
	[EV_UNPARK] = "unpark",
	[EV_INCOMPLETE] = "incomplete",
	[EV_GO_FREE] = "go free",
	[EV_GO_STEP] = "go step",
	[EV_GO_OVER] = "go over",
	[EV_GO_OFF] = "go off",
	[EV_GO_ON] = "go on",
	[EV_GO_DETACHED] = "go detached",
	[EV_EXIT] = "exit",
	[EV_INTERRUPTED] = "interrupted",
	[EV_STEPPED] = "stepped",
	[EV_STEP_CUT] = "step cut",
	[EV_HIT] = "hit",
	[EV_PASS] = "pass",
	[EV_GUEST_TRAP] = "guest trap",
	[EV_FATAL] = "fatal",
};

const char *run_state_name(enum run_state s)
{
	return state_names[s];
}

const char *vcpu_event_name(enum vcpu_event e)
{
	return event_names[e];
}
