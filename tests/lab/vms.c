// SPDX-License-Identifier: MIT
/*
 * The engine on a host's KVM: what it costs, several VMs in a process, vCPUs that are added, the
 * end.
 */
#include "tests/lab/vms.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/engine/engine.h"

enum { CPUS = 2, TURNS = 300, HITS = 10, LIMIT_MS = 20000 };

struct driven {
	struct vms_cpu cpu;
	struct vmgdb_vcpu *vcpu;
	pthread_t thread;
	unsigned int exits; /* the guest's own */
};

struct machine {
	struct vms_guest guest;
	struct engine *engine;
	struct target *t;
	unsigned int ncpus;
	struct driven cpus[CPUS];
	atomic_bool left; /* the debugger has detached */
};

static atomic_uint ioctls;

/* Replaces the C library's ioctl() in this whole program. */
int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	ioctls++;
	return (int)syscall(SYS_ioctl, fd, request, arg);
}

/* ---- the VMM ----------------------------------------------------------------------------- */

/*
 * One turn of the loop of core/include/vmgdb/vmgdb.h; its I/O needs no service. False: the vCPU is
 * done.
 */
static bool turn(struct driven *d)
{
	if (vmgdb_vcpu_enter(d->vcpu))
		return false;
	if (ioctl(d->cpu.fd, KVM_RUN, 0) < 0)
		d->cpu.run->exit_reason = KVM_EXIT_INTR;
	if (!vmgdb_vcpu_exit(d->vcpu))
		d->exits += d->cpu.run->exit_reason != KVM_EXIT_INTR;
	return true;
}

static void *drive(void *opaque)
{
	while (turn(opaque))
		;
	return NULL;
}

/* Without vCPUs; held for its first debugger, or not. */
static void boot(struct machine *v, bool held)
{
	const struct vmgdb_config config = { .kick_signal = KICK_SIGNAL };

	memset(v, 0, sizeof(*v));
	vms_open(&v->guest);
	engine_create(&v->engine, &config);
	if (held)
		engine_hold_vm(v->engine);
	v->t = engine_target(v->engine);
	engine_add_memory(v->engine, v->guest.gpa, v->guest.mem, v->guest.size);
}

static int add(struct machine *v)
{
	struct driven *d = &v->cpus[v->ncpus];

	vms_cpu(&v->guest, v->ncpus, &d->cpu);
	return engine_add_vcpu(v->engine, v->ncpus++, &d->cpu.ops, &d->cpu.caps, d->cpu.ctx,
			       &d->vcpu);
}

static int add_running(struct machine *v)
{
	struct driven *d = &v->cpus[v->ncpus];

	return add(v) ? -1 : pthread_create(&d->thread, NULL, drive, d);
}

/* Shuts the VM down, whatever it is doing. */
static void end(struct machine *v)
{
	unsigned int i;

	v->t->ops->release(v->t);
	engine_shutdown(v->engine);
	for (i = 0; i < v->ncpus; i++)
		pthread_join(v->cpus[i].thread, NULL);
	engine_destroy(v->engine);
}

/* ---- the debugger ------------------------------------------------------------------------ */

/* Every vCPU is parked from here to the next resume or detach. */
static int attach(struct machine *v)
{
	int ret = v->t->ops->attach(v->t, &(struct stop){ 0 });

	return ret ? ret : v->t->ops->hold(v->t);
}

static void resume(struct machine *v, enum resume_kind kind)
{
	const struct resume_action all = { .kind = kind };

	v->t->ops->resume(v->t, NULL, 0, &all);
}

static struct stop stopped(struct machine *v)
{
	struct stop s = { .kind = STOP_NONE };
	int left = LIMIT_MS * 10;

	while (!v->t->ops->poll(v->t, &s) && left--)
		usleep(100);
	v->t->ops->hold(v->t);
	return s;
}

static uint64_t count(struct machine *v, unsigned int vcpu)
{
	return vms_count(v->t->ops->view(v->t, vcpu));
}

static int set_break(struct machine *v, uint64_t at)
{
	const char *text;

	return v->t->ops->insert(v->t, 0, BP_SOFTWARE, at, v->t->cpu->brk_kind, &text);
}

/* All vCPUs resume; this vCPU hits its breakpoint, with this count. */
static const char *hits(struct machine *v, unsigned int vcpu, uint64_t counted)
{
	struct stop s;

	resume(v, RESUME_CONTINUE);
	s = stopped(v);
	CHECK(s.kind == STOP_SWBREAK && s.vcpu == vcpu, "a stop of kind %d, vCPU %u", s.kind,
	      s.vcpu);
	CHECK(count(v, vcpu) == counted, "vCPU %u has counted %llu, not %llu", vcpu,
	      (unsigned long long)count(v, vcpu), (unsigned long long)counted);
	return NULL;
}

/* One vCPU, and a debugger before its first instruction; KVM reports breakpoints. */
static const char *debugged(struct machine *v)
{
	const struct vms_cpu *c = &v->cpus[0].cpu;

	boot(v, true);
	CHECK(!add_running(v), "no vCPU");
	if (c->ops.unsupported_trap && c->ops.unsupported_trap(c->ctx, TRAP_BRK))
		return NOT_APPLICABLE "this KVM does not report breakpoint instructions";
	CHECK(!attach(v), "no attaching");
	return NULL;
}

/* ---- facts ------------------------------------------------------------------------------- */

/* A debugger that uses what there is, and detaches while the guest runs. */
static void *debug(void *opaque)
{
	struct machine *v = opaque;
	const char *text;

	attach(v);
	set_break(v, vms_loop(1));
	v->t->ops->insert(v->t, 0, BP_HARDWARE, vms_loop(1), v->t->cpu->brk_kind, &text);
	v->t->ops->insert(v->t, 0, BP_WRITE, v->guest.gpa, 8, &text);
	resume(v, RESUME_STEP);
	stopped(v);
	resume(v, RESUME_CONTINUE);
	usleep(1000);
	v->t->ops->detach(v->t, DETACH_RUN);
	v->left = true;
	return NULL;
}

static const char *costs_nothing(struct machine *v, const char *when)
{
	struct driven *d = &v->cpus[0];
	unsigned int i, calls = ioctls, exits = d->exits;

	for (i = 0; i < TURNS; i++)
		turn(d);
	CHECK(ioctls - calls == TURNS, "%s: %u ioctls for %d turns", when, ioctls - calls, TURNS);
	CHECK(d->exits - exits == TURNS, "%s: %u exits of the guest's in %d turns", when,
	      d->exits - exits, TURNS);
	return NULL;
}

static const char *no_cost(struct vm *m)
{
	static struct machine v;
	const char *text;
	pthread_t debugger;

	(void)m;
	boot(&v, false);
	CHECK(!add(&v), "no vCPU");
	turn(&v.cpus[0]); /* the first turn goes through the engine */
	text = costs_nothing(&v, "no debugger yet");
	if (text)
		return text;
	pthread_create(&debugger, NULL, debug, &v);
	while (!atomic_load(&v.left))
		turn(&v.cpus[0]);
	pthread_join(debugger, NULL);
	turn(&v.cpus[0]);
	return costs_nothing(&v, "the debugger has detached");
}

/* The VMs alternate, one of them a round ahead. */
static const char *both_hit(struct machine *a, struct machine *b)
{
	const char *text = hits(b, 0, 1);
	unsigned int i;

	for (i = 1; !text && i < HITS; i++) {
		text = hits(a, 0, i);
		text = text ? text : hits(b, 0, i + 1);
	}
	return text;
}

static const char *two_vms(struct vm *m)
{
	static struct machine a, b;
	const char *text;

	(void)m;
	text = debugged(&a);
	text = text ? text : debugged(&b);
	if (text)
		return text;
	CHECK(!set_break(&a, vms_loop(0)) && !set_break(&b, vms_loop(0)), "no breakpoints");
	text = both_hit(&a, &b);
	if (text)
		return text;
	resume(&a, RESUME_CONTINUE);
	end(&a);
	text = hits(&b, 0, HITS + 1);
	end(&b);
	return text;
}

/* While all are stopped, or all run. */
static const char *added(bool running)
{
	static struct machine v;
	const char *text = debugged(&v);
	unsigned int i;

	if (text)
		return text;
	CHECK(!set_break(&v, vms_loop(1)), "no breakpoint");
	if (running)
		resume(&v, RESUME_CONTINUE);
	CHECK(!add_running(&v), "no vCPU is added");
	if (running)
		CHECK(stopped(&v).vcpu == 1, "the one that was added does not hit");
	for (i = running; !text && i < HITS; i++)
		text = hits(&v, 1, i);
	if (text)
		return text;
	if (running) /* and shut down while running */
		resume(&v, RESUME_CONTINUE);
	end(&v);
	return NULL;
}

static const char *added_stopped(struct vm *m)
{
	(void)m;
	return added(false);
}

static const char *added_running(struct vm *m)
{
	(void)m;
	return added(true);
}

const struct fact vms_facts[] = {
	{ "engine, no debugger is no ioctl and no exit more, before one and after", no_cost, NULL },
	{ "engine, two VMs in a process are apart, also at the end of one", two_vms, NULL },
	{ "engine, a vCPU that is added while all are stopped hits", added_stopped, NULL },
	{ "engine, a vCPU that is added while all run hits, and is shut down", added_running,
	  NULL },
	{ 0 },
};
