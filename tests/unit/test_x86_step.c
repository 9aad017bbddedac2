// SPDX-License-Identifier: MIT
/*
 * The stepping rules on state and memory alone: what they emulate, and what they restore
 * afterwards.
 */
#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "arch/x86/event_delivery.h"
#include "arch/x86/step.h"
#include "arch/x86/insn.h"
#include "arch/x86/segment.h"
#include "arch/x86/cpu.h"
#include "tests/unit/x86_vm.h"

/* ---- the decoder ------------------------------------------------------------------------------- */

struct vector {
	const char *bytes;
	unsigned int n;
	enum x86_op op;
	unsigned int len, operand;
};

static void decodes(const struct vector *v, size_t n, enum x86_width mode)
{
	struct x86_insn in;
	size_t i;

	for (i = 0; i < n; i++) {
		cr_assert(x86_decode(&in, (const uint8_t *)v[i].bytes, v[i].n, mode), "%zu", i);
		cr_expect_eq(in.op, v[i].op, "%zu: op %d", i, in.op);
		cr_expect_eq(in.len, v[i].len, "%zu: len %u", i, in.len);
		if (v[i].operand)
			cr_expect_eq(in.operand, v[i].operand, "%zu: %u bits", i, in.operand);
	}
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

Test(insn, in_64_bit_mode,
     .description = "the instructions that have rules, with REX and other prefixes")
{
	static const struct vector v[] = {
		{ "\xfa", 1, X86_OP_CLI, 1, 0 },
		{ "\xfb", 1, X86_OP_STI, 1, 0 },
		{ "\x9c", 1, X86_OP_PUSHF, 1, 64 },
		{ "\x66\x9c", 2, X86_OP_PUSHF, 2, 16 },
		{ "\x9d", 1, X86_OP_POPF, 1, 64 },
		{ "\xcc", 1, X86_OP_INT3, 1, 0 },
		{ "\xf1", 1, X86_OP_INT1, 1, 0 },
		{ "\xcd\x80", 2, X86_OP_INT, 2, 0 },
		{ "\xce", 1, X86_OP_OTHER, 1, 0 },
		{ "\x17", 1, X86_OP_OTHER, 1, 0 },
		{ "\x8e\xd0", 2, X86_OP_MOV_SS, 2, 0 },
		{ "\x41\x8e\xd7", 3, X86_OP_MOV_SS, 3, 0 },
		{ "\x8e\x10", 2, X86_OP_MOV_SS, 2, 0 },
		{ "\x8e\x15\0\0\0\0", 6, X86_OP_MOV_SS, 6, 0 },
		{ "\x8e\x94\x24\0\0\0\0", 7, X86_OP_MOV_SS, 7, 0 },
		{ "\x64\x67\x8e\x50\x01", 5, X86_OP_MOV_SS, 5, 0 },
		{ "\x8e\x14\x25\0\0\0\0", 7, X86_OP_MOV_SS, 7, 0 },
		{ "\x8e\xd8", 2, X86_OP_OTHER, 1, 0 },
		{ "\x48\xcf", 2, X86_OP_IRET, 2, 64 },
		{ "\xcf", 1, X86_OP_IRET, 1, 32 },
		{ "\x0f\x05", 2, X86_OP_SYSCALL, 2, 0 },
		{ "\x48\x0f\x07", 3, X86_OP_SYSRET, 3, 64 },
		{ "\x0f\x07", 2, X86_OP_SYSRET, 2, 32 },
		{ "\x0f\x34", 2, X86_OP_SYSENTER, 2, 0 },
		{ "\xf4", 1, X86_OP_HLT, 1, 0 },
		{ "\xf3\xaa", 2, X86_OP_REP, 2, 0 },
		{ "\xf3\x48\xab", 3, X86_OP_REP, 3, 0 },
		{ "\xaa", 1, X86_OP_OTHER, 1, 0 },
		{ "\xeb\xfe", 2, X86_OP_BRANCH, 1, 0 },
		{ "\xff\xe0", 2, X86_OP_BRANCH, 1, 0 },
		{ "\xff\xc0", 2, X86_OP_OTHER, 1, 0 },
		{ "\x0f\x84", 2, X86_OP_BRANCH, 2, 0 },
		{ "\x48\xf7\xf1", 3, X86_OP_DIV, 2, 0 },
		{ "\xf7\xd1", 2, X86_OP_OTHER, 1, 0 },
		{ "\xc5\xf8", 2, X86_OP_FPU, 1, 0 },
		{ "\x0f\x10", 2, X86_OP_FPU, 2, 0 },
		{ "\x0f\xa2", 2, X86_OP_OTHER, 2, 0 },
		{ "\xc7\xf8", 2, X86_OP_BRANCH, 1, 0 },
		{ "\xc7\x00", 2, X86_OP_OTHER, 1, 0 },
		/* a REX that is not right before the opcode has no effect */
		{ "\x48\x66\xcf", 3, X86_OP_IRET, 3, 16 },
	};

	decodes(v, COUNT(v), X86_64);
}

Test(insn, in_other_modes, .description = "REX is INC and DEC, sizes follow the mode")
{
	static const struct vector v32[] = {
		{ "\x48\xcf", 2, X86_OP_OTHER, 1, 0 }, { "\x9c", 1, X86_OP_PUSHF, 1, 32 },
		{ "\x66\x9d", 2, X86_OP_POPF, 2, 16 }, { "\xce", 1, X86_OP_INTO, 1, 0 },
		{ "\x17", 1, X86_OP_POP_SS, 1, 32 },   { "\xc5\x00", 2, X86_OP_OTHER, 1, 0 },
		{ "\xc5\xf8", 2, X86_OP_FPU, 1, 0 },
	};
	static const struct vector v16[] = {
		{ "\x9c", 1, X86_OP_PUSHF, 1, 16 },
		{ "\x66\x9c", 2, X86_OP_PUSHF, 2, 32 },
		{ "\xcf", 1, X86_OP_IRET, 1, 16 },
		{ "\x8e\x16\0\0", 4, X86_OP_MOV_SS, 4, 0 },
		{ "\x8e\x52\x01", 3, X86_OP_MOV_SS, 3, 0 },
		{ "\x67\x8e\x15\0\0\0\0", 7, X86_OP_MOV_SS, 7, 0 },
	};

	decodes(v32, COUNT(v32), X86_32);
	decodes(v16, COUNT(v16), X86_16);
}

Test(insn, short_bytes,
     .description = "a truncated instruction is an error, and the decoder does not read past it")
{
	static const char *const cut[] = { "",	       "\x66",
					   "\x48",     "\x0f",
					   "\xcd",     "\x2e\x66\xf3",
					   "\x8e",     "\x8e\x54",
					   "\x8e\x50", "\x8e\x94\x24\x01" };
	uint8_t only_prefixes[32];
	struct x86_insn in;
	size_t i;

	for (i = 0; i < COUNT(cut); i++)
		cr_expect_not(x86_decode(&in, (const uint8_t *)cut[i], strlen(cut[i]), X86_64));
	memset(only_prefixes, 0x66, sizeof(only_prefixes));
	cr_expect_not(x86_decode(&in, only_prefixes, sizeof(only_prefixes), X86_64));
}

Test(insn, any_bytes, .description = "any two bytes decode to something, in any mode")
{
	static const enum x86_width modes[] = { X86_16, X86_32, X86_64 };
	struct x86_insn in;
	uint8_t b[3] = { 0 };
	unsigned int i, m;

	for (i = 0; i < 65536; i++)
		for (m = 0; m < COUNT(modes); m++) {
			b[0] = i;
			b[1] = i >> 8;
			if (x86_decode(&in, b, sizeof(b), modes[m]))
				cr_assert_leq(in.len, sizeof(b));
		}
}

/* ---- steps ------------------------------------------------------------------------------------- */

static struct x86_pure p;
static struct step_plan plan;

static void setup_64(void)
{
	x86_pure_init(&p, X86_GUEST_64);
}

static void setup_32(void)
{
	x86_pure_init(&p, X86_GUEST_32);
}

static void setup_real(void)
{
	x86_pure_init(&p, X86_GUEST_REAL);
}

static void fini(void)
{
	x86_pure_free(&p);
}

TestSuite(step64, .init = setup_64, .fini = fini);
TestSuite(step32, .init = setup_32, .fini = fini);
TestSuite(step_real, .init = setup_real, .fini = fini);

static void begin_as(const char *code, size_t n, struct step_plan how)
{
	memcpy(p.mem + X86_CODE, code, n);
	plan = how;
	plan.pc = p.state.rip;
	p.dirty = 0;
	cr_assert_eq(x86_step_begin(&p.view, &plan), 0);
}

static void begin(const char *code, size_t n, bool block_irq)
{
	begin_as(code, n, (struct step_plan){ .block_irq = block_irq });
}

static void end(bool trapped)
{
	cr_expect_eq(x86_step_end(&p.view, &plan, trapped), 0);
}

/* Emulated: the processor executes nothing, and PC advances by n bytes. */
static void executes(const char *code, size_t n)
{
	uint64_t pc = p.state.rip;

	begin(code, n, true);
	cr_expect(plan.emulated);
	cr_expect_eq(p.state.rip, pc + n);
	cr_expect(p.dirty & 1u << X86_BANK_GPR);
	end(true);
}

static uint64_t stack(unsigned int n, unsigned int size)
{
	uint64_t value = 0, at = p.state.seg[X86_SS].base + p.state.gpr[X86_RSP] + n * size;

	cr_assert_lt(at, X86_MEM_SIZE);
	memcpy(&value, p.mem + at, size);
	return value;
}

static void put_stack(uint64_t value, unsigned int size)
{
	memcpy(p.mem + p.state.gpr[X86_RSP], &value, size);
}

Test(step64, page_end, .description = "an instruction is read that ends where the memory does")
{
	p.state.rip = X86_MEM_SIZE - 1;
	p.mem[X86_MEM_SIZE - 1] = 0xfa; /* CLI */
	p.state.rflags |= X86_FL_IF;
	begin("", 0, false);
	cr_expect(plan.emulated);
	cr_expect_not(p.state.rflags & X86_FL_IF);
}

Test(step64, cli_sti, .description = "cli and sti change IF; sti sets the interrupt shadow, once")
{
	executes("\xfb", 1);
	cr_expect_eq(p.state.rflags, X86_FL_ONE | X86_FL_IF);
	cr_expect(p.state.events.sti_shadow);
	cr_expect(p.dirty & 1u << X86_BANK_EVENTS);
	p.state.rip = X86_CODE;
	executes("\xfb", 1);
	cr_expect_not(p.state.events.sti_shadow);
	p.state.rip = X86_CODE;
	executes("\xfa", 1);
	cr_expect_eq(p.state.rflags, X86_FL_ONE);
}

Test(step64, user_cli, .description = "a cli that would fault is left to the processor")
{
	p.state.seg[X86_SS].dpl = 3;
	begin("\xfa", 1, true);
	cr_expect_not(plan.emulated);
	cr_expect_eq(p.state.rip, X86_CODE);
	p.state.rflags |= X86_FL_IOPL;
	executes("\xfa", 1);
}

Test(step64, delivery, .description = "an event in delivery comes before the instruction")
{
	p.state.events.delivering = true;
	begin("\xfa", 1, true);
	cr_expect_not(plan.emulated);
	cr_expect_eq(p.state.rip, X86_CODE);
	p.state.events.delivering = false;
	executes("\xfa", 1);
}

Test(step64, pushf, .description = "pushf saves the guest's own flags, without RF")
{
	p.state.rflags = 0x10ed7;
	executes("\x9c", 1);
	cr_expect_eq(p.state.gpr[X86_RSP], X86_STACK - 8);
	cr_expect_eq(stack(0, 8), 0xed7);
	cr_expect_eq(p.state.rflags, 0xed7);
}

Test(step64, pushf_unmapped, .description = "a push that would fault is left to the processor")
{
	p.state.gpr[X86_RSP] = 2 * X86_MEM_SIZE;
	p.state.events.sti_shadow = true;
	begin("\x9c", 1, true);
	cr_expect_not(plan.emulated);
	cr_expect_eq(p.state.gpr[X86_RSP], 2 * X86_MEM_SIZE);
	cr_expect_eq(p.dirty, 0);
	cr_expect(p.state.events.sti_shadow, "the shadow before it is the processor's to end");
	p.view.write_phys = NULL;
	p.state.gpr[X86_RSP] = X86_STACK;
	begin("\x9c", 1, true);
	cr_expect_not(plan.emulated);
}

Test(step64, popf, .description = "popf loads TF and IF at level 0, neither IF nor IOPL at level 3")
{
	put_stack(0x3302 | 1ull << 40 | X86_FL_VM | X86_FL_RF, 8);
	executes("\x9d", 1);
	cr_expect_eq(p.state.rflags, 0x3302);
	cr_expect_eq(p.state.gpr[X86_RSP], X86_STACK + 8);
	p.state.rip = X86_CODE;
	p.state.rflags = X86_FL_ONE;
	p.state.seg[X86_SS].dpl = 3;
	put_stack(0x3303, 8);
	executes("\x9d", 1);
	cr_expect_eq(p.state.rflags, 0x103);
}

Test(step32, popf_16, .description = "popf with a 16-bit operand leaves the upper flags")
{
	p.state.rflags = X86_FL_ONE | 1u << 18;
	put_stack(0x0301, 2);
	executes("\x66\x9d", 2);
	cr_expect_eq(p.state.rflags, 0x40303);
	cr_expect_eq(p.state.gpr[X86_RSP], X86_STACK + 2);
}

Test(step32, mov_ss,
     .description = "mov ss loads the segment and sets the interrupt shadow for one instruction")
{
	p.state.gpr[X86_RCX] = X86_SEL_DATA;
	p.state.seg[X86_SS].limit = 1;
	executes("\x8e\xd1", 2);
	cr_expect_eq(p.state.seg[X86_SS].limit, 0xffffffff);
	cr_expect(p.state.events.mov_ss_shadow);
	p.state.rip = X86_CODE;
	executes("\xfa", 1);
	cr_expect_not(p.state.events.mov_ss_shadow);
	p.state.gpr[X86_RCX] = X86_SEL_CODE32;
	p.state.rip = X86_CODE;
	begin("\x8e\xd1", 2, true);
	cr_expect_not(plan.emulated, "it would fault");
}

static void put_selector(uint64_t at, uint16_t selector)
{
	memcpy(p.mem + at, &selector, sizeof(selector));
}

Test(step32, mov_ss_memory, .description = "mov ss from memory, by base, index and displacement")
{
	p.state.gpr[X86_RBX] = 0x30000;
	p.state.gpr[X86_RSI] = 0x10;
	put_selector(0x30000 + 0x10 * 4 - 2, X86_SEL_DATA);
	p.state.seg[X86_SS].limit = 1;
	executes("\x8e\x54\xb3\xfe", 4); /* [ebx + 4 * esi - 2] */
	cr_expect_eq(p.state.seg[X86_SS].limit, 0xffffffff);
	cr_expect(p.state.events.mov_ss_shadow);
	p.state.rip = X86_CODE;
	p.state.seg[X86_DS].limit = 0x30000 + 0x10 * 4 - 2;
	begin("\x8e\x54\xb3\xfe", 4, true);
	cr_expect_not(plan.emulated, "beyond the limit");
}

Test(step64, mov_ss_memory,
     .description = "relative to RIP, in the segment that FS names, unmapped")
{
	put_selector(X86_CODE + 6 + 0x100, X86_SEL_DATA);
	executes("\x8e\x15\x00\x01\x00\x00", 6);
	cr_expect(p.state.events.mov_ss_shadow);
	p.state.rip = X86_CODE;
	p.state.seg[X86_FS].base = 0x30000;
	p.state.gpr[X86_R8 + 1] = 0x20;
	put_selector(0x30020, X86_SEL_DATA);
	executes("\x64\x41\x8e\x11", 4); /* fs:[r9] */
	p.state.rip = X86_CODE;
	p.state.seg[X86_FS].base = X86_MEM_SIZE;
	begin("\x64\x41\x8e\x11", 4, true);
	cr_expect_not(plan.emulated);
}

Test(step_real, mov_ss_memory, .description = "by BP in the stack segment, with 16 bits")
{
	p.state.gpr[X86_RBP] = 0xabcd0004;
	put_selector(p.state.seg[X86_SS].base + 2, 0x1234);
	executes("\x8e\x56\xfe", 3);
	cr_expect_eq(p.state.seg[X86_SS].base, 0x12340);
}

/* The processor took an interrupt instead of the instruction; its frame has the step's TF. */
static void take_interrupt(void)
{
	p.state.gpr[X86_RSP] = X86_STACK - 40;
	memcpy(p.mem + X86_STACK - 40,
	       (uint64_t[]){ X86_CODE, X86_SEL_CODE64, X86_FL_ONE | X86_FL_IF | X86_FL_TF,
			     X86_STACK, X86_SEL_DATA },
	       40);
	p.state.rip = X86_HANDLERS + 16 * 31;
	p.state.rflags = X86_FL_ONE;
}

Test(step64, idle,
     .description = "a step of a halted vCPU begins with an interrupt, whose frame is restored")
{
	p.state.rflags |= X86_FL_IF;
	begin_as("\xfa", 1, (struct step_plan){ .halted = true, .block_irq = true, .room = 4 });
	cr_expect_not(plan.emulated);
	cr_expect_eq(plan.nuntil, 0);
	take_interrupt();
	end(true);
	cr_expect_eq(stack(2, 8), X86_FL_ONE | X86_FL_IF);
}

Test(step32, pop_ss,
     .description = "pop ss loads the segment, too; one that would fault changes nothing")
{
	put_stack(X86_SEL_DATA, 4);
	executes("\x17", 1);
	cr_expect_eq(p.state.gpr[X86_RSP], X86_STACK + 4);
	p.state.rip = X86_CODE;
	put_stack(X86_SEL_TSS, 4);
	begin("\x17", 1, true);
	cr_expect_not(plan.emulated);
	cr_expect_eq(p.state.gpr[X86_RSP], X86_STACK + 4);
}

static void is_at_handler(unsigned int vector)
{
	cr_expect(plan.emulated);
	cr_expect_eq(p.state.rip, X86_HANDLERS + 16 * vector, "rip %#lx", p.state.rip);
}

Test(step64, int3, .description = "the guest's int3 ends at its handler's first instruction")
{
	p.state.rflags |= X86_FL_IF;
	p.state.gpr[X86_RSP] -= 4;
	begin("\xcc", 1, false);
	is_at_handler(3);
	cr_expect_eq(p.state.gpr[X86_RSP], X86_STACK - 16 - 40, "the frame is aligned");
	cr_expect_eq(stack(0, 8), X86_CODE + 1);
	cr_expect_eq(stack(1, 8), X86_SEL_CODE64);
	cr_expect_eq(stack(2, 8), X86_FL_ONE | X86_FL_IF);
	cr_expect_eq(stack(3, 8), X86_STACK - 4);
	cr_expect_eq(stack(4, 8), X86_SEL_DATA);
	cr_expect_eq(p.state.rflags, X86_FL_ONE);
}

static void allow_users(unsigned int vector)
{
	p.mem[X86_IDT + 16 * vector + 5] |= 0x60;
}

static void as_user(void)
{
	p.state.seg[X86_CS].selector = X86_SEL_USER_CODE64;
	p.state.seg[X86_CS].dpl = 3;
	p.state.seg[X86_SS].selector = X86_SEL_USER_DATA;
	p.state.seg[X86_SS].dpl = 3;
}

Test(step64, int1,
     .description = "the guest's int1 ends at the handler of #DB, with no cause in DR6")
{
	p.state.rflags |= X86_FL_IF | X86_FL_TF;
	begin("\xf1", 1, false);
	is_at_handler(1);
	cr_expect_eq(stack(0, 8), X86_CODE + 1);
	cr_expect_eq(stack(2, 8), X86_FL_ONE | X86_FL_IF | X86_FL_TF, "flags %#lx", stack(2, 8));
	cr_expect_eq(p.state.debug.dr6, 0);
}

Test(step64, int1_of_user,
     .description = "level 3 may execute int1 whatever the gate's privilege level")
{
	as_user();
	begin("\xf1", 1, true);
	is_at_handler(1);
	cr_expect_eq(stack(0, 8), X86_CODE + 1);
}

Test(step64, int1_left,
     .description = "an int1 that is left to the processor is stepped once, not again and again")
{
	p.mem[X86_IDT + 16 + 5] &= 0x7f; /* its gate is not present */
	begin("\xf1", 1, true);
	cr_expect_not(plan.emulated);
	cr_expect_eq(x86_step_end(&p.view, &plan, true), 0, "VT-x stops at it, not after it");
}

Test(step_real, int1, .description = "int1 in real mode uses the vector table")
{
	begin("\xf1", 1, true);
	cr_expect(plan.emulated);
	cr_expect_eq(p.state.seg[X86_CS].base + p.state.rip, X86_HANDLERS + 16);
	cr_expect_eq(stack(0, 2), 1);
}

Test(step64, int_from_user, .description = "int from level 3 switches to the stack of the TSS")
{
	as_user();
	begin("\xcd\x10", 2, true);
	cr_expect_not(plan.emulated, "the gate is not for users");
	allow_users(16);
	begin("\xcd\x10", 2, true);
	is_at_handler(16);
	cr_expect_eq(p.state.gpr[X86_RSP], X86_STACK - 0x8000 - 40);
	cr_expect_eq(p.state.seg[X86_CS].selector, X86_SEL_CODE64);
	cr_expect_eq(p.state.seg[X86_SS].selector, 0);
	cr_expect(p.state.seg[X86_SS].unusable);
	cr_expect_eq(x86_cpl(&p.state), 0);
	cr_expect_eq(stack(1, 8), X86_SEL_USER_CODE64);
	cr_expect_eq(stack(4, 8), X86_SEL_USER_DATA);
}

Test(step64, int_ist, .description = "a gate with an IST has its own stack")
{
	static const uint64_t ist2 = 0x28000;

	p.mem[X86_IDT + 16 * 3 + 4] = 2;
	memcpy(p.mem + X86_TSS + 0x2c, &ist2, sizeof(ist2));
	begin("\xcc", 1, true);
	is_at_handler(3);
	cr_expect_eq(p.state.gpr[X86_RSP], 0x28000 - 40);
	cr_expect_eq(p.state.seg[X86_SS].selector, X86_SEL_DATA);
}

Test(step64, trap_gate, .description = "a trap gate leaves interrupts on")
{
	p.mem[X86_IDT + 16 * 3 + 5] |= 1;
	p.state.rflags |= X86_FL_IF;
	begin("\xcc", 1, true);
	is_at_handler(3);
	cr_expect_eq(p.state.rflags, X86_FL_ONE | X86_FL_IF);
}

Test(step64, bad_gates, .description = "gates that would fault are left to the processor")
{
	begin("\xcd\x40", 2, true);
	cr_expect_not(plan.emulated, "beyond the limit");
	p.mem[X86_IDT + 16 * 3 + 5] &= 0x7f;
	begin("\xcc", 1, true);
	cr_expect_not(plan.emulated, "not present");
	p.mem[X86_IDT + 16 * 3 + 5] |= 0x80;
	p.mem[X86_IDT + 16 * 3 + 2] = X86_SEL_DATA;
	begin("\xcc", 1, true);
	cr_expect_not(plan.emulated, "not code");
	cr_expect_eq(p.state.rip, X86_CODE);
	cr_expect_eq(p.dirty, 0);
}

Test(step32, int_n, .description = "int in protected mode pushes 32-bit words")
{
	begin("\xcd\x11", 2, true);
	is_at_handler(17);
	cr_expect_eq(p.state.gpr[X86_RSP], X86_STACK - 12);
	cr_expect_eq(stack(0, 4), X86_CODE + 2);
	cr_expect_eq(stack(1, 4), X86_SEL_CODE32);
	cr_expect_eq(stack(2, 4), X86_FL_ONE);
}

Test(step32, into, .description = "into goes to its handler on overflow only")
{
	executes("\xce", 1);
	p.state.rip = X86_CODE;
	p.state.rflags |= X86_FL_OF;
	begin("\xce", 1, true);
	is_at_handler(4);
}

Test(step_real, int_n, .description = "int in real mode uses the vector table")
{
	p.state.rflags |= X86_FL_IF;
	begin("\xcd\x10", 2, true);
	is_at_handler(16);
	cr_expect_eq(p.state.seg[X86_CS].base, 0);
	cr_expect_eq(p.state.gpr[X86_RSP], 0xf000 - 6);
	cr_expect_eq(stack(0, 2), 2);
	cr_expect_eq(stack(1, 2), X86_CODE >> 4);
	cr_expect_eq(stack(2, 2), X86_FL_ONE | X86_FL_IF);
	cr_expect_eq(p.state.rflags, X86_FL_ONE);
}

Test(step_real, stack_wraps, .description = "a 16-bit stack pointer wraps in its segment")
{
	p.state.gpr[X86_RSP] = 0x12340000;
	executes("\x9c", 1);
	cr_expect_eq(p.state.gpr[X86_RSP], 0x1234fffe);
	cr_expect_eq(p.mem[0xfffe], X86_FL_ONE);
}

Test(step64, syscall, .description = "syscall and sysret, into the kernel and back")
{
	p.state.efer |= X86_EFER_SCE;
	p.state.msr.star = 0x001b000800000000;
	p.state.msr.lstar = 0xffffffff80001000;
	p.state.msr.fmask = 0x200;
	p.state.seg[X86_CS].dpl = p.state.seg[X86_SS].dpl = 3;
	p.state.rflags = 0x10a87;
	begin("\x0f\x05", 2, true);
	cr_expect(plan.emulated);
	cr_expect_eq(p.state.rip, 0xffffffff80001000);
	cr_expect_eq(p.state.gpr[X86_RCX], X86_CODE + 2);
	cr_expect_eq(p.state.gpr[X86_R8 + 3], 0xa87);
	cr_expect_eq(p.state.rflags, 0x887);
	cr_expect_eq(p.state.seg[X86_CS].selector, 8);
	cr_expect_eq(p.state.seg[X86_SS].selector, 16);
	cr_expect_eq(x86_cpl(&p.state), 0);
	cr_expect(p.dirty & 1u << X86_BANK_SREGS);

	p.state.rip = X86_CODE;
	p.state.gpr[X86_R8 + 3] |= X86_FL_RF | X86_FL_VM; /* sysret does not set these */
	begin("\x48\x0f\x07", 3, true);
	cr_expect(plan.emulated);
	cr_expect_eq(p.state.rip, X86_CODE + 2);
	cr_expect_eq(p.state.rflags, 0xa87);
	cr_expect_eq(p.state.seg[X86_CS].selector, 0x2b);
	cr_expect_eq(p.state.seg[X86_SS].selector, 0x23);
	cr_expect_eq(x86_cpl(&p.state), 3);
}

Test(step64, syscall_off,
     .description =
	     "syscall without EFER.SCE, or to a non-canonical address, is left to the processor")
{
	begin("\x0f\x05", 2, true);
	cr_expect_not(plan.emulated);
	p.state.efer |= X86_EFER_SCE;
	p.state.gpr[X86_RCX] = 1ull << 47;
	begin("\x48\x0f\x07", 3, true);
	cr_expect_not(plan.emulated);
}

/* ---- what the processor steps ------------------------------------------------------------------ */

Test(step64, masked, .description = "the rules clear IF for a step and restore it")
{
	p.state.rflags |= X86_FL_IF;
	begin("\x90", 1, false);
	cr_expect_not(plan.emulated);
	cr_expect_eq(p.state.rflags, X86_FL_ONE);
	cr_expect(p.dirty & 1u << X86_BANK_GPR);
	p.state.rip++;
	end(true);
	cr_expect_eq(p.state.rflags, X86_FL_ONE | X86_FL_IF);
}

Test(step64, not_masked,
     .description = "the rules change nothing where the backend blocks interrupts")
{
	p.state.rflags |= X86_FL_IF;
	begin("\x90", 1, true);
	cr_expect_eq(p.dirty, 0);
	p.state.rip++;
	end(true);
	cr_expect_eq(p.dirty, 0);
	p.state.rip = X86_CODE;
	begin("\xf4", 1, false);
	cr_expect_eq(p.dirty, 0, "hlt has to wake up");
}

static bool stays_runnable(const char *code, size_t n, struct step_plan how)
{
	p.state.rip = X86_CODE;
	begin_as(code, n, how);
	return plan.stays_runnable;
}

Test(step64, stays_runnable,
     .description =
	     "which steps leave a vCPU that is not halted: not hlt, nor what may take it along")
{
	const struct step_plan fresh = { 0 }, halted = { .halted = true };

	cr_expect(stays_runnable("\x90", 1, fresh));
	cr_expect_not(stays_runnable("\xf4", 1, fresh));
	cr_expect_not(stays_runnable("\xfb", 1, fresh), "sti");
	cr_expect_not(stays_runnable("\x8e\xd0", 2, fresh), "mov ss");
	cr_expect_not(stays_runnable("\x90", 1, halted), "its interrupt comes first");
	p.state.events.delivering = true;
	cr_expect_not(stays_runnable("\x90", 1, fresh), "an event comes first");
	p.state.events.delivering = false;
	p.state.rip = 1ULL << 40;
	plan = fresh;
	cr_assert_eq(x86_step_begin(&p.view, &plan), 0);
	cr_expect_not(plan.stays_runnable, "nobody knows the instruction");
}

Test(step64, interrupted, .description = "a step that was not made restores IF")
{
	p.state.rflags |= X86_FL_IF;
	begin("\x90", 1, false);
	end(false);
	cr_expect_eq(p.state.rflags, X86_FL_ONE | X86_FL_IF);
	begin("\x90", 1, false);
	p.state.rip = X86_HANDLERS;
	end(false);
	cr_expect_eq(p.state.rflags, X86_FL_ONE, "somewhere else entirely: its IF is not ours");
}

Test(step64, iret, .description = "iret's IF stays as it was popped, and its TF is kept")
{
	p.state.rflags |= X86_FL_IF;
	p.state.gpr[X86_RSP] -= 24;
	memcpy(p.mem + X86_STACK - 8, (uint64_t[]){ X86_FL_ONE | X86_FL_TF }, 8);
	begin("\x48\xcf", 2, false);
	cr_expect_eq(p.state.rflags, X86_FL_ONE);
	p.state.rip = X86_CODE + 0x100;
	p.state.rflags = X86_FL_ONE;
	end(true);
	cr_expect_eq(p.state.rflags, X86_FL_ONE | X86_FL_TF);
}

Test(step64, sysenter, .description = "sysenter clears IF for good, and keeps TF")
{
	p.state.rflags |= X86_FL_IF;
	begin("\x0f\x34", 2, false);
	cr_expect_eq(p.state.rflags, X86_FL_ONE);
	p.state.rip = X86_CODE + 0x100;
	end(true);
	cr_expect_eq(p.state.rflags, X86_FL_ONE);
}

Test(step64, no_progress,
     .description = "a step that did not move PC is repeated, unless the instruction may stay")
{
	begin("\x90", 1, true);
	cr_expect_eq(x86_step_end(&p.view, &plan, true), 1);
	begin("\xeb\xfe", 2, true);
	end(true);
	begin("\xf3\xaa", 2, true);
	end(true);
}

Test(step64, whole_rep,
     .description = "one iteration of a repeated instruction is a step, or all of them are")
{
	begin("\xf3\xa4", 2, true);
	plan.whole_rep = true;
	cr_expect_eq(x86_step_end(&p.view, &plan, true), 1, "another iteration follows");
	p.state.rip += 2;
	cr_expect_eq(x86_step_end(&p.view, &plan, true), 0, "PC is after the instruction");
	p.state.rip = X86_CODE;
	cr_expect_eq(x86_step_end(&p.view, &plan, false), 0, "the instruction was interrupted");
}

/* ---- the guest's own debug exceptions ---------------------------------------------------------- */

enum { DR6_BS = 1 << 14 };

static void has_debug_exception(uint64_t from, uint64_t flags, uint64_t causes)
{
	cr_expect_eq(p.state.rip, X86_HANDLERS + 16, "rip %#lx", p.state.rip);
	cr_expect_eq(stack(0, 8), from, "from %#lx", stack(0, 8));
	cr_expect_eq(stack(2, 8), flags, "flags %#lx", stack(2, 8));
	cr_expect_eq(p.state.debug.dr6, causes, "DR6 %#lx", p.state.debug.dr6);
	cr_expect_eq(p.state.rflags, X86_FL_ONE);
	cr_expect(p.dirty & 1u << X86_BANK_DEBUG);
}

Test(step64, guest_tf,
     .description = "an instruction that the guest's own TF traps is followed by the guest's #DB")
{
	p.state.rflags |= X86_FL_TF;
	begin("\x90", 1, true);
	p.state.rip++;
	p.state.rflags &= ~(uint64_t)X86_FL_TF; /* as KVM reports it after a step */
	end(true);
	has_debug_exception(X86_CODE + 1, X86_FL_ONE | X86_FL_TF, DR6_BS);
}

Test(step64, guest_tf_stopped,
     .description = "an instruction that was not executed is followed by no #DB of the guest's TF")
{
	p.state.rflags |= X86_FL_TF;
	begin("\x90", 1, true);
	p.state.rflags &= ~(uint64_t)X86_FL_TF;
	end(false);
	cr_expect_eq(p.state.rip, X86_CODE);
	cr_expect_eq(p.state.rflags, X86_FL_ONE | X86_FL_TF);
}

Test(step64, guest_tf_begins,
     .description = "popf that sets TF is not trapped, one that clears it is")
{
	put_stack(X86_FL_ONE | X86_FL_TF, 8);
	executes("\x9d", 1);
	cr_expect_eq(p.state.rflags, X86_FL_ONE | X86_FL_TF);
	p.state.rip = X86_CODE;
	p.state.gpr[X86_RSP] = X86_STACK;
	put_stack(X86_FL_ONE, 8);
	begin("\x9d", 1, true);
	cr_expect(plan.emulated);
	cr_expect_eq(stack(3, 8), X86_STACK + 8);
	has_debug_exception(X86_CODE + 1, X86_FL_ONE, DR6_BS);
}

Test(step64, guest_tf_int, .description = "int clears TF before it could trap")
{
	p.state.rflags |= X86_FL_TF;
	begin("\xcc", 1, true);
	is_at_handler(3);
	cr_expect_eq(stack(2, 8), X86_FL_ONE | X86_FL_TF);
	cr_expect_eq(p.state.debug.dr6, 0);
}

Test(step64, guest_tf_syscall,
     .description = "syscall is followed by the #DB of the guest's TF unless its mask clears that")
{
	p.state.efer |= X86_EFER_SCE;
	p.state.msr.star = 0x001b000800000000;
	p.state.msr.lstar = X86_CODE + 0x100;
	p.state.msr.fmask = X86_FL_TF;
	p.state.rflags |= X86_FL_TF;
	begin("\x0f\x05", 2, true);
	cr_expect(plan.emulated);
	cr_expect_eq(p.state.rip, X86_CODE + 0x100);
	p.state.msr.fmask = 0;
	p.state.rip = X86_CODE;
	p.state.rflags |= X86_FL_TF;
	begin("\x0f\x05", 2, true);
	has_debug_exception(X86_CODE + 0x100, X86_FL_ONE | X86_FL_TF, DR6_BS);
}

Test(step64, guest_tf_hlt,
     .description = "a halted vCPU gets the #DB of the guest's TF from the processor, as it wakes")
{
	p.state.rflags |= X86_FL_TF;
	begin("\xf4", 1, true);
	p.state.rip++;
	end(true);
	cr_expect_eq(p.state.rip, X86_CODE + 1);
	cr_expect_eq(p.state.debug.dr6, 0);
}

static void user_traps_to_db(void)
{
	as_user();
	begin_as("\x90", 1, (struct step_plan){ .block_irq = true, .room = 1 });
	cr_assert_eq(plan.until[0], X86_HANDLERS + 16);
	p.state.seg[X86_CS].selector = X86_SEL_CODE64;
	p.state.seg[X86_CS].dpl = 0;
	p.state.seg[X86_SS] = (struct x86_seg){ .unusable = true };
	p.state.gpr[X86_RSP] = X86_STACK - 0x8000 - 40;
	memcpy(p.mem + p.state.gpr[X86_RSP],
	       (uint64_t[]){ X86_CODE + 1, X86_SEL_USER_CODE64, X86_FL_ONE | X86_FL_TF, X86_STACK,
			     X86_SEL_USER_DATA },
	       40);
	p.state.rip = X86_HANDLERS + 16;
	end(true);
}

Test(step64, step_trap_undone,
     .description = "a #DB of the step that the host gave to a user of the guest is undone")
{
	user_traps_to_db();
	cr_expect_eq(p.state.rip, X86_CODE + 1);
	cr_expect_eq(p.state.rflags, X86_FL_ONE);
	cr_expect_eq(p.state.gpr[X86_RSP], X86_STACK);
	cr_expect_eq(x86_cpl(&p.state), 3);
}

Test(step64, guest_tf_of_user,
     .description = "a #DB of the guest's own TF that the host gave to a user of the guest stays")
{
	p.state.rflags |= X86_FL_TF;
	user_traps_to_db();
	cr_expect_eq(p.state.rip, X86_HANDLERS + 16);
	cr_expect_eq(stack(2, 8), X86_FL_ONE | X86_FL_TF);
}

Test(step64, guest_break,
     .description =
	     "the guest's own hardware breakpoint comes before its instruction, unless RF is set")
{
	p.state.debug.dr[2] = X86_CODE;
	p.state.debug.dr7 = 2 << 4;
	begin("\x90", 1, true);
	cr_expect(plan.emulated);
	has_debug_exception(X86_CODE, X86_FL_ONE, 1 << 2);
	p.state.rip = X86_CODE;
	p.state.rflags |= X86_FL_RF;
	begin("\x90", 1, true);
	cr_expect_not(plan.emulated);
	p.state.rflags = X86_FL_ONE;
	p.state.debug.dr7 = 2 << 4 | 1 << 24; /* of data that is written */
	begin("\x90", 1, true);
	cr_expect_not(plan.emulated);
}

Test(step64, guest_watch,
     .description = "the guest's own watchpoints stay armed, and raise its #DB")
{
	p.state.debug.dr7 = 1 | 1 << 16;
	begin_as("\x48\x89\x00", 3, (struct step_plan){ .room = 4 });
	cr_expect_eq(plan.nuntil, 0, "a slot of ours would take their place");
	p.state.rip += 3;
	p.state.debug.hit = 3; /* KVM reports one that is not enabled, too */
	end(true);
	has_debug_exception(X86_CODE + 3, X86_FL_ONE, 1 << 0);
	p.state.rip = X86_CODE;
	p.state.debug.hit = 0;
	begin("\x90", 1, true);
	p.state.rip++;
	end(true);
	cr_expect_eq(p.state.rip, X86_CODE + 1, "nothing has hit");
}

Test(step64, uses_debug_regs,
     .description =
	     "a guest uses debug registers when one is enabled in its DR7, locally or globally")
{
	cr_expect_not(x86_cpu.guest_uses_debug_regs(&p.view));
	p.state.debug.dr7 = 0x600; /* LE, GE and the fixed bit enable none */
	cr_expect_not(x86_cpu.guest_uses_debug_regs(&p.view));
	p.state.debug.dr7 = 0x600 | 1 << 6;
	cr_expect(x86_cpu.guest_uses_debug_regs(&p.view), "L3, of an instruction");
	p.state.debug.dr7 = 0x600 | 2 << 2 | 1 << 20;
	cr_expect(x86_cpu.guest_uses_debug_regs(&p.view), "G1, of data");
	p.broken = 1u << X86_BANK_DEBUG;
	cr_expect_not(x86_cpu.guest_uses_debug_regs(&p.view), "they can't be read");
}

Test(step64, guest_unhandled,
     .description = "a #DB that can't reach a handler does not change how the step ends")
{
	p.mem[X86_IDT + 16 + 5] &= 0x7f;
	p.state.rflags |= X86_FL_TF;
	begin("\x90", 1, true);
	p.state.rip++;
	end(true);
	cr_expect_eq(p.state.rip, X86_CODE + 1);
	cr_expect_eq(p.state.debug.dr6, 0);
}

/* ---- guards, and what an exception has saved --------------------------------------------------- */

Test(step64, guards,
     .description =
	     "execution slots catch exceptions at their handlers, as many as there is room for")
{
	begin_as("\x48\x8b\x00", 3, (struct step_plan){ .room = 2 });
	cr_expect_eq(plan.nuntil, 2);
	cr_expect(plan.until_too);
	cr_expect_eq(plan.until[0], X86_HANDLERS + 16 * 14);
	cr_expect_eq(plan.until[1], X86_HANDLERS + 16 * 13);
	p.mem[X86_IDT + 16 * 14 + 5] &= 0x7f;
	begin_as("\x48\x8b\x00", 3, (struct step_plan){ .room = 4 });
	cr_expect_eq(plan.nuntil, 3, "the page fault has no gate");
	begin_as("\xf7\xf1", 2, (struct step_plan){ .room = 1 });
	cr_expect_eq(plan.until[0], X86_HANDLERS, "divide error");
}

Test(step64, faulted,
     .description = "a step that ends in a fault: the saved flags are the guest's own")
{
	p.state.rflags |= X86_FL_IF;
	p.mem[X86_IDT + 16 * 14 + 5] |= 1; /* a trap gate */
	begin_as("\x48\x8b\x00", 3, (struct step_plan){ .room = 4 });
	/* the processor pushes SS, RSP, RFLAGS, CS, RIP and the error code */
	p.state.gpr[X86_RSP] -= 48;
	memcpy(p.mem + p.state.gpr[X86_RSP],
	       (uint64_t[]){ 0, X86_CODE, X86_SEL_CODE64, 0x10102, X86_STACK, X86_SEL_DATA }, 48);
	p.state.rip = X86_HANDLERS + 16 * 14;
	end(true);
	cr_expect_eq(stack(3, 8), 0x10202, "flags %#lx", stack(3, 8));
	cr_expect_eq(p.state.rflags, X86_FL_ONE | X86_FL_IF);
}

Test(step64, delivery_guarded,
     .description =
	     "a step that begins with an event in delivery ends at the handler; IF is not cleared for it")
{
	p.state.rflags |= X86_FL_IF;
	p.state.events.delivering = true;
	p.state.events.vector = 31;
	begin_as("\xcc", 1, (struct step_plan){ .room = 1 });
	cr_expect_not(plan.emulated);
	cr_expect_eq(plan.until[0], X86_HANDLERS + 16 * 31);
	cr_expect(p.state.rflags & X86_FL_IF, "the processor refuses to deliver without");
}

static void step_into_interrupt(void)
{
	p.state.rflags |= X86_FL_IF;
	begin("\x90", 1, true);
	take_interrupt();
}

static uint64_t saved_flags(void)
{
	uint64_t flags;

	memcpy(&flags, p.mem + X86_STACK - 24, sizeof(flags));
	return flags;
}

Test(step64, interrupt_let_in,
     .description =
	     "the rules clear the step's TF in an interrupt's frame, wherever in its handler the vCPU is")
{
	step_into_interrupt();
	end(true);
	cr_expect_eq(saved_flags(), X86_FL_ONE | X86_FL_IF);
	cr_expect_eq(p.state.rflags, X86_FL_ONE);
	p.state.rip = X86_CODE;
	p.state.gpr[X86_RSP] = X86_STACK;
	step_into_interrupt();
	p.state.rip += 7;
	p.state.gpr[X86_RSP] -= 80;
	end(false);
	cr_expect_eq(saved_flags(), X86_FL_ONE | X86_FL_IF);
}

Test(step_real, handler_same_offset,
     .description = "a handler at the offset of the instruction, in another segment, ends the step")
{
	const uint64_t handler = X86_HANDLERS + 16 * X86_VEC_UD;

	p.state.rip = handler;
	p.state.rflags |= X86_FL_IF;
	memcpy(p.mem + X86_CODE + handler, "\x0f\x0b", 2);
	plan = (struct step_plan){ .pc = handler, .room = 4 };
	cr_assert_eq(x86_step_begin(&p.view, &plan), 0);
	cr_assert_eq(plan.until[2], handler);
	p.state.gpr[X86_RSP] -= 6;
	memcpy(p.mem + p.state.gpr[X86_RSP],
	       (uint16_t[]){ handler, X86_CODE >> 4, X86_FL_ONE | X86_FL_TF }, 6);
	p.state.seg[X86_CS].selector = p.state.seg[X86_CS].base = 0;
	end(true);
	cr_expect_eq(stack(2, 2), X86_FL_ONE | X86_FL_IF, "flags %#lx", stack(2, 2));
	cr_expect_eq(p.state.rflags, X86_FL_ONE);
}

Test(step64, foreign_frames, .description = "the rules do not change frames of other steps")
{
	step_into_interrupt();
	p.mem[X86_STACK - 40] ^= 0x40;
	end(true);
	cr_expect_eq(saved_flags(), X86_FL_ONE | X86_FL_IF | X86_FL_TF);
	p.state.rip = X86_CODE;
	p.state.gpr[X86_RSP] = X86_STACK;
	step_into_interrupt();
	p.mem[X86_STACK - 16] ^= 0x40; /* of a stack pointer elsewhere */
	end(true);
	cr_expect_eq(saved_flags(), X86_FL_ONE | X86_FL_IF | X86_FL_TF);
}

Test(step64, iret_unrestored,
     .description = "a TF in a frame that can't be restored is not taken as the guest's")
{
	p.view.write_phys = NULL;
	p.state.gpr[X86_RSP] -= 24;
	memcpy(p.mem + X86_STACK - 8, (uint64_t[]){ X86_FL_ONE | X86_FL_TF }, 8);
	begin("\x48\xcf", 2, true);
	p.state.rip = X86_CODE + 0x100;
	end(true);
	cr_expect_eq(p.state.rflags, X86_FL_ONE);
}

Test(step64, unreadable_code, .description = "code that can't be read is left to the processor")
{
	p.state.rip = 2 * X86_MEM_SIZE;
	begin("", 0, true);
	cr_expect_not(plan.emulated);
	p.state.rip = X86_MEM_SIZE - 1; /* the last byte of memory */
	p.mem[X86_MEM_SIZE - 1] = 0xfa;
	begin("", 0, true);
	cr_expect(plan.emulated);
	p.broken = 1u << X86_BANK_GPR;
	cr_expect_eq(x86_step_begin(&p.view, &plan), -EIO);
}
