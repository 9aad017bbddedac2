// SPDX-License-Identifier: MIT
/* What a stub costs a KVM guest while no debugger is there: the system calls and exits are counted. */
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "core/engine.h"
#include "tests/unit/x86_vm.h"

#ifdef __x86_64__
#include <linux/kvm.h>

static atomic_uint ioctls, runs;

/* In place of the C library's, for this whole program. */
int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	ioctls++;
	runs += request == KVM_RUN;
	return (int)syscall(SYS_ioctl, fd, request, arg);
}

struct guest {
	struct x86_vm m;
	struct vcpu_ops ops;
	struct engine engine;
	struct vmgdb_vcpu *vcpu;
	unsigned int outs; /* of the guest, seen by the VMM */
	atomic_bool left;  /* the debugger has */
};

/* One turn of the loop of core/vmgdb.h. */
static void turn(struct guest *g)
{
	cr_assert_eq(vmgdb_vcpu_enter(g->vcpu), 0);
	if (ioctl(g->m.vcpu, KVM_RUN, 0) < 0)
		g->m.run->exit_reason = KVM_EXIT_INTR;
	if (!vmgdb_vcpu_exit(g->vcpu))
		g->outs += g->m.run->exit_reason == KVM_EXIT_IO;
}

static void expect_nothing_but_runs(struct guest *g, const char *when)
{
	unsigned int i, all = ioctls, run = runs, outs = g->outs;

	for (i = 0; i < 1000; i++)
		turn(g);
	cr_expect_eq(runs - run, 1000);
	cr_expect_eq(ioctls - all, 1000, "%s: %u system calls more", when, ioctls - all - 1000);
	cr_expect_eq(g->outs - outs, 1000, "%s: %u exits more", when, 1000 - (g->outs - outs));
}

/* A debugger that uses all there is, and detaches while the guest runs. */
static void *debug(void *opaque)
{
	static const struct resume_action go = { .kind = RESUME_CONTINUE };
	struct guest *g = opaque;
	struct target *t = &g->engine.target;
	const char *why;
	struct stop s;

	cr_expect_eq(t->ops->attach(t), 0);
	cr_expect_eq(t->ops->insert(t, 0, POINT_SW, X86_CODE + 64, 1, &why), 0);
	t->ops->insert(t, 0, POINT_HW, X86_CODE + 65, 1, &why);
	t->ops->insert(t, 0, POINT_WRITE, X86_STACK, 8, &why);
	t->ops->resume(t, NULL, 0, &(struct resume_action){ .kind = RESUME_STEP });
	while (!t->ops->poll(t, &s))
		usleep(100);
	cr_expect_eq(s.kind, STOP_STEP);
	t->ops->resume(t, NULL, 0, &go);
	usleep(1000);
	t->ops->detach(t, DETACH_RUN);
	g->left = true;
	return NULL;
}

static void no_release(void *ctx)
{
	(void)ctx; /* the test's own VM does that */
}

static void begin(struct guest *g)
{
	const struct vmgdb_config config = { .kick_signal = SIGRTMIN };
	static const struct debug_wish nothing;
	struct trap t;

	x86_vm_code(&g->m, "\xe6\x80\xeb\xfc", 4); /* out %al, $0x80; jmp to it */
	cr_assert_eq(x86_vm_run(&g->m, &nothing, &t), 0);
	g->ops = *g->m.ops;
	g->ops.release = no_release;
	cr_assert_eq(engine_init(&g->engine, &config), 0);
	cr_assert_eq(memory_add(&g->engine.mem, 0, g->m.mem, X86_MEM_SIZE), 0);
	cr_assert_eq(engine_add_vcpu(&g->engine, 0, &g->ops, &g->m.caps, g->m.k, &g->vcpu), 0);
	turn(g); /* the first passes by the engine */
}

Test(x86_kvm_cost, nothing,
     .description = "no debugger: not one ioctl but KVM_RUN, not one exit that is not the guest's; "
		    "none yet, or none any more",
     .timeout = 60)
{
	static struct guest g;
	pthread_t debugger;

	if (!x86_vm_open(&g.m, X86_GUEST_64))
		cr_skip_test(X86_NO_KVM);
	begin(&g);
	expect_nothing_but_runs(&g, "no debugger yet");
	cr_assert_eq(pthread_create(&debugger, NULL, debug, &g), 0);
	while (!atomic_load(&g.left))
		turn(&g);
	pthread_join(debugger, NULL);
	turn(&g);
	expect_nothing_but_runs(&g, "it has left");
	engine_fini(&g.engine);
	x86_vm_close(&g.m);
}
#endif
