// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fibers.h"
#include "tests/unit/softmodel.h"

/* ---- look-ups ---------------------------------------------------------------------------- */

static struct vmgdb_vcpu *vcpu_of(const struct model *m, unsigned int cpu)
{
	return m->vm->cpus[cpu].vcpu;
}

static bool is_stepping(const struct model *m, unsigned int cpu)
{
	return run_is_step(vcpu_run_state(vcpu_of(m, cpu)));
}

/* In a step that is a run to addresses. */
static bool is_running_to(const struct model *m, unsigned int cpu)
{
	return is_stepping(m, cpu) && vcpu_of(m, cpu)->plan.nuntil;
}

static bool is_run_end(const struct model *m, unsigned int cpu, uint64_t pc)
{
	const struct step_plan *plan = &vcpu_of(m, cpu)->plan;
	unsigned int i;

	for (i = 0; is_stepping(m, cpu) && i < plan->nuntil; i++)
		if (plan->until[i] == pc)
			return true;
	return false;
}

static unsigned int brk_size(const struct model *m)
{
	return m->vm->ops->cpu->brk_size;
}

static bool is_sw(const struct model_bp *p)
{
	return p->type == BP_SOFTWARE;
}

int model_find(const struct model *m, enum bp_type type, uint64_t addr)
{
	unsigned int i;

	for (i = 0; i < m->nbps; i++)
		if (m->bps[i].type == type && m->bps[i].addr == addr)
			return (int)i;
	return -1;
}

static const struct model_bp *sw_at(const struct model *m, uint64_t pc)
{
	int i = model_find(m, BP_SOFTWARE, pc);

	return i < 0 ? NULL : &m->bps[i];
}

static bool hw_at(const struct model *m, uint64_t pc)
{
	return model_find(m, BP_HARDWARE, pc) >= 0;
}

static bool translate(const struct model *m, unsigned int cpu, uint64_t va, uint64_t *gpa)
{
	return cpu < m->vm->ncpus && !soft_translate(&m->mem, m->cpus[cpu].regs.ptb, va, gpa);
}

/* Has it a slot, as of the last resume? */
static bool in_slot(const struct model *m, const struct model_bp *p)
{
	unsigned int i, n;
	const struct bp_slot *s = breakpoints_slots(m->vm->engine.bps, &n);

	for (i = 0; i < n; i++)
		if (s[i].type == BP_SOFTWARE && s[i].addr == p->addr)
			return true;
	return false;
}

/* Is it at that memory? */
static bool is_located(const struct model_bp *p, uint64_t gpa)
{
	return is_sw(p) && p->located && !p->elsewhere && p->gpa == gpa;
}

/* A breakpoint that has no slot is at that memory. */
static bool is_location(const struct model *m, uint64_t gpa)
{
	unsigned int i;

	for (i = 0; i < m->nbps; i++)
		if (is_located(&m->bps[i], gpa) && !in_slot(m, &m->bps[i]))
			return true;
	return false;
}

/* The software breakpoint at pc is where the vCPU sees pc. */
static bool is_at_home(const struct model *m, unsigned int cpu, const struct model_bp *p)
{
	uint64_t gpa;

	return !p->overwritten && translate(m, cpu, p->addr, &gpa) && is_located(p, gpa);
}

/* A breakpoint at pc that is not reported: by its condition, or for want of that name. */
static bool silent_at(const struct model *m, unsigned int cpu, uint64_t pc)
{
	const struct model_bp *p = sw_at(m, pc);
	uint64_t gpa;

	if (p)
		return p->silent;
	return translate(m, cpu, pc, &gpa) && is_location(m, gpa);
}

static bool watches(const struct model_bp *p, const struct soft_access *a)
{
	bool kind = p->type == BP_ACCESS || (p->type == BP_WRITE && a->write) ||
		    (p->type == BP_READ && !a->write);

	return kind && !p->soft && a->len && a->gpa != ~0ULL && a->va < p->addr + p->len &&
	       p->addr < a->va + a->len;
}

static bool is_watched(const struct model *m, const struct soft_access *a)
{
	unsigned int i;

	for (i = 0; i < m->nbps; i++)
		if (watches(&m->bps[i], a))
			return true;
	return false;
}

/* ---- memory that is watched by comparing -------------------------------------------------- */

static bool changed(const struct model *m, const struct model_bp *p)
{
	return p->soft && memcmp(m->mem.base + p->gpa, p->old, p->len) != 0;
}

static void up_to_date(const struct model *m, struct model_bp *p)
{
	memcpy(p->old, m->mem.base + p->gpa, p->len);
}

static bool stepped_for_soft(const struct model *m)
{
	unsigned int i;

	for (i = 0; i < m->nbps; i++)
		if (m->bps[i].soft)
			return true;
	return false;
}

/* Nobody runs on from a change, but to the end of what is one step; nor next to others. */
static void check_soft(const struct model *m, unsigned int cpu)
{
	unsigned int i;

	if (m->cpus[cpu].halted || !stepped_for_soft(m))
		return;
	for (i = 0; i < m->vm->ncpus; i++)
		if (i != cpu && vcpu_run_state(vcpu_of(m, i)) != RUN_PARKED)
			fibers_fail("vCPU %u is not alone while memory is watched", cpu);
	for (i = 0; i < m->nbps; i++)
		if (changed(m, &m->bps[i]) && !is_running_to(m, cpu))
			fibers_fail("vCPU %u runs on from a change at %#llx", cpu,
				    (unsigned long long)m->bps[i].addr);
}

static void note_changes(struct model *m, unsigned int cpu)
{
	unsigned int i;

	for (i = 0; i < m->nbps; i++) {
		struct model_bp *p = &m->bps[i];

		if (!changed(m, p))
			continue;
		p->maybe |= p->pending; /* reported once, or twice */
		p->writer = cpu;
	}
}

/* A stop for a change: true when this point has one. */
static bool take_change(struct model *m, struct model_bp *p)
{
	if (changed(m, p)) {
		up_to_date(m, p);
		p->maybe |= p->pending;
		return true;
	}
	if (!p->pending && !p->maybe)
		return false;
	if (p->pending)
		p->pending = false;
	else
		p->maybe = false;
	return true;
}

/* What is not reported with this stop must be with the next ones. */
static void keep_changes(struct model *m)
{
	unsigned int i;

	for (i = 0; i < m->nbps; i++)
		if (changed(m, &m->bps[i])) {
			m->bps[i].pending = true;
			up_to_date(m, &m->bps[i]);
		}
}

static bool change_due(const struct model *m)
{
	unsigned int i;

	for (i = 0; i < m->nbps; i++) {
		const struct model_bp *p = &m->bps[i];

		if (p->pending && !p->maybe && m->cpus[p->writer].action.kind != RESUME_HOLD)
			return true;
	}
	return false;
}

/* ---- instructions, once more ------------------------------------------------------------- */

static enum soft_result again(struct model *m, struct model_cpu *c, const struct soft_retired *d)
{
	struct soft_regs *r = &c->regs;
	struct soft_insn insn;
	uint64_t gpa;

	if (d->what == SOFT_R_IRQ) {
		if (!(r->flags & SOFT_IE))
			fibers_fail("interrupt taken with interrupts off");
		return soft_deliver(r, &m->mem, SOFT_EXC_IRQ, r->pc);
	}
	if (d->what == SOFT_R_EXC && d->cause == SOFT_EXC_BRK && c->reinjected) {
		c->reinjected = false;
		return soft_deliver(r, &m->mem, SOFT_EXC_BRK, r->pc + SOFT_INSN);
	}
	if (d->insn.op == SOFT_OUT || d->insn.op == SOFT_IN || d->insn.op == SOFT_MMIO2) {
		soft_complete(r, &d->insn, d->env.in); /* begun earlier: its code may be gone */
		return SOFT_DONE;
	}
	if (soft_fetch(&m->mem, r, &insn, &gpa)) {
		if (d->what != SOFT_R_EXC || d->cause != SOFT_EXC_FAULT)
			fibers_fail("executed where nothing is mapped");
		return soft_deliver(r, &m->mem, SOFT_EXC_FAULT, r->pc);
	}
	if (!d->insn.op && insn.op == SOFT_BRK)
		return soft_deliver(r, &m->mem, SOFT_EXC_BRK, r->pc + SOFT_INSN);
	if (memcmp(&insn, &d->insn, sizeof(insn)) != 0)
		fibers_fail(
			"pc %#llx: executed %02x %02x %02x %02x, the guest has %02x %02x %02x %02x",
			(unsigned long long)r->pc, d->insn.op, d->insn.a, d->insn.b, d->insn.c,
			insn.op, insn.a, insn.b, insn.c);
	return soft_exec(r, &m->mem, &insn, &d->env);
}

/* Flags are not the guest's own while a step is under way. */
static void compare(const struct model *m, unsigned int cpu, bool flags)
{
	const struct soft_regs *is = &m->vm->cpus[cpu].cpu.regs, *want = &m->cpus[cpu].regs;
	bool same = is->pc == want->pc && !memcmp(is->r, want->r, sizeof(is->r)) &&
		    is->ptb == want->ptb && is->epc == want->epc && is->cause == want->cause;

	if (same && flags)
		same = is->flags == want->flags && is->eflags == want->eflags;
	if (!same)
		fibers_fail(
			"vCPU %u: pc %#llx flags %#llx epc %#llx r0 %llx, want pc %#llx flags %#llx epc %#llx r0 %llx",
			cpu, (unsigned long long)is->pc, (unsigned long long)is->flags,
			(unsigned long long)is->epc, (unsigned long long)is->r[0],
			(unsigned long long)want->pc, (unsigned long long)want->flags,
			(unsigned long long)want->epc, (unsigned long long)want->r[0]);
}

/* ---- may it? ----------------------------------------------------------------------------- */

/* Which watchpoints does the access hit? */
static void note_watches(const struct model *m, struct model_cpu *c, const struct soft_access *a)
{
	unsigned int i;

	c->nwatches = 0;
	for (i = 0; i < m->nbps; i++)
		if (watches(&m->bps[i], a)) {
			c->watches[c->nwatches].type = m->bps[i].type;
			c->watches[c->nwatches++].addr = m->bps[i].addr;
		}
}

static bool exempt(const struct model_cpu *c, uint64_t pc)
{
	return (c->reported && c->reported_pc == pc) || (c->named && !c->steps);
}

static void check_allowed(struct model *m, unsigned int cpu)
{
	if (m->phase == MODEL_STOPPED)
		fibers_fail("vCPU %u runs while all are stopped", cpu);
	if (m->phase != MODEL_RUNNING)
		return;
	if (m->cpus[cpu].action.kind == RESUME_HOLD)
		fibers_fail("vCPU %u runs, but it is held", cpu);
	if (m->must_stop)
		fibers_fail("vCPU %u runs before a stop is reported that was there", cpu);
	if (m->cpus[cpu].due && !m->cpus[cpu].due_perhaps)
		fibers_fail("vCPU %u runs on from a stop that is not reported", cpu);
	if (m->cpus[cpu].watch_due)
		fibers_fail("vCPU %u runs on from a watchpoint", cpu);
	m->cpus[cpu].due = false;
	check_soft(m, cpu);
}

/* Must a vCPU that reaches pc stop there, condition or not? */
static bool must_hit(const struct model *m, unsigned int cpu, uint64_t pc)
{
	const struct model_bp *p = sw_at(m, pc);

	if (hw_at(m, pc))
		return true;
	return p && (in_slot(m, p) || is_at_home(m, cpu, p) || (!p->located && p->has_room));
}

/* An instruction at pc has run: was there something that it should have stopped at? */
static void check_not_passed(struct model *m, unsigned int cpu, const struct soft_retired *d)
{
	if (exempt(&m->cpus[cpu], d->pc) || (silent_at(m, cpu, d->pc) && !hw_at(m, d->pc)))
		return;
	if (must_hit(m, cpu, d->pc))
		fibers_fail("vCPU %u passed the breakpoint at %#llx", cpu,
			    (unsigned long long)d->pc);
}

static void check_watch(struct model *m, unsigned int cpu, const struct soft_retired *d)
{
	struct model_cpu *c = &m->cpus[cpu];
	bool before = m->vm->ops->cpu->watch_before;
	/* reported at its load, an exclusive sequence is gone through whole */
	bool whole = c->off_watch && is_running_to(m, cpu);

	if (d->what != SOFT_R_INSN || !is_watched(m, &d->access))
		return;
	if (!before) {
		c->watch_due = true;
		note_watches(m, c, &d->access);
	} else if (!whole && !(c->reported && c->reported_watch && c->reported_pc == d->pc)) {
		fibers_fail("vCPU %u passed a watchpoint at %#llx", cpu, (unsigned long long)d->pc);
	}
}

/* A location that is not in guest memory while vCPUs run: true, and where. */
static bool missing_location(const struct model *m, uint64_t *gpa)
{
	unsigned int i;

	for (i = 0; i < m->nbps; i++) {
		const struct model_bp *p = &m->bps[i];

		*gpa = p->gpa;
		if (is_located(p, p->gpa) && !p->overwritten && !in_slot(m, p) &&
		    !softvm_has_brk(m->vm, p->gpa))
			return true;
	}
	return false;
}

/* While one is lifted, only the vCPU that it was lifted for runs. */
static void check_lifted(const struct model *m, unsigned int cpu)
{
	uint64_t gpa;

	if (!m->step_only && !vcpu_of(m, cpu)->lifted && missing_location(m, &gpa))
		fibers_fail("vCPU %u runs while the breakpoint at %#llx is out", cpu,
			    (unsigned long long)gpa);
}

static bool overlaps(const struct model *m, const struct model_bp *p, uint64_t gpa, size_t len)
{
	return is_sw(p) && p->located && gpa < p->gpa + brk_size(m) && p->gpa < gpa + len;
}

/* The guest writes over breakpoints; not over the one that is lifted for it. */
static void note_store(struct model *m, unsigned int cpu, const struct soft_retired *d)
{
	const struct model_cpu *c = &m->cpus[cpu];
	const struct soft_access *a = &d->access;
	unsigned int i;

	if (d->what != SOFT_R_INSN || !a->len || !a->write || a->gpa == ~0ULL)
		return;
	if (d->insn.op == SOFT_STX && !d->env.stx_ok)
		return;
	for (i = 0; i < m->nbps; i++) {
		struct model_bp *p = &m->bps[i];

		if (overlaps(m, p, a->gpa, a->len) && p->inserted &&
		    !(c->lifts && c->lifted_gpa == p->gpa))
			p->overwritten = true;
	}
}

/* Before an instruction: which breakpoints are in guest memory? */
static void note_inserted(struct model *m, unsigned int cpu)
{
	enum run_state run = vcpu_run_state(vcpu_of(m, cpu));
	struct model_cpu *c = &m->cpus[cpu];
	unsigned int i;

	c->lifts = vcpu_of(m, cpu)->lifted && missing_location(m, &c->lifted_gpa);
	for (i = 0; i < m->nbps; i++)
		m->bps[i].inserted = is_sw(&m->bps[i]) && m->bps[i].located &&
				     softvm_has_brk(m->vm, m->bps[i].gpa);
	if (run != RUN_STEP_OFF && run != RUN_STEP_OVER)
		c->off_watch = false;
	else if (c->reported && c->reported_watch && c->reported_pc == c->regs.pc)
		c->off_watch = true;
}

/* ---- steps ------------------------------------------------------------------------------- */

/* What stands at its PC was passed without the debugger. */
static void passed(struct model_cpu *c)
{
	c->reported = true;
	c->reported_watch = c->reported_perhaps = false;
	c->reported_pc = c->regs.pc;
}

/* Is the step that this was part of complete? */
static bool is_complete(const struct model *m, unsigned int cpu, const struct soft_retired *d)
{
	uint64_t pc = m->cpus[cpu].regs.pc;
	bool halted = is_stepping(m, cpu) && vcpu_of(m, cpu)->plan.halted;

	if (d->what != SOFT_R_INSN || d->emulated || halted)
		return true;
	if (d->insn.op == SOFT_REP)
		return pc != d->pc;
	if (d->insn.op == SOFT_SHADOW)
		return false;
	return !is_running_to(m, cpu) || is_run_end(m, cpu, pc);
}

/* While memory is watched, a vCPU that continues does so by steps, but not without interrupts. */
static bool lets_in(const struct model *m, unsigned int cpu)
{
	return stepped_for_soft(m) && m->cpus[cpu].action.kind == RESUME_CONTINUE &&
	       vcpu_run_state(vcpu_of(m, cpu)) == RUN_STEP;
}

static void count_step(struct model *m, unsigned int cpu, const struct soft_retired *d)
{
	struct model_cpu *c = &m->cpus[cpu];
	bool stays = d->what == SOFT_R_INSN && d->insn.op == SOFT_REP && c->regs.pc == d->pc;

	if (c->action.kind == RESUME_STEP && c->steps)
		fibers_fail("vCPU %u runs on after its step", cpu);
	if (d->what == SOFT_R_IRQ && !c->halted && is_stepping(m, cpu) && !lets_in(m, cpu))
		fibers_fail("vCPU %u: an interrupt in a step", cpu);
	if (!stays)
		c->reported = c->reported_watch = c->reported_perhaps = false;
	if (!is_complete(m, cpu, d)) {
		c->named = c->named && stays;
		return;
	}
	c->steps++;
	if (c->action.kind == RESUME_RANGE && silent_at(m, cpu, c->regs.pc)) {
		passed(c);
		c->reported_perhaps = true;
	}
}

static void on_retired(void *opaque, struct softcpu *cpu, const struct soft_retired *d)
{
	struct model *m = opaque;
	struct model_cpu *c = &m->cpus[cpu->index];
	bool running = m->phase == MODEL_RUNNING;

	if (m->trace)
		printf("  vCPU %u: %s pc %#llx op %u%s\n", cpu->index,
		       d->what == SOFT_R_IRQ   ? "irq"
		       : d->what == SOFT_R_EXC ? "exc"
					       : "insn",
		       (unsigned long long)d->pc, d->insn.op, d->stepped ? " step" : "");
	check_allowed(m, cpu->index);
	note_store(m, cpu->index, d);
	if (running && d->insn.op)
		check_not_passed(m, cpu->index, d);
	if (running)
		check_lifted(m, cpu->index);
	if (running)
		check_watch(m, cpu->index, d);
	switch (again(m, c, d)) {
	case SOFT_DONE:
	case SOFT_HALTED:
	case SOFT_EXCEPTION: break;
	default: fibers_fail("vCPU %u did what its program does not do", cpu->index);
	}
	if (running)
		count_step(m, cpu->index, d);
	if (running)
		note_changes(m, cpu->index);
	c->halted = d->what == SOFT_R_INSN && d->insn.op == SOFT_HLT;
	if (!d->emulated)
		compare(m, cpu->index, !is_stepping(m, cpu->index));
}

/* ---- traps ------------------------------------------------------------------------------- */

static void set_due(struct model *m, unsigned int cpu, enum stop_kind kind, uint64_t addr)
{
	struct model_cpu *c = &m->cpus[cpu];

	c->due = true;
	c->due_perhaps = m->phase != MODEL_RUNNING;
	c->due_stop = (struct stop){ .kind = kind, .vcpu = cpu, .addr = addr };
	c->due_pc = c->regs.pc;
}

/* It was reported here, and has had no occasion to be here again. */
static bool is_known(const struct model_cpu *c)
{
	return c->reported && c->reported_pc == c->regs.pc && !c->reported_perhaps && !c->halted;
}

static void check_not_again(const struct model_cpu *c, unsigned int cpu)
{
	if (is_known(c))
		fibers_fail("vCPU %u is to be reported again at %#llx", cpu,
			    (unsigned long long)c->regs.pc);
}

/* A breakpoint instruction that is in guest memory alone. */
static bool is_ours(const struct model *m, uint64_t gpa)
{
	return softvm_has_brk(m->vm, gpa) &&
	       memcmp(m->mem.base + gpa, m->vm->ops->cpu->brk, brk_size(m)) != 0;
}

static void hit_sw(struct model *m, unsigned int cpu)
{
	struct model_cpu *c = &m->cpus[cpu];
	const struct model_bp *p = sw_at(m, c->regs.pc);

	check_not_again(c, cpu);
	if (!p || p->silent)
		passed(c);
	else
		set_due(m, cpu, STOP_SWBREAK, c->regs.pc);
}

/* Another vCPU may go on during the look-up, which comes last therefore. */
static void trapped_brk(struct model *m, unsigned int cpu)
{
	struct model_cpu *c = &m->cpus[cpu];
	bool ours, guests;
	uint64_t gpa;

	if (!translate(m, cpu, c->regs.pc, &gpa))
		fibers_fail("vCPU %u: a breakpoint where nothing is mapped", cpu);
	ours = is_ours(m, gpa);
	guests = m->mem.base[gpa] == SOFT_BRK;
	if (!ours && softvm_has_brk(m->vm, gpa))
		ours = breakpoints_location(m->vm->engine.bps, gpa); /* on the guest's own */
	if (ours)
		hit_sw(m, cpu);
	else if (guests)
		c->reinjected = true;
	else
		fibers_fail("vCPU %u: a breakpoint at %#llx that nobody set", cpu,
			    (unsigned long long)c->regs.pc);
}

static void trapped_exec(struct model *m, unsigned int cpu)
{
	struct model_cpu *c = &m->cpus[cpu];

	if (hw_at(m, c->regs.pc)) {
		check_not_again(c, cpu);
		set_due(m, cpu, STOP_HWBREAK, c->regs.pc);
	} else if (sw_at(m, c->regs.pc) && in_slot(m, sw_at(m, c->regs.pc))) {
		hit_sw(m, cpu);
	} else if (!is_run_end(m, cpu, c->regs.pc)) {
		fibers_fail("vCPU %u: a slot at %#llx that nobody set", cpu,
			    (unsigned long long)c->regs.pc);
	}
}

/* The access that the instruction at the PC is going to make. */
static void access_ahead(const struct model *m, const struct soft_regs *r, struct soft_access *a)
{
	struct soft_insn i;
	uint64_t gpa;

	*a = (struct soft_access){ 0 };
	if (!soft_fetch(&m->mem, r, &i, &gpa))
		soft_access_of(&m->mem, r, &i, a);
}

static void trapped_watch(struct model *m, unsigned int cpu)
{
	struct model_cpu *c = &m->cpus[cpu];
	bool before = m->vm->ops->cpu->watch_before;
	struct soft_access a;

	access_ahead(m, &c->regs, &a);
	if (before ? !is_watched(m, &a) : !c->watch_due)
		fibers_fail("vCPU %u: a watchpoint that nobody set", cpu);
	if (before)
		note_watches(m, c, &a);
	if (before && c->reported_watch)
		check_not_again(c, cpu);
	c->watch_due = false;
	set_due(m, cpu, STOP_WATCH, 0);
}

static void on_trapped(void *opaque, struct softcpu *cpu, const struct trap *t)
{
	struct model *m = opaque;

	if (m->trace)
		printf("  vCPU %u: trap %x at %#llx\n", cpu->index, t->kind,
		       (unsigned long long)t->pc);
	if (t->kind & (TRAP_FATAL | TRAP_EVENT))
		set_due(m, cpu->index, t->kind & TRAP_FATAL ? STOP_FATAL : STOP_EVENT, 0);
	if (m->phase != MODEL_RUNNING)
		return;
	if (t->kind & TRAP_WATCH)
		trapped_watch(m, cpu->index);
	else if (t->kind & TRAP_BRK)
		trapped_brk(m, cpu->index);
	else if (t->kind & TRAP_EXEC)
		trapped_exec(m, cpu->index);
}

/* ---- breakpoints ------------------------------------------------------------------------- */

/*
 * Through the tables of now; keep: one whose address is not mapped, or is mapped by other tables, keeps the
 * place that it had. Where there was no paging there is no other process.
 */
static void locate(const struct model *m, struct model_bp *p, bool keep)
{
	uint64_t gpa, tables;
	bool mapped = translate(m, p->vcpu, p->addr, &gpa);
	unsigned int i, by = p->vcpu;

	for (i = 0; i < m->vm->ncpus && !mapped; i++) {
		mapped = translate(m, i, p->addr, &gpa);
		by = i;
	}
	tables = m->cpus[by].regs.ptb;
	if (keep && mapped && p->located && !p->elsewhere && p->tables && tables != p->tables)
		return;
	if (mapped) {
		p->gpa = gpa;
		p->tables = tables;
	}
	p->located = mapped || (p->located && keep);
	p->elsewhere = (keep || !mapped) && p->elsewhere;
}

/* One that was removed in this stop and is set again goes on. */
static void locate_new(struct model *m, struct model_bp *p)
{
	const struct model_bp *end = m->gone + m->ngone;
	struct model_bp *g;

	for (g = m->gone; g < end && g->addr != p->addr; g++)
		;
	if (g < end) {
		p->located = g->located;
		p->gpa = g->gpa;
		p->tables = g->tables;
		p->elsewhere = g->elsewhere;
		p->overwritten = g->overwritten;
		*g = m->gone[--m->ngone];
	}
	locate(m, p, true);
}

static bool was_removed_pending(const struct model *m, uint64_t addr)
{
	unsigned int i;

	for (i = 0; i < m->nremoved; i++)
		if (m->removed[i] == addr)
			return true;
	return false;
}

/* One that was removed in this stop, or with a change that is pending, may go on. */
static void watch_memory(const struct model *m, struct model_bp *p)
{
	p->gpa = p->addr;
	p->maybe = m->unwatched || was_removed_pending(m, p->addr);
	up_to_date(m, p);
}

void model_insert(struct model *m, const struct model_bp *p)
{
	if (m->trace)
		printf("insert %u at %#llx%s\n", p->type, (unsigned long long)p->addr,
		       p->silent ? ", silent" : "");
	m->bps[m->nbps] = *p;
	if (is_sw(p))
		locate_new(m, &m->bps[m->nbps]);
	if (p->soft)
		watch_memory(m, &m->bps[m->nbps]);
	m->nbps++;
}

void model_set_again(struct model *m, unsigned int i)
{
	if (m->trace)
		printf("set again %u at %#llx\n", m->bps[i].type,
		       (unsigned long long)m->bps[i].addr);
	if (is_sw(&m->bps[i]))
		locate(m, &m->bps[i], true);
}

void model_remove(struct model *m, unsigned int i)
{
	struct model_bp *p = &m->bps[i];

	if (m->trace)
		printf("remove %u at %#llx\n", p->type, (unsigned long long)p->addr);
	m->unwatched |= p->soft;
	if (p->soft && m->nremoved < MODEL_REMOVED_MAX)
		m->removed[m->nremoved++] = p->addr;
	if (is_sw(p) && m->ngone < MODEL_GONE_MAX)
		m->gone[m->ngone++] = *p;
	*p = m->bps[--m->nbps];
}

void model_write(struct model *m, uint64_t gpa, const void *bytes, size_t n)
{
	unsigned int i;

	memcpy(m->mem.base + gpa, bytes, n);
	for (i = 0; i < m->nbps; i++) {
		struct model_bp *p = &m->bps[i];

		if (!p->soft || gpa >= p->gpa + p->len || p->gpa >= gpa + n)
			continue;
		up_to_date(m, p); /* all changes became pending at the stop */
		p->maybe |= p->pending;
	}
}

/* How many execution slots are left for software breakpoints. A watchpoint here takes one slot. */
static unsigned int slots_left(const struct model *m)
{
	const struct vcpu_caps *c = &m->vm->cpus[0].cpu.caps;
	unsigned int i, exec = 0, data = 0, have = c->exec_slots + c->shared_slots;

	if (softvm_memory_only(m->vm))
		return 0;
	for (i = 0; i < m->nbps; i++) {
		exec += m->bps[i].type == BP_HARDWARE;
		data += m->bps[i].type > BP_HARDWARE && !m->bps[i].soft;
	}
	if (data > c->watch_slots)
		have -= data - c->watch_slots;
	return have > exec ? have - exec : 0;
}

/* It may have been located in the middle of the last step. */
static void locate_waiting(const struct model *m, struct model_bp *p)
{
	bool elsewhere = p->elsewhere;

	locate(m, p, false);
	p->elsewhere = elsewhere;
}

/* What the engine does just before vCPUs run. For a single step nothing is inserted, and none is looked
 * for, unless the step is more than one instruction; then it may be. */
static void sync(struct model *m, bool step_only, bool inserts)
{
	unsigned int i, waiting = 0, room = slots_left(m);

	for (i = 0; i < m->nbps; i++) {
		struct model_bp *p = &m->bps[i];

		if (!is_sw(p))
			continue;
		if (p->overwritten)
			locate(m, p, false);
		p->overwritten = p->has_room = p->inserted = false;
		if (!p->located && step_only)
			p->elsewhere = inserts;
		if (!p->located && !step_only)
			locate_waiting(m, p);
		waiting += !p->located || p->elsewhere;
	}
	for (i = 0; i < m->nbps && !step_only; i++)
		m->bps[i].has_room = waiting <= room;
	m->unwatched = false;
	m->ngone = 0;
}

/* ---- stops and resumes ------------------------------------------------------------------- */

static bool is_set(const struct model *m, enum bp_type type, uint64_t addr)
{
	return model_find(m, type, addr) >= 0;
}

static bool watch_named(const struct model *m, const struct stop *s)
{
	static const enum bp_type type_of[] = {
		[HW_WRITE] = BP_WRITE, [HW_READ] = BP_READ, [HW_ACCESS] = BP_ACCESS
	};

	return is_set(m, type_of[s->watch], s->addr);
}

/* Of those that the access has hit, how many are set still? */
static unsigned int watches_left(const struct model *m, const struct model_cpu *c)
{
	unsigned int i, n = 0;

	for (i = 0; i < c->nwatches; i++)
		n += is_set(m, c->watches[i].type, c->watches[i].addr);
	return n;
}

/* Does a stop that was not reported still hold? Which of several watchpoints it was of is not known
 * here. */
static void check_still_due(const struct model *m, struct model_cpu *c)
{
	switch (c->due_stop.kind) {
	case STOP_SWBREAK: c->due = is_set(m, BP_SOFTWARE, c->regs.pc); break;
	case STOP_HWBREAK: c->due = is_set(m, BP_HARDWARE, c->due_stop.addr); break;
	case STOP_WATCH:
		c->due = watches_left(m, c);
		c->due_perhaps |= watches_left(m, c) < c->nwatches;
		break;
	default: break;
	}
}

static bool any_watch(const struct model *m)
{
	unsigned int i;

	for (i = 0; i < m->nbps; i++)
		if (m->bps[i].type >= BP_WRITE && !m->bps[i].soft)
			return true;
	return false;
}

/* Does the vCPU go on from something that is there for sure? */
static bool stands_on(const struct model *m, unsigned int cpu)
{
	const struct model_cpu *c = &m->cpus[cpu];
	const struct model_bp *p = sw_at(m, c->regs.pc);
	bool watched = c->reported_watch && m->vm->ops->cpu->watch_before && any_watch(m);

	return watched || hw_at(m, c->regs.pc) ||
	       (p && (is_at_home(m, cpu, p) || (!p->located && p->has_room)));
}

static void resume(struct model *m, unsigned int cpu, const struct resume_action *a)
{
	struct model_cpu *c = &m->cpus[cpu];

	c->action = *a;
	c->steps = 0;
	if (a->kind == RESUME_HOLD)
		return;
	if (c->due)
		check_still_due(m, c);
	m->must_stop |= c->due && !c->due_perhaps;
	c->reported = c->reported && c->reported_pc == c->regs.pc;
	c->reported_perhaps = c->reported && (c->reported_perhaps || !stands_on(m, cpu));
	c->named = a->kind == RESUME_STEP || a->kind == RESUME_RANGE;
}

/* The vCPU whose single step is all that is resumed; -1: more is. */
static int single_step(const struct model *m, const struct resume_action *actions,
		       const struct resume_action *rest)
{
	unsigned int i, n = 0;
	int cpu = -1;

	for (i = 0; i < m->vm->ncpus; i++) {
		if (actions[i].kind == RESUME_HOLD)
			continue;
		cpu = (int)i;
		n += actions[i].kind == RESUME_STEP ? 1 : 2;
	}
	return n == 1 && rest->kind == RESUME_HOLD ? cpu : -1;
}

/* May the step execute more than the instruction at the PC? */
static bool is_long_step(const struct model *m, int cpu)
{
	struct soft_insn i;
	uint64_t gpa;

	if (cpu < 0 || soft_fetch(&m->mem, &m->cpus[cpu].regs, &i, &gpa))
		return false;
	switch (i.op) {
	case SOFT_SHADOW:
	case SOFT_REP:
	case SOFT_LDX:
	case SOFT_BRK:
	case SOFT_FATAL: return true;
	default: return m->cpus[cpu].due_stop.kind == STOP_FATAL;
	}
}

void model_resume(struct model *m, const struct resume_action *actions,
		  const struct resume_action *rest)
{
	int stepped = single_step(m, actions, rest);
	unsigned int i;

	m->step_only = stepped >= 0;
	sync(m, m->step_only, is_long_step(m, stepped));
	m->must_stop = m->interrupted = false;
	for (i = 0; i < m->vm->ncpus; i++)
		resume(m, i, &actions[i]);
	m->must_stop |= change_due(m);
	m->rest = *rest;
	m->phase = MODEL_RUNNING;
}

/* Guest memory, and what the debugger sees of vCPUs, is as without a debugger. */
static void compare_all(struct model *m)
{
	unsigned int i;
	size_t at;

	if (memcmp(m->vm->mem, m->mem.base, SOFTVM_MEM) != 0) {
		for (at = 0; m->vm->mem[at] == m->mem.base[at]; at++)
			;
		fibers_fail("memory at %#zx: %02x, want %02x", at, m->vm->mem[at], m->mem.base[at]);
	}
	for (i = 0; i < m->vm->ncpus; i++) {
		struct cpu_view *v = m->vm->t->ops->view(m->vm->t, i);
		struct soft_regs *r;

		if (!v || v->need(v, 0) || v->need(v, 1))
			fibers_fail("vCPU %u can't be read", i);
		r = v->state;
		if (m->vm->cpus[i].cpu.incomplete)
			fibers_fail("vCPU %u is half done", i);
		if (memcmp(r, &m->cpus[i].regs, offsetof(struct soft_regs, inject)) != 0)
			fibers_fail(
				"vCPU %u: pc %#llx flags %#llx eflags %#llx, want pc %#llx flags %#llx eflags %#llx",
				i, (unsigned long long)r->pc, (unsigned long long)r->flags,
				(unsigned long long)r->eflags,
				(unsigned long long)m->cpus[i].regs.pc,
				(unsigned long long)m->cpus[i].regs.flags,
				(unsigned long long)m->cpus[i].regs.eflags);
	}
}

static void check_step(struct model *m, const struct stop *s)
{
	const struct model_cpu *c = &m->cpus[s->vcpu];
	const struct resume_action *a = &c->action;
	const struct model_bp *p = sw_at(m, c->regs.pc);
	uint64_t pc = c->regs.pc;

	if (a->kind != RESUME_STEP && a->kind != RESUME_RANGE)
		fibers_fail("vCPU %u: a step is reported, it was not asked to step", s->vcpu);
	if (!c->steps)
		fibers_fail("vCPU %u: a step is reported, it made none", s->vcpu);
	if (a->kind == RESUME_RANGE && pc >= a->start && pc < a->end && !(p && !p->silent) &&
	    !hw_at(m, pc))
		fibers_fail("vCPU %u: its range is not left at %#llx", s->vcpu,
			    (unsigned long long)pc);
}

/* The vCPU that an interrupt is reported of. */
static unsigned int interrupted_cpu(const struct model *m)
{
	unsigned int i;

	if (m->cpus[m->current].action.kind != RESUME_HOLD)
		return m->current;
	for (i = 0; i < m->vm->ncpus; i++)
		if (m->cpus[i].action.kind != RESUME_HOLD)
			return i;
	return 0;
}

static void check_interrupt(struct model *m, const struct stop *s)
{
	unsigned int i;

	if (s->vcpu != interrupted_cpu(m))
		fibers_fail("an interrupt is reported of vCPU %u, not of %u", s->vcpu,
			    interrupted_cpu(m));
	if (!m->interrupted)
		fibers_fail("an interrupt is reported that nobody asked for");
	if (change_due(m))
		fibers_fail("a change is lost");
	for (i = 0; i < m->nbps; i++)
		if (changed(m, &m->bps[i]))
			fibers_fail("the change at %#llx is lost",
				    (unsigned long long)m->bps[i].addr);
	for (i = 0; i < m->vm->ncpus; i++)
		if (m->cpus[i].due && !m->cpus[i].due_perhaps &&
		    m->cpus[i].action.kind != RESUME_HOLD)
			fibers_fail("vCPU %u: its stop is lost", i);
}

/* In the middle of steps the vCPU reaches a breakpoint without running into it, also where the guest has
 * written over it since: STOP_NONE, or what is reported. */
static enum stop_kind reached(const struct model *m, unsigned int cpu)
{
	const struct model_cpu *c = &m->cpus[cpu];
	const struct model_bp *p = sw_at(m, c->regs.pc);
	bool delivery = m->vm->cpus[cpu].cpu.regs.inject; /* comes first */

	if (is_known(c) || delivery || (c->named && !c->steps && !c->halted))
		return STOP_NONE;
	if (hw_at(m, c->regs.pc))
		return STOP_HWBREAK;
	return p && !p->silent ? STOP_SWBREAK : STOP_NONE;
}

/* Other vCPUs may have reached one so, too, and have that pending. */
static void note_reached(struct model *m, unsigned int but)
{
	unsigned int i;

	for (i = 0; i < m->vm->ncpus; i++) {
		struct model_cpu *c = &m->cpus[i];
		enum stop_kind kind = reached(m, i);
		bool steps = stepped_for_soft(m) || c->action.kind > RESUME_CONTINUE;

		if (i == but || c->due || !steps || !kind || c->action.kind == RESUME_HOLD)
			continue;
		set_due(m, i, kind, c->regs.pc);
		c->due_perhaps = true;
	}
}

static void check_due(struct model *m, const struct stop *s)
{
	struct model_cpu *c = &m->cpus[s->vcpu];

	if (c->action.kind == RESUME_HOLD)
		fibers_fail("vCPU %u is held and stops", s->vcpu);
	if ((!c->due || c->due_perhaps) && reached(m, s->vcpu) == s->kind) {
		c->due = false;
		return;
	}
	if (!c->due || c->due_stop.kind != s->kind)
		fibers_fail("vCPU %u: a stop of kind %d that did not happen", s->vcpu, s->kind);
	if (s->kind == STOP_WATCH && !watch_named(m, s))
		fibers_fail("vCPU %u: a watchpoint at %#llx that nobody set", s->vcpu,
			    (unsigned long long)s->addr);
	if (c->due_pc != c->regs.pc)
		fibers_fail("vCPU %u has moved since it stopped", s->vcpu);
	c->due = false;
}

/* While all are stepped, a vCPU may have passed what is not reported without running into it: what the
 * debugger sets there now is for the next time. */
static void note_passed(struct model *m)
{
	unsigned int i;

	for (i = 0; i < m->vm->ncpus && stepped_for_soft(m); i++) {
		struct model_cpu *c = &m->cpus[i];

		if (c->reported || !silent_at(m, i, c->regs.pc))
			continue;
		passed(c);
		c->reported_perhaps = true;
	}
}

/* Is it a stop for a change? */
static bool is_change(struct model *m, const struct stop *s)
{
	bool written = s->kind == STOP_WATCH && s->watch == HW_WRITE;
	int i = written ? model_find(m, BP_WRITE, s->addr) : -1;

	if (i < 0 || !m->bps[i].soft || !take_change(m, &m->bps[i]))
		return false;
	if (m->cpus[s->vcpu].action.kind == RESUME_HOLD)
		fibers_fail("vCPU %u is held and stops", s->vcpu);
	return true;
}

/* Is it a stop at something that is ahead? */
static bool is_ahead(const struct model *m, const struct stop *s)
{
	return s->kind == STOP_SWBREAK || s->kind == STOP_HWBREAK ||
	       (s->kind == STOP_WATCH && m->vm->ops->cpu->watch_before);
}

void model_move(struct model *m, unsigned int cpu, uint64_t pc)
{
	struct model_cpu *c = &m->cpus[cpu];

	if (c->due && pc != c->regs.pc && is_ahead(m, &c->due_stop))
		c->due = false;
	c->due_pc = pc;
	c->regs.pc = pc;
}

void model_stopped(struct model *m, const struct stop *s)
{
	struct model_cpu *c = &m->cpus[s->vcpu];
	bool by_slot = false;

	m->phase = MODEL_STOPPED;
	if (m->trace)
		printf("stop %d vCPU %u pc %#llx\n", s->kind, s->vcpu,
		       (unsigned long long)c->regs.pc);
	switch (s->kind) {
	case STOP_STEP: check_step(m, s); break;
	case STOP_INTERRUPT: check_interrupt(m, s); break;
	default:
		by_slot = !is_change(m, s);
		if (by_slot)
			check_due(m, s);
		break;
	}
	keep_changes(m);
	note_passed(m);
	note_reached(m, s->vcpu);
	c->reported_watch = (s->kind == STOP_WATCH && by_slot) ||
			    (c->reported && c->reported_watch && c->reported_pc == c->regs.pc);
	c->reported = true;
	c->reported_perhaps = false;
	c->reported_pc = c->regs.pc;
	m->current = s->vcpu;
	compare_all(m);
}

static bool is_woken(const struct model *m, unsigned int cpu)
{
	const struct softcpu *c = &m->vm->cpus[cpu].cpu;

	return atomic_load(&c->irqs) &&
	       (m->cpus[cpu].regs.flags & SOFT_IE || c->ops->cpu->watch_before);
}

void model_idle(const struct model *m)
{
	unsigned int i;

	if (m->must_stop || m->interrupted)
		fibers_fail("a stop is not reported");
	for (i = 0; i < m->vm->ncpus; i++) {
		const struct model_cpu *c = &m->cpus[i];

		if (c->due && !c->due_perhaps && c->action.kind != RESUME_HOLD)
			fibers_fail("vCPU %u: its stop is not reported", i);
		if (c->action.kind != RESUME_HOLD && (!c->halted || is_woken(m, i)))
			fibers_fail("vCPU %u does not run", i);
	}
}

void model_attaching(struct model *m)
{
	m->phase = MODEL_ATTACHING;
}

/* The first vCPU that is not halted is reported, else the first one. */
void model_attached(struct model *m, const struct stop *s)
{
	unsigned int first = 0;
	struct model_cpu *c;

	while (first < m->vm->ncpus && atomic_load(&m->vm->cpus[first].cpu.halted))
		first++;
	first = first < m->vm->ncpus ? first : 0;
	if (s->kind != STOP_NONE || s->vcpu != first)
		fibers_fail("attached to vCPU %u, not to %u", s->vcpu, first);
	m->phase = MODEL_STOPPED;
	m->current = first;
	m->unwatched = false;
	m->nremoved = 0;
	c = &m->cpus[first];
	c->reported = true;
	c->reported_watch = c->reported_perhaps = false;
	c->reported_pc = c->regs.pc;
	compare_all(m);
}

void model_detaching(struct model *m)
{
	m->phase = MODEL_DETACHING;
}

static void forget_debugger(struct model *m)
{
	unsigned int i;

	m->phase = MODEL_FREE;
	m->nbps = 0;
	m->ngone = 0;
	for (i = 0; i < m->vm->ncpus; i++)
		m->cpus[i].due = m->cpus[i].watch_due = m->cpus[i].reported = false;
}

/* Between instructions, all of memory is as without a debugger. */
void model_detached(struct model *m)
{
	forget_debugger(m);
	if (memcmp(m->vm->mem, m->mem.base, SOFTVM_MEM) != 0)
		fibers_fail("memory is not as the guest left it");
}

/* Nothing is touched any more: what was inserted is there, beneath it all is as it should be. */
void model_ended(struct model *m)
{
	static uint8_t seen[SOFTVM_MEM];

	forget_debugger(m);
	breakpoints_read(m->vm->engine.bps, 0, seen, sizeof(seen));
	if (memcmp(seen, m->mem.base, SOFTVM_MEM) != 0)
		fibers_fail("memory is not as the guest left it");
}

/* ---- begin and end ----------------------------------------------------------------------- */

static void on_point(void *opaque, struct softcpu *c)
{
	fibers_yield();
	note_inserted(opaque, c->index);
}

void model_init(struct model *m, struct softvm *vm)
{
	unsigned int i;

	*m = (struct model){ .vm = vm };
	m->mem = (struct soft_mem){ malloc(SOFTVM_MEM), SOFTVM_MEM };
	if (!m->mem.base)
		abort();
	memcpy(m->mem.base, vm->mem, SOFTVM_MEM);
	m->hooks = (struct soft_hooks){ m, on_point, on_retired, on_trapped };
	vm->hooks = &m->hooks;
	for (i = 0; i < vm->ncpus; i++)
		model_add(m, i);
}

void model_add(struct model *m, unsigned int cpu)
{
	m->vm->cpus[cpu].cpu.hooks = &m->hooks;
	m->cpus[cpu] = (struct model_cpu){
		.regs = m->vm->cpus[cpu].cpu.regs,
		.action = m->rest,
	};
}

void model_fini(struct model *m)
{
	free(m->mem.base);
}

void model_reset(struct model *m, unsigned int cpu, uint64_t pc)
{
	struct model_cpu *c = &m->cpus[cpu];

	if (c->due && !c->due_perhaps && (m->phase == MODEL_RUNNING || m->phase == MODEL_STOPPED))
		fibers_fail("vCPU %u: the VMM sees its end before the debugger", cpu);
	if (c->due_stop.kind == STOP_FATAL)
		c->due = false;
	c->regs.pc = pc;
	c->reported = c->named = false;
}
