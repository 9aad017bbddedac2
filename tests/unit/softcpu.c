// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "core/engine/state.h"
#include "tests/unit/softcpu.h"

/* ---- memory: guests race with each other, so all of it is atomic ------------------------- */

static uint64_t load(const struct soft_mem *m, uint64_t gpa, unsigned int len)
{
	const uint8_t *p = m->base + gpa;

	switch (len) {
	case 1: return __atomic_load_n(p, __ATOMIC_RELAXED);
	case 4: return __atomic_load_n((const uint32_t *)(const void *)p, __ATOMIC_RELAXED);
	default: return __atomic_load_n((const uint64_t *)(const void *)p, __ATOMIC_RELAXED);
	}
}

static void store(const struct soft_mem *m, uint64_t gpa, unsigned int len, uint64_t value)
{
	uint8_t *p = m->base + gpa;

	switch (len) {
	case 1: __atomic_store_n(p, (uint8_t)value, __ATOMIC_RELAXED); break;
	case 4: __atomic_store_n((uint32_t *)(void *)p, (uint32_t)value, __ATOMIC_RELAXED); break;
	default: __atomic_store_n((uint64_t *)(void *)p, value, __ATOMIC_RELAXED); break;
	}
}

int soft_translate(const struct soft_mem *m, uint64_t ptb, uint64_t va, uint64_t *gpa)
{
	uint64_t pte;

	if (!ptb) {
		*gpa = va;
		return va < m->size ? 0 : -EFAULT;
	}
	if (va / SOFT_PAGE >= SOFT_PTES || ptb + SOFT_PTES * 8 > m->size)
		return -EFAULT;
	pte = load(m, ptb + va / SOFT_PAGE * 8, 8);
	*gpa = (pte & ~(uint64_t)(SOFT_PAGE - 1)) + va % SOFT_PAGE;
	return pte & 1 && *gpa < m->size ? 0 : -EFAULT;
}

int soft_fetch(const struct soft_mem *m, const struct soft_regs *r, struct soft_insn *i,
	       uint64_t *gpa)
{
	uint32_t word;

	if (r->pc % SOFT_INSN || soft_translate(m, r->ptb, r->pc, gpa))
		return -EFAULT;
	word = (uint32_t)load(m, *gpa, SOFT_INSN);
	memcpy(i, &word, sizeof(*i));
	i->a %= SOFT_REGS;
	return 0;
}

/* ---- instructions ------------------------------------------------------------------------ */

static int64_t imm16(const struct soft_insn *i)
{
	return (int16_t)(i->b | i->c << 8);
}

static unsigned int access_len(const struct soft_insn *i)
{
	switch (i->op) {
	case SOFT_LD:
	case SOFT_ST:
	case SOFT_LDX:
	case SOFT_STX: return 8;
	case SOFT_STW: return 4;
	case SOFT_LDB:
	case SOFT_STB: return 1;
	default: return 0;
	}
}

static bool exclusive(const struct soft_insn *i)
{
	return i->op == SOFT_LDX || i->op == SOFT_STX;
}

void soft_access_of(const struct soft_mem *m, const struct soft_regs *r, const struct soft_insn *i,
		    struct soft_access *out)
{
	*out = (struct soft_access){ .len = access_len(i) };
	if (!out->len)
		return;
	out->va = r->r[i->b % SOFT_REGS] + (exclusive(i) ? 0 : i->c);
	out->va &= ~(uint64_t)(out->len - 1);
	out->write =
		i->op == SOFT_ST || i->op == SOFT_STB || i->op == SOFT_STW || i->op == SOFT_STX;
	if (soft_translate(m, r->ptb, out->va, &out->gpa))
		out->gpa = ~0ULL;
}

enum soft_result soft_deliver(struct soft_regs *r, const struct soft_mem *m, enum soft_cause cause,
			      uint64_t epc)
{
	uint64_t gpa;

	if (soft_translate(m, r->ptb, r->vector, &gpa))
		return SOFT_TRIPLE;
	r->epc = epc;
	r->eflags = r->flags;
	r->cause = cause;
	r->flags &= ~(uint64_t)(SOFT_IE | SOFT_TFLAG);
	r->pc = r->vector;
	return SOFT_EXCEPTION;
}

static enum soft_result exec_memory(struct soft_regs *r, const struct soft_mem *m,
				    const struct soft_insn *i, const struct soft_env *env)
{
	struct soft_access acc;

	soft_access_of(m, r, i, &acc);
	if (acc.gpa == ~0ULL)
		return soft_deliver(r, m, SOFT_EXC_FAULT, r->pc);
	if (!acc.write)
		r->r[i->a] = load(m, acc.gpa, acc.len);
	else if (i->op != SOFT_STX || env->stx_ok)
		store(m, acc.gpa, acc.len, r->r[i->a]);
	if (i->op == SOFT_STX)
		r->r[i->c % SOFT_REGS] = !env->stx_ok;
	r->pc += SOFT_INSN;
	return SOFT_DONE;
}

static enum soft_result exec_rep(struct soft_regs *r, const struct soft_insn *i)
{
	if (r->r[i->a]) {
		r->r[i->a]--;
		r->r[i->b % SOFT_REGS]++;
	}
	if (!r->r[i->a])
		r->pc += SOFT_INSN;
	return SOFT_DONE;
}

static enum soft_result exec_system(struct soft_regs *r, const struct soft_mem *m,
				    const struct soft_insn *i)
{
	uint64_t next = r->pc + SOFT_INSN;

	switch (i->op) {
	case SOFT_STI: r->flags |= SOFT_IE; break;
	case SOFT_CLI: r->flags &= ~(uint64_t)SOFT_IE; break;
	case SOFT_RDF: r->r[i->a] = r->flags; break;
	case SOFT_TF:
		r->flags &= ~(uint64_t)SOFT_TFLAG;
		r->flags |= i->a ? SOFT_TFLAG : 0;
		break;
	case SOFT_SETPT: r->ptb = r->r[i->a]; break;
	case SOFT_FLIP: r->ptb ^= r->ptb ? SOFT_PTES * 8 : 0; break;
	case SOFT_IRET:
		next = r->epc;
		r->flags = r->eflags;
		break;
	case SOFT_SYS: return soft_deliver(r, m, SOFT_EXC_SYS, next);
	case SOFT_HLT: r->pc = next; return SOFT_HALTED;
	case SOFT_FATAL: return SOFT_IS_FATAL;
	case SOFT_EVENT: return SOFT_IS_EVENT;
	case SOFT_BRK: return SOFT_IS_BRK;
	default: return soft_deliver(r, m, SOFT_EXC_ILLEGAL, r->pc);
	}
	r->pc = next;
	return SOFT_DONE;
}

enum soft_result soft_exec(struct soft_regs *r, const struct soft_mem *m, const struct soft_insn *i,
			   const struct soft_env *env)
{
	uint64_t next = r->pc + SOFT_INSN, target = next + (uint64_t)imm16(i) * SOFT_INSN;

	switch (i->op) {
	case SOFT_NOP:
	case SOFT_SHADOW: break;
	case SOFT_LI: r->r[i->a] = (uint16_t)imm16(i); break;
	case SOFT_ADDI: r->r[i->a] += (uint64_t)(int8_t)i->c; break;
	case SOFT_ADD: r->r[i->a] += r->r[i->b % SOFT_REGS]; break;
	case SOFT_JMP: next = target; break;
	case SOFT_JNZ: next = r->r[i->a] ? target : next; break;
	case SOFT_OUT:
	case SOFT_IN:
	case SOFT_MMIO2: return SOFT_INCOMPLETE;
	case SOFT_REP: return exec_rep(r, i);
	default: return access_len(i) ? exec_memory(r, m, i, env) : exec_system(r, m, i);
	}
	r->pc = next;
	return SOFT_DONE;
}

void soft_complete(struct soft_regs *r, const struct soft_insn *i, uint64_t in)
{
	if (i->op != SOFT_OUT)
		r->r[i->a] = in;
	r->pc += SOFT_INSN;
}

/* ---- what an architecture is ------------------------------------------------------------- */

static struct soft_regs *regs_of(struct cpu_view *v)
{
	return v->state;
}

static uint64_t get_pc(const void *state)
{
	return ((const struct soft_regs *)state)->pc;
}

static int translate(struct cpu_view *v, uint64_t va, struct xlat *out)
{
	struct soft_regs *r = regs_of(v);
	int ret = v->need(v, 1);
	uint64_t pte;

	if (ret)
		return ret;
	*out = (struct xlat){ va, 1ULL << 63, PROT_R | PROT_W | PROT_X,
			      r->ptb ? r->ptb : XLAT_FLAT };
	if (!r->ptb)
		return 0;
	if (va / SOFT_PAGE >= SOFT_PTES)
		return -EFAULT;
	if (v->read_phys(v, r->ptb + va / SOFT_PAGE * 8, &pte, 8) != 8 || !(pte & 1))
		return -EFAULT;
	out->gpa = (pte & ~(uint64_t)(SOFT_PAGE - 1)) + va % SOFT_PAGE;
	out->page = SOFT_PAGE;
	return 0;
}

static int split_data(uint64_t addr, uint64_t len, struct hw_slot *out, unsigned int max,
		      enum hw_kind kind, const char **why)
{
	unsigned int n = 0;
	uint64_t part;

	for (; len; addr += part, len -= part) {
		part = 8 - addr % 8 < len ? 8 - addr % 8 : len;
		if (n == max) {
			*why = "too long to be watched";
			return -ENOSPC;
		}
		out[n++] = (struct hw_slot){ kind, addr, part };
	}
	return (int)n;
}

static int hw_split(enum hw_kind kind, uint64_t addr, uint64_t len, struct hw_slot *out,
		    unsigned int max, const char **why)
{
	if (!len || (kind == HW_EXEC && (len > 4 || addr % SOFT_INSN))) {
		*why = "no such length";
		return -EINVAL;
	}
	if (kind != HW_EXEC)
		return split_data(addr, len, out, max, kind, why);
	*out = (struct hw_slot){ kind, addr, len };
	return 1;
}

static int hw_split8(enum hw_kind kind, uint64_t addr, uint64_t len, struct hw_slot *out,
		     unsigned int max, const char **why)
{
	if (kind == HW_READ) {
		*why = "no watchpoint here fires on reads alone";
		return -EOPNOTSUPP;
	}
	return hw_split(kind, addr, len, out, max, why);
}

/* ---- stepping rules ---------------------------------------------------------------------- */

enum { PLAN_OP, PLAN_MASKED };

/* Memory as a debugger sees it: a step may begin on a breakpoint. */
static int read_insn(struct cpu_view *v, uint64_t pc, struct soft_insn *i)
{
	struct xlat x;

	if (translate(v, pc, &x) || v->read_phys(v, x.gpa, i, sizeof(*i)) != sizeof(*i))
		return -EFAULT;
	i->a %= SOFT_REGS;
	return 0;
}

/* May it stand between a load-exclusive and its store? Nothing that leaves the sequence. */
static bool is_plain(const struct soft_insn *i)
{
	return i->op == SOFT_NOP || i->op == SOFT_ST || i->op == SOFT_LI || i->op == SOFT_ADDI ||
	       i->op == SOFT_ADD;
}

/* A whole exclusive sequence: run to the instruction behind its store. */
static void plan_exclusive(struct cpu_view *v, struct step_plan *p)
{
	struct soft_insn i = { .op = SOFT_NOP };
	unsigned int n;

	for (n = 1; n <= 4 && is_plain(&i) && !read_insn(v, p->pc + n * SOFT_INSN, &i); n++)
		if (i.op == SOFT_STX) {
			p->nuntil = 1;
			p->until[0] = p->pc + (n + 1) * SOFT_INSN;
			return;
		}
}

static void emulate(struct cpu_view *v, struct step_plan *p, const struct soft_insn *i)
{
	const struct soft_retired done = {
		.pc = p->pc, .gpa = ~0ULL, .insn = *i, .emulated = true
	};
	struct softcpu *c = ((struct vmgdb_vcpu *)v)->ctx; /* the view is its first member */
	struct soft_regs *r = regs_of(v);

	r->r[i->a] = r->flags;
	r->pc += SOFT_INSN;
	v->dirty(v, 0);
	p->emulated = true;
	p->saved[PLAN_OP] = i->op;
	if (c->hooks && c->hooks->retired)
		c->hooks->retired(c->hooks->opaque, c, &done);
}

static int step_begin(struct cpu_view *v, struct step_plan *p)
{
	struct soft_regs *r = regs_of(v);
	struct soft_insn i = { 0 };
	int ret = v->need(v, 0);

	if (ret || p->halted)
		return ret;
	p->stays_runnable = !read_insn(v, r->pc, &i) && i.op != SOFT_HLT;
	if (i.op == SOFT_RDF) {
		emulate(v, p, &i);
		return 0;
	}
	p->saved[PLAN_OP] = i.op;
	if (i.op == SOFT_LDX)
		plan_exclusive(v, p);
	if (p->block_irq || !(r->flags & SOFT_IE))
		return 0;
	p->saved[PLAN_MASKED] = 1;
	r->flags &= ~(uint64_t)SOFT_IE;
	v->dirty(v, 0);
	return 0;
}

static bool sets_ie(uint64_t op)
{
	return op == SOFT_STI || op == SOFT_CLI || op == SOFT_IRET;
}

/* Interrupts on again, where the instruction has left them or saved them. */
static void unmask(struct cpu_view *v, struct step_plan *p)
{
	struct soft_regs *r = regs_of(v);
	bool moved = r->pc != p->pc;

	p->saved[PLAN_MASKED] = 0;
	if (moved && !v->need(v, 1) && r->pc == r->vector) {
		r->eflags |= SOFT_IE;
		v->dirty(v, 1);
	} else if (!moved || !sets_ie(p->saved[PLAN_OP])) {
		r->flags |= SOFT_IE;
		v->dirty(v, 0);
	}
}

static int step_end(struct cpu_view *v, struct step_plan *p, bool trapped)
{
	uint64_t op = p->saved[PLAN_OP];

	if (v->need(v, 0))
		return 0;
	if (p->saved[PLAN_MASKED])
		unmask(v, p);
	return trapped && (op == SOFT_SHADOW || (op == SOFT_REP && regs_of(v)->pc == p->pc));
}

/* soft32 is woken by any interrupt, masked or not. */
static bool takes_interrupts(struct cpu_view *v)
{
	return !v->need(v, 0) && regs_of(v)->flags & SOFT_IE;
}

static bool delivers(struct cpu_view *v)
{
	return !v->need(v, 1) && regs_of(v)->inject;
}

/* ---- descriptions ------------------------------------------------------------------------ */

#define REG(NAME, FIELD, BANK)                                                         \
	{                                                                              \
		.name = NAME, .offset = offsetof(struct soft_regs, FIELD), .bits = 64, \
		.bank = BANK, .dwarf = -1                                              \
	}

static const struct reg_desc reg_descs[] = {
	{ .name = "pc",
	  .offset = offsetof(struct soft_regs, pc),
	  .bits = 64,
	  .dwarf = -1,
	  .generic = "pc" },
	REG("flags", flags, 0),
	REG("r0", r[0], 0),
	REG("r1", r[1], 0),
	REG("r2", r[2], 0),
	REG("r3", r[3], 0),
	REG("r4", r[4], 0),
	REG("r5", r[5], 0),
	REG("r6", r[6], 0),
	REG("r7", r[7], 0),
	REG("ptb", ptb, 1),
	REG("epc", epc, 1),
	REG("cause", cause, 1),
	REG("f0", f[0], 2),
	REG("f1", f[1], 2),
};

static const struct reg_feature feature = {
	.name = "org.vmgdb.soft",
	.annex = "soft.xml",
	.regs = reg_descs,
	.nregs = sizeof(reg_descs) / sizeof(*reg_descs),
};

static const struct reg_feature *const features[] = { &feature };
static const struct tdesc tdesc = { .arch = "soft", .features = features, .nfeatures = 1 };

static const struct tdesc *describe(struct cpu_view *v)
{
	(void)v;
	return &tdesc;
}

static const uint8_t brk8[] = { SOFT_BRK };
static const uint8_t brk32[] = { SOFT_BRK, 0x20, 0x3c, 0xd4 };

const struct cpu soft8_cpu = {
	.name = "soft8",
	.state_size = sizeof(struct soft_regs),
	.nbanks = SOFT_BANKS,
	.brk = brk8,
	.brk_size = 1,
	.brk_kind = 1,
	.describe = describe,
	.pc = get_pc,
	.translate = translate,
	.hw_split = hw_split8,
	.step_begin = step_begin,
	.step_end = step_end,
	.delivers = delivers,
	.takes_interrupts = takes_interrupts,
};

const struct cpu soft32_cpu = {
	.name = "soft32",
	.state_size = sizeof(struct soft_regs),
	.nbanks = SOFT_BANKS,
	.brk = brk32,
	.brk_size = sizeof(brk32),
	.brk_kind = 4,
	.watch_before = true,
	.describe = describe,
	.pc = get_pc,
	.translate = translate,
	.hw_split = hw_split,
	.step_begin = step_begin,
	.step_end = step_end,
	.delivers = delivers,
};

const struct vcpu_caps soft8_caps = { .shared_slots = 4, .block_irq = true };
const struct vcpu_caps soft32_caps = { .exec_slots = 3, .watch_slots = 2 };

/* ---- what runs a vCPU: the ops ----------------------------------------------------------- */

static const struct {
	size_t start, end;
} banks[SOFT_BANKS] = {
	{ 0, offsetof(struct soft_regs, ptb) },
	{ offsetof(struct soft_regs, ptb), offsetof(struct soft_regs, f) },
	{ offsetof(struct soft_regs, f), sizeof(struct soft_regs) },
};

static void copy_bank(void *to, const void *from, unsigned int bank)
{
	memcpy((uint8_t *)to + banks[bank].start, (const uint8_t *)from + banks[bank].start,
	       banks[bank].end - banks[bank].start);
}

static int op_fetch(void *ctx, unsigned int bank, void *state)
{
	struct softcpu *c = ctx;

	c->calls.fetch[bank]++;
	copy_bank(state, &c->regs, bank);
	return 0;
}

static int op_store(void *ctx, unsigned int bank, const void *state)
{
	struct softcpu *c = ctx;

	c->calls.store[bank]++;
	if (!c->fail_store)
		copy_bank(&c->regs, state, bank);
	return c->fail_store;
}

/* The arm64-like kind, whatever a test has made of its struct cpu. */
static bool is_soft32(const struct vcpu_ops *ops)
{
	return ops->cpu->watch_before;
}

static unsigned int count_slots(const struct debug_control *w, bool exec)
{
	unsigned int i, n = 0;

	for (i = 0; i < w->nhw; i++)
		n += (w->hw[i].kind == HW_EXEC) == exec;
	return n;
}

/* More than the processor has can't be armed: said, where real ones would ignore it. */
static int op_arm(void *ctx, const struct debug_control *control)
{
	unsigned int exec = count_slots(control, true), data = count_slots(control, false);
	struct softcpu *c = ctx;
	const struct vcpu_caps *caps = &c->caps;

	c->calls.arm++;
	c->exit = SOFT_EXIT_NONE;
	c->wrote = false;
	if (control->step && !control->step_goes_on)
		c->step_pending = false;
	if (c->fail_arm)
		return c->fail_arm;
	exec -= exec < caps->exec_slots ? exec : caps->exec_slots;
	data -= data < caps->watch_slots ? data : caps->watch_slots;
	if (exec + data > caps->shared_slots)
		return -ENOSPC;
	c->control = *control;
	return 0;
}

static void wake(struct softcpu *c)
{
	pthread_mutex_lock(&c->halt_lock);
	pthread_cond_broadcast(&c->halt);
	pthread_mutex_unlock(&c->halt_lock);
}

static void op_kick(void *ctx)
{
	struct softcpu *c = ctx;

	c->calls.kick++;
	if (atomic_load(&c->lose_kicks) > 0) {
		atomic_fetch_sub(&c->lose_kicks, 1);
		return;
	}
	if (!atomic_exchange(&c->kick, true))
		atomic_store(&c->kick_is_engines, true);
	wake(c);
}

static void op_clear_kick(void *ctx)
{
	struct softcpu *c = ctx;

	c->calls.clear_kick++;
	if (atomic_exchange(&c->kick_is_engines, false))
		atomic_store(&c->kick, false);
}

/* A write on soft8: its step goes on behind it, into the next instruction. */
static bool ends_silently(const struct softcpu *c)
{
	return c->control.step && c->half.op == SOFT_OUT && !is_soft32(c->ops);
}

static bool op_needs_completion(void *ctx)
{
	struct softcpu *c = ctx;
	bool half = c->exit == SOFT_EXIT_IO;

	c->calls.needs_completion++;
	if (half) {
		c->exit = SOFT_EXIT_NONE;
		c->wrote = ends_silently(c);
	}
	return half;
}

static void op_classify(void *ctx, struct trap *out)
{
	struct softcpu *c = ctx;

	c->calls.classify++;
	if (c->exit == SOFT_EXIT_DEBUG || c->exit == SOFT_EXIT_FATAL || c->exit == SOFT_EXIT_EVENT)
		*out = c->trap;
	else if (c->exit == SOFT_EXIT_NONE && c->wrote)
		*out = (struct trap){ .kind = TRAP_STEP, .pc = c->regs.pc };
	else if (c->exit == SOFT_EXIT_NONE || c->exit == SOFT_EXIT_INTR)
		*out = (struct trap){ .kind = TRAP_INTERRUPTED };
	c->wrote = false;
}

static int op_reinject(void *ctx, const struct trap *t)
{
	struct softcpu *c = ctx;

	c->calls.reinject++;
	c->regs.inject = t->kind & TRAP_BRK ? SOFT_EXC_BRK : SOFT_EXC_STEP;
	c->regs.inject_epc = t->pc + (t->kind & TRAP_BRK ? SOFT_INSN : 0);
	return 0;
}

static const char *op_halted(void *ctx)
{
	struct softcpu *c = ctx;

	c->calls.halted++;
	return atomic_load(&c->halted) ? "halted" : NULL;
}

static void op_release(void *ctx)
{
	struct softcpu *c = ctx;

	c->calls.release++;
}

/* A host on which execution slots never fire: software breakpoints are in memory. */
static const char *no_exec_traps(void *ctx, enum trap_kind kind)
{
	(void)ctx;
	return kind == TRAP_EXEC ? "execution slots never fire on this host" : NULL;
}

#define SOFT_OPS(CPU, UNSUPPORTED)                                                                \
	{                                                                                         \
		.cpu = CPU, .fetch = op_fetch, .store = op_store, .arm = op_arm, .kick = op_kick, \
		.clear_kick = op_clear_kick, .needs_completion = op_needs_completion,             \
		.classify = op_classify, .reinject = op_reinject, .halted = op_halted,            \
		.unsupported_trap = UNSUPPORTED, .release = op_release                            \
	}

const struct vcpu_ops soft8_ops = SOFT_OPS(&soft8_cpu, NULL);
const struct vcpu_ops soft32_ops = SOFT_OPS(&soft32_cpu, NULL);
const struct vcpu_ops soft8_memory_ops = SOFT_OPS(&soft8_cpu, no_exec_traps);
const struct vcpu_ops soft32_memory_ops = SOFT_OPS(&soft32_cpu, no_exec_traps);

/* ---- running ----------------------------------------------------------------------------- */

int softcpu_init(struct softcpu *c, const struct vcpu_ops *ops, unsigned int index,
		 struct soft_mem mem, const struct soft_hooks *hooks)
{
	int ret;

	memset(c, 0, sizeof(*c));
	c->index = index;
	c->ops = ops;
	c->caps = is_soft32(ops) ? soft32_caps : soft8_caps;
	c->mem = mem;
	c->hooks = hooks;
	ret = pthread_mutex_init(&c->halt_lock, NULL);
	return ret ? -ret : -pthread_cond_init(&c->halt, NULL);
}

void softcpu_fini(struct softcpu *c)
{
	pthread_cond_destroy(&c->halt);
	pthread_mutex_destroy(&c->halt_lock);
}

void softcpu_vmm_kick(struct softcpu *c)
{
	atomic_store(&c->kick, true);
	wake(c);
}

bool softcpu_vmm_clear_kick(struct softcpu *c)
{
	return atomic_exchange(&c->kick, false);
}

void softcpu_irq(struct softcpu *c)
{
	atomic_fetch_add(&c->irqs, 1);
	wake(c);
}

static void retire(struct softcpu *c, struct soft_retired *r)
{
	r->stepped = c->control.step;
	c->retired++;
	if (c->hooks && c->hooks->retired)
		c->hooks->retired(c->hooks->opaque, c, r);
}

/* Out of the guest; what is exclusive does not survive that. */
static int leave(struct softcpu *c, enum soft_exit exit, int ret)
{
	c->exit = exit;
	c->monitor = false;
	return ret;
}

static int leave_trap(struct softcpu *c, unsigned int kind, uint32_t slots)
{
	c->trap = (struct trap){ .kind = kind, .pc = c->regs.pc, .slots = slots };
	if (c->hooks && c->hooks->trapped)
		c->hooks->trapped(c->hooks->opaque, c, &c->trap);
	return leave(c, SOFT_EXIT_DEBUG, 0);
}

static int leave_fatal(struct softcpu *c, const char *why)
{
	leave_trap(c, TRAP_FATAL, 0);
	c->trap.text = why;
	return leave(c, SOFT_EXIT_FATAL, 0);
}

static int leave_event(struct softcpu *c)
{
	leave_trap(c, TRAP_EVENT, 0);
	c->trap.text = "power off";
	return leave(c, SOFT_EXIT_EVENT, 0);
}

static uint32_t exec_slots_at(const struct softcpu *c, uint64_t pc)
{
	uint32_t hit = 0;
	unsigned int i;

	for (i = 0; i < c->control.nhw; i++)
		if (c->control.hw[i].kind == HW_EXEC && c->control.hw[i].addr == pc)
			hit |= 1U << i;
	return hit;
}

static bool kind_fires(enum hw_kind kind, bool write)
{
	return kind == HW_ACCESS || (kind == HW_WRITE && write) || (kind == HW_READ && !write);
}

static uint32_t data_slots_at(const struct softcpu *c, const struct soft_access *a)
{
	const struct hw_slot *s = c->control.hw;
	uint32_t hit = 0;
	unsigned int i;

	for (i = 0; a->len && a->gpa != ~0ULL && i < c->control.nhw; i++, s++)
		if (s->kind != HW_EXEC && kind_fires(s->kind, a->write) &&
		    a->va < s->addr + s->len && s->addr < a->va + a->len)
			hit |= 1U << i;
	return hit;
}

enum { RUN_ON = 1 }; /* of the functions below: stay in the guest */

/* An instruction or a delivery is complete: does it leave the guest? */
static int after(struct softcpu *c, uint32_t watched, bool guest_tf)
{
	unsigned int kind = watched ? TRAP_WATCH : 0;

	if (c->control.step)
		kind |= TRAP_STEP;
	if (guest_tf && !kind) {
		if (c->control.trap_brk || c->control.nhw) {
			kind = TRAP_STEP;
		} else {
			c->regs.inject = SOFT_EXC_STEP;
			c->regs.inject_epc = c->regs.pc;
		}
	}
	return kind ? leave_trap(c, kind, watched) : RUN_ON;
}

/* The same where a kick may come before the trap, which stays for the next step on soft32. */
static int after_guest(struct softcpu *c, uint32_t watched, bool guest_tf)
{
	if (!c->control.step || !is_soft32(c->ops) || !atomic_load(&c->kick))
		return after(c, watched, guest_tf);
	c->step_pending = true;
	return RUN_ON;
}

static int take(struct softcpu *c, enum soft_cause cause, uint64_t epc)
{
	struct soft_retired r = { .what = cause == SOFT_EXC_IRQ ? SOFT_R_IRQ : SOFT_R_EXC,
				  .pc = c->regs.pc,
				  .gpa = ~0ULL,
				  .cause = cause };

	c->monitor = false;
	if (soft_deliver(&c->regs, &c->mem, cause, epc) == SOFT_TRIPLE)
		return leave_fatal(c, "triple fault");
	c->taken += cause == SOFT_EXC_IRQ;
	retire(c, &r);
	return after_guest(c, 0, false);
}

static void track_exclusive(struct softcpu *c, const struct soft_retired *r)
{
	if (r->insn.op == SOFT_LDX) {
		c->monitor = true;
		c->monitor_gpa = r->access.gpa;
		c->monitor_value = c->regs.r[r->insn.a];
	}
	if (r->insn.op == SOFT_STX)
		c->monitor = false;
}

/* The store of an exclusive pair: decided here, by a compare and exchange. */
static bool try_stx(struct softcpu *c, const struct soft_retired *r)
{
	uint64_t old = c->monitor_value;

	if (!c->monitor || r->access.gpa != c->monitor_gpa)
		return false;
	return __atomic_compare_exchange_n((uint64_t *)(void *)(c->mem.base + r->access.gpa), &old,
					   c->regs.r[r->insn.a], false, __ATOMIC_RELAXED,
					   __ATOMIC_RELAXED);
}

static int half_done(struct softcpu *c, const struct soft_retired *r)
{
	c->incomplete = true;
	c->half = r->insn;
	c->half_access = r->access;
	c->half_exits = r->insn.op == SOFT_MMIO2;
	c->half_value = 0;
	c->io_value = r->insn.op == SOFT_OUT ? c->regs.r[r->insn.a] : 0;
	return leave(c, SOFT_EXIT_IO, 0);
}

static int finished(struct softcpu *c, struct soft_retired *r, enum soft_result res, bool tf)
{
	bool fires = res == SOFT_DONE && !is_soft32(c->ops);
	uint32_t watched = fires ? data_slots_at(c, &r->access) : 0;

	if (res == SOFT_EXCEPTION) {
		r->what = SOFT_R_EXC;
		r->cause = c->regs.cause;
		c->monitor = false;
	}
	track_exclusive(c, r);
	if (res == SOFT_HALTED)
		atomic_store(&c->halted, true);
	retire(c, r);
	return after_guest(c, watched, tf && res != SOFT_EXCEPTION);
}

static int execute(struct softcpu *c, struct soft_retired *r)
{
	bool tf = c->regs.flags & SOFT_TFLAG;
	enum soft_result res;
	uint32_t hit;

	soft_access_of(&c->mem, &c->regs, &r->insn, &r->access);
	hit = data_slots_at(c, &r->access);
	if (hit && is_soft32(c->ops))
		return leave_trap(c, TRAP_WATCH, hit);
	if (r->insn.op == SOFT_STX && r->access.gpa != ~0ULL)
		r->env.stx_ok = try_stx(c, r);
	res = soft_exec(&c->regs, &c->mem, &r->insn, &r->env);
	switch (res) {
	case SOFT_INCOMPLETE: return half_done(c, r);
	case SOFT_IS_FATAL: return leave_fatal(c, "internal error");
	case SOFT_IS_EVENT: return leave_event(c);
	case SOFT_TRIPLE: return leave_fatal(c, "triple fault");
	case SOFT_IS_BRK:
		if (c->control.trap_brk)
			return leave_trap(c, TRAP_BRK, 0);
		return take(c, SOFT_EXC_BRK, c->regs.pc + SOFT_INSN);
	default: break;
	}
	if (r->insn.op == SOFT_RDF && c->control.step && !is_soft32(c->ops))
		c->regs.r[r->insn.a] |= SOFT_TFLAG;
	return finished(c, r, res, tf);
}

/* The VMM has served the exit. */
static int complete(struct softcpu *c)
{
	struct soft_retired r = { .pc = c->regs.pc, .gpa = ~0ULL, .insn = c->half };
	uint64_t value = c->half_value + c->io_value;
	bool tf = c->regs.flags & SOFT_TFLAG;

	if (c->half_exits) {
		c->half_exits--;
		c->half_value = value;
		c->io_value = 0;
		return leave(c, SOFT_EXIT_IO, 0);
	}
	r.env.in = value;
	soft_translate(&c->mem, c->regs.ptb, c->regs.pc, &r.gpa);
	soft_complete(&c->regs, &c->half, value);
	c->incomplete = false;
	retire(c, &r);
	return ends_silently(c) ? RUN_ON : after(c, 0, tf);
}

/* An interrupt that can be taken; what wakes from a halt is that, or on soft32 any. */
static bool irq_ready(const struct softcpu *c)
{
	return atomic_load(&c->irqs) && c->regs.flags & SOFT_IE &&
	       !(c->control.step && c->control.block_irq);
}

static bool wakes(const struct softcpu *c)
{
	return irq_ready(c) || (is_soft32(c->ops) && atomic_load(&c->irqs));
}

static void rest(struct softcpu *c)
{
	pthread_mutex_lock(&c->halt_lock);
	while (!atomic_load(&c->kick) && !wakes(c))
		pthread_cond_wait(&c->halt, &c->halt_lock);
	if (wakes(c))
		atomic_store(&c->halted, false);
	pthread_mutex_unlock(&c->halt_lock);
}

static int inject(struct softcpu *c)
{
	enum soft_cause cause = c->regs.inject;

	c->regs.inject = 0;
	return take(c, cause, c->regs.inject_epc);
}

static int run_one(struct softcpu *c)
{
	struct soft_retired r = { .pc = c->regs.pc };
	uint32_t hit;

	if (c->step_pending && c->control.step) {
		c->step_pending = false;
		return leave_trap(c, TRAP_STEP, 0);
	}
	if (c->regs.inject)
		return inject(c);
	if (atomic_load(&c->halted)) {
		rest(c);
		return RUN_ON;
	}
	if (irq_ready(c)) {
		atomic_fetch_sub(&c->irqs, 1);
		return take(c, SOFT_EXC_IRQ, c->regs.pc);
	}
	hit = exec_slots_at(c, c->regs.pc);
	if (hit)
		return leave_trap(c, TRAP_EXEC, hit);
	if (soft_fetch(&c->mem, &c->regs, &r.insn, &r.gpa))
		return take(c, SOFT_EXC_FAULT, c->regs.pc);
	return execute(c, &r);
}

int softcpu_run(struct softcpu *c)
{
	int ret = c->incomplete ? complete(c) : RUN_ON;

	c->monitor = false;
	if (ret == RUN_ON && atomic_load(&c->kick))
		return -EINTR; /* the exit is what it was before */
	while (ret == RUN_ON) {
		if (c->hooks && c->hooks->point)
			c->hooks->point(c->hooks->opaque, c);
		if (atomic_load(&c->kick))
			return leave(c, SOFT_EXIT_INTR, -EINTR);
		ret = run_one(c);
	}
	return ret;
}
