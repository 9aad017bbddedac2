/* SPDX-License-Identifier: MIT */
/* For the tests of breakpoints: guest memory and translations of the test's own, and no vCPU. */
#ifndef TESTS_UNIT_BP_VM_H
#define TESTS_UNIT_BP_VM_H

#include "core/breakpoints/breakpoints.h"
#include "tests/unit/softcpu.h"

enum { BP_PAGE = 4096, BP_PAGES = 8, BP_MEM = BP_PAGES * BP_PAGE, BP_VAS = 64, UNMAPPED = -1 };

struct bp_vm {
	struct memory mem;
	struct breakpoints *b;
	const struct cpu *cpu;
	uint8_t *host;		/* guest-physical 0 on */
	uint8_t before[BP_MEM]; /* what the guest has there, for the test to keep */
	uint64_t tables;	/* as in struct xlat */
	int map[BP_VAS];	/* virtual page n is at physical page map[n] */
	const char *no_brk;	/* as translate gives it */
	unsigned int translations, synced;
};

extern struct bp_vm bp_vm;

/* All of memory is there and mapped one to one. max: as in struct breakpoints_config. */
void bp_vm_init(const struct breakpoints_host *host, size_t max);
void bp_vm_fini(void);

/* No slots at all, and those of either kind of software CPU. */
extern const struct breakpoints_host bp_soft8_bare, bp_soft32_bare, bp_soft8_host, bp_soft32_host;

/* These have to succeed. */
void bp_set(uint64_t va);
void bp_clear(uint64_t va);
void bp_sync_run(void);

/* ... and this has to be refused with a reason: which is returned, *err is the error. */
const char *bp_refused(enum bp_type type, uint64_t addr, uint64_t kind, int *err);

bool bp_inserted_at(uint64_t gpa);

/* Guest memory is as the guest has it. */
bool bp_untouched(void);
bool bp_reads_as_before(uint64_t gpa, size_t len);

/* Guest code of a whole instruction, as the guest itself would store it. */
void bp_guest_writes(uint64_t gpa, uint8_t seed);

/* The state that breakpoints_info() has for it, removed or not; or NULL. */
const char *bp_state_of(enum bp_type type, uint64_t addr);

/* breakpoints_info() has it once, as removed at this stop or as set. */
bool bp_is_listed(enum bp_type type, uint64_t addr, bool removed);

/* Take the next notice: is it that one? NULL: there is none. */
bool bp_notice_is(const char *text);

/* A body that runs on both kinds of breakpoint instruction, without slots. */
#define BP_TEST(SUITE, NAME, WHAT)              \
	static void NAME(void);                 \
	Test(SUITE, NAME, .description = WHAT)  \
	{                                       \
		bp_vm_init(&bp_soft8_bare, 0);  \
		NAME();                         \
		bp_vm_fini();                   \
		bp_vm_init(&bp_soft32_bare, 0); \
		NAME();                         \
		bp_vm_fini();                   \
	}                                       \
	static void NAME(void)

#endif
