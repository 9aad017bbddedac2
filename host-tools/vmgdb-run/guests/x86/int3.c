/* SPDX-License-Identifier: MIT */
/*
 * A guest that executes breakpoint instructions itself: the int3 at own_int3 must reach the
 * guest's handler, whatever a debugger does.
 */
#include "host-tools/vmgdb-run/guests/platform.h"
#include "host-tools/vmgdb-run/guests/print.h"
#include "host-tools/vmgdb-run/guests/x86/traps.h"

enum { VECTOR_BREAKPOINT = 3, WRONG_STATUS = 1 };

volatile unsigned long own_int3_count;
volatile unsigned long own_int3_rip; /* the RIP that the handler got: the address after the int3 */
unsigned long rounds;

extern const unsigned char own_int3[];

void own_handler(struct frame *frame);
void own_breakpoint(unsigned long n);

void own_handler(struct frame *frame)
{
	own_int3_count++;
	own_int3_rip = frame->rip;
}

void own_breakpoint(unsigned long n)
{
	rounds = n;
	__asm__ volatile(".global own_int3\nown_int3: int3");
}

static void check(unsigned long n)
{
	if (own_int3_count == n && own_int3_rip == (unsigned long)own_int3 + 1)
		return;
	print("int3: an exception was lost\n");
	platform_exit(WRONG_STATUS);
}

int main(void)
{
	idt_init();
	idt_handle(VECTOR_BREAKPOINT, own_handler);
	for (unsigned long n = 1;; n++) {
		own_breakpoint(n);
		check(n);
		if (platform_second_passed()) {
			print("int3: ");
			print_decimal(n);
			print(" times\n");
		}
	}
}
