/* SPDX-License-Identifier: MIT */
/*
 * A guest that executes breakpoint instructions itself: the brk at own_brk must reach the
 * guest's handler, whatever a debugger does.
 */
#include "host-tools/vmgdb-run/guests/arm64/traps.h"
#include "host-tools/vmgdb-run/guests/platform.h"
#include "host-tools/vmgdb-run/guests/print.h"

enum { INSN_SIZE = 4, IMMEDIATE = 0x1234, ESR_ISS = 0xffff, WRONG_STATUS = 1 };

volatile unsigned long own_brk_count;
volatile unsigned long own_brk_pc; /* the PC that the handler got: the brk's address */
volatile unsigned long own_brk_esr;
unsigned long rounds;

extern const unsigned char own_brk[];

void own_handler(struct frame *frame);
void own_breakpoint(unsigned long n);

void own_handler(struct frame *frame)
{
	own_brk_count++;
	own_brk_pc = frame->pc;
	own_brk_esr = frame->esr;
	frame->pc += INSN_SIZE;
}

void own_breakpoint(unsigned long n)
{
	rounds = n;
	__asm__ volatile(".global own_brk\nown_brk: brk %0" : : "i"(IMMEDIATE));
}

static void check(unsigned long n)
{
	if (own_brk_count == n && own_brk_pc == (unsigned long)own_brk &&
	    (own_brk_esr & ESR_ISS) == IMMEDIATE)
		return;
	print("brk: an exception was lost\n");
	platform_exit(WRONG_STATUS);
}

int main(void)
{
	trap_handle(EC_BRK, own_handler);
	for (unsigned long n = 1;; n++) {
		own_breakpoint(n);
		check(n);
		if (platform_second_passed()) {
			print("brk: ");
			print_decimal(n);
			print(" times\n");
		}
	}
}
