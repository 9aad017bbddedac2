// SPDX-License-Identifier: MIT
/* Run control: what a vCPU's thread does when it comes by. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/engine.h"

enum {
	KICK_AGAIN_MS = 20,    /* a vCPU that has not parked by then is kicked again */
	QUIET_LIMIT_MS = 5000, /* ... and given up after this */
};

void engine_log(const struct engine *e, enum vmgdb_log_level level, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	if (!e->config.log)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	e->config.log(e->config.opaque, level, line);
}

/* ---- who is where ------------------------------------------------------------------------ */

struct vmgdb_vcpu *engine_vcpu(const struct engine *e, unsigned int index)
{
	unsigned int i;

	for (i = 0; i < e->nvcpus && e->vcpus[i]->index <= index; i++)
		if (e->vcpus[i]->index == index)
			return e->vcpus[i];
	return NULL;
}

/* A vCPU whose thread has not come yet can't run either: it parks when it comes. */
static bool all_parked_but(const struct engine *e, const struct vmgdb_vcpu *but)
{
	unsigned int i;

	for (i = 0; i < e->nvcpus; i++)
		if (e->vcpus[i] != but && e->vcpus[i]->started && !e->vcpus[i]->parked)
			return false;
	return true;
}

bool engine_is_quiet(const struct engine *e)
{
	return all_parked_but(e, NULL);
}

static void kick_all_but(const struct engine *e, const struct vmgdb_vcpu *but)
{
	unsigned int i;

	for (i = 0; i < e->nvcpus; i++)
		if (e->vcpus[i] != but && e->vcpus[i]->started && !e->vcpus[i]->parked)
			e->vcpus[i]->ops->kick(e->vcpus[i]->ctx);
}

static void wake_all(const struct engine *e)
{
	unsigned int i;

	for (i = 0; i < e->nvcpus; i++)
		pthread_cond_signal(&e->vcpus[i]->wake);
}

static void tell_if_quiet(struct engine *e)
{
	if (!engine_is_quiet(e))
		return;
	pthread_cond_broadcast(&e->quiet);
	if (e->stop_wanted && e->notify)
		e->notify(e->notify_opaque);
}

static void want_stop(struct engine *e, const struct vmgdb_vcpu *but)
{
	if (!e->stop_wanted)
		kick_all_but(e, but);
	e->stop_wanted = true;
}

void engine_want_stop(struct engine *e)
{
	want_stop(e, NULL);
	tell_if_quiet(e);
}

static struct timespec in_ms(long ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += ms % 1000 * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	return t;
}

int engine_wait_quiet(struct engine *e)
{
	int tries = QUIET_LIMIT_MS / KICK_AGAIN_MS;
	struct timespec t;

	while (!engine_is_quiet(e)) {
		if (e->exited || e->down)
			return -ESHUTDOWN;
		if (!tries--)
			return -ETIMEDOUT;
		kick_all_but(e, NULL);
		t = in_ms(KICK_AGAIN_MS);
		pthread_cond_timedwait(&e->quiet, &e->lock, &t);
	}
	return 0;
}

void engine_set_mode(struct engine *e, enum engine_mode mode)
{
	unsigned int i;

	e->mode = mode;
	e->stop_wanted = false;
	if (mode != ENGINE_STOPPED)
		e->over = NULL;
	for (i = 0; i < e->nvcpus; i++)
		atomic_store(&e->vcpus[i]->attn, true);
	if (mode == ENGINE_STOPPED)
		kick_all_but(e, NULL);
	else
		wake_all(e);
}

/* ---- events ------------------------------------------------------------------------------ */

/* The vCPU has something to tell the debugger. */
static void keep_event(struct vmgdb_vcpu *v, const struct stop *event)
{
	v->event = *event;
	v->event.vcpu = v->index;
	v->event_seq = ++v->engine->seq;
}

/* ... so it parks, and so does everybody else. */
static void announce(struct vmgdb_vcpu *v)
{
	want_stop(v->engine, v);
	if (v->parked) /* the architecture made the step itself: nobody else will look */
		tell_if_quiet(v->engine);
}

static void set_event(struct vmgdb_vcpu *v, const struct stop *event)
{
	keep_event(v, event);
	announce(v);
}

static bool is_idle(const struct vmgdb_vcpu *v)
{
	return v->ops->idle && v->ops->idle(v->ctx);
}

static struct site *site_here(struct vmgdb_vcpu *v, uint64_t pc)
{
	uint64_t gpa;

	if (!v->engine->points.sites.count || vcpu_translate(v, pc, &gpa))
		return NULL;
	return points_site(&v->engine->points, gpa);
}

static const struct armed *slot_here(const struct vmgdb_vcpu *v, uint64_t pc)
{
	const struct hwpoints *h = &v->engine->hw;
	unsigned int i;

	for (i = 0; i < h->narmed; i++)
		if (h->armed[i].slot.kind == HW_EXEC && h->armed[i].slot.addr == pc)
			return &h->armed[i];
	return NULL;
}

void engine_meet(struct vmgdb_vcpu *v)
{
	v->met = !vcpu_code(v, &v->met_at);
}

/* Something comes before the instruction at its PC: it has to be woken, or takes an exception. */
static bool is_elsewhere(const struct vmgdb_vcpu *v, uint64_t pc)
{
	return (v->given && v->given_at == pc) || is_idle(v);
}

/*
 * A vCPU that was stopped on its way to a breakpoint has yet to come to it, unless the debugger
 * steps it from there by name. So has one that is halted, though its PC may say otherwise: it comes
 * there when it has been woken.
 */
void engine_look_at_pc(struct vmgdb_vcpu *v)
{
	const struct engine *e = v->engine;
	bool named = v->action.kind == RESUME_STEP || v->action.kind == RESUME_RANGE;
	uint64_t pc;

	v->over = v->hop = v->afresh = false;
	if ((!e->points.sites.count && !e->hw.narmed) || vcpu_code(v, &pc))
		return;
	v->met = v->met && v->met_at == pc;
	v->watched = v->watched && v->met && v->watched_at == pc;
	v->afresh = !v->met && !named;
	if (v->afresh || is_elsewhere(v, pc))
		return;
	v->over = site_here(v, pc);
	v->hop = slot_here(v, pc) || (v->view.cpu->watch_before && v->watched);
}

/* ---- what a vCPU comes to ---------------------------------------------------------------- */

static const enum stop_kind stop_of[] = {
	[POINT_SW] = STOP_SWBREAK, [POINT_HW] = STOP_HWBREAK,	[POINT_WRITE] = STOP_WATCH,
	[POINT_READ] = STOP_WATCH, [POINT_ACCESS] = STOP_WATCH,
};

/* The rules of the breakpoint that an armed slot stands for. */
static const struct rules *slot_rules(const struct engine *e, const struct armed *a)
{
	const struct point *pt = a->type == POINT_SW ? points_find(&e->points, a->addr) : NULL;
	const struct hwpoint *hw = pt ? NULL : hwpoints_find(&e->hw, a->type, a->addr, a->slot.len);

	return pt ? pt->rules : hw ? hw->rules : NULL;
}

/*
 * Is a planted breakpoint that was come to at addr to be told? Not if it was come to by another name
 * of its memory: the debugger has nothing at that address, and would not know what to make of it.
 */
static bool is_told(struct vmgdb_vcpu *v, uint64_t addr)
{
	const struct point *pt = points_find(&v->engine->points, addr);

	return pt && vcpu_hit(v, pt->rules);
}

/* A breakpoint of ours at addr: if it is not to be told, the vCPU steps over it and goes on. */
static void meet_break(struct vmgdb_vcpu *v, uint64_t addr)
{
	const struct stop event = { .kind = STOP_SWBREAK };

	v->over = !is_told(v, addr);
	if (v->over)
		engine_meet(v);
	else
		set_event(v, &event);
}

/* A slot that fires. False: it is not to be told. */
static bool meet_slot(struct vmgdb_vcpu *v, const struct armed *a)
{
	const struct stop event = {
		.kind = stop_of[a->type],
		.watch = a->slot.kind,
		.addr = a->addr,
	};

	v->hop = a->slot.kind == HW_EXEC && !vcpu_hit(v, slot_rules(v->engine, a));
	v->watched = event.kind == STOP_WATCH && !vcpu_code(v, &v->watched_at);
	if (v->hop)
		engine_meet(v);
	else
		set_event(v, &event);
	return !v->hop;
}

/*
 * The vCPU is to be stepped from somewhere that nobody looked at, and the stepping rules may take it
 * past what is there. True when it is to go through the gate again.
 */
static bool meet_here(struct vmgdb_vcpu *v)
{
	const struct armed *slot;
	uint64_t pc;

	v->afresh = false;
	if ((!v->engine->points.sites.count && !v->engine->hw.narmed) || vcpu_code(v, &pc) ||
	    is_elsewhere(v, pc))
		return false;
	slot = slot_here(v, pc);
	if (slot && meet_slot(v, slot))
		return true;
	if (site_here(v, pc))
		meet_break(v, pc);
	return v->event.kind || v->over;
}

/* ---- one step ---------------------------------------------------------------------------- */

/* While there is a software watchpoint, whoever runs is stepped. */
static bool must_step(const struct vmgdb_vcpu *v)
{
	return v->engine->soft.n || v->over || v->hop || v->action.kind == RESUME_STEP ||
	       v->action.kind == RESUME_RANGE;
}

static void end_over(struct vmgdb_vcpu *v)
{
	struct engine *e = v->engine;

	if (v->lifted) {
		points_plant(&e->points, v->lifted);
		v->lifted = NULL;
	}
	if (e->over == v) {
		e->over = NULL;
		wake_all(e);
	}
}

/* It is somewhere that nobody looked at: what is there was not met yet. */
static void look_afresh(struct vmgdb_vcpu *v)
{
	v->over = v->hop = v->met = v->watched = v->given = false;
	v->afresh = true;
}

/* The step is not over: the rest of it may be from somewhere else, or from where it was halted. */
static void look_at_rest(struct vmgdb_vcpu *v)
{
	uint64_t pc;

	if (!vcpu_code(v, &pc) && (pc != v->stepped_from || v->plan.idle))
		look_afresh(v);
}

/* A run to one of these may be stopped right there, before the slot fires: it is over all the same. */
static bool at_until(struct vmgdb_vcpu *v)
{
	unsigned int i;
	uint64_t pc;

	if (!v->plan.nuntil || vcpu_code(v, &pc))
		return false;
	for (i = 0; i < v->plan.nuntil; i++)
		if (v->plan.until[i] == pc)
			return true;
	return false;
}

/*
 * The step that was begun has ended, by its own trap or by something else. True when the
 * architecture is content; false when it wants another step first.
 */
static bool end_step(struct vmgdb_vcpu *v, bool trapped)
{
	int more = 0;

	if (!v->stepping)
		return false;
	v->stepping = false;
	trapped = trapped || at_until(v);
	if (trapped ||
	    v->engine->over == v) /* one that did not get out of its halt wrote nothing */
		v->engine->writer = v;
	if (v->view.cpu->step_end)
		more = v->view.cpu->step_end(&v->view, &v->plan, trapped);
	end_over(v);
	trapped = trapped && !more;
	if (!trapped)
		look_at_rest(v);
	return trapped;
}

static bool in_range(const struct vmgdb_vcpu *v, uint64_t pc)
{
	return v->action.kind == RESUME_RANGE && pc >= v->action.start && pc < v->action.end;
}

/* In a range: is there something at addr that the debugger is to be told of? */
static bool told_here(struct vmgdb_vcpu *v, uint64_t addr)
{
	engine_look_at_pc(v);
	if (v->hop || (v->over && is_told(v, addr)))
		return true;
	if (v->over)
		engine_meet(v);
	return false;
}

bool engine_keep_change(struct engine *e)
{
	struct vmgdb_vcpu *v = e->writer;
	struct stop event = { .kind = STOP_WATCH, .watch = HW_WRITE };
	const struct softwatch *w = NULL;

	if (e->soft.n && v && !v->event.kind)
		w = softwatch_changed(&e->soft, &e->points);
	if (!w)
		return false;
	event.addr = w->addr;
	keep_event(v, &event);
	return true;
}

/* A step of this vCPU has ended, however it did. */
static bool soft_event(struct vmgdb_vcpu *v)
{
	if (v->engine->writer != v || !engine_keep_change(v->engine))
		return false;
	announce(v);
	return true;
}

/* A whole step was made. Is it what the debugger waits for? */
static void step_done(struct vmgdb_vcpu *v)
{
	const struct stop event = { .kind = STOP_STEP };
	uint64_t pc, addr;

	v->nsteps++;
	v->over = v->hop = v->met = v->watched = false;
	v->afresh = v->action.kind == RESUME_CONTINUE;
	if (soft_event(v))
		return;
	if (v->action.kind == RESUME_CONTINUE || vcpu_pc(v, &pc) || vcpu_code(v, &addr))
		return;
	if (!in_range(v, pc) || told_here(v, addr))
		set_event(v, &event);
}

/*
 * What is halted needs its interrupt, and so does what runs, if step by step. But steps are slow:
 * when a handler has ended, the timer's next interrupt may be there already, and the guest would
 * never get on. So they are let in for some steps of many.
 */
static bool lets_irqs_in(const struct vmgdb_vcpu *v)
{
	enum { SOME = 64, MANY = 1024 };

	if (is_idle(v))
		return true;
	return v->action.kind == RESUME_CONTINUE && !v->over && !v->hop && v->nsteps % MANY < SOME;
}

/* Execution slots that no breakpoint has. */
static unsigned int free_slots(const struct hwpoints *h)
{
	unsigned int have = h->caps.exec_slots + h->caps.shared_slots;

	return have > h->narmed ? have - h->narmed : 0;
}

static void plan_step(struct vmgdb_vcpu *v, bool irqs)
{
	const struct engine *e = v->engine;

	v->plan = (struct step_plan){
		.block_irq = e->hw.caps.block_irq || irqs,
		.idle = is_idle(v),
		.whole_rep = e->options[OPTION_WHOLE_REP],
		.room = free_slots(&e->hw),
	};
	if (!vcpu_pc(v, &v->plan.pc) && v->view.cpu->step_begin)
		v->view.cpu->step_begin(&v->view, &v->plan);
}

/* A step that is a run goes through no handler: nobody would look at what that does. */
static void plan_any_step(struct vmgdb_vcpu *v)
{
	bool irqs = lets_irqs_in(v);

	plan_step(v, irqs);
	if (!irqs || v->plan.idle || !v->plan.nuntil || v->plan.until_too)
		return;
	v->view.cpu->step_end(&v->view, &v->plan, false);
	plan_step(v, false);
}

/* Ready the vCPU for one step. False: there is nothing to run, it was made without that. */
static bool begin_step(struct vmgdb_vcpu *v)
{
	struct engine *e = v->engine;

	if (v->afresh && meet_here(v))
		return false;
	if (!vcpu_code(v, &v->stepped_from) && v->over)
		v->lifted = site_here(v, v->stepped_from);
	if (v->lifted)
		points_lift(&e->points, v->lifted);
	v->stepping = true;
	plan_any_step(v);
	if (!v->plan.emulated)
		return true;
	if (end_step(v, true))
		step_done(v);
	return false;
}

/* ---- traps ------------------------------------------------------------------------------- */

static bool until_reached(const struct vmgdb_vcpu *v, const struct trap *t)
{
	unsigned int i;

	for (i = 0; i < v->plan.nuntil; i++)
		if (t->kind & TRAP_EXEC && v->plan.until[i] == t->pc)
			return true;
	return false;
}

/* Which of the armed slots fired; those of a step's own `until` are nobody's. */
static bool slot_event(struct vmgdb_vcpu *v, const struct trap *t)
{
	uint32_t slots = t->slots;
	unsigned int i;

	for (; slots; slots &= slots - 1) {
		i = __builtin_ctz(slots);
		if (i < v->wish.nhw && v->map[i] < v->engine->hw.narmed &&
		    meet_slot(v, &v->engine->hw.armed[v->map[i]]))
			return true;
	}
	return false;
}

static void give_back(struct vmgdb_vcpu *v, const struct trap *t)
{
	int ret = vcpu_state_flush(v);

	if (!ret)
		ret = v->ops->give_back(v->ctx, t);
	vcpu_state_forget(v); /* the backend may have changed any of it */
	v->over = v->hop = v->met = false;
	v->given = !vcpu_code(v, &v->given_at);
	if (ret)
		engine_log(
			v->engine, VMGDB_LOG_ERROR,
			"vCPU %u: the guest's own debug exception at %#llx can't be given back: %s",
			v->index, (unsigned long long)t->pc, strerror(-ret));
}

static void brk_event(struct vmgdb_vcpu *v, const struct trap *t)
{
	if (site_here(v, t->pc))
		meet_break(v, t->pc);
	else
		give_back(v, t);
}

/* The guest's own, by debug registers or steps of its own. It is what a step of ours ends with. */
static void own_event(struct vmgdb_vcpu *v, const struct trap *t, bool stepping)
{
	give_back(v, t);
	if (stepping)
		step_done(v);
}

static void fatal_event(struct vmgdb_vcpu *v, const struct trap *t)
{
	const struct stop event = {
		.kind = t->kind & TRAP_FATAL ? STOP_FATAL : STOP_EVENT,
		.text = t->text,
	};

	set_event(v, &event);
}

/* An exit that was the debugger's, while one is attached. */
static void sort_trap(struct vmgdb_vcpu *v, const struct trap *t)
{
	bool step_trap = t->kind & TRAP_STEP || until_reached(v, t);
	bool ours = v->stepping;
	bool beneath = v->lifted && t->kind & TRAP_BRK && t->pc == v->stepped_from;
	bool whole;

	v->given = false;
	whole = end_step(v, ours && step_trap);

	if (t->kind & (TRAP_EXEC | TRAP_WATCH) && slot_event(v, t))
		return;
	if (beneath) /* ours is on one of the guest's own */
		give_back(v, t);
	else if (t->kind & TRAP_BRK)
		brk_event(v, t);
	else if (whole)
		step_done(v);
	else if (t->kind & TRAP_STEP ? !ours : !t->slots)
		own_event(v, t, ours);
}

/* A step that did not become whole may have written, too. */
static void handle_trap(struct vmgdb_vcpu *v, const struct trap *t)
{
	sort_trap(v, t);
	soft_event(v);
}

/* ---- the gate before the guest ----------------------------------------------------------- */

enum gate { GATE_GO, GATE_WAIT, GATE_DOWN };

/* A halted vCPU changes no memory until its interrupt comes: nobody is held for it. */
static bool must_be_alone(const struct vmgdb_vcpu *v)
{
	return v->over || (v->engine->soft.n && !is_idle(v));
}

/*
 * Breakpoints are stepped over one vCPU at a time, with all others parked; so are all steps while
 * memory is watched by comparing, so that it is known who wrote.
 */
static enum gate over_gate(struct vmgdb_vcpu *v)
{
	struct engine *e = v->engine;

	if (e->over && e->over != v)
		return GATE_WAIT;
	if (!must_be_alone(v))
		return GATE_GO;
	if (!e->over) {
		e->over = v;
		kick_all_but(e, v);
	}
	return all_parked_but(e, v) ? GATE_GO : GATE_WAIT;
}

/* What keeps a vCPU from going on, but for breakpoints to be stepped over. */
static enum gate stop_gate(const struct vmgdb_vcpu *v)
{
	const struct engine *e = v->engine;

	if (e->down)
		return GATE_DOWN;
	if (e->mode == ENGINE_IDLE)
		return e->held ? GATE_WAIT : GATE_GO;
	if (e->mode == ENGINE_STOPPED || e->stop_wanted)
		return GATE_WAIT;
	return v->event.kind || v->action.kind == RESUME_HOLD ? GATE_WAIT : GATE_GO;
}

static enum gate gate(struct vmgdb_vcpu *v)
{
	enum gate g = stop_gate(v);

	return g == GATE_GO && v->engine->mode == ENGINE_RUNNING ? over_gate(v) : g;
}

/* Wait until something has changed. The step that was under way is off. */
static void park(struct vmgdb_vcpu *v)
{
	struct engine *e = v->engine;

	if (!v->parked) {
		if (end_step(v, false))
			step_done(v);
		else
			soft_event(v);
		v->parked = true;
		if (e->over == v && e->stop_wanted)
			end_over(v);
		if (e->over && e->over != v)
			pthread_cond_signal(&e->over->wake);
		tell_if_quiet(e);
	}
	pthread_cond_wait(&v->wake, &e->lock);
}

static void wish_slot(struct vmgdb_vcpu *v, struct debug_wish *w, unsigned int i)
{
	const struct hw_slot *s = &v->engine->hw.armed[i].slot;

	if (v->stepping && v->hop && s->kind == HW_EXEC && s->addr == v->stepped_from)
		return;
	if (v->stepping && v->hop && s->kind != HW_EXEC && v->view.cpu->watch_before && v->watched)
		return;
	v->map[w->nhw] = i;
	w->hw[w->nhw++] = *s;
}

/* Slots that end a step which is a run: they are nobody's breakpoints. */
static void wish_until(struct vmgdb_vcpu *v, struct debug_wish *w)
{
	unsigned int i;

	for (i = 0; i < v->plan.nuntil && w->nhw < HW_SLOTS_MAX; i++) {
		v->map[w->nhw] = HW_SLOTS_MAX;
		w->hw[w->nhw++] =
			(struct hw_slot){ HW_EXEC, v->plan.until[i], v->view.cpu->brk_size };
	}
}

/*
 * How many execution slots `until` needs of those that the debugger's breakpoints have: these are
 * away for that run, first of all those that it can't come to.
 */
static unsigned int slots_short(const struct vmgdb_vcpu *v)
{
	const struct hwpoints *h = &v->engine->hw;
	unsigned int i, data = 0, want, have;

	for (i = 0; i < h->narmed; i++)
		data += h->armed[i].slot.kind != HW_EXEC;
	want = h->narmed - data + v->plan.nuntil;
	have = h->caps.exec_slots + h->caps.shared_slots;
	if (data > h->caps.watch_slots)
		have -= data - h->caps.watch_slots;
	return v->stepping && want > have ? want - have : 0;
}

/* Is it out of the way of the run that the step is? */
static bool off_the_way(const struct vmgdb_vcpu *v, const struct hw_slot *s)
{
	unsigned int i;

	if (s->kind != HW_EXEC)
		return false;
	for (i = 0; i < v->plan.nuntil; i++)
		if (s->addr > v->stepped_from && s->addr <= v->plan.until[i])
			return false;
	return true;
}

static void wish_slots(struct vmgdb_vcpu *v, struct debug_wish *w)
{
	const struct hwpoints *h = &v->engine->hw;
	unsigned int i, without = slots_short(v);

	for (i = 0; i < h->narmed && w->nhw < HW_SLOTS_MAX; i++) {
		if (without && off_the_way(v, &h->armed[i].slot))
			without--;
		else
			wish_slot(v, w, i);
	}
}

static void make_wish(struct vmgdb_vcpu *v)
{
	const struct engine *e = v->engine;
	struct debug_wish *w = &v->wish;

	w->nhw = 0;
	w->trap_brk = w->step = w->block_irq = false;
	if (e->mode != ENGINE_RUNNING)
		return;
	w->trap_brk = e->points.sites.count;
	if (v->stepping) {
		wish_until(v, w);
		w->step = !v->plan.nuntil || v->plan.until_too;
		w->block_irq = e->hw.caps.block_irq && !lets_irqs_in(v);
	}
	wish_slots(v, w);
}

/* What keeps the vCPU from entering is told as a stop, not lost. */
static void arm_failed(struct vmgdb_vcpu *v, const char *what, int err)
{
	const struct stop event = { .kind = STOP_FATAL, .text = what };

	engine_log(v->engine, VMGDB_LOG_ERROR, "vCPU %u: %s: %s", v->index, what, strerror(-err));
	end_step(v, false);
	set_event(v, &event);
}

/* Leave for the guest. False: not now after all, look at the gate again. */
static bool leave(struct vmgdb_vcpu *v)
{
	struct engine *e = v->engine;
	int ret;

	if (e->mode == ENGINE_RUNNING && must_step(v) && !v->stepping && !begin_step(v))
		return false;
	make_wish(v);
	ret = vcpu_state_flush(v);
	if (ret && e->mode == ENGINE_RUNNING) {
		arm_failed(v, "changed registers are refused", ret);
		return false;
	}
	ret = v->ops->arm(v->ctx, &v->wish);
	if (ret && e->mode == ENGINE_RUNNING) {
		arm_failed(v, "debug registers are refused", ret);
		return false;
	}
	v->parked = v->afresh = false;
	if (!v->stepping)
		v->met = v->watched = v->given = false;
	vcpu_state_forget(v);
	v->ops->unkick(v->ctx);
	if (e->mode == ENGINE_IDLE)
		atomic_store(&v->attn, false);
	return true;
}

/* 0 when the vCPU may enter, -ESHUTDOWN when it must not any more. */
static int come_by(struct vmgdb_vcpu *v)
{
	enum gate g;

	v->started = true;
	while ((g = gate(v)) != GATE_DOWN) {
		if (g == GATE_GO && leave(v))
			return 0;
		if (g != GATE_WAIT)
			continue;
		if (!v->parked && v->ops->unsettled(v->ctx)) {
			v->ops->kick(v->ctx);
			return 0;
		}
		park(v);
	}
	v->parked = true;
	tell_if_quiet(v->engine);
	return -ESHUTDOWN;
}

int vmgdb_vcpu_enter(struct vmgdb_vcpu *v)
{
	int ret;

	if (!atomic_load_explicit(&v->attn, memory_order_acquire))
		return 0;
	pthread_mutex_lock(&v->engine->lock);
	ret = come_by(v);
	pthread_mutex_unlock(&v->engine->lock);
	return ret;
}

/*
 * An exit that ends the VM, or can't be gone on from: the debugger sees it while the vCPU waits
 * here, and then the VMM gets to see it too.
 */
static bool hold_fatal(struct vmgdb_vcpu *v, const struct trap *t)
{
	const struct engine *e = v->engine;

	if (e->mode == ENGINE_IDLE || (t->kind == TRAP_EVENT && !e->options[OPTION_STOP_ON_RESET]))
		return false;
	end_step(v, false);
	fatal_event(v, t);
	while (stop_gate(v) == GATE_WAIT)
		park(v);
	v->parked = e->down;
	if (vcpu_state_flush(v))
		engine_log(e, VMGDB_LOG_ERROR, "vCPU %u: changed registers are refused", v->index);
	vcpu_state_forget(v); /* the VMM may reset it now */
	look_afresh(v);
	return false;
}

static bool look_at_exit(struct vmgdb_vcpu *v)
{
	struct trap t = { 0 };

	vcpu_state_forget(v);
	v->ops->classify(v->ctx, &t);
	if (!t.kind)
		return false;
	if (t.kind & (TRAP_FATAL | TRAP_EVENT))
		return hold_fatal(v, &t);
	if (v->engine->mode == ENGINE_RUNNING)
		handle_trap(v, &t);
	return true;
}

bool vmgdb_vcpu_exit(struct vmgdb_vcpu *v)
{
	bool ours;

	if (!atomic_load_explicit(&v->attn, memory_order_acquire))
		return false;
	pthread_mutex_lock(&v->engine->lock);
	ours = look_at_exit(v);
	pthread_mutex_unlock(&v->engine->lock);
	return ours;
}

void vmgdb_vcpu_event(struct vmgdb_vcpu *v, const char *reason)
{
	const struct trap t = { .kind = TRAP_EVENT, .text = reason };

	if (!atomic_load_explicit(&v->attn, memory_order_acquire))
		return;
	pthread_mutex_lock(&v->engine->lock);
	vcpu_state_forget(v);
	hold_fatal(v, &t);
	pthread_mutex_unlock(&v->engine->lock);
}
