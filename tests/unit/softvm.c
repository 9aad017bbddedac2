// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <criterion/criterion.h>

#include "core/lib/time.h"
#include "tests/unit/softvm.h"

enum { STOP_LIMIT_MS = 20000, NAP_MS = 1, STAND_MS = 20 };

/* ---- the VMM ----------------------------------------------------------------------------- */

static void notified(void *opaque)
{
	struct softvm *vm = opaque;

	pthread_mutex_lock(&vm->lock);
	vm->notified = true;
	pthread_cond_signal(&vm->news);
	pthread_mutex_unlock(&vm->lock);
}

static void on_stopped(void *opaque)
{
	struct softvm *vm = opaque;

	vm->paused++;
	vm->stops++;
}

static void on_resumed(void *opaque)
{
	struct softvm *vm = opaque;

	vm->paused--;
	vm->resumes++;
}

static void on_kill(void *opaque)
{
	struct softvm *vm = opaque;

	vm->kills++;
	engine_exited(&vm->engine, 137);
}

static void on_log(void *opaque, enum vmgdb_log_level level, const char *line)
{
	struct softvm *vm = opaque;

	if (level == VMGDB_LOG_ERROR)
		vm->errors++;
	if (level == VMGDB_LOG_WARNING) {
		pthread_mutex_lock(&vm->lock);
		snprintf(vm->warning, sizeof(vm->warning), "%s", line);
		pthread_mutex_unlock(&vm->lock);
		vm->warnings++;
	}
	if (vm->on_log)
		vm->on_log(vm, level);
}

static void init_news(struct softvm *vm)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&vm->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&vm->news, &attr);
	pthread_condattr_destroy(&attr);
}

void softvm_init_sized(struct softvm *vm, const struct vcpu_ops *ops, unsigned int ncpus,
		       const struct soft_hooks *hooks, size_t size)
{
	const struct vmgdb_config config = {
		.opaque = vm,
		.log = on_log,
		.stopped = on_stopped,
		.resumed = on_resumed,
		.kill = on_kill,
	};
	unsigned int i;

	memset(vm, 0, sizeof(*vm));
	init_news(vm);
	cr_assert_eq(engine_init(&vm->engine, &config), 0);
	engine_set_notify(&vm->engine, notified, vm);
	vm->t = engine_target(&vm->engine);
	vm->ops = ops;
	vm->hooks = hooks;
	vm->mem = aligned_alloc(4096, size);
	cr_assert(vm->mem);
	memset(vm->mem, 0, size);
	vm->phys = (struct soft_mem){ vm->mem, size };
	cr_assert_eq(engine_add_memory(&vm->engine, 0, vm->mem, size), 0);
	for (i = 0; i < ncpus; i++)
		softvm_add(vm, i);
}

void softvm_init(struct softvm *vm, const struct vcpu_ops *ops, unsigned int ncpus,
		 const struct soft_hooks *hooks)
{
	softvm_init_sized(vm, ops, ncpus, hooks, SOFTVM_MEM);
}

void softvm_init_loops(struct softvm *vm, const struct vcpu_ops *ops, unsigned int ncpus,
		       const struct soft_hooks *hooks)
{
	softvm_init(vm, ops, ncpus, hooks);
	softvm_loops(vm);
}

struct softvm_cpu *softvm_add(struct softvm *vm, unsigned int index)
{
	struct softvm_cpu *c = &vm->cpus[vm->ncpus];

	cr_assert_lt(vm->ncpus, SOFTVM_CPUS);
	c->vm = vm;
	cr_assert_eq(softcpu_init(&c->cpu, vm->ops, index, vm->phys, vm->hooks), 0);
	cr_assert_eq(engine_add_vcpu(&vm->engine, index, vm->ops, &c->cpu.caps, &c->cpu, &c->vcpu),
		     0);
	vm->ncpus++;
	return c;
}

static bool serve(struct softvm_cpu *c)
{
	if (c->vm->on_exit)
		return c->vm->on_exit(c);
	if (c->cpu.exit != SOFT_EXIT_IO)
		return true;
	while (atomic_load(&c->vm->hang))
		c->vm->hangs = true;
	if (c->cpu.half.op == SOFT_OUT)
		c->outs++;
	else
		c->cpu.io_value = 7;
	return false;
}

static bool interrupted(struct softvm_cpu *c)
{
	return c->vm->on_interrupted && c->vm->on_interrupted(c);
}

/* The loop of core/include/vmgdb/vmgdb.h. */
static void *vcpu_main(void *opaque)
{
	struct softvm_cpu *c = opaque;
	bool end = false;
	int ret;

	while (!end && vmgdb_vcpu_enter(c->vcpu) == 0) {
		c->entries++;
		ret = softcpu_run(&c->cpu);
		if (vmgdb_vcpu_exit(c->vcpu))
			continue;
		end = ret ? interrupted(c) : serve(c);
		end |= atomic_load(&c->ends);
	}
	c->done = true;
	return NULL;
}

void softvm_start_cpu(struct softvm_cpu *c)
{
	cr_assert_eq(pthread_create(&c->thread, NULL, vcpu_main, c), 0);
	c->running = true;
}

void softvm_start(struct softvm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->ncpus; i++)
		if (!vm->cpus[i].running)
			softvm_start_cpu(&vm->cpus[i]);
}

void softvm_stop(struct softvm *vm)
{
	unsigned int i;

	engine_shutdown(&vm->engine);
	softvm_release(vm);
	for (i = 0; i < vm->ncpus; i++) {
		if (vm->cpus[i].running)
			pthread_join(vm->cpus[i].thread, NULL);
		vm->cpus[i].running = false;
	}
}

void softvm_fini(struct softvm *vm)
{
	unsigned int i;

	softvm_stop(vm);
	engine_fini(&vm->engine);
	for (i = 0; i < vm->ncpus; i++)
		softcpu_fini(&vm->cpus[i].cpu);
	pthread_cond_destroy(&vm->news);
	pthread_mutex_destroy(&vm->lock);
	free(vm->mem);
}

unsigned long softvm_retired(const struct softvm *vm)
{
	unsigned long n = 0;
	unsigned int i;

	for (i = 0; i < vm->ncpus; i++)
		n += atomic_load(&vm->cpus[i].cpu.retired);
	return n;
}

void softvm_code(struct softvm *vm, uint64_t gpa, const struct soft_insn *code, size_t n)
{
	memcpy(vm->mem + gpa, code, n * sizeof(*code));
}

/* ---- the debugger ------------------------------------------------------------------------ */

static struct timespec after_ms(int ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += ms % 1000 * 1000000L;
	if (t.tv_nsec >= 1000000000L) {
		t.tv_nsec -= 1000000000L;
		t.tv_sec++;
	}
	return t;
}

/* Until the engine gives notice; as the server's eventfd, it is taken with that. False: none came in
 * ms milliseconds. */
static bool wait_news(struct softvm *vm, int ms)
{
	const struct timespec limit = after_ms(ms);
	int ret = 0;
	bool news;

	pthread_mutex_lock(&vm->lock);
	while (!vm->notified && ret != ETIMEDOUT)
		ret = pthread_cond_timedwait(&vm->news, &vm->lock, &limit);
	news = vm->notified;
	vm->notified = false;
	pthread_mutex_unlock(&vm->lock);
	return news;
}

int softvm_hold(struct softvm *vm)
{
	return vm->t->ops->hold(vm->t);
}

void softvm_release(struct softvm *vm)
{
	vm->t->ops->release(vm->t);
}

/* How long to sleep: until the time is up, or poll() is to be called anyhow. */
static int sleep_ms(struct softvm *vm, int64_t until)
{
	int64_t left = until - time_ms(), again = engine_chase_late_vcpus(&vm->engine);

	left = left < 0 ? 0 : left;
	return (int)(again >= 0 && again < left ? again : left);
}

/* As the server: looks when it is given notice, and chases those that are late. */
bool softvm_wait(struct softvm *vm, struct stop *out, int ms)
{
	int64_t until = time_ms() + ms;
	bool late;

	do {
		late = time_ms() >= until;
		if (vm->t->ops->poll(vm->t, out)) {
			softvm_hold(vm);
			return true;
		}
	} while (wait_news(vm, sleep_ms(vm, until)) || !late);
	return false;
}

struct stop softvm_stopped(struct softvm *vm)
{
	struct stop s;

	cr_assert(softvm_wait(vm, &s, STOP_LIMIT_MS), "no stop is reported");
	return s;
}

void softvm_attach(struct softvm *vm)
{
	cr_assert_eq(vm->t->ops->attach(vm->t, &(struct stop){ 0 }), 0);
	cr_assert_eq(softvm_hold(vm), 0);
}

void softvm_begin(struct softvm *vm)
{
	engine_hold_vm(&vm->engine);
	softvm_start(vm);
	softvm_attach(vm);
}

void softvm_detach(struct softvm *vm)
{
	vm->t->ops->detach(vm->t, DETACH_RUN);
}

void softvm_insert(struct softvm *vm, enum bp_type type, uint64_t addr, uint64_t len)
{
	const char *why = NULL;
	int ret = vm->t->ops->insert(vm->t, 0, type, addr, len, &why);

	cr_assert_eq(ret, 0, "insert: %s: %s", strerror(-ret), why ? why : "");
}

void softvm_remove(struct softvm *vm, enum bp_type type, uint64_t addr, uint64_t len)
{
	cr_assert_eq(vm->t->ops->remove(vm->t, type, addr, len), 0);
}

void softvm_resume_one(struct softvm *vm, unsigned int vcpu, enum resume_kind kind,
		       enum resume_kind others)
{
	const struct resume_action rest = { .kind = others };
	struct resume_action actions[SOFTVM_CPUS];
	unsigned int index[SOFTVM_CPUS], n, i;

	n = vm->t->ops->vcpus(vm->t, index, SOFTVM_CPUS);
	for (i = 0; i < n; i++)
		actions[i] = (struct resume_action){ .vcpu = index[i],
						     .kind = index[i] == vcpu ? kind : others };
	cr_assert_eq(vm->t->ops->resume(vm->t, actions, n, &rest), 0);
}

void softvm_resume(struct softvm *vm, enum resume_kind kind)
{
	softvm_resume_one(vm, 0, kind, kind);
}

void softvm_continue(struct softvm *vm)
{
	softvm_resume(vm, RESUME_CONTINUE);
}

void softvm_step(struct softvm *vm, unsigned int vcpu)
{
	softvm_resume_one(vm, vcpu, RESUME_STEP, RESUME_HOLD);
	expect_stop(softvm_stopped(vm), STOP_STEP, vcpu);
}

void softvm_interrupt(struct softvm *vm)
{
	vm->t->ops->interrupt(vm->t);
}

const struct soft_regs *softvm_regs(struct softvm *vm, unsigned int vcpu)
{
	struct cpu_view *view = vm->t->ops->view(vm->t, vcpu);
	unsigned int bank;

	cr_assert(view);
	for (bank = 0; bank < SOFT_BANKS; bank++)
		cr_assert_eq(view->need(view, bank), 0);
	return view->state;
}

struct soft_regs *softvm_change(struct softvm *vm, unsigned int vcpu, unsigned int bank)
{
	struct cpu_view *view = vm->t->ops->view(vm->t, vcpu);

	cr_assert(view);
	cr_assert_eq(view->need(view, bank), 0);
	view->dirty(view, bank);
	return view->state;
}

void softvm_store(struct softvm *vm, unsigned int vcpu)
{
	cr_assert_eq(vm->t->ops->flush(vm->t, vcpu), 0);
}

uint64_t softvm_pc(struct softvm *vm, unsigned int vcpu)
{
	return softvm_regs(vm, vcpu)->pc;
}

void softvm_go_to(struct softvm *vm, unsigned int vcpu, uint64_t pc)
{
	softvm_change(vm, vcpu, 0)->pc = pc;
	softvm_store(vm, vcpu);
}

uint64_t softvm_read(struct softvm *vm, unsigned int vcpu, uint64_t addr)
{
	uint64_t value;

	cr_assert_eq(vm->t->ops->read(vm->t, vcpu, addr, &value, 8), 8);
	return value;
}

void softvm_pass(int ms)
{
	const struct timespec t = { 0, ms * 1000000L };

	nanosleep(&t, NULL);
}

bool softvm_stands(const struct softvm *vm)
{
	unsigned long n = softvm_retired(vm);

	softvm_pass(STAND_MS);
	return softvm_retired(vm) == n;
}

void softvm_until(bool (*fn)(void *opaque), void *opaque)
{
	int left = STOP_LIMIT_MS;

	while (!fn(opaque) && left--)
		softvm_pass(NAP_MS);
	cr_assert_gt(left, 0, "it does not come about");
}

/* ---- programs ---------------------------------------------------------------------------- */

void softvm_loops(struct softvm *vm)
{
	unsigned int i;

	CODE(vm, VECTOR, I(ADDI, 7, 0, 1), I(IRET, 0, 0, 0));
	for (i = 0; i < SOFTVM_CPUS; i++)
		CODE(vm, loop_of(i), I(ADDI, 0, 0, 1), I(ST, 0, 1, 0), I(NOP, 0, 0, 0), JMP(-4));
	for (i = 0; i < vm->ncpus; i++) {
		vm->cpus[i].cpu.regs.vector = VECTOR;
		vm->cpus[i].cpu.regs.pc = loop_of(i);
		vm->cpus[i].cpu.regs.r[1] = data_of(i);
	}
}

static uint64_t *pte(struct softvm *vm, uint64_t va)
{
	return (uint64_t *)(void *)(vm->mem + TABLE + va / SOFT_PAGE * 8);
}

void softvm_map(struct softvm *vm, uint64_t va, uint64_t gpa)
{
	*pte(vm, va) = gpa | 1;
}

void softvm_unmap(struct softvm *vm, uint64_t va)
{
	*pte(vm, va) = 0;
}

void softvm_paging(struct softvm *vm)
{
	uint64_t va;
	unsigned int i;

	for (va = 0; va < SOFTVM_MEM; va += SOFT_PAGE)
		softvm_map(vm, va, va);
	for (i = 0; i < vm->ncpus; i++)
		vm->cpus[i].cpu.regs.ptb = TABLE;
}

void softvm_break(struct softvm *vm, uint64_t addr)
{
	softvm_insert(vm, BP_SOFTWARE, addr, vm->ops->cpu->brk_kind);
}

void softvm_unbreak(struct softvm *vm, uint64_t addr)
{
	softvm_remove(vm, BP_SOFTWARE, addr, vm->ops->cpu->brk_kind);
}

bool softvm_has_brk(const struct softvm *vm, uint64_t gpa)
{
	unsigned int i;

	for (i = 0; i < vm->ops->cpu->brk_size; i++)
		if (__atomic_load_n(vm->mem + gpa + i, __ATOMIC_RELAXED) != vm->ops->cpu->brk[i])
			return false;
	return true;
}

bool softvm_memory_only(const struct softvm *vm)
{
	return vm->ops->unsupported_trap && vm->ops->unsupported_trap(NULL, TRAP_EXEC);
}

const char *softvm_state_of(struct softvm *vm, enum bp_type type, uint64_t addr)
{
	struct bp_info bp;
	unsigned int i;

	for (i = 0; !vm->t->ops->breakpoint(vm->t, i, &bp); i++)
		if (bp.type == type && bp.addr == addr)
			return bp.state;
	cr_assert(false, "no breakpoint at %#llx", (unsigned long long)addr);
	return NULL;
}

const char *softvm_console(struct softvm *vm)
{
	static char text[4096];
	size_t n = vm->t->ops->console(vm->t, text, sizeof(text) - 1);

	text[n] = '\0';
	return text;
}

void softvm_test_on(void (*fn)(struct softvm *vm, const struct vcpu_ops *ops), ...)
{
	static struct softvm vms[4];
	const struct vcpu_ops *ops;
	unsigned int i = 0;
	va_list ap;

	va_start(ap, fn);
	while ((ops = va_arg(ap, const struct vcpu_ops *)))
		fn(&vms[i++], ops);
	va_end(ap);
}

struct run_on {
	struct softcpu *cpu;
	unsigned long until;
};

static bool has_run(void *opaque)
{
	const struct run_on *r = opaque;

	return atomic_load(&r->cpu->retired) >= r->until;
}

void softvm_run_on(struct softvm *vm, unsigned int cpu, unsigned long n)
{
	struct run_on r = { .cpu = &vm->cpus[cpu].cpu };

	r.until = atomic_load(&r.cpu->retired) + n;
	softvm_until(has_run, &r);
}

static bool hangs(void *opaque)
{
	return atomic_load(&((struct softvm *)opaque)->hangs);
}

void softvm_until_hangs(struct softvm *vm)
{
	softvm_until(hangs, vm);
}
