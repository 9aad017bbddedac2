// SPDX-License-Identifier: MIT
/*
 * The debug state machine of a vCPU: every pair of state and event against rules that are written down here
 * apart from its table, every plan, and that docs/engine.md prints the table as it is.
 */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine/vcpu_debug.h"

/* ---- what can happen when -------------------------------------------------------------------- */

static bool is_step(enum run_state s)
{
	return s == RUN_STEP || s == RUN_STEP_OVER || s == RUN_STEP_OFF;
}

static bool is_go(enum vcpu_event e)
{
	return e == EV_GO_FREE || e == EV_GO_STEP || e == EV_GO_OVER || e == EV_GO_OFF;
}

/* What hits or ends a vCPU cuts the step that it is in first. */
static bool cuts_a_step(enum vcpu_event e)
{
	return e == EV_HIT || e == EV_PASS || e == EV_GUEST_TRAP || e == EV_FATAL;
}

static bool can_happen(enum run_state s, enum vcpu_event e)
{
	switch (e) {
	case EV_UNPARK: return s == RUN_PARKED;
	case EV_WAIT: return !is_step(s);
	case EV_GO_ON:
	case EV_STEPPED:
	case EV_STEP_CUT: return is_step(s);
	case EV_INCOMPLETE:
	case EV_EXIT:
	case EV_INTERRUPTED: return s != RUN_PARKED;
	case EV_GO_DETACHED: return s == RUN_GUEST || s == RUN_COMPLETE;
	case EV_FATAL: return !is_step(s);
	default: return (is_go(e) || cuts_a_step(e)) && (s == RUN_GUEST || s == RUN_COMPLETE);
	}
}

static enum run_state state_after(enum run_state s, enum vcpu_event e)
{
	switch (e) {
	case EV_WAIT: return RUN_PARKED;
	case EV_FATAL: return s == RUN_PARKED ? RUN_PARKED : RUN_GUEST;
	case EV_GO_STEP: return RUN_STEP;
	case EV_GO_OVER: return RUN_STEP_OVER;
	case EV_GO_OFF: return RUN_STEP_OFF;
	case EV_INCOMPLETE: return is_step(s) ? s : RUN_COMPLETE;
	case EV_GO_ON:
	case EV_EXIT:
	case EV_INTERRUPTED: return is_step(s) ? s : RUN_GUEST;
	default: return RUN_GUEST;
	}
}

/* Who executes an instruction forgets what was known of its PC; who has not moved keeps it. */
static enum pc_change change_after(enum vcpu_event e)
{
	switch (e) {
	case EV_GO_FREE:
	case EV_GO_DETACHED:
	case EV_STEPPED:
	case EV_GUEST_TRAP:
	case EV_FATAL: return PC_FORGET;
	case EV_STEP_CUT: return PC_MOVED;
	case EV_PASS: return PC_PASS;
	default: return PC_KEEP;
	}
}

#define FOR_EACH_PAIR(S, E)                             \
	for (enum run_state S = 0; S < RUN_STATES; S++) \
		for (enum vcpu_event E = 0; E < VCPU_EVENTS; E++)

#define PAIR_IS(COND, S, E) cr_expect(COND, "'%s' in '%s'", vcpu_event_name(E), run_state_name(S))

Test(vcpu_debug, possible,
     .description = "each event happens in the states where it can, and in no other")
{
	FOR_EACH_PAIR(s, e)
	PAIR_IS(vcpu_next(s, e).possible == can_happen(s, e), s, e);
}

Test(vcpu_debug, impossible,
     .description = "what can't happen has no effect that somebody could carry out")
{
	FOR_EACH_PAIR(s, e)
	{
		const struct transition t = vcpu_next(s, e);

		if (!t.possible)
			PAIR_IS(!t.actions && t.pc == PC_KEEP, s, e);
	}
}

Test(vcpu_debug, next,
     .description = "each event leads to its state, and changes what is known of the PC so")
{
	FOR_EACH_PAIR(s, e)
	{
		const struct transition t = vcpu_next(s, e);

		if (!t.possible)
			continue;
		PAIR_IS(t.next == state_after(s, e), s, e);
		PAIR_IS(t.pc == change_after(e), s, e);
	}
}

/* ---- actions: each exactly where it belongs ---------------------------------------------------- */

static unsigned int actions_after(enum run_state s, enum vcpu_event e)
{
	unsigned int a = 0;
	bool ends = e == EV_STEPPED || e == EV_STEP_CUT;

	a |= s == RUN_STEP_OVER && ends ? ACT_PUT_BACK : 0;
	a |= e == EV_GO_OVER ? ACT_LIFT : 0;
	a |= e == EV_GO_STEP || e == EV_GO_OVER || e == EV_GO_OFF ? ACT_BEGIN_STEP : 0;
	a |= is_go(e) || e == EV_GO_ON || e == EV_GO_DETACHED ? ACT_ARM : 0;
	a |= e == EV_INCOMPLETE ? ACT_KICK : 0;
	a |= e == EV_INTERRUPTED ? ACT_CLEAR_KICK : 0;
	a |= e == EV_GUEST_TRAP ? ACT_REINJECT : 0;
	a |= e == EV_HIT || e == EV_FATAL ? ACT_REPORT : 0;
	a |= e == EV_WAIT ? ACT_PARK : 0;
	return a;
}

Test(vcpu_debug, actions, .description = "each action follows from its events, and from no other")
{
	FOR_EACH_PAIR(s, e)
	{
		const struct transition t = vcpu_next(s, e);

		if (t.possible)
			PAIR_IS(t.actions == actions_after(s, e), s, e);
	}
}

/* ---- what holds of all paths ------------------------------------------------------------------- */

Test(vcpu_debug, steps_end,
     .description = "a step ends by stepped or step cut alone, and then is one no more")
{
	FOR_EACH_PAIR(s, e)
	{
		const struct transition t = vcpu_next(s, e);
		bool ends = e == EV_STEPPED || e == EV_STEP_CUT;

		if (t.possible && is_step(s))
			PAIR_IS(ends ? !is_step(t.next) : t.next == s, s, e);
	}
}

Test(vcpu_debug, parked_in_no_step,
     .description = "a vCPU parks from no step, and leaves that by unpark alone")
{
	FOR_EACH_PAIR(s, e)
	{
		const struct transition t = vcpu_next(s, e);

		if (!t.possible)
			continue;
		if (t.next == RUN_PARKED)
			PAIR_IS(!is_step(s), s, e);
		if (s == RUN_PARKED && t.next != RUN_PARKED)
			PAIR_IS(e == EV_UNPARK, s, e);
		PAIR_IS(!(t.actions & ACT_PARK) || t.next == RUN_PARKED, s, e);
	}
}

Test(vcpu_debug, lifted_in_step_over,
     .description =
	     "a location is lifted when a step over begins, and put back exactly when one ends")
{
	FOR_EACH_PAIR(s, e)
	{
		const struct transition t = vcpu_next(s, e);
		bool begins = s != RUN_STEP_OVER && t.next == RUN_STEP_OVER;
		bool ends = s == RUN_STEP_OVER && t.next != RUN_STEP_OVER;

		if (!t.possible)
			continue;
		PAIR_IS(!!(t.actions & ACT_LIFT) == begins, s, e);
		PAIR_IS(!!(t.actions & ACT_PUT_BACK) == ends, s, e);
	}
}

Test(vcpu_debug, steps_begin,
     .description = "the stepping rules are applied exactly when a step begins")
{
	FOR_EACH_PAIR(s, e)
	{
		const struct transition t = vcpu_next(s, e);

		if (t.possible)
			PAIR_IS(!!(t.actions & ACT_BEGIN_STEP) == (!is_step(s) && is_step(t.next)),
				s, e);
	}
}

/* ---- plans ------------------------------------------------------------------------------------- */

struct plan_row {
	enum vcpu_event nothing, location, slot;
};

/* By what is known of the PC, and whether the vCPU has to step. */
static const struct plan_row plans[PC_STATUSES][2] = {
	[PC_UNCHECKED] = { { EV_GO_FREE, EV_GO_FREE, EV_GO_FREE }, { EV_GO_STEP, EV_HIT, EV_HIT } },
	[PC_REPORTED] = { { EV_GO_FREE, EV_GO_OVER, EV_GO_OFF },
			  { EV_GO_STEP, EV_GO_OVER, EV_GO_OFF } },
	[PC_REPORTED_WATCH] = { { EV_GO_OFF, EV_GO_OVER, EV_GO_OFF },
				{ EV_GO_OFF, EV_GO_OVER, EV_GO_OFF } },
	[PC_PASSED] = { { EV_GO_FREE, EV_GO_OVER, EV_GO_OFF },
			{ EV_GO_STEP, EV_GO_OVER, EV_GO_OFF } },
	[PC_STEPPED] = { { EV_GO_FREE, EV_GO_OVER, EV_GO_OFF },
			 { EV_GO_STEP, EV_GO_OVER, EV_GO_OFF } },
};

Test(vcpu_debug, plan,
     .description = "what a vCPU does next, by its PC, what stands there, and whether it must step")
{
	unsigned int pc, step;

	for (pc = 0; pc < PC_STATUSES; pc++)
		for (step = 0; step < 2; step++) {
			const struct plan_row *r = &plans[pc][step];

			cr_expect_eq(vcpu_plan(pc, AT_NOTHING, step), r->nothing, "PC %u", pc);
			cr_expect_eq(vcpu_plan(pc, AT_LOCATION, step), r->location, "PC %u", pc);
			cr_expect_eq(vcpu_plan(pc, AT_SLOT, step), r->slot, "PC %u", pc);
		}
}

Test(vcpu_debug, plan_can_happen,
     .description = "whatever is planned can happen to a vCPU in no step")
{
	unsigned int pc, at, step;

	for (pc = 0; pc < PC_STATUSES; pc++)
		for (at = 0; at < AT_CONTENTS; at++)
			for (step = 0; step < 2; step++) {
				enum vcpu_event e = vcpu_plan(pc, at, step);

				PAIR_IS(vcpu_next(RUN_GUEST, e).possible, RUN_GUEST, e);
				PAIR_IS(vcpu_next(RUN_COMPLETE, e).possible, RUN_COMPLETE, e);
				if (step)
					cr_expect_neq(e, EV_GO_FREE, "it must step");
			}
}

/* ---- docs/engine.md ---------------------------------------------------------------------------- */

static const char begin_mark[] = "<!-- state table: tests/unit/test_vcpu_debug.c prints it -->\n";
static const char end_mark[] = "<!-- end of state table -->\n";

static const char *const change_names[] = {
	[PC_KEEP] = "keep",
	[PC_FORGET] = "forget",
	[PC_PASS] = "pass",
	[PC_MOVED] = "forget if moved",
};

static const char *const action_names[] = {
	"put back", "lift", "begin step", "arm", "kick", "clear kick", "reinject", "report", "park",
};

static void print_actions(FILE *f, unsigned int actions)
{
	const char *separator = "";
	unsigned int bit;

	for (bit = 0; bit < sizeof(action_names) / sizeof(action_names[0]); bit++)
		if (actions >> bit & 1) {
			fprintf(f, "%s%s", separator, action_names[bit]);
			separator = ", ";
		}
}

static void print_row(FILE *f, enum run_state s, enum vcpu_event e)
{
	const struct transition t = vcpu_next(s, e);

	if (!t.possible)
		return;
	fprintf(f, "| %s | %s | %s | %s | ", run_state_name(s), vcpu_event_name(e),
		run_state_name(t.next), change_names[t.pc]);
	print_actions(f, t.actions);
	fprintf(f, "%s|\n", t.actions ? " " : "");
}

/* The table as Markdown; the caller frees it. */
static char *print_table(void)
{
	size_t len;
	char *text;
	FILE *f = open_memstream(&text, &len);

	cr_assert(f);
	fprintf(f, "| state | event | next | PC status | actions |\n|---|---|---|---|---|\n");
	FOR_EACH_PAIR(s, e)
	print_row(f, s, e);
	fclose(f);
	return text;
}

static char *read_file(const char *path)
{
	enum { ROOM = 1 << 17 };
	FILE *f = fopen(path, "r");
	char *text = calloc(1, ROOM);

	cr_assert(f, "%s: run it in the source folder", path);
	cr_assert(text);
	cr_assert_lt(fread(text, 1, ROOM, f), ROOM);
	fclose(f);
	return text;
}

Test(vcpu_debug, docs, .description = "docs/engine.md has the table as it is")
{
	char *text = read_file("docs/engine.md"), *table = print_table();
	char *from = strstr(text, begin_mark), *to = strstr(text, end_mark);

	cr_assert(from && to, "docs/engine.md has lost its marks");
	from += strlen(begin_mark);
	cr_expect((size_t)(to - from) == strlen(table) && !memcmp(from, table, strlen(table)),
		  "between the marks of docs/engine.md is to be:\n%s", table);
	free(table);
	free(text);
}
