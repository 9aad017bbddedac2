/* SPDX-License-Identifier: MIT */
/* Exceptions of the arm64 guests. */
#ifndef VMGDB_GUESTS_ARM64_TRAPS_H
#define VMGDB_GUESTS_ARM64_TRAPS_H

#include <stdint.h>

/* The interrupted code, as vectors.S saves it. vector: 0 to 15, in the order of the table. */
struct frame {
	uint64_t x[31], sp, pc, pstate, esr, far, vector;
};

typedef void trap_handler(struct frame *frame);

/* Exception classes: ESR_EL1.EC (Arm ARM, ESR_EL1). */
enum {
	EC_UNKNOWN = 0x00,
	EC_SVC = 0x15,
	EC_DATA_ABORT_LOWER = 0x24,
	EC_DATA_ABORT = 0x25,
	EC_BRK = 0x3c,
	EC_MAX = 0x40,
};

/* Set the handler of a class of synchronous exceptions; set the handler of interrupts. */
void trap_handle(unsigned int ec, trap_handler *handler);
void trap_handle_irq(trap_handler *handler);

/* Print the exception and end the guest. */
_Noreturn void trap_unexpected(const struct frame *frame);

#endif
