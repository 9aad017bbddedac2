// SPDX-License-Identifier: MIT
/* Conditions and commands of breakpoints, run on the vCPU that hits one. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tests/unit/softvm.h"

/* GDB manual, "Bytecode Descriptions" */
enum {
	EQUAL = 0x13,
	REF8 = 0x17,
	REF64 = 0x1a,
	CONST8 = 0x22,
	CONST16 = 0x23,
	REG = 0x26,
	END = 0x27,
	PRINTF = 0x34
};

enum { REG_R0 = 2 }; /* as softcpu.c describes it */

static void set_conditions(struct softvm *vm, enum bp_type type, uint64_t at,
			   const struct agent_code *codes, unsigned int n)
{
	cr_assert_eq(vm->t->ops->conditions(vm->t, type, at, vm->ops->cpu->brk_kind, codes, n), 0);
}

static void set_code(struct softvm *vm, enum bp_type type, uint64_t at, bool command,
		     const uint8_t *code, size_t len)
{
	const struct agent_code c = { command, code, len };

	set_conditions(vm, type, at, &c, 1);
}

static const uint8_t r0_is_5[] = { REG, 0, REG_R0, CONST8, 5, EQUAL, END };

static void conditional(struct softvm *vm, const struct vcpu_ops *ops, enum bp_type type,
			enum stop_kind kind)
{
	unsigned int i;

	softvm_init_loops(vm, ops, 3, NULL);
	for (i = 0; i < 3; i++)
		vm->cpus[i].cpu.regs.pc = LOOP; /* all in one loop */
	softvm_begin(vm);
	softvm_insert(vm, type, LOOP + 8, ops->cpu->brk_kind);
	set_code(vm, type, LOOP + 8, false, r0_is_5, sizeof(r0_is_5));
	for (i = 0; i < 3; i++) {
		softvm_continue(vm);
		const struct stop s = softvm_stopped(vm);

		expect_stop(s, kind, s.vcpu);
		cr_expect_eq(softvm_pc(vm, s.vcpu), LOOP + 8);
		cr_expect_eq(softvm_regs(vm, s.vcpu)->r[0], 5, "each by its own registers, once");
	}
	for (i = 0; i < 3; i++)
		cr_expect_geq(softvm_regs(vm, i)->r[0], 5);
	softvm_fini(vm);
}

SOFT_TEST(engine_conditions, condition, "a condition decides, on the vCPU that hit the breakpoint")
{
	conditional(vm, ops, BP_SOFTWARE, STOP_SWBREAK);
}

SOFT_TEST_SLOTS(engine_conditions, condition_slot, "the same with a hardware breakpoint")
{
	conditional(vm, ops, BP_HARDWARE, STOP_HWBREAK);
}

SOFT_TEST(engine_conditions, memory, "a condition reads memory; where nothing is mapped it holds")
{
	static const uint8_t data_is_7[] = { CONST16, DATA >> 8, DATA & 0xff, REF64,
					     CONST8,  7,	 EQUAL,	      END };
	static const uint8_t nowhere[] = { CONST16, 0xff, 0xf0, REF64, END };

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_paging(vm);
	softvm_begin(vm);
	softvm_break(vm, LOOP + 8);
	set_code(vm, BP_SOFTWARE, LOOP + 8, false, data_is_7, sizeof(data_is_7));
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 7);
	set_code(vm, BP_SOFTWARE, LOOP + 8, false, nowhere, sizeof(nowhere));
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 8, "better one stop too many");
	cr_assert_eq(
		vm->t->ops->conditions(vm->t, BP_SOFTWARE, LOOP + 8, ops->cpu->brk_kind, NULL, 0),
		0);
	continue_to(vm, STOP_SWBREAK, 0);
	softvm_fini(vm);
}

SOFT_TEST(engine_conditions, endless, "a condition that does not end is ended")
{
	static const uint8_t loop[] = { 0x21, 0, 0 }; /* goto 0 */

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	softvm_break(vm, LOOP + 8);
	set_code(vm, BP_SOFTWARE, LOOP + 8, false, loop, sizeof(loop));
	continue_to(vm, STOP_SWBREAK, 0);
	softvm_fini(vm);
}

/* printf("%d;", r0) with the channel and the function of gdb's dprintf, 0 both */
static const uint8_t print_r0[] = { REG, 0, REG_R0, CONST8, 0,	 CONST8, 0,    PRINTF,
				    1,	 0, 4,	    '%',    'd', ';',	 '\0', END };

static bool has_printed(void *opaque)
{
	struct softvm *vm = opaque;
	bool yes;

	pthread_mutex_lock(&vm->engine.console_lock);
	yes = vm->engine.console_len >= 12;
	pthread_mutex_unlock(&vm->engine.console_lock);
	return yes;
}

SOFT_TEST(engine_conditions, commands, "commands print and the guest runs on; no stop is reported")
{
	char text[64] = "";
	struct stop s;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	softvm_break(vm, loop_of(1) + 8);
	set_code(vm, BP_SOFTWARE, loop_of(1) + 8, true, print_r0, sizeof(print_r0));
	softvm_continue(vm);
	softvm_until(has_printed, vm);
	cr_expect_not(softvm_wait(vm, &s, 0));
	cr_assert_eq(vm->t->ops->console(vm->t, text, 6), 6);
	cr_expect_str_eq(text, "1;2;3;");
	cr_assert_eq(vm->t->ops->console(vm->t, text, 2), 2);
	cr_expect_eq(memcmp(text, "4;", 2), 0, "taken in parts");
	softvm_interrupt(vm);
	expect_stop(s = softvm_stopped(vm), STOP_INTERRUPT, s.vcpu);
	softvm_fini(vm);
}

SOFT_TEST(engine_conditions, refused,
	  "conditions of what is not there, or of a watchpoint, are refused")
{
	const struct agent_code c = { false, r0_is_5, sizeof(r0_is_5) };

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	cr_expect_eq(vm->t->ops->conditions(vm->t, BP_SOFTWARE, LOOP, ops->cpu->brk_kind, &c, 1),
		     -ENOENT);
	softvm_insert(vm, BP_WRITE, DATA, 8);
	cr_expect_eq(vm->t->ops->conditions(vm->t, BP_WRITE, DATA, 8, &c, 1), -EOPNOTSUPP);
	softvm_fini(vm);
}

SOFT_TEST(
	engine_conditions, several_conditions,
	"of several conditions one that holds is enough, whichever; without one no stop is reported")
{
	static const uint8_t holds[] = { CONST8, 1, END }, holds_not[] = { CONST8, 0, END };
	const struct agent_code no = { false, holds_not, sizeof(holds_not) };
	const struct agent_code yes = { false, holds, sizeof(holds) };
	const struct agent_code first[] = { yes, no }, last[] = { no, no, yes },
				none[] = { no, no };
	struct stop s;

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	softvm_break(vm, LOOP + 8);
	set_conditions(vm, BP_SOFTWARE, LOOP + 8, first, 2);
	continue_to(vm, STOP_SWBREAK, 0);
	set_conditions(vm, BP_SOFTWARE, LOOP + 8, last, 3);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 2, "each time round");
	set_conditions(vm, BP_SOFTWARE, LOOP + 8, none, 2);
	softvm_continue(vm);
	softvm_run_on(vm, 0, 100);
	cr_expect_not(softvm_wait(vm, &s, 0));
	softvm_fini(vm);
}

/* ---- what they read --------------------------------------------------------------------------- */

SOFT_TEST(
	engine_conditions, description,
	"registers are numbered by the description that the debugger was given, whatever the mode is")
{
	static const struct reg_desc r0 = {
		.name = "r0", .offset = offsetof(struct soft_regs, r[0]), .bits = 64, .dwarf = -1
	};
	static const struct reg_feature feature = { .name = "other", .regs = &r0, .nregs = 1 };
	static const struct reg_feature *const features[] = { &feature };
	static const struct tdesc other = { .arch = "other", .features = features, .nfeatures = 1 };
	static const uint8_t first_is_5[] = { REG, 0, 0, CONST8, 5, EQUAL, END };

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	vm->t->ops->set_description(vm->t, &other);
	softvm_break(vm, LOOP + 8);
	set_code(vm, BP_SOFTWARE, LOOP + 8, false, first_is_5, sizeof(first_is_5));
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 5);
	softvm_detach(vm);
	softvm_attach(vm);
	cr_expect(!vm->engine.tdesc, "the next debugger was given none yet");
	softvm_fini(vm);
}

SOFT_TEST(engine_conditions, hidden,
	  "a condition reads the guest's instruction beneath a breakpoint")
{
	static const uint8_t is_nop[] = { CONST16, LOOP >> 8, (LOOP + 8) & 0xff,
					  REF8,	   CONST8,    SOFT_NOP,
					  EQUAL,   END };
	static const uint8_t is_brk[] = { CONST16, LOOP >> 8, (LOOP + 8) & 0xff,
					  REF8,	   CONST8,    SOFT_BRK,
					  EQUAL,   END };
	struct stop s;

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	softvm_break(vm, LOOP + 8);
	set_code(vm, BP_SOFTWARE, LOOP + 8, false, is_nop, sizeof(is_nop));
	continue_to(vm, STOP_SWBREAK, 0);
	set_code(vm, BP_SOFTWARE, LOOP + 8, false, is_brk, sizeof(is_brk));
	softvm_continue(vm);
	softvm_run_on(vm, 0, 100);
	cr_expect_not(softvm_wait(vm, &s, 0));
	softvm_fini(vm);
}

static struct softvm *walked;
static int (*soft_walk)(struct cpu_view *v, uint64_t va, struct xlat *out);

/* Whoever walks the guest's tables holds no lock of the engine. */
static int walk_and_call(struct cpu_view *v, uint64_t va, struct xlat *out)
{
	engine_is_held(&walked->engine);
	return soft_walk(v, va, out);
}

SOFT_TEST(engine_conditions, without_lock, "conditions are run without the engine's lock")
{
	static const uint8_t data_is_7[] = { CONST16, DATA >> 8, DATA & 0xff, REF64,
					     CONST8,  7,	 EQUAL,	      END };
	struct vcpu_ops walking = *ops;
	struct cpu cpu = *ops->cpu;

	walked = vm;
	soft_walk = cpu.translate;
	cpu.translate = walk_and_call;
	walking.cpu = &cpu;
	softvm_init_loops(vm, &walking, 2, NULL);
	softvm_begin(vm);
	softvm_break(vm, LOOP + 8);
	set_code(vm, BP_SOFTWARE, LOOP + 8, false, data_is_7, sizeof(data_is_7));
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 7);
	softvm_fini(vm);
}

SOFT_TEST_SLOTS(
	engine_conditions, two_slots,
	"of two debug registers that hit at once the one whose condition is true is reported")
{
	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	softvm_insert(vm, BP_HARDWARE, LOOP + 8, ops->cpu->brk_kind);
	set_code(vm, BP_HARDWARE, LOOP + 8, false, r0_is_5, sizeof(r0_is_5));
	softvm_break(vm, LOOP + 8);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 1);
	softvm_fini(vm);
}

SOFT_TEST(engine_conditions, tables_changed,
	  "a condition reads memory where the guest has mapped it since the last time")
{
	static const uint8_t at_1800[] = { CONST16, 0x18, 0, REF8, END };

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_paging(vm);
	vm->mem[0x1900] = 1;
	CODE(vm, LOOP, I(ADDI, 0, 0, 2));
	vm->cpus[0].cpu.regs.r[0] = 0x1901 - 4; /* the entry of 0x1800 in the second round */
	vm->cpus[0].cpu.regs.r[1] = TABLE + 0x1800 / SOFT_PAGE * 8;
	softvm_begin(vm);
	softvm_break(vm, LOOP + 8);
	set_code(vm, BP_SOFTWARE, LOOP + 8, false, at_1800, sizeof(at_1800));
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 0x1901);
	softvm_fini(vm);
}

static bool waits_to_step_over(void *opaque)
{
	struct softvm *vm = opaque;

	return vm->hangs && vm->engine.exclusive == vm->cpus[0].vcpu;
}

SOFT_TEST_MEMORY(
	engine_conditions, turn_given_back,
	"a vCPU that waits to step over a passed breakpoint, and is halted when it is let go, "
	"keeps nobody from running")
{
	softvm_init_loops(vm, ops, 2, NULL);
	CODE(vm, loop_of(1), I(NOP, 0, 0, 0), I(OUT, 0, 0, 0), JMP(-3));
	vm->cpus[0].cpu.regs.r[0] = 6;
	softvm_begin(vm);
	softvm_break(vm, LOOP + 4);
	set_code(vm, BP_SOFTWARE, LOOP + 4, false, r0_is_5, sizeof(r0_is_5));
	vm->hang = true;
	softvm_continue(vm);
	softvm_until(waits_to_step_over, vm);
	vm->cpus[0].cpu.halted = true;
	vm->hang = false;
	softvm_run_on(vm, 1, 100);
	softvm_fini(vm);
}
