/* SPDX-License-Identifier: MIT */
/*
 * What a probe shows: facts of this host's KVM, on which arch/ relies. facts.c is the program, the
 * architecture's main.c says what there is to be shown and of what.
 */
#ifndef TESTS_LAB_FACTS_H
#define TESTS_LAB_FACTS_H

struct vm;    /* what a fact is asked of */
struct setup; /* what that must be like */

/*
 * A fact gets a fresh VM and returns NULL when it holds, or why it does not. A text that begins with
 * NOT_APPLICABLE tells why it can't be asked on this host.
 */
struct fact {
	const char *name;
	const char *(*holds)(struct vm *m);
	const struct setup *setup; /* NULL: nothing special */
};

#define NOT_APPLICABLE "na: "

/* It has a handler that does nothing. */
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

/* Of the architecture: makes the VM, and returns what the fact says to it. */
const char *ask_fact(const struct fact *f);

#endif
