/* SPDX-License-Identifier: MIT */
/*
 * A target for sessions in tests: it records what it is asked for, and answers as it was set to. A call
 * that needs the hold and comes without it is a fault, and so is a hold that is taken twice or kept.
 */
#ifndef VMGDB_TESTS_FAKE_TARGET_H
#define VMGDB_TESTS_FAKE_TARGET_H

#include "core/target.h"

enum {
	FAKE_BASE = 0x1000, /* memory is at [FAKE_BASE, FAKE_BASE + FAKE_SIZE) */
	FAKE_SIZE = 0x40000,
	FAKE_VCPUS = 8, /* with a state of their own; those above share the last one's */
};

#define FAKE_TOP (UINT64_MAX - 7) /* or eight bytes are there, and the others from address 0 on */

struct fake_state {
	uint64_t r0, sp;
	uint64_t pc; /* refuses the upper half of the address space */
	uint32_t flags;
	uint64_t id;	 /* read-only */
	uint64_t picky;	 /* refuses values above 0xff */
	uint8_t st[10];	 /* bank 1 */
	uint8_t vec[16]; /* bank 2 */
};

struct fake_vcpu {
	struct cpu_view view;
	struct fake_state state;
	struct fake_state stored; /* as it was at the last flush() */
	unsigned int unreadable;  /* banks, as bits */
	unsigned int dirty;	  /* banks, as bits */
};

struct fake_breakpoint {
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
	bool narrow;   /* describe() gives another description */
	bool short_pc; /* describe() gives one with a PC of 32 bits and nothing else */
	bool top;      /* memory is at FAKE_TOP */
	const char *halted;

	/* what it answers */
	int insert_error, conditions_error, resume_error, kill_error, attach_error, flush_error;
	const char *insert_why;
	const char *text;	  /* for the console; taken once */
	const char *text_at_stop; /* follows .text once the stop is reported */
	const char *text_after;
	struct stop attach_stop;
	struct bp_info breakpoints[4]; /* of nbreakpoints; those above are the last */
	unsigned int nbreakpoints;

	/* what happened */
	bool running, stop_ready, held;
	bool ended; /* the VM has, and the stop was reported */
	struct stop stop;
	unsigned int attaches, detaches, renewals, kills, interrupts, resumes, inserts, removes;
	unsigned int faults; /* calls that target.h does not allow there */
	enum detach_how detached;
	struct fake_breakpoint last_breakpoint;
	char conditions[256]; /* of the last breakpoint: "if BYTES" and "do BYTES", each with a ; */
	const struct tdesc *description;
	struct resume_action actions[FAKE_VCPUS];
	unsigned int nactions;
	struct resume_action rest;
};

extern const struct tdesc fake_wide, fake_narrow;

void fake_init(struct fake_target *f, unsigned int nvcpus);

/* The running target stops, for this reason; or the stopped one ends, by STOP_EXITED. */
void fake_stop(struct fake_target *f, struct stop stop);

/* How often the target was used against target.h's rules, a hold that was never released included. */
unsigned int fake_faults(const struct fake_target *f);

#endif
