/* SPDX-License-Identifier: MIT */
/* Exceptions of the arm64 guests. One that nobody expects ends the guest. */
#include "host-tools/vmgdb-run/guests/arm64/traps.h"
#include "host-tools/vmgdb-run/guests/platform.h"
#include "host-tools/vmgdb-run/guests/print.h"

enum { EXCEPTION_STATUS = 100, KIND_SYNC = 0, KIND_IRQ = 1, ESR_EC_SHIFT = 26 };

void trap(struct frame *frame);

static trap_handler *handlers[EC_MAX];
static trap_handler *irq_handler;

void trap_handle(unsigned int ec, trap_handler *handler)
{
	handlers[ec] = handler;
}

void trap_handle_irq(trap_handler *handler)
{
	irq_handler = handler;
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

static trap_handler *handler_of(const struct frame *frame)
{
	switch (frame->vector % 4) {
	case KIND_SYNC: return handlers[frame->esr >> ESR_EC_SHIFT & (EC_MAX - 1)];
	case KIND_IRQ: return irq_handler;
	default: return 0;
	}
}

void trap(struct frame *frame)
{
	trap_handler *handler = handler_of(frame);

	if (!handler)
		trap_unexpected(frame);
	handler(frame);
}
