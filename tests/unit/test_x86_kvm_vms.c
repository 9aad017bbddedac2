// SPDX-License-Identifier: MIT
/* The engine on KVM: two VMs in one process, a vCPU that is added, a VM that is taken down. */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "core/engine.h"
#include "tests/unit/x86_vm.h"

#ifdef __x86_64__
#include <linux/kvm.h>

enum {
	CPUS = 2,
	LIMIT_MS = 20000,
	LOOP_AT = X86_CODE,
	JUMP_AT = X86_CODE + 2,
	OTHER_AT = X86_CODE + 0x100,
};

static const uint8_t loop[] = { 0xff, 0xc0, 0xeb, 0xfc }; /* inc %eax; jmp to it */

struct driven {
	int fd;
	struct kvm_run *run;
	struct vmgdb_vcpu *vcpu;
	pthread_t thread;
};

struct machine {
	struct x86_vm m;
	struct vcpu_ops ops;
	struct engine engine;
	struct target *t;
	unsigned int ncpus;
	struct driven cpus[CPUS];
};

/* ---- the VMM ----------------------------------------------------------------------------- */

/* The loop of core/vmgdb.h, of a guest that asks its VMM for nothing. */
static void *drive(void *opaque)
{
	struct driven *d = opaque;

	while (vmgdb_vcpu_enter(d->vcpu) == 0) {
		if (ioctl(d->fd, KVM_RUN, 0) < 0)
			d->run->exit_reason = KVM_EXIT_INTR;
		vmgdb_vcpu_exit(d->vcpu);
	}
	return NULL;
}

static void no_release(void *ctx)
{
	(void)ctx; /* x86_vm_close() does that */
}

static void start(struct machine *v, int fd, struct kvm_run *run, const struct vcpu_ops *ops,
		  const struct vcpu_caps *caps, struct x86_kvm *k)
{
	struct driven *d = &v->cpus[v->ncpus];

	d->fd = fd;
	d->run = run;
	cr_assert_eq(engine_add_vcpu(&v->engine, v->ncpus++, ops, caps, k, &d->vcpu), 0);
	cr_assert_eq(pthread_create(&d->thread, NULL, drive, d), 0);
}

/* A guest that counts in EAX, attached before its first instruction. False: no KVM. */
static bool boot(struct machine *v, enum x86_guest mode)
{
	const struct vmgdb_config config = { .kick_signal = SIGRTMIN };
	struct x86_vm *m = &v->m;

	v->ncpus = 0;
	if (!x86_vm_open(m, mode))
		return false;
	memcpy(m->mem + LOOP_AT, loop, sizeof(loop));
	memcpy(m->mem + OTHER_AT, loop, sizeof(loop));
	v->ops = *m->ops;
	v->ops.release = no_release;
	cr_assert_eq(engine_init(&v->engine, &config), 0);
	v->engine.held = true;
	v->t = &v->engine.target;
	cr_assert_eq(memory_add(&v->engine.mem, 0, m->mem, X86_MEM_SIZE), 0);
	start(v, m->vcpu, m->run, &v->ops, &m->caps, m->k);
	cr_assert_eq(v->t->ops->attach(v->t), 0);
	return true;
}

/* Taken down, whatever it is doing. */
static void end(struct machine *v)
{
	unsigned int i;

	engine_shutdown(&v->engine);
	for (i = 0; i < v->ncpus; i++)
		pthread_join(v->cpus[i].thread, NULL);
	engine_fini(&v->engine);
	x86_vm_close(&v->m);
}

/* ---- the debugger ------------------------------------------------------------------------ */

static void go(struct machine *v)
{
	static const struct resume_action all = { .kind = RESUME_CONTINUE };

	cr_assert_eq(v->t->ops->resume(v->t, NULL, 0, &all), 0);
}

static struct stop stopped(struct machine *v)
{
	struct stop s;
	int left = LIMIT_MS * 10;

	while (!v->t->ops->poll(v->t, &s) && left--)
		usleep(100);
	cr_assert_gt(left, 0, "no stop is reported");
	return s;
}

static uint64_t gpr(struct machine *v, unsigned int vcpu, enum x86_gpr n)
{
	struct cpu_view *view = v->t->ops->view(v->t, vcpu);

	cr_assert_eq(view->need(view, X86_BANK_GPR), 0);
	return ((const struct x86_state *)view->state)->gpr[n];
}

/* All go on, and this one comes to its breakpoint. */
static void expect_hit(struct machine *v, unsigned int vcpu)
{
	struct stop s;

	go(v);
	s = stopped(v);
	cr_assert_eq(s.kind, STOP_SWBREAK, "stop of kind %d", s.kind);
	cr_assert_eq(s.vcpu, vcpu);
}

static void set_break(struct machine *v, uint64_t at)
{
	const char *why = "";

	cr_assert_eq(v->t->ops->insert(v->t, 0, POINT_SW, at, 1, &why), 0, "%s", why);
}

/* Skips the test where it can't be. */
#define BOOT(V, MODE)                                                          \
	do {                                                                   \
		if (!boot(V, MODE))                                            \
			cr_skip_test(X86_NO_KVM);                              \
		if ((V)->m.ops->dead && (V)->m.ops->dead((V)->m.k, TRAP_BRK))  \
			cr_skip_test("this KVM does not tell of breakpoints"); \
	} while (0)

Test(x86_kvm_vms, two,
     .description = "two VMs, a debugger each, know nothing of each other; one ends under its own",
     .timeout = 60)
{
	static struct machine a, b;
	unsigned int i;

	BOOT(&a, X86_GUEST_64);
	BOOT(&b, X86_GUEST_32);
	set_break(&a, LOOP_AT);
	set_break(&b, JUMP_AT);
	expect_hit(&a, 0);
	expect_hit(&b, 0);
	for (i = 1; i < 20; i++) {
		expect_hit(&a, 0);
		expect_hit(&b, 0);
		cr_assert_eq(gpr(&a, 0, X86_RAX), i + 1);
		cr_assert_eq(gpr(&b, 0, X86_RAX), i + 1);
	}
	a.t->ops->remove(a.t, 0, POINT_SW, LOOP_AT, 1, NULL);
	go(&a);
	end(&a);
	expect_hit(&b, 0);
	cr_expect_eq(gpr(&b, 0, X86_RAX), i + 1);
	b.t->ops->detach(b.t, DETACH_RUN);
	cr_expect_eq(memcmp(b.m.mem + LOOP_AT, loop, sizeof(loop)), 0);
	end(&b);
}

/* One more vCPU, which counts in a loop of its own. */
static void add(struct machine *v, uint64_t at)
{
	struct x86_vm *m = &v->m;
	int fd = ioctl(m->vm, KVM_CREATE_VCPU, v->ncpus);
	struct kvm_run *run = mmap(NULL, m->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct x86_state state = { 0 }, init;
	struct vcpu_caps caps;
	struct x86_kvm *k;
	unsigned int bank;

	cr_assert(fd >= 0 && run != MAP_FAILED);
	cr_assert_eq(x86_kvm_create(fd, run, SIGRTMIN, &k, &caps), 0);
	x86_guest_state(&init, X86_GUEST_32);
	init.rip = at;
	for (bank = X86_BANK_GPR; bank <= X86_BANK_SREGS; bank++) {
		cr_assert_eq(m->ops->fetch(k, bank, &state), 0);
		cr_assert_eq(m->ops->store(k, bank, &init), 0);
	}
	start(v, fd, run, m->ops, &caps, k);
}

static void end_added(struct machine *v)
{
	const struct driven d = v->cpus[1];
	size_t size = v->m.run_size;

	end(v);
	munmap(d.run, size);
	close(d.fd);
}

Test(x86_kvm_vms, added,
     .description = "a vCPU added under a debugger: while all are stopped, or all run, it hits",
     .timeout = 60)
{
	static struct machine v;
	unsigned int running, i;

	for (running = 0; running < 2; running++) {
		BOOT(&v, X86_GUEST_32);
		set_break(&v, OTHER_AT + 2);
		if (running)
			go(&v);
		add(&v, OTHER_AT);
		if (running)
			cr_assert_eq(stopped(&v).vcpu, 1);
		else
			expect_hit(&v, 1);
		for (i = 1; i < 10; i++) {
			cr_assert_eq(gpr(&v, 1, X86_RAX), i);
			expect_hit(&v, 1);
		}
		if (running) /* taken down while it runs */
			go(&v);
		end_added(&v);
	}
}
#endif
