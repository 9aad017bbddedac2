// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fibers.h"
#include "tests/unit/softmodel.h"

/* ---- looking things up ------------------------------------------------------------------- */

static struct vmgdb_vcpu *vcpu_of(const struct model *m, unsigned int cpu)
{
	return m->vm->cpus[cpu].vcpu;
}

static unsigned int brk_size(const struct model *m)
{
	return m->vm->ops->cpu->brk_size;
}

static bool is_sw(const struct model_point *p)
{
	return p->type == BP_SOFTWARE;
}

int model_find(const struct model *m, enum bp_type type, uint64_t addr)
{
	unsigned int i;

	for (i = 0; i < m->npoints; i++)
		if (m->points[i].type == type && m->points[i].addr == addr)
			return (int)i;
	return -1;
}

static struct model_site *site_at(struct model *m, uint64_t gpa)
{
	unsigned int i;

	for (i = 0; i < m->nsites; i++)
		if (m->sites[i].gpa == gpa)
			return &m->sites[i];
	return NULL;
}

/* The breakpoint that is set in memory at gpa. */
static bool site_set(struct model *m, uint64_t gpa)
{
	const struct model_site *s = site_at(m, gpa);
	unsigned int i;

	for (i = 0; i < m->npoints && s && !s->overwritten; i++)
		if (is_sw(&m->points[i]) && m->points[i].set && m->points[i].resolved &&
		    m->points[i].gpa == gpa)
			return true;
	return false;
}

static bool translate(const struct model *m, unsigned int cpu, uint64_t va, uint64_t *gpa)
{
	return cpu < m->vm->ncpus && !soft_translate(&m->mem, m->cpus[cpu].regs.ptb, va, gpa);
}

/* A breakpoint at pc that is not told: by its condition, or for want of that name. */
static bool silent_at(struct model *m, unsigned int cpu, uint64_t pc)
{
	int i = model_find(m, BP_SOFTWARE, pc);
	uint64_t gpa;

	if (i >= 0)
		return m->points[i].silent;
	return translate(m, cpu, pc, &gpa) && site_set(m, gpa);
}

/* The breakpoint in a slot at pc: a hardware one, or one that waits for its memory. */
static const struct model_point *slot_at(const struct model *m, uint64_t pc)
{
	int hw = model_find(m, BP_HARDWARE, pc), sw = model_find(m, BP_SOFTWARE, pc);
	const struct model_point *p = sw < 0 ? NULL : &m->points[sw];

	if (hw >= 0 && m->points[hw].set)
		return &m->points[hw];
	return p && !p->resolved && (p->set || p->perhaps) ? p : NULL;
}

static bool watches(const struct model_point *p, const struct soft_access *a)
{
	bool kind = p->type == BP_ACCESS || (p->type == BP_WRITE && a->write) ||
		    (p->type == BP_READ && !a->write);

	return kind && p->set && !p->soft && a->len && a->gpa != ~0ULL &&
	       a->va < p->addr + p->len && p->addr < a->va + a->len;
}

static const struct model_point *watch_of(const struct model *m, const struct soft_access *a)
{
	unsigned int i;

	for (i = 0; i < m->npoints; i++)
		if (watches(&m->points[i], a))
			return &m->points[i];
	return NULL;
}

/* ---- memory that is watched by comparing -------------------------------------------------- */

static bool changed(const struct model *m, const struct model_point *p)
{
	return p->soft && p->set && memcmp(m->mem.base + p->gpa, p->old, p->len) != 0;
}

static void up_to_date(const struct model *m, struct model_point *p)
{
	memcpy(p->old, m->mem.base + p->gpa, p->len);
}

static bool stepped_for_soft(const struct model *m)
{
	unsigned int i;

	for (i = 0; i < m->npoints; i++)
		if (m->points[i].soft && m->points[i].set)
			return true;
	return false;
}

/* Nobody runs on from a change, but to the end of what is one step; nor next to others. */
static void check_soft(const struct model *m, unsigned int cpu)
{
	const struct vmgdb_vcpu *v = vcpu_of(m, cpu);
	unsigned int i;

	if (m->cpus[cpu].halted || !stepped_for_soft(m))
		return;
	if (v->engine->over != v)
		fibers_fail("vCPU %u is not alone while memory is watched", cpu);
	for (i = 0; i < m->npoints; i++)
		if (changed(m, &m->points[i]) && !(v->stepping && v->plan.nuntil))
			fibers_fail("vCPU %u runs on from a change at %#llx", cpu,
				    (unsigned long long)m->points[i].addr);
}

static void note_changes(struct model *m, unsigned int cpu)
{
	unsigned int i;

	for (i = 0; i < m->npoints; i++) {
		struct model_point *p = &m->points[i];

		if (!changed(m, p))
			continue;
		p->maybe |= p->kept; /* told once, or twice */
		p->writer = cpu;
	}
}

/* A stop for a change: true when this point has one. */
static bool take_change(struct model *m, struct model_point *p)
{
	if (changed(m, p)) {
		up_to_date(m, p);
		p->maybe |= p->kept;
		return true;
	}
	if (!p->kept && !p->maybe)
		return false;
	if (p->kept)
		p->kept = false;
	else
		p->maybe = false;
	return true;
}

/* What is not told with this stop must be with the next ones. */
static void keep_changes(struct model *m)
{
	unsigned int i;

	for (i = 0; i < m->npoints; i++)
		if (changed(m, &m->points[i])) {
			m->points[i].kept = true;
			up_to_date(m, &m->points[i]);
		}
}

static bool change_due(const struct model *m)
{
	unsigned int i;

	for (i = 0; i < m->npoints; i++) {
		const struct model_point *p = &m->points[i];

		if (p->kept && !p->maybe && m->cpus[p->writer].action.kind != RESUME_HOLD)
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
	if (d->what == SOFT_R_EXC && d->cause == SOFT_EXC_BRK && c->given_back) {
		c->given_back = false;
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

static bool exempt(const struct model_cpu *c, uint64_t pc)
{
	return (c->told && c->told_pc == pc) || (c->named && !c->steps);
}

static void check_allowed(const struct model *m, unsigned int cpu)
{
	if (m->phase == MODEL_STOPPED)
		fibers_fail("vCPU %u runs while all are stopped", cpu);
	if (m->phase != MODEL_RUNNING)
		return;
	if (m->cpus[cpu].action.kind == RESUME_HOLD)
		fibers_fail("vCPU %u runs, but it is held", cpu);
	if (m->must_stop)
		fibers_fail("vCPU %u runs before a stop is told that was there", cpu);
	if (m->cpus[cpu].owed)
		fibers_fail("vCPU %u runs on from a stop that is not told", cpu);
	if (m->cpus[cpu].watch_due)
		fibers_fail("vCPU %u runs on from a watchpoint", cpu);
	check_soft(m, cpu);
}

/* An instruction at pc has run: was there something that it should have stopped at? */
static void check_not_passed(struct model *m, unsigned int cpu, const struct soft_retired *d)
{
	struct model_cpu *c = &m->cpus[cpu];
	const struct model_point *slot = slot_at(m, d->pc);
	uint64_t gpa;

	if (exempt(c, d->pc) || silent_at(m, cpu, d->pc))
		return;
	if (translate(m, cpu, d->pc, &gpa) && site_set(m, gpa))
		fibers_fail("vCPU %u passed the breakpoint at %#llx", cpu,
			    (unsigned long long)d->pc);
	if (slot && slot->set)
		fibers_fail("vCPU %u passed the slot at %#llx", cpu, (unsigned long long)d->pc);
}

static void check_watch(struct model *m, unsigned int cpu, const struct soft_retired *d)
{
	const struct vmgdb_vcpu *v = vcpu_of(m, cpu);
	struct model_cpu *c = &m->cpus[cpu];
	bool before = m->vm->ops->cpu->watch_before;
	/* told of its load, an exclusive sequence is gone through whole */
	bool whole = v->stepping && v->plan.nuntil && v->watched;

	if (d->what != SOFT_R_INSN || !watch_of(m, &d->access))
		return;
	if (!before)
		c->watch_due = true;
	else if (!whole && !(c->told && c->told_watch && c->told_pc == d->pc))
		fibers_fail("vCPU %u passed a watchpoint at %#llx", cpu, (unsigned long long)d->pc);
}

/* While one is lifted, only the vCPU that it was lifted for runs. */
static void check_lifted(struct model *m, unsigned int cpu)
{
	const struct site *own = vcpu_of(m, cpu)->lifted;
	unsigned int i;
	uint64_t gpa;

	for (i = 0; i < m->nsites; i++) {
		gpa = m->sites[i].gpa;
		if (!site_set(m, gpa) || softvm_planted(m->vm, gpa))
			continue;
		if (!own || own->node.key != gpa)
			fibers_fail("vCPU %u runs while the breakpoint at %#llx is out", cpu,
				    (unsigned long long)gpa);
	}
}

/* The guest writes over breakpoints; not over the one that is lifted for it. */
static void note_store(struct model *m, unsigned int cpu, const struct soft_retired *d)
{
	const struct site *own = vcpu_of(m, cpu)->lifted;
	const struct soft_access *a = &d->access;
	unsigned int i;

	for (i = 0; own && i < m->nsites; i++)
		if (m->sites[i].gpa == own->node.key)
			m->sites[i].overwritten = false; /* it is set anew after the step */
	if (d->what != SOFT_R_INSN || !a->len || !a->write || a->gpa == ~0ULL)
		return;
	if (d->insn.op == SOFT_STX && !d->env.stx_ok)
		return;
	for (i = 0; i < m->nsites; i++)
		if (a->gpa < m->sites[i].gpa + brk_size(m) && m->sites[i].gpa < a->gpa + a->len &&
		    (!own || own->node.key != m->sites[i].gpa))
			m->sites[i].overwritten = true;
}

/* ---- steps ------------------------------------------------------------------------------- */

/* What it comes to is decided without the debugger. */
static void decided(struct model_cpu *c)
{
	c->told = true;
	c->told_watch = c->told_loose = false;
	c->told_pc = c->regs.pc;
}

/* Is the step that this was part of over? */
static bool whole(const struct model *m, unsigned int cpu, const struct soft_retired *d)
{
	const struct vmgdb_vcpu *v = vcpu_of(m, cpu);
	uint64_t pc = m->cpus[cpu].regs.pc;
	unsigned int i;

	if (d->what != SOFT_R_INSN || d->emulated || (v->stepping && v->plan.halted))
		return true;
	if (d->insn.op == SOFT_REP)
		return pc != d->pc;
	if (d->insn.op == SOFT_SHADOW)
		return false;
	for (i = 0; v->stepping && i < v->plan.nuntil; i++)
		if (v->plan.until[i] == pc)
			return true;
	return !v->stepping || !v->plan.nuntil;
}

/* While memory is watched, who is let run goes on by steps, but not without interrupts. */
static bool lets_in(const struct model *m, unsigned int cpu)
{
	const struct vmgdb_vcpu *v = vcpu_of(m, cpu);

	return stepped_for_soft(m) && m->cpus[cpu].action.kind == RESUME_CONTINUE && !v->over &&
	       !v->hop;
}

static void count_step(struct model *m, unsigned int cpu, const struct soft_retired *d)
{
	struct model_cpu *c = &m->cpus[cpu];
	bool stays = d->what == SOFT_R_INSN && d->insn.op == SOFT_REP && c->regs.pc == d->pc;

	if (c->action.kind == RESUME_STEP && c->steps)
		fibers_fail("vCPU %u runs on after its step", cpu);
	if (d->what == SOFT_R_IRQ && !c->halted && vcpu_of(m, cpu)->stepping && !lets_in(m, cpu))
		fibers_fail("vCPU %u: an interrupt in a step", cpu);
	if (!stays)
		c->told = c->told_watch = c->told_loose = false;
	if (!whole(m, cpu, d)) {
		c->named = c->named && stays;
		return;
	}
	c->steps++;
	if (c->action.kind == RESUME_RANGE && silent_at(m, cpu, c->regs.pc)) {
		decided(c);
		c->told_loose = true;
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
		compare(m, cpu->index, !vcpu_of(m, cpu->index)->stepping);
}

/* ---- traps ------------------------------------------------------------------------------- */

static void owe(struct model *m, unsigned int cpu, enum stop_kind kind, uint64_t addr)
{
	struct model_cpu *c = &m->cpus[cpu];

	c->owed = true;
	c->owed_perhaps = m->phase != MODEL_RUNNING;
	c->owes = (struct stop){ .kind = kind, .vcpu = cpu, .addr = addr };
	c->owed_pc = c->regs.pc;
}

/* It was told here, and has had no occasion to come here again. */
static bool is_known(const struct model_cpu *c)
{
	return c->told && c->told_pc == c->regs.pc && !c->told_loose && !c->halted;
}

static void check_not_again(const struct model_cpu *c, unsigned int cpu)
{
	if (is_known(c))
		fibers_fail("vCPU %u is to be told again at %#llx", cpu,
			    (unsigned long long)c->regs.pc);
}

static void trapped_brk(struct model *m, unsigned int cpu)
{
	struct model_cpu *c = &m->cpus[cpu];
	const struct vmgdb_vcpu *v = vcpu_of(m, cpu);
	uint64_t pc = c->regs.pc, gpa;

	if (!translate(m, cpu, pc, &gpa))
		fibers_fail("vCPU %u: a breakpoint where nothing is mapped", cpu);
	if (!site_set(m, gpa) || (v->lifted && v->lifted->node.key == gpa)) {
		if (m->mem.base[gpa] != SOFT_BRK)
			fibers_fail("vCPU %u: a breakpoint at %#llx that nobody set", cpu,
				    (unsigned long long)pc);
		c->given_back = true;
		return;
	}
	check_not_again(c, cpu);
	if (silent_at(m, cpu, pc))
		decided(c);
	else
		owe(m, cpu, STOP_SWBREAK, pc);
}

static void trapped_exec(struct model *m, unsigned int cpu)
{
	struct model_cpu *c = &m->cpus[cpu];
	const struct model_point *p = slot_at(m, c->regs.pc);

	if (!p) /* the end of an exclusive sequence */
		return;
	check_not_again(c, cpu);
	if (p->silent)
		decided(c);
	else
		owe(m, cpu, is_sw(p) ? STOP_SWBREAK : STOP_HWBREAK, p->addr);
}

/* Is the instruction that is to come an access that is watched? */
static bool watch_ahead(const struct model *m, const struct soft_regs *r)
{
	struct soft_access a;
	struct soft_insn i;
	uint64_t gpa;

	if (soft_fetch(&m->mem, r, &i, &gpa))
		return false;
	soft_access_of(&m->mem, r, &i, &a);
	return watch_of(m, &a);
}

static void trapped_watch(struct model *m, unsigned int cpu)
{
	struct model_cpu *c = &m->cpus[cpu];
	bool before = m->vm->ops->cpu->watch_before;

	if (before ? !watch_ahead(m, &c->regs) : !c->watch_due)
		fibers_fail("vCPU %u: a watchpoint that nobody set", cpu);
	if (before && c->told_watch)
		check_not_again(c, cpu);
	c->watch_due = false;
	owe(m, cpu, STOP_WATCH, 0);
}

static void on_trapped(void *opaque, struct softcpu *cpu, const struct trap *t)
{
	struct model *m = opaque;

	if (m->trace)
		printf("  vCPU %u: trap %x at %#llx\n", cpu->index, t->kind,
		       (unsigned long long)t->pc);
	if (t->kind & (TRAP_FATAL | TRAP_EVENT))
		owe(m, cpu->index, t->kind & TRAP_FATAL ? STOP_FATAL : STOP_EVENT, 0);
	if (m->phase != MODEL_RUNNING)
		return;
	if (t->kind & TRAP_WATCH)
		trapped_watch(m, cpu->index);
	else if (t->kind & TRAP_BRK)
		trapped_brk(m, cpu->index);
	else if (t->kind & TRAP_EXEC)
		trapped_exec(m, cpu->index);
}

/* ---- wishes ------------------------------------------------------------------------------ */

static void resolve(struct model *m, struct model_point *p)
{
	struct model_site *s;
	unsigned int i;

	p->resolved = translate(m, p->vcpu, p->addr, &p->gpa);
	for (i = 0; i < m->vm->ncpus && !p->resolved; i++)
		p->resolved = translate(m, i, p->addr, &p->gpa);
	if (!p->resolved)
		return;
	s = site_at(m, p->gpa);
	if (!s) {
		s = &m->sites[m->nsites++];
		*s = (struct model_site){ .gpa = p->gpa };
	}
	s->refs++;
}

static void unresolve(struct model *m, struct model_point *p)
{
	if (p->resolved)
		site_at(m, p->gpa)->refs--;
	p->resolved = false;
}

/* One that was removed in this stop, or while a vCPU with a stop for it was held, may go on. */
static void watch_memory(struct model *m, struct model_point *p)
{
	unsigned int i;

	p->gpa = p->addr;
	p->set = false;
	p->maybe = m->unwatched;
	for (i = 0; i < m->vm->ncpus; i++)
		p->maybe |= vcpu_of(m, i)->event.kind == STOP_WATCH &&
			    vcpu_of(m, i)->event.addr == p->addr;
	up_to_date(m, p);
}

void model_insert(struct model *m, const struct model_point *p)
{
	if (m->trace)
		printf("insert %u at %#llx%s\n", p->type, (unsigned long long)p->addr,
		       p->silent ? ", silent" : "");
	m->points[m->npoints] = *p;
	if (is_sw(p))
		resolve(m, &m->points[m->npoints]);
	if (p->soft)
		watch_memory(m, &m->points[m->npoints]);
	m->npoints++;
}

void model_remove(struct model *m, unsigned int i)
{
	if (m->trace)
		printf("remove %u at %#llx\n", m->points[i].type,
		       (unsigned long long)m->points[i].addr);
	unresolve(m, &m->points[i]);
	m->unwatched |= m->points[i].soft;
	m->points[i] = m->points[--m->npoints];
}

void model_write(struct model *m, uint64_t gpa, const void *bytes, size_t n)
{
	unsigned int i;

	memcpy(m->mem.base + gpa, bytes, n);
	for (i = 0; i < m->nsites; i++)
		if (gpa < m->sites[i].gpa + brk_size(m) && m->sites[i].gpa < gpa + n)
			m->sites[i].overwritten = false; /* it goes under, and is set again */
	for (i = 0; i < m->npoints; i++) {
		struct model_point *p = &m->points[i];

		if (!p->soft || gpa >= p->gpa + p->len || p->gpa >= gpa + n)
			continue;
		up_to_date(m, p); /* all changes were kept at the stop */
		p->maybe |= p->kept;
	}
}

/* What the guest wrote over looks for its memory anew. */
static void verify(struct model *m)
{
	unsigned int i;

	for (i = 0; i < m->npoints; i++)
		if (m->points[i].resolved && site_at(m, m->points[i].gpa)->overwritten)
			unresolve(m, &m->points[i]);
	for (i = 0; i < m->nsites; i++)
		m->sites[i].overwritten = false;
}

/* How many execution slots are left for breakpoints that wait for their memory. */
static unsigned int slots_left(const struct model *m)
{
	const struct hw_breakpoints *h = &m->vm->engine.hw;
	unsigned int i, s, exec = 0, data = 0, have;

	for (i = 0; i < h->npoints; i++)
		for (s = 0; s < h->points[i].nslots; s++)
			*(h->points[i].type == BP_HARDWARE ? &exec : &data) += 1;
	have = h->caps.exec_slots + h->caps.shared_slots;
	if (data > h->caps.watch_slots)
		have -= data - h->caps.watch_slots;
	return have > exec ? have - exec : 0;
}

static void commit(struct model *m, bool free_run)
{
	unsigned int i, pending = 0;
	bool room;

	if (m->ran && free_run)
		verify(m);
	for (i = 0; i < m->npoints; i++)
		if (is_sw(&m->points[i]) && !m->points[i].resolved)
			resolve(m, &m->points[i]);
	for (i = m->nsites; i--;)
		if (!m->sites[i].refs)
			m->sites[i] = m->sites[--m->nsites];
	for (i = 0; i < m->npoints; i++)
		pending += is_sw(&m->points[i]) && !m->points[i].resolved;
	room = pending <= slots_left(m);
	for (i = 0; i < m->npoints; i++) {
		bool waits = is_sw(&m->points[i]) && !m->points[i].resolved;

		m->points[i].set = !waits || room;
		m->points[i].perhaps = waits;
	}
	m->ran = true;
	m->ran_free = free_run;
	m->unwatched = false;
}

/* ---- stops and resumes ------------------------------------------------------------------- */

static bool watch_named(const struct model *m, const struct stop *s)
{
	static const enum hw_kind kind_of[] = {
		[BP_WRITE] = HW_WRITE, [BP_READ] = HW_READ, [BP_ACCESS] = HW_ACCESS
	};
	unsigned int i;

	for (i = 0; i < m->npoints; i++)
		if (m->points[i].type >= BP_WRITE && m->points[i].addr == s->addr &&
		    kind_of[m->points[i].type] == s->watch)
			return true;
	return false;
}

static bool still_owed(const struct model *m, unsigned int cpu)
{
	const struct model_cpu *c = &m->cpus[cpu];

	switch (c->owes.kind) {
	case STOP_SWBREAK: return model_find(m, BP_SOFTWARE, c->regs.pc) >= 0;
	case STOP_HWBREAK: return model_find(m, BP_HARDWARE, c->owes.addr) >= 0;
	case STOP_WATCH: return watch_named(m, &vcpu_of(m, cpu)->event);
	default: return true;
	}
}

static bool any_watch(const struct model *m)
{
	unsigned int i;

	for (i = 0; i < m->npoints; i++)
		if (m->points[i].type >= BP_WRITE && !m->points[i].soft)
			return true;
	return false;
}

static void let_go(struct model *m, unsigned int cpu, const struct resume_action *a)
{
	struct model_cpu *c = &m->cpus[cpu];
	bool watched = c->told_watch && m->vm->ops->cpu->watch_before && any_watch(m), here;
	uint64_t gpa;

	c->action = *a;
	c->steps = 0;
	if (a->kind == RESUME_HOLD)
		return;
	if (c->owed && !still_owed(m, cpu))
		c->owed = false;
	m->must_stop |= c->owed && !c->owed_perhaps;
	c->told = c->told && c->told_pc == c->regs.pc;
	here = translate(m, cpu, c->regs.pc, &gpa) && site_set(m, gpa);
	c->told_loose =
		c->told && (c->told_loose || (!here && !slot_at(m, c->regs.pc) && !watched));
	c->named = a->kind == RESUME_STEP || a->kind == RESUME_RANGE;
}

void model_resume(struct model *m, const struct resume_action *actions,
		  const struct resume_action *rest)
{
	bool free_run = false;
	unsigned int i;

	for (i = 0; i < m->vm->ncpus; i++)
		free_run |= actions[i].kind == RESUME_CONTINUE || actions[i].kind == RESUME_RANGE;
	commit(m, free_run);
	m->must_stop = m->interrupted = false;
	for (i = 0; i < m->vm->ncpus; i++)
		let_go(m, i, &actions[i]);
	m->must_stop |= change_due(m);
	m->rest = *rest;
	m->phase = MODEL_RUNNING;
}

/* All that the debugger can see is what the guest would. */
static void compare_all(struct model *m)
{
	static uint8_t seen[SOFTVM_MEM];
	unsigned int i;
	size_t at;

	points_read(&m->vm->engine.points, 0, seen, sizeof(seen));
	if (memcmp(seen, m->mem.base, sizeof(seen)) != 0) {
		for (at = 0; seen[at] == m->mem.base[at]; at++)
			;
		fibers_fail("memory at %#zx: %02x, want %02x", at, seen[at], m->mem.base[at]);
	}
	for (i = 0; i < m->vm->ncpus; i++) {
		struct cpu_view *v = &m->vm->cpus[i].vcpu->view;
		struct soft_regs *r = v->state;

		if (v->need(v, 0) || v->need(v, 1))
			fibers_fail("vCPU %u can't be read", i);
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
	uint64_t pc = c->regs.pc;

	if (a->kind != RESUME_STEP && a->kind != RESUME_RANGE)
		fibers_fail("vCPU %u: a step is told, it was not asked to step", s->vcpu);
	if (!c->steps)
		fibers_fail("vCPU %u: a step is told, it made none", s->vcpu);
	if (a->kind == RESUME_RANGE && pc >= a->start && pc < a->end &&
	    model_find(m, BP_SOFTWARE, pc) < 0 && !slot_at(m, pc))
		fibers_fail("vCPU %u: its range is not left at %#llx", s->vcpu,
			    (unsigned long long)pc);
}

static void check_interrupt(struct model *m, const struct stop *s)
{
	unsigned int i;

	if (s->vcpu != m->current)
		fibers_fail("an interrupt is told of vCPU %u, not of %u", s->vcpu, m->current);

	if (!m->interrupted)
		fibers_fail("an interrupt is told that nobody asked for");
	if (change_due(m))
		fibers_fail("a change is lost");
	for (i = 0; i < m->npoints; i++)
		if (changed(m, &m->points[i]))
			fibers_fail("the change at %#llx is lost",
				    (unsigned long long)m->points[i].addr);
	for (i = 0; i < m->vm->ncpus; i++)
		if (m->cpus[i].owed && !m->cpus[i].owed_perhaps &&
		    m->cpus[i].action.kind != RESUME_HOLD)
			fibers_fail("vCPU %u: its stop is lost", i);
}

/* In the middle of steps: the breakpoint was seen without running into it, also where the guest has
 * written over it since. */
static bool comes_to(struct model *m, const struct stop *s)
{
	const struct model_cpu *c = &m->cpus[s->vcpu];
	const struct model_point *slot = slot_at(m, c->regs.pc);
	bool delivery = m->vm->cpus[s->vcpu].cpu.regs.inject; /* comes first */
	uint64_t gpa;

	if (is_known(c) || delivery || (c->named && !c->steps && !c->halted) ||
	    (s->kind == STOP_SWBREAK && silent_at(m, s->vcpu, c->regs.pc)))
		return false;
	if (s->kind == STOP_HWBREAK || (s->kind == STOP_SWBREAK && slot))
		return slot && (slot->set || slot->perhaps) &&
		       slot->type == (s->kind == STOP_HWBREAK ? BP_HARDWARE : BP_SOFTWARE);
	return s->kind == STOP_SWBREAK && translate(m, s->vcpu, c->regs.pc, &gpa) &&
	       site_at(m, gpa) && model_find(m, BP_SOFTWARE, c->regs.pc) >= 0;
}

static void check_owed(struct model *m, const struct stop *s)
{
	struct model_cpu *c = &m->cpus[s->vcpu];

	if (c->action.kind == RESUME_HOLD)
		fibers_fail("vCPU %u is held and stops", s->vcpu);
	if (!c->owed && comes_to(m, s))
		return;
	if (!c->owed || c->owes.kind != s->kind)
		fibers_fail("vCPU %u: a stop of kind %d that did not happen", s->vcpu, s->kind);
	if (s->kind == STOP_WATCH && !watch_named(m, s))
		fibers_fail("vCPU %u: a watchpoint at %#llx that nobody set", s->vcpu,
			    (unsigned long long)s->addr);
	if (c->owed_pc != c->regs.pc)
		fibers_fail("vCPU %u has moved since it stopped", s->vcpu);
	c->owed = false;
}

/* While all are stepped, who came to what is not told has been decided about without running into it:
 * whatever the debugger puts there now is for the next time. */
static void note_decided(struct model *m)
{
	unsigned int i;

	for (i = 0; i < m->vm->ncpus && stepped_for_soft(m); i++) {
		const struct vmgdb_vcpu *v = vcpu_of(m, i);
		struct model_cpu *c = &m->cpus[i];

		if (c->told || !v->met || v->met_at != c->regs.pc || !silent_at(m, i, c->regs.pc))
			continue;
		decided(c);
		c->told_loose = true;
	}
}

/* Is it a stop for a change? */
static bool told_change(struct model *m, const struct stop *s)
{
	bool written = s->kind == STOP_WATCH && s->watch == HW_WRITE;
	int i = written ? model_find(m, BP_WRITE, s->addr) : -1;

	if (i < 0 || !m->points[i].soft || !take_change(m, &m->points[i]))
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

	if (c->owed && pc != c->regs.pc && is_ahead(m, &c->owes))
		c->owed = false;
	c->owed_pc = pc;
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
		by_slot = !told_change(m, s);
		if (by_slot)
			check_owed(m, s);
		break;
	}
	keep_changes(m);
	note_decided(m);
	if (m->ran_free) {
		verify(m);
		m->ran = false;
	}
	c->told_watch = (s->kind == STOP_WATCH && by_slot) ||
			(c->told && c->told_watch && c->told_pc == c->regs.pc);
	c->told = true;
	c->told_loose = false;
	c->told_pc = c->regs.pc;
	m->current = s->vcpu;
	compare_all(m);
}

static bool is_woken(const struct model *m, unsigned int cpu)
{
	const struct softcpu *c = &m->vm->cpus[cpu].cpu;

	return atomic_load(&c->irqs) &&
	       (m->cpus[cpu].regs.flags & SOFT_IE || c->ops->cpu == &soft32_cpu);
}

void model_idle(const struct model *m)
{
	unsigned int i;

	if (m->must_stop || m->interrupted)
		fibers_fail("a stop is not told");
	for (i = 0; i < m->vm->ncpus; i++) {
		const struct model_cpu *c = &m->cpus[i];

		if (c->owed && !c->owed_perhaps && c->action.kind != RESUME_HOLD)
			fibers_fail("vCPU %u: its stop is not told", i);
		if (c->action.kind != RESUME_HOLD && (!c->halted || is_woken(m, i)))
			fibers_fail("vCPU %u does not run", i);
	}
}

void model_attaching(struct model *m)
{
	m->phase = MODEL_ATTACHING;
}

void model_attached(struct model *m)
{
	m->phase = MODEL_STOPPED;
	m->current = 0;
	m->ran = m->ran_free = m->unwatched = false;
	m->cpus[0].told = true;
	m->cpus[0].told_watch = m->cpus[0].told_loose = false;
	m->cpus[0].told_pc = m->cpus[0].regs.pc;
	compare_all(m);
}

void model_detaching(struct model *m)
{
	m->phase = MODEL_DETACHING;
}

/* Between instructions, all of memory is as without a debugger. */
void model_detached(struct model *m)
{
	unsigned int i;

	m->phase = MODEL_FREE;
	m->npoints = m->nsites = 0;
	for (i = 0; i < m->vm->ncpus; i++)
		m->cpus[i].owed = m->cpus[i].watch_due = m->cpus[i].told = false;
	if (memcmp(m->vm->mem, m->mem.base, SOFTVM_MEM) != 0)
		fibers_fail("memory is not as the guest left it");
}

/* ---- begin and end ----------------------------------------------------------------------- */

static void on_point(void *opaque, struct softcpu *c)
{
	(void)opaque;
	(void)c;
	fibers_yield();
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
	if (m->phase == MODEL_RUNNING)
		m->ran_free |= m->rest.kind == RESUME_CONTINUE || m->rest.kind == RESUME_RANGE;
}

void model_fini(struct model *m)
{
	free(m->mem.base);
}

void model_reset(struct model *m, unsigned int cpu, uint64_t pc)
{
	struct model_cpu *c = &m->cpus[cpu];

	if (c->owed && !c->owed_perhaps && (m->phase == MODEL_RUNNING || m->phase == MODEL_STOPPED))
		fibers_fail("vCPU %u: the VMM sees its end before the debugger", cpu);
	if (c->owes.kind == STOP_FATAL)
		c->owed = false;
	c->regs.pc = pc;
	c->told = c->named = false;
}
