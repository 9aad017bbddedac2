/* SPDX-License-Identifier: MIT */
/*
 * A probe tests facts: what arch/ relies on in this host's KVM. facts.c is the program; the
 * architecture's main.c lists the facts and makes the VMs that they are tested on.
 */
#ifndef TESTS_LAB_FACTS_H
#define TESTS_LAB_FACTS_H

struct vm;    /* what a fact is tested on */
struct setup; /* how the VM must be set up */

/*
 * A fact gets a fresh VM and returns NULL when it holds, or why it does not. A text that
 * begins with NOT_APPLICABLE says why this host can't show the fact.
 */
struct fact {
	const char *name;
	const char *(*holds)(struct vm *m);
	const struct setup *setup; /* NULL: nothing special */
};

#define NOT_APPLICABLE "na: "

/* Its handler does nothing. */
#define KICK_SIGNAL SIGRTMIN

/* A text that lasts until the next one. */
const char *why(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define CHECK(condition, ...)                    \
	do {                                     \
		if (!(condition))                \
			return why(__VA_ARGS__); \
	} while (0)

/* Of the architecture: lists that each end with a fact without a name; NULL behind the last. */
extern const struct fact *const fact_lists[];

/* Of the architecture: makes the VM, and returns the fact's result on it. */
const char *ask_fact(const struct fact *f);

#endif
