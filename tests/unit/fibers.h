/* SPDX-License-Identifier: MIT */
/*
 * Threads that take turns. A program linked with FIBERS_WRAP of tests/tests.mk has its calls of
 * pthread_create(), of mutexes and of condition variables come here, where its threads are fibers of
 * a single one and a seeded scheduler says who is next: the same seed gives the same interleaving.
 *
 * Switches happen at those calls, at sched_yield() and at fibers_yield(). Condition variables wake
 * spuriously now and then; timed waits time out when nothing else can happen. core/lib/time.h's clock
 * goes on with the switches.
 */
#ifndef VMGDB_TESTS_FIBERS_H
#define VMGDB_TESTS_FIBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Run fn(arg) as the first fiber, to its end. NULL, or what went wrong: a fiber failed, none can go
 * on (a deadlock), or it takes more than `limit` switches.
 */
const char *fibers_run(uint64_t seed, unsigned long limit, void (*fn)(void *arg), void *arg);

/* Somebody else may go on here. */
void fibers_yield(void);

/* The run ends here, with this text. */
void fibers_fail(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* A number below n, from the seed. */
uint32_t fibers_random(uint32_t n);

/* Whether nothing can happen any more but that timed waits time out. */
bool fibers_idle(void);

#endif
