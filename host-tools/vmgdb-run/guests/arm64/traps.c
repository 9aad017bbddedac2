/* SPDX-License-Identifier: MIT */
/* Exceptions of the arm64 guests. An exception without a handler ends the guest. */
#include "host-tools/vmgdb-run/guests/arm64/traps.h"
#include "host-tools/vmgdb-run/guests/platform.h"
#include "host-tools/vmgdb-run/guests/print.h"

enum { EXCEPTION_STATUS = 100, KIND_SYNC = 0, KIND_IRQ = 1, ESR_EC_SHIFT = 26 };

/* Handlers by exception class, then that of interrupts, then that of all others: none. */
enum { SLOT_IRQ = EC_MAX, SLOT_OTHER, SLOTS };

void trap(struct frame *frame);

static trap_handler *handlers[SLOTS];

void trap_handle(unsigned int ec, trap_handler *handler)
{
	handlers[ec] = handler;
}

void trap_handle_irq(trap_handler *handler)
{
	handlers[SLOT_IRQ] = handler;
}

void trap_unexpected(const struct frame *frame)
{
	print("exception by vector ");
	print_decimal(frame->vector);
	print(" syndrome ");
	print_hex(frame->esr);
	print(" at ");
	print_hex(frame->pc);
	print("\n");
	platform_exit(EXCEPTION_STATUS);
}

static unsigned int slot(const struct frame *frame)
{
	switch (frame->vector % 4) {
	case KIND_SYNC: return frame->esr >> ESR_EC_SHIFT & (EC_MAX - 1);
	case KIND_IRQ: return SLOT_IRQ;
	default: return SLOT_OTHER;
	}
}

void trap(struct frame *frame)
{
	trap_handler *handler = handlers[slot(frame)];

	if (handler)
		handler(frame);
	else
		trap_unexpected(frame);
}
