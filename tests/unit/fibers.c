// SPDX-License-Identifier: MIT
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>

#include "tests/unit/fibers.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

enum { FIBERS = 8, STACK = 256 * 1024, HELD = 16, SPURIOUS = 200, TIMEOUT_US = 1000 };

enum fiber_state { FIBER_READY, FIBER_LOCK, FIBER_WAIT, FIBER_JOIN, FIBER_DONE };

struct fiber {
	ucontext_t context;
	char *stack;
	enum fiber_state state;
	const void *on; /* FIBER_LOCK: mutex; FIBER_WAIT: condition; FIBER_JOIN: fiber */
	bool timed, timed_out;
	void (*fn)(void *arg);
	void *(*start)(void *arg);
	void *arg;
	void *fake_stack; /* AddressSanitizer's */
};

/* One run at a time, of one thread: the test's own. */
static struct {
	ucontext_t home;
	void *home_fake_stack;
	const void *home_stack;
	size_t home_size;
	struct fiber fibers[FIBERS];
	unsigned int n;
	struct fiber *now;
	struct {
		const void *mutex;
		struct fiber *owner;
	} held[HELD];
	uint64_t random;
	unsigned int stay; /* of 16 chances to go on without a switch */
	unsigned long left;
	long long us; /* what the clock says */
	char failure[512];
	bool failed, ended;
} run;

/* ---- numbers ----------------------------------------------------------------------------- */

/* splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" */
static uint64_t next_random(void)
{
	uint64_t z = run.random += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

uint32_t fibers_random(uint32_t n)
{
	return (uint32_t)((next_random() >> 32) * n >> 32);
}

/* ---- switches ---------------------------------------------------------------------------- */

#ifdef __SANITIZE_ADDRESS__
static void tell_leave(void **save, const void *stack, size_t size)
{
	__sanitizer_start_switch_fiber(save, stack, size);
}

static void tell_arrive(void *saved)
{
	const void *from;
	size_t size;

	__sanitizer_finish_switch_fiber(saved, &from, &size);
	if (!run.home_stack) {
		run.home_stack = from;
		run.home_size = size;
	}
}
#else
static void tell_leave(void **save, const void *stack, size_t size)
{
	(void)save;
	(void)stack;
	(void)size;
}

static void tell_arrive(void *saved)
{
	(void)saved;
}
#endif

static void go_home(void)
{
	struct fiber *from = run.now;

	tell_leave(NULL, run.home_stack, run.home_size);
	swapcontext(&from->context, &run.home);
	abort();
}

void fibers_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (!run.failed)
		vsnprintf(run.failure, sizeof(run.failure), fmt, ap);
	va_end(ap);
	run.failed = true;
	go_home();
	abort();
}

static void switch_to(struct fiber *to)
{
	struct fiber *from = run.now;

	run.us++;
	if (from == to)
		return;
	if (!run.left--)
		fibers_fail("it takes for ever");
	run.now = to;
	tell_leave(&from->fake_stack, to->stack, STACK);
	swapcontext(&from->context, &to->context);
	tell_arrive(from->fake_stack);
}

static struct fiber *owner_of(const void *mutex)
{
	unsigned int i;

	for (i = 0; i < HELD; i++)
		if (run.held[i].mutex == mutex)
			return run.held[i].owner;
	return NULL;
}

static bool can_run(const struct fiber *f)
{
	switch (f->state) {
	case FIBER_READY: return true;
	case FIBER_LOCK: return !owner_of(f->on);
	case FIBER_JOIN: return ((const struct fiber *)f->on)->state == FIBER_DONE;
	default: return false;
	}
}

static struct fiber *pick(bool (*fits)(const struct fiber *f))
{
	struct fiber *fit[FIBERS];
	unsigned int i, n = 0;

	for (i = 0; i < run.n; i++)
		if (fits(&run.fibers[i]))
			fit[n++] = &run.fibers[i];
	return n ? fit[fibers_random(n)] : NULL;
}

static bool waits(const struct fiber *f)
{
	return f->state == FIBER_WAIT;
}

static bool waits_timed(const struct fiber *f)
{
	return f->state == FIBER_WAIT && f->timed;
}

bool fibers_idle(void)
{
	unsigned int i;

	for (i = 0; i < run.n; i++)
		if (&run.fibers[i] != run.now && can_run(&run.fibers[i]))
			return false;
	return true;
}

/* Wakes without a reason happen. */
static struct fiber *pick_next(void)
{
	struct fiber *f = fibers_random(SPURIOUS) ? NULL : pick(waits);

	if (f) {
		f->state = FIBER_READY;
		return f;
	}
	f = pick(can_run);
	if (f)
		return f;
	f = pick(waits_timed);
	if (!f)
		fibers_fail("deadlock");
	f->timed_out = true;
	f->state = FIBER_READY;
	run.us += TIMEOUT_US;
	return f;
}

/* The running fiber can't go on, or need not. */
static void pass_on(void)
{
	switch_to(pick_next());
}

void fibers_yield(void)
{
	if (fibers_random(16) >= run.stay)
		pass_on();
}

static void block(enum fiber_state state, const void *on)
{
	struct fiber *f = run.now;

	f->on = on;
	f->state = state;
	while (f->state != FIBER_READY && !can_run(f))
		pass_on();
	f->state = FIBER_READY;
}

/* ---- a run ------------------------------------------------------------------------------- */

static void fiber_main(void)
{
	struct fiber *f = run.now;

	tell_arrive(NULL);
	if (f->fn) {
		f->fn(f->arg);
		run.ended = true;
		go_home();
	}
	f->start(f->arg);
	f->state = FIBER_DONE;
	pass_on();
}

static struct fiber *spawn(void)
{
	struct fiber *f = &run.fibers[run.n];

	if (run.n == FIBERS)
		fibers_fail("too many threads");
	run.n++;
	if (!f->stack)
		f->stack = malloc(STACK);
	if (!f->stack)
		abort();
	*f = (struct fiber){ .stack = f->stack };
	getcontext(&f->context);
	f->context.uc_stack.ss_sp = f->stack;
	f->context.uc_stack.ss_size = STACK;
	makecontext(&f->context, fiber_main, 0);
	return f;
}

const char *fibers_run(uint64_t seed, unsigned long limit, void (*fn)(void *arg), void *arg)
{
	static const unsigned char stays[] = { 0, 8, 12, 15 };

	run.n = 0;
	run.random = seed;
	run.stay = stays[fibers_random(sizeof(stays))];
	run.left = limit;
	run.us = 0;
	run.failed = run.ended = false;
	memset(run.held, 0, sizeof(run.held));
	run.now = spawn();
	run.now->fn = fn;
	run.now->arg = arg;
	tell_leave(&run.home_fake_stack, run.now->stack, STACK);
	swapcontext(&run.home, &run.now->context);
	tell_arrive(run.home_fake_stack);
	return run.failed ? run.failure : NULL;
}

/* ---- what the linker puts in the place of pthreads --------------------------------------- */

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*start)(void *),
			  void *arg);
int __wrap_pthread_join(pthread_t t, void **ret);
int __wrap_pthread_mutex_lock(pthread_mutex_t *m);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *m);
int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m);
int __wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *t);
int __wrap_pthread_cond_signal(pthread_cond_t *c);
int __wrap_pthread_cond_broadcast(pthread_cond_t *c);
int __wrap_pthread_rwlock_rdlock(pthread_rwlock_t *l);
int __wrap_pthread_rwlock_wrlock(pthread_rwlock_t *l);
int __wrap_pthread_rwlock_unlock(pthread_rwlock_t *l);
long long __wrap_time_us(void);
long long __wrap_time_ms(void);
int __wrap_sched_yield(void);

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*start)(void *),
			  void *arg)
{
	struct fiber *f = spawn();

	(void)attr;
	f->start = start;
	f->arg = arg;
	*t = (pthread_t)f;
	fibers_yield();
	return 0;
}

int __wrap_pthread_join(pthread_t t, void **ret)
{
	(void)ret;
	block(FIBER_JOIN, (const void *)t);
	return 0;
}

static void own(const void *mutex)
{
	unsigned int i;

	for (i = 0; i < HELD && run.held[i].owner; i++)
		;
	if (i == HELD)
		fibers_fail("too many locks");
	run.held[i].mutex = mutex;
	run.held[i].owner = run.now;
}

static void disown(const void *mutex)
{
	unsigned int i;

	for (i = 0; i < HELD; i++)
		if (run.held[i].mutex == mutex && run.held[i].owner == run.now) {
			run.held[i].mutex = run.held[i].owner = NULL;
			return;
		}
	fibers_fail("unlock by one who does not hold it");
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *m)
{
	if (owner_of(m) == run.now)
		fibers_fail("locked twice");
	fibers_yield();
	block(FIBER_LOCK, m);
	own(m);
	return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *m)
{
	disown(m);
	fibers_yield();
	return 0;
}

static int wait(pthread_cond_t *c, pthread_mutex_t *m, bool timed)
{
	struct fiber *f = run.now;

	f->timed = timed;
	f->timed_out = false;
	disown(m);
	f->on = c;
	f->state = FIBER_WAIT;
	pass_on();
	block(FIBER_LOCK, m);
	own(m);
	return f->timed_out ? ETIMEDOUT : 0;
}

int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
	return wait(c, m, false);
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *t)
{
	(void)t;
	return wait(c, m, true);
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *c)
{
	unsigned int i;

	for (i = 0; i < run.n; i++)
		if (run.fibers[i].state == FIBER_WAIT && run.fibers[i].on == c)
			run.fibers[i].state = FIBER_READY;
	return 0;
}

int __wrap_pthread_cond_signal(pthread_cond_t *c)
{
	unsigned int i, first = run.n ? fibers_random(run.n) : 0;

	for (i = 0; i < run.n; i++) {
		struct fiber *f = &run.fibers[(first + i) % run.n];

		if (f->state == FIBER_WAIT && f->on == c) {
			f->state = FIBER_READY;
			return 0;
		}
	}
	return 0;
}

/* Nobody sleeps with one of these held: they are places to switch at, no more. */
int __wrap_pthread_rwlock_rdlock(pthread_rwlock_t *l)
{
	(void)l;
	fibers_yield();
	return 0;
}

int __wrap_pthread_rwlock_wrlock(pthread_rwlock_t *l)
{
	(void)l;
	fibers_yield();
	return 0;
}

int __wrap_pthread_rwlock_unlock(pthread_rwlock_t *l)
{
	(void)l;
	return 0;
}

/* The clock goes on with each switch, so that a seed always gives the same times. */
long long __wrap_time_us(void)
{
	return run.us++;
}

long long __wrap_time_ms(void)
{
	return run.us++ / 1000;
}

int __wrap_sched_yield(void)
{
	fibers_yield();
	return 0;
}
