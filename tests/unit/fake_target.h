/* SPDX-License-Identifier: MIT */
/* A target for sessions in tests: it does nothing but keep what it was told and tell what it was set to. */
#ifndef VMGDB_TESTS_FAKE_TARGET_H
#define VMGDB_TESTS_FAKE_TARGET_H

#include "core/target.h"

enum {
	FAKE_BASE = 0x1000, /* memory is at [FAKE_BASE, FAKE_BASE + FAKE_SIZE) */
	FAKE_SIZE = 0x40000,
	FAKE_VCPUS = 8, /* with a state of their own; those above share the last one's */
};

struct fake_state {
	uint64_t r0, sp, pc;
	uint32_t flags;
	uint64_t id;	 /* read-only */
	uint64_t picky;	 /* refuses values above 0xff */
	uint8_t st[10];	 /* bank 1 */
	uint8_t vec[16]; /* bank 2 */
};

struct fake_vcpu {
	struct cpu_view view;
	struct fake_state state;
	unsigned int unreadable; /* banks, as bits */
	unsigned int dirty;	 /* banks, as bits */
};

struct fake_point {
	enum bp_type type;
	uint64_t addr, kind;
	unsigned int vcpu;
};

struct fake_target {
	struct target target;
	unsigned int nvcpus;
	struct fake_vcpu vcpus[FAKE_VCPUS];
	uint8_t memory[FAKE_SIZE];
	bool options[OPTION_COUNT];
	bool narrow; /* describe() gives the other description */
	const char *halted;

	/* what it answers */
	int insert_error, rules_error, resume_error, kill_error, attach_error, flush_error;
	const char *insert_why;
	const char *printed; /* by breakpoint commands; taken once */

	/* what happened */
	bool running, stop_ready;
	struct stop stop;
	unsigned int attaches, detaches, renewals, kills, interrupts, resumes, inserts, removes;
	unsigned int calls_while_running; /* of calls that may not be made then */
	enum detach_how detached;
	struct fake_point last_point;
	char rules[256]; /* of the last breakpoint: "if BYTES" and "do BYTES", each with a ; */
	struct resume_action actions[FAKE_VCPUS];
	unsigned int nactions;
	struct resume_action rest;
};

extern const struct tdesc fake_wide, fake_narrow;

void fake_init(struct fake_target *f, unsigned int nvcpus);

/* The running target stops, for this reason. */
void fake_stop(struct fake_target *f, struct stop stop);

#endif
