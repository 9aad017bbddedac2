/* SPDX-License-Identifier: MIT */
/*
 * As much of criterion as the engine's tests use, without its processes: ThreadSanitizer and
 * criterion's shared arena want the same addresses. All tests of a program run one after the other
 * in one process; a failed assertion ends it.
 */
#ifndef VMGDB_TESTS_TSAN_CRITERION_H
#define VMGDB_TESTS_TSAN_CRITERION_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct shim_test {
	struct shim_test *next;
	const char *name;
	void (*run)(void);
};

__attribute__((weak)) struct shim_test *shim_tests;
__attribute__((weak)) int shim_failed;

__attribute__((weak)) int main(int argc, char **argv);
__attribute__((weak)) int main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : "";
	const struct shim_test *t;
	int before;

	for (t = shim_tests; t; t = t->next) {
		if (!strstr(t->name, only))
			continue;
		before = shim_failed;
		t->run();
		printf("%s %s\n", shim_failed > before ? "not ok" : "ok", t->name);
		fflush(stdout);
	}
	return shim_failed > 0;
}

/* The options of a test are criterion's business. */
#define Test(SUITE, NAME, ...)                                                                   \
	static void shim_##SUITE##_##NAME(void);                                                 \
	static struct shim_test shim_##SUITE##_##NAME##_test = { .name = #SUITE "::" #NAME,      \
								 .run = shim_##SUITE##_##NAME }; \
	__attribute__((constructor)) static void shim_##SUITE##_##NAME##_add(void)               \
	{                                                                                        \
		shim_##SUITE##_##NAME##_test.next = shim_tests;                                  \
		shim_tests = &shim_##SUITE##_##NAME##_test;                                      \
	}                                                                                        \
	static void shim_##SUITE##_##NAME(void)

static inline void shim_check(bool ok, bool fatal, const char *what, const char *file, int line)
{
	if (ok)
		return;
	fprintf(stderr, "%s:%d: %s\n", file, line, what);
	shim_failed++;
	if (fatal)
		exit(1);
}

#define SHIM(OK, FATAL)		    shim_check((OK), FATAL, #OK, __FILE__, __LINE__)

#define cr_assert(A, ...)	    SHIM(A, true)
#define cr_assert_not(A, ...)	    SHIM(!(A), true)
#define cr_assert_eq(A, B, ...)	    SHIM((A) == (B), true)
#define cr_assert_lt(A, B, ...)	    SHIM((A) < (B), true)
#define cr_assert_leq(A, B, ...)    SHIM((A) <= (B), true)
#define cr_assert_gt(A, B, ...)	    SHIM((A) > (B), true)
#define cr_assert_null(A, ...)	    SHIM((A) == NULL, true)
#define cr_expect(A, ...)	    SHIM(A, false)
#define cr_expect_not(A, ...)	    SHIM(!(A), false)
#define cr_expect_eq(A, B, ...)	    SHIM((A) == (B), false)
#define cr_expect_lt(A, B, ...)	    SHIM((A) < (B), false)
#define cr_expect_leq(A, B, ...)    SHIM((A) <= (B), false)
#define cr_expect_gt(A, B, ...)	    SHIM((A) > (B), false)
#define cr_expect_geq(A, B, ...)    SHIM((A) >= (B), false)
#define cr_expect_null(A, ...)	    SHIM((A) == NULL, false)
#define cr_expect_not_null(A, ...)  SHIM((A) != NULL, false)
#define cr_expect_str_eq(A, B, ...) SHIM(!strcmp(A, B), false)

#endif
