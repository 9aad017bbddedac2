// SPDX-License-Identifier: MIT
#define _GNU_SOURCE /* pthread_tryjoin_np */
/* Whose kvm_run.immediate_exit is: the library's, or the VMM's. No KVM is needed for that. */
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>

#include <criterion/criterion.h>

#include "arch/kvm_vcpu.h"

static struct kvm_run run;
static struct kvm_vcpu k;
static atomic_uint signals;

static void on_signal(int sig)
{
	(void)sig;
	atomic_fetch_add(&signals, 1);
}

static void setup(void)
{
	signal(SIGRTMIN, on_signal);
	k = (struct kvm_vcpu){ .run = &run, .signal = SIGRTMIN };
}

TestSuite(kvm_kick, .init = setup, .timeout = 60);

Test(kvm_kick, ours, .description = "what a kick has set is cleared, once")
{
	kvm_kick(&k);
	kvm_kick(&k);
	cr_expect_eq(run.immediate_exit, 1);
	kvm_kick_clear(&k);
	cr_expect_eq(run.immediate_exit, 0);
	run.immediate_exit = 1;
	kvm_kick_clear(&k);
	cr_expect_eq(run.immediate_exit, 1, "the VMM's, after the kick was seen");
}

Test(kvm_kick, vmm, .description = "what the VMM has set before a kick stays the VMM's")
{
	run.immediate_exit = 1;
	kvm_kick(&k);
	kvm_kick_clear(&k);
	cr_expect_eq(run.immediate_exit, 1);
	run.immediate_exit = 0;
	kvm_kick(&k);
	kvm_kick_clear(&k);
	cr_expect_eq(run.immediate_exit, 0, "the next kick is the library's again");
}

static void *kick_other(void *arg)
{
	kvm_kick(arg);
	return NULL;
}

Test(kvm_kick, signals,
     .description = "the signal goes to the thread that runs the vCPU, once there is one")
{
	pthread_t thread;

	kvm_kick(&k);
	cr_expect_eq(atomic_load(&signals), 0);
	kvm_kick_learn_thread(&k);
	cr_assert_eq(pthread_create(&thread, NULL, kick_other, &k), 0);
	pthread_join(thread, NULL);
	cr_expect_eq(atomic_load(&signals), 1);
}

enum { KICKS = 20000 };

static void *kick_often(void *arg)
{
	int i;

	for (i = 0; i < KICKS; i++)
		kvm_kick(arg);
	return NULL;
}

Test(kvm_kick, at_once,
     .description = "kicks that race with their clearing leave nothing set for ever")
{
	pthread_t thread;

	kvm_kick_learn_thread(&k);
	cr_assert_eq(pthread_create(&thread, NULL, kick_often, &k), 0);
	while (pthread_tryjoin_np(thread, NULL))
		kvm_kick_clear(&k);
	kvm_kick_clear(&k);
	cr_expect_eq(run.immediate_exit, 0);
}
