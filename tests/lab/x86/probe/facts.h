/* SPDX-License-Identifier: MIT */
/* The facts, in the order of their numbers in docs/kvm-notes.md. */
#ifndef TESTS_LAB_X86_PROBE_FACTS_H
#define TESTS_LAB_X86_PROBE_FACTS_H

#include "tests/lab/x86/probe/vm.h"

/*
 * A fact gets a fresh VM with its code and returns NULL when it holds, or why it does not. A text
 * that begins with NOT_APPLICABLE tells why it can't be asked on this host.
 */
enum { PROCESSOR = 1, IRQCHIP = 2 };

struct fact {
	const char *name;
	unsigned int on; /* PROCESSOR: only where the guest runs on one; IRQCHIP: that is there */
	const char *(*holds)(struct vm *m);
	const char *code;
	size_t len;
};

#define NOT_APPLICABLE "na: "

/* A text that lasts until the next one. */
const char *why(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The last one has no name. */
extern const struct fact facts[];

#endif
