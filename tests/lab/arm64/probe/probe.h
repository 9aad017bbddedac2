/* SPDX-License-Identifier: MIT */
/* The probe's tests: what arch/arm64 relies on, shown on this host's KVM. */
#ifndef TESTS_LAB_ARM64_PROBE_PROBE_H
#define TESTS_LAB_ARM64_PROBE_PROBE_H

#include "guest.h"
#include "vm.h"

/*
 * A test gets a fresh VM and returns NULL when all is as it should be, or why it is not. A text
 * that begins with NOT_APPLICABLE tells why the test says nothing on this host.
 */
struct test {
	const char *name;
	const char *(*run)(struct vm *m);
	bool off; /* the vCPU is powered off */
};

#define NOT_APPLICABLE "na: "

/* A text that lasts until the next one. */
const char *why(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define CHECK(condition, ...)                    \
	do {                                     \
		if (!(condition))                \
			return why(__VA_ARGS__); \
	} while (0)

/* By file; each list ends with an empty one. */
extern const struct test debug_tests[], register_tests[], run_tests[], step_tests[],
	translation_tests[];

#endif
