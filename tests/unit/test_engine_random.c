// SPDX-License-Identifier: MIT
/*
 * The engine under random schedules: random programs on one to four software vCPUs, a debugger that
 * does random things, threads that take turns as a seed says, and a model that knows what must follow
 * (softmodel.h).
 *
 *	VMGDB_SCHEDULES=N	how many (default 100000)
 *	VMGDB_SEED=N		the first of them; a failure prints its own
 *	VMGDB_TRACE=1		what happens, on standard output
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tests/unit/fibers.h"
#include "tests/unit/softmodel.h"

enum {
	SCHEDULES = 100000,
	SWITCHES = 60000, /* in one schedule, at most */
	RESUMES = 10,
	TURNS = 120, /* how long the debugger lets it run, in turns of its own */
};

/*
 * The guest's pages of 256 bytes. Code is at TEXT and runs on from page to page; the page tables at
 * TABLE and TABLE + 512 differ in three of them, and the handler changes from one to the other.
 */
enum {
	TEXT = 0x100,  /* two pages, mapped to themselves */
	LAZY = 0x300,  /* mapped by the second table alone */
	ALIAS = 0x400, /* the first page of TEXT once more */
	SPLIT = 0x500, /* two pages of memory, one for each table */
	LATE = 0x700,  /* mapped when the debugger does so */
	TEXT_END = 0x800,
	PATCH = 0x520, /* the guest writes instructions here: in SPLIT */
	PATCHES = 8,
	SHARED = 0xa00, /* data */
	TABLE_A = 0x1000,
	TABLE_B = 0x1200,
};

struct schedule {
	const struct vcpu_ops *ops, *memory_ops; /* with execution slots, and without */
	struct softvm vm;
	struct model model;
	unsigned int inputs;
	bool trace;
};

static uint32_t rnd(uint32_t n)
{
	return fibers_random(n);
}

static bool one_in(uint32_t n)
{
	return !rnd(n);
}

/* ---- the guest --------------------------------------------------------------------------- */

/* What a program is made of, and how often. LDX begins a sequence of its own. */
static const struct {
	uint8_t op, often;
} mix[] = {
	{ SOFT_NOP, 4 }, { SOFT_LI, 4 },  { SOFT_ADDI, 8 }, { SOFT_ADD, 4 },	{ SOFT_LD, 5 },
	{ SOFT_ST, 5 },	 { SOFT_LDB, 2 }, { SOFT_STB, 2 },  { SOFT_STW, 5 },	{ SOFT_JMP, 4 },
	{ SOFT_JNZ, 6 }, { SOFT_OUT, 2 }, { SOFT_IN, 2 },   { SOFT_MMIO2, 2 },	{ SOFT_HLT, 2 },
	{ SOFT_STI, 3 }, { SOFT_CLI, 2 }, { SOFT_RDF, 3 },  { SOFT_SYS, 2 },	{ SOFT_REP, 3 },
	{ SOFT_LDX, 2 }, { SOFT_BRK, 2 }, { SOFT_FLIP, 2 }, { SOFT_SHADOW, 3 }, { SOFT_FATAL, 1 },
};

static uint8_t pick_op(void)
{
	unsigned int i, all = 0, n;

	for (i = 0; i < sizeof(mix) / sizeof(*mix); i++)
		all += mix[i].often;
	n = rnd(all);
	for (i = 0; n >= mix[i].often; i++)
		n -= mix[i].often;
	return mix[i].op;
}

static void set_imm(struct soft_insn *i, int value)
{
	i->b = (uint8_t)value;
	i->c = (uint8_t)(value >> 8);
}

/* r0 to r2 are anybody's, r3 counts repetitions, r4 is an instruction, r5 and r6 are addresses of
 * data and of code, r7 counts exceptions. */
static struct soft_insn random_insn(uint8_t op)
{
	struct soft_insn i = { op, (uint8_t)rnd(3), (uint8_t)rnd(3), (uint8_t)rnd(256) };

	switch (op) {
	case SOFT_LI:
		if (one_in(3))
			i.a = 3;
		set_imm(&i, (int)rnd(5));
		break;
	case SOFT_LD:
	case SOFT_ST:
	case SOFT_LDB:
	case SOFT_STB: i.b = 5; break;
	case SOFT_STW:
		i.a = 4;
		i.b = 6;
		i.c = (uint8_t)(rnd(PATCHES) * SOFT_INSN);
		break;
	case SOFT_JMP:
	case SOFT_JNZ: set_imm(&i, (int)rnd(24) - 14); break;
	case SOFT_REP: i = (struct soft_insn){ op, 3, 2, 0 }; break;
	case SOFT_BRK: i = (struct soft_insn){ op, 0, 0, 0 }; break;
	default: break;
	}
	return i;
}

static const struct soft_insn exclusive[][4] = {
	{ I(LDX, 0, 5, 0), I(ADDI, 0, 0, 1), I(STX, 0, 5, 1), JNZ(1, -4) },
	{ I(LDX, 0, 5, 0), I(ST, 2, 5, 16), I(STX, 0, 5, 1), JNZ(1, -4) },
};

static void write_text(struct schedule *s)
{
	struct soft_insn *text = (struct soft_insn *)(void *)(s->vm.mem + TEXT);
	const size_t n = (TEXT_END + SOFT_PAGE - TEXT) / SOFT_INSN, k = 4;
	size_t at, i, which;

	for (at = 0; at < n; at++) {
		uint8_t op = pick_op();

		if (op != SOFT_LDX) {
			text[at] = random_insn(op);
		} else if (s->ops->cpu->watch_before && at + k < n) {
			for (which = rnd(2), i = 0; i < k; i++)
				text[at + i] = exclusive[which][i];
			at += k - 1;
		} else {
			text[at] = random_insn(SOFT_NOP);
		}
	}
	for (i = 0; i < PATCHES; i++) /* in both of the pages that it is in */
		text[(PATCH - TEXT) / SOFT_INSN + i] =
			text[(PATCH + SOFT_PAGE - TEXT) / SOFT_INSN + i] = random_insn(SOFT_NOP);
	CODE(&s->vm, VECTOR, I(ADDI, 7, 0, 1), I(FLIP, 0, 0, 0), I(IRET, 0, 0, 0));
	CODE(&s->vm, TEXT_END, JMP(-(TEXT_END + SOFT_INSN - TEXT) / SOFT_INSN));
}

static void map(struct softvm *vm, uint64_t table, uint64_t va, uint64_t pte)
{
	memcpy(vm->mem + table + va / SOFT_PAGE * 8, &pte, sizeof(pte));
}

static void write_tables(struct softvm *vm)
{
	uint64_t va;

	for (va = 0; va < SOFTVM_MEM; va += SOFT_PAGE) {
		map(vm, TABLE_A, va, va | 1);
		map(vm, TABLE_B, va, va | 1);
	}
	map(vm, TABLE_A, LAZY, 0);
	map(vm, TABLE_A, ALIAS, TEXT | 1);
	map(vm, TABLE_B, ALIAS, TEXT | 1);
	map(vm, TABLE_B, SPLIT, (SPLIT + SOFT_PAGE) | 1);
	map(vm, TABLE_A, LATE, 0);
	map(vm, TABLE_B, LATE, 0);
}

static uint64_t random_pc(void)
{
	uint64_t end = one_in(8) ? TEXT_END : LATE;

	return TEXT + rnd((uint32_t)(end - TEXT) / SOFT_INSN) * SOFT_INSN;
}

static void init_regs(struct soft_regs *r)
{
	const struct soft_insn patch = random_insn(one_in(2) ? SOFT_NOP : SOFT_ADDI);
	uint32_t word;

	memcpy(&word, &patch, sizeof(word));
	r->pc = random_pc();
	r->vector = VECTOR;
	r->ptb = one_in(2) ? TABLE_A : TABLE_B;
	r->flags = rnd(2) ? SOFT_IE : 0;
	r->r[3] = rnd(5);
	r->r[4] = word;
	r->r[5] = SHARED;
	r->r[6] = PATCH;
}

/* The VMM: inputs are numbers; a vCPU that has reached its end begins anew. */
static bool serve(struct softvm_cpu *c)
{
	struct schedule *s = c->vm->opaque;

	if (c->cpu.exit == SOFT_EXIT_IO) {
		if (c->cpu.half.op != SOFT_OUT)
			c->cpu.io_value = s->inputs++;
		return false;
	}
	c->cpu.regs.pc = TEXT;
	model_reset(&s->model, c->cpu.index, TEXT);
	return false;
}

/* ---- the debugger, stopped --------------------------------------------------------------- */

static struct target *target(struct schedule *s)
{
	return s->vm.t;
}

static unsigned int any_cpu(const struct schedule *s)
{
	return rnd(s->vm.ncpus);
}

static uint64_t bp_len(const struct schedule *s, enum bp_type type)
{
	return type <= BP_HARDWARE ? s->ops->cpu->brk_kind : 1ULL << rnd(4);
}

/* Often where a vCPU is, was or will soon be. */
static uint64_t bp_addr(const struct schedule *s, const struct model_bp *p)
{
	if (p->type > BP_HARDWARE)
		return SHARED + rnd(SOFT_PAGE) / p->len * p->len;
	switch (rnd(4)) {
	case 0: return PATCH + rnd(PATCHES) * SOFT_INSN;
	case 1: return s->model.cpus[any_cpu(s)].regs.pc;
	case 2: return s->model.cpus[any_cpu(s)].regs.pc + (uint64_t)rnd(6) * SOFT_INSN;
	default: return random_pc();
	}
}

/* A condition that is always false: GDB manual, "Bytecode Descriptions": const8 0, end. */
static const uint8_t never[] = { 0x22, 0, 0x27 };

static int insert_as(struct schedule *s, const struct model_bp *p, const char **why)
{
	const struct agent_code code = { false, never, sizeof(never) };
	int ret;

	target(s)->ops->set_option(target(s), OPTION_SOFTWARE_WATCH, p->soft);
	ret = target(s)->ops->insert(target(s), p->vcpu, p->type, p->addr, p->len, why);
	if (!ret && p->silent)
		ret = target(s)->ops->conditions(target(s), p->type, p->addr, p->len, &code, 1);
	return ret;
}

static void insert(struct schedule *s)
{
	static const enum bp_type types[] = { BP_SOFTWARE, BP_SOFTWARE, BP_SOFTWARE, BP_SOFTWARE,
					      BP_HARDWARE, BP_WRITE,	BP_READ,     BP_ACCESS };
	struct model_bp p = { .type = types[rnd(8)], .vcpu = any_cpu(s) };
	const char *why;
	int ret;

	p.len = bp_len(s, p.type);
	p.addr = bp_addr(s, &p);
	p.soft = p.type == BP_WRITE && one_in(3);
	if (p.soft) {
		p.len = 1ULL << rnd(7);
		p.addr = SHARED + rnd(SOFT_PAGE) / p.len * p.len;
	}
	if (model_find(&s->model, p.type, p.addr) >= 0 || s->model.nbps == MODEL_BPS)
		return;
	p.silent = p.type == BP_SOFTWARE && one_in(6);
	ret = insert_as(s, &p, &why);
	if (ret && p.type == BP_SOFTWARE)
		fibers_fail("insert at %#llx: %s", (unsigned long long)p.addr, strerror(-ret));
	if (!ret)
		model_insert(&s->model, &p);
}

static void remove_bp(struct schedule *s)
{
	unsigned int i = s->model.nbps ? rnd(s->model.nbps) : 0;
	const struct model_bp p = s->model.bps[i];

	if (!s->model.nbps)
		return;
	model_remove(&s->model, i);
	target(s)->ops->remove(target(s), p.type, p.addr, p.len);
}

/* As gdb does it: all are removed, and the same are set again. */
static void set_again(struct schedule *s)
{
	const char *why;
	unsigned int i;

	for (i = 0; i < s->model.nbps; i++) {
		const struct model_bp *p = &s->model.bps[i];

		target(s)->ops->remove(target(s), p->type, p->addr, p->len);
		model_set_again(&s->model, i);
		if (insert_as(s, p, &why))
			fibers_fail("what was there is refused");
	}
}

static void write_register(struct schedule *s)
{
	unsigned int cpu = any_cpu(s), n = rnd(3);
	struct model_cpu *c = &s->model.cpus[cpu];
	struct cpu_view *v = target(s)->ops->view(target(s), cpu);
	struct soft_regs *r = v->state;

	if (v->need(v, 0))
		fibers_fail("no registers");
	r->r[n] = c->regs.r[n] = rnd(1000);
	if (one_in(3) && !c->halted && !s->vm.cpus[cpu].cpu.regs.inject) {
		r->pc = random_pc();
		model_move(&s->model, cpu, r->pc);
	}
	v->dirty(v, 0);
	if (one_in(2) && target(s)->ops->flush(target(s), cpu))
		fibers_fail("registers are refused");
}

static void write_bytes(struct schedule *s, uint64_t va, const void *bytes, size_t n)
{
	unsigned int cpu = any_cpu(s);
	uint64_t gpa;

	if (soft_translate(&s->model.mem, s->model.cpus[cpu].regs.ptb, va, &gpa))
		fibers_fail("data is not mapped");
	model_write(&s->model, gpa, bytes, n);
	if (target(s)->ops->write(target(s), cpu, va, bytes, n))
		fibers_fail("memory can't be written");
}

static void write_memory(struct schedule *s)
{
	const struct soft_insn insn = random_insn(one_in(2) ? SOFT_NOP : SOFT_ADDI);
	uint64_t pte = one_in(2) ? LATE | 1 : 0, value = rnd(1 << 30);

	switch (rnd(3)) {
	case 0: write_bytes(s, PATCH + rnd(PATCHES) * SOFT_INSN, &insn, sizeof(insn)); break;
	case 1: write_bytes(s, SHARED + rnd(SOFT_PAGE - 8), &value, sizeof(value)); break;
	default:
		write_bytes(s, (one_in(2) ? TABLE_A : TABLE_B) + LATE / SOFT_PAGE * 8, &pte,
			    sizeof(pte));
		break;
	}
}

static void act(struct schedule *s)
{
	switch (rnd(8)) {
	case 0:
	case 1:
	case 2: insert(s); break;
	case 3: remove_bp(s); break;
	case 4: write_register(s); break;
	case 5: write_memory(s); break;
	case 6: set_again(s); break;
	default: break;
	}
}

/* ---- the debugger, running --------------------------------------------------------------- */

static struct resume_action random_action(const struct schedule *s, unsigned int cpu)
{
	uint64_t pc = s->model.cpus[cpu].regs.pc;

	return (struct resume_action){
		.vcpu = cpu,
		.kind = (enum resume_kind)rnd(4),
		.start = pc - rnd(8) * SOFT_INSN,
		.end = pc + rnd(16) * SOFT_INSN,
	};
}

/* One more vCPU: its action is that of those that the debugger does not name. */
static void add_cpu(struct schedule *s)
{
	unsigned int i = s->vm.ncpus;

	if (i == SOFTVM_CPUS)
		return;
	if (s->trace)
		printf("add vCPU %u\n", i);
	softvm_add(&s->vm, i);
	init_regs(&s->vm.cpus[i].cpu.regs);
	model_add(&s->model, i);
	softvm_start_cpu(&s->vm.cpus[i]);
}

/* Some are not named. */
static unsigned int named(const struct schedule *s, const struct resume_action *all,
			  const struct resume_action *rest, struct resume_action *out)
{
	unsigned int i, n = 0;

	for (i = 0; i < s->vm.ncpus; i++)
		if (all[i].kind != rest->kind || rest->kind == RESUME_RANGE || one_in(2))
			out[n++] = all[i];
	return n;
}

static void resume(struct schedule *s)
{
	struct resume_action a[SOFTVM_CPUS], list[SOFTVM_CPUS], rest;
	unsigned int i, n, one = any_cpu(s), how = rnd(6);

	for (i = 0; i < s->vm.ncpus; i++) {
		a[i] = random_action(s, i);
		if (how < 2)
			a[i].kind = RESUME_CONTINUE;
		else if (how < 4 && i != one)
			a[i].kind = how == 2 ? RESUME_HOLD : RESUME_CONTINUE;
	}
	if (s->trace)
		for (i = 0; i < s->vm.ncpus; i++)
			printf("resume vCPU %u: %u [%#llx, %#llx)\n", i, a[i].kind,
			       (unsigned long long)a[i].start, (unsigned long long)a[i].end);
	rest = (struct resume_action){ .kind = how == 2 ? RESUME_HOLD : RESUME_CONTINUE };
	n = named(s, a, &rest, list);
	if (one_in(16) && s->vm.ncpus < SOFTVM_CPUS) {
		a[s->vm.ncpus] = rest;
		add_cpu(s);
	}
	model_resume(&s->model, a, &rest);
	if (target(s)->ops->resume(target(s), list, n, &rest))
		fibers_fail("resume is refused");
}

static void interrupt(struct schedule *s)
{
	if (s->trace)
		printf("interrupt\n");
	s->model.interrupted = true;
	target(s)->ops->interrupt(target(s));
}

static bool take_notice(struct softvm *vm)
{
	bool news;

	pthread_mutex_lock(&vm->lock);
	news = vm->notified;
	vm->notified = false;
	pthread_mutex_unlock(&vm->lock);
	return news;
}

static void hold(struct schedule *s)
{
	int ret = target(s)->ops->hold(target(s));

	if (ret)
		fibers_fail("no hold: %s", strerror(-ret));
}

/* Only the engine's notice, or the end of a step that it waits for, makes the server look. */
static bool stopped(struct schedule *s, bool first)
{
	struct stop stop, again;

	if (!first && !take_notice(&s->vm) && !engine_await_step(&s->vm.engine))
		return false;
	if (!target(s)->ops->poll(target(s), &stop))
		return false;
	if (stop.vcpu >= s->vm.ncpus)
		fibers_fail("a stop of no vCPU");
	hold(s);
	model_stopped(&s->model, &stop);
	if (target(s)->ops->poll(target(s), &again))
		fibers_fail("one stop, two reports");
	return true;
}

/* Devices. */
static void maybe_irq(struct schedule *s)
{
	if (one_in(12))
		softcpu_irq(&s->vm.cpus[any_cpu(s)].cpu);
}

/* Let it run until it stops, or so long; then stop it. False: it was left running. */
static bool wait_stop(struct schedule *s, bool leave)
{
	unsigned int left = 1 + rnd(TURNS);
	bool first = true;

	while (!stopped(s, first)) {
		first = false;
		if (left && !--left) {
			if (leave)
				return false;
			interrupt(s);
		}
		if (fibers_idle() && !s->vm.notified) {
			model_idle(&s->model);
			softcpu_irq(&s->vm.cpus[any_cpu(s)].cpu);
			if (!left)
				left = 1;
		}
		maybe_irq(s);
		if (one_in(400))
			add_cpu(s);
		fibers_yield();
	}
	return true;
}

static void attach(struct schedule *s)
{
	struct stop stop;
	int ret;

	model_attaching(&s->model);
	ret = target(s)->ops->attach(target(s), &stop);
	if (ret)
		fibers_fail("attach: %s", strerror(-ret));
	hold(s);
	model_attached(&s->model, &stop);
}

static void detach(struct schedule *s, bool stay)
{
	if (s->trace)
		printf("detach%s\n", stay ? ", stay" : "");
	model_detaching(&s->model);
	target(s)->ops->detach(target(s), stay ? DETACH_STAY : DETACH_RUN);
	model_detached(&s->model);
}

static void run_free(struct schedule *s)
{
	unsigned int n = rnd(40);

	while (n--) {
		maybe_irq(s);
		fibers_yield();
	}
}

/* From attach to detach, which may come while vCPUs run. */
static void debug(struct schedule *s)
{
	unsigned int i, resumes = 1 + rnd(RESUMES), n;
	bool there = true;

	attach(s);
	for (i = 0; i < resumes && there; i++) {
		for (n = rnd(5); n; n--)
			act(s);
		resume(s);
		there = wait_stop(s, one_in(8));
	}
}

/* Anything may be on its way, also with a debugger there. */
static void end(struct schedule *s, bool attached)
{
	model_detaching(&s->model);
	softvm_stop(&s->vm);
	if (attached)
		target(s)->ops->detach(target(s), DETACH_RUN);
	model_ended(&s->model);
}

static void run_schedule(void *arg)
{
	struct schedule *s = arg;
	unsigned int sessions = 1 + one_in(4);
	bool attached = false;

	softvm_start(&s->vm);
	if (one_in(2))
		run_free(s);
	while (sessions--) {
		debug(s);
		attached = !sessions && one_in(4);
		if (attached)
			break;
		detach(s, one_in(4));
		if (one_in(2))
			run_free(s);
	}
	end(s, attached);
}

/* ---- schedules --------------------------------------------------------------------------- */

/* Random numbers are had inside of a run only, so the VM is made there. */
static void build_and_run(void *arg)
{
	struct schedule *s = arg;
	unsigned int i, ncpus = 1 + rnd(4);

	s->inputs = 0;
	softvm_init(&s->vm, one_in(3) ? s->memory_ops : s->ops, 0, NULL);
	s->vm.on_exit = serve;
	s->vm.opaque = s;
	if (one_in(2))
		engine_set_spin(&s->vm.engine, 1 + rnd(20));
	if (one_in(4))
		engine_hold_vm(&s->vm.engine);
	for (i = 0; i < ncpus; i++)
		softvm_add(&s->vm, i);
	write_text(s);
	write_tables(&s->vm);
	for (i = 0; i < ncpus; i++)
		init_regs(&s->vm.cpus[i].cpu.regs);
	model_init(&s->model, &s->vm);
	s->model.trace = s->trace;
	run_schedule(s);
	model_fini(&s->model);
	softvm_fini(&s->vm);
}

static unsigned long long setting(const char *name, unsigned long long otherwise)
{
	const char *value = getenv(name);

	return value ? strtoull(value, NULL, 0) : otherwise;
}

static void run_all(const struct vcpu_ops *ops, const struct vcpu_ops *memory_ops,
		    unsigned long long share)
{
	static struct schedule s;
	unsigned long long seed = setting("VMGDB_SEED", 1), end;
	const char *wrong;

	s.ops = ops;
	s.memory_ops = memory_ops;
	s.trace = setting("VMGDB_TRACE", 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (end = seed + setting("VMGDB_SCHEDULES", SCHEDULES) / share; seed < end; seed++) {
		wrong = fibers_run(seed, SWITCHES, build_and_run, &s);
		cr_assert_null(wrong,
			       "%s: %s (again: VMGDB_SEED=%llu VMGDB_SCHEDULES=2 VMGDB_TRACE=1)",
			       ops->cpu->name, wrong, seed);
	}
}

Test(engine_random, soft8, .description = "random schedules on x86-like vCPUs")
{
	run_all(&soft8_ops, &soft8_memory_ops, 2);
}

Test(engine_random, soft32, .description = "random schedules on arm64-like vCPUs")
{
	run_all(&soft32_ops, &soft32_memory_ops, 2);
}
