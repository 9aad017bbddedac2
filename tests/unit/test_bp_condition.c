// SPDX-License-Identifier: MIT
/* Conditions and commands: what of a hit is reported, and how much of them there may be. */
#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "core/breakpoints/bp_condition.h"
#include "tests/unit/bp_vm.h"

static const uint8_t yes[] = { 0x22, 1, 0x27 }, no[] = { 0x22, 0, 0x27 }, bad[] = { 0xff },
		     empty[] = { 0x27 }, loop[] = { 0x21, 0, 0 };
static const uint8_t print_x[] = { 0x22, 0, 0x22, 0, 0x34, 0, 0, 2, 'x', 0, 0x27 };

#define CONDITION(c)                \
	{                           \
		false, c, sizeof(c) \
	}
#define COMMAND(c)                 \
	{                          \
		true, c, sizeof(c) \
	}

static unsigned int printed;

static void print(void *opaque, const char *text, size_t len)
{
	(void)opaque;
	(void)text;
	printed += len;
}

static bool hit(const struct agent_code *codes, unsigned int n)
{
	const struct agent_env env = { .print = print };
	struct bp_conditions *c;
	size_t used = 0;
	bool report;

	printed = 0;
	cr_assert_eq(bp_conditions_copy(&c, &used, codes, n), 0);
	report = bp_conditions_hit(c, &env);
	bp_conditions_free(c);
	cr_expect_eq(used, 0);
	return report;
}

#define HIT(...)                                        \
	hit((const struct agent_code[]){ __VA_ARGS__ }, \
	    sizeof((const struct agent_code[]){ __VA_ARGS__ }) / sizeof(struct agent_code))

Test(bp_condition, reported,
     .description = "any condition that is true or can't be evaluated; no commands")
{
	cr_expect(hit(NULL, 0));
	cr_expect(HIT(CONDITION(yes)));
	cr_expect_not(HIT(CONDITION(no)));
	cr_expect(HIT(CONDITION(no), CONDITION(yes), CONDITION(no)));
	cr_expect(HIT(CONDITION(bad)));
	cr_expect(HIT(CONDITION(empty)), "it has no value");
	cr_expect(HIT(CONDITION(no), CONDITION(loop)), "no budget left");
	cr_expect_not(HIT(CONDITION(yes), COMMAND(bad), COMMAND(print_x)));
	cr_expect_eq(printed, 1, "a command that fails keeps none from running");
	cr_expect_not(HIT(CONDITION(no), COMMAND(print_x)));
	cr_expect_eq(printed, 0);
	cr_expect_not(HIT(COMMAND(print_x), COMMAND(loop), COMMAND(print_x)));
	cr_expect_eq(printed, 1, "the budget is one for all");
}

Test(bp_condition, bounded, .description = "more programs or longer ones than may be are refused")
{
	static uint8_t big[BP_PROGRAM_BYTES_MAX + 1];
	struct agent_code codes[BP_PROGRAMS_MAX + 1];
	size_t used = BP_CONDITIONS_MAX - 100;
	struct bp_conditions *c;
	unsigned int i;

	for (i = 0; i <= BP_PROGRAMS_MAX; i++)
		codes[i] = (struct agent_code)CONDITION(no);
	cr_expect_eq(bp_conditions_copy(&c, &used, codes, BP_PROGRAMS_MAX + 1), -EINVAL);
	cr_expect_eq(bp_conditions_copy(&c, &used, codes, BP_PROGRAMS_MAX), -ENOMEM,
		     "too much of all breakpoints together");
	cr_expect_eq(used, BP_CONDITIONS_MAX - 100);
	codes[0] = (struct agent_code)CONDITION(big);
	used = 0;
	cr_expect_eq(bp_conditions_copy(&c, &used, codes, 1), -EINVAL);
}

Test(bp_condition, of_breakpoints,
     .description = "they are replaced and go with the breakpoint; watchpoints have none")
{
	const struct agent_code code = CONDITION(no);
	struct bp_info info;

	bp_vm_init(&bp_soft8_host, 0);
	bp_set(0x100);
	cr_expect_null(breakpoints_conditions(bp_vm.b, BP_SOFTWARE, 0x100, 1));
	cr_expect_eq(breakpoints_set_conditions(bp_vm.b, BP_SOFTWARE, 0x104, 1, &code, 1), -ENOENT);
	cr_expect_eq(breakpoints_set_conditions(bp_vm.b, BP_WRITE, 0x100, 1, &code, 1),
		     -EOPNOTSUPP);
	cr_expect_eq(breakpoints_set_conditions(bp_vm.b, BP_SOFTWARE, 0x100, 1, &code, 1), 0);
	cr_expect_eq(breakpoints_set_conditions(bp_vm.b, BP_SOFTWARE, 0x100, 1, &code, 1), 0);
	cr_expect_not_null(breakpoints_conditions(bp_vm.b, BP_SOFTWARE, 0x100, 1));
	cr_expect_eq(breakpoints_info(bp_vm.b, 0, &info), 0);
	cr_expect(info.conditional);
	bp_clear(0x100);
	bp_set(0x100);
	cr_expect_null(breakpoints_conditions(bp_vm.b, BP_SOFTWARE, 0x100, 1));
	cr_expect_eq(breakpoints_set_conditions(bp_vm.b, BP_SOFTWARE, 0x100, 1, &code, 1), 0);
	cr_expect_eq(breakpoints_set_conditions(bp_vm.b, BP_SOFTWARE, 0x100, 1, NULL, 0), 0);
	cr_expect_null(breakpoints_conditions(bp_vm.b, BP_SOFTWARE, 0x100, 1));
	cr_assert_eq(breakpoints_insert(bp_vm.b, 0, BP_HARDWARE, 0x200, 1, false, NULL), 0);
	cr_expect_eq(breakpoints_set_conditions(bp_vm.b, BP_HARDWARE, 0x200, 1, &code, 1), 0);
	cr_expect_not_null(breakpoints_conditions(bp_vm.b, BP_HARDWARE, 0x200, 1));
	bp_vm_fini();
}

Test(bp_condition, replaced,
     .description = "conditions that are set again take the room of the ones before")
{
	static const uint8_t code[BP_PROGRAM_BYTES_MAX] = { 0x22, 0, 0x27 };
	const struct agent_code condition = CONDITION(code);
	size_t i;
	int ret;

	bp_vm_init(&bp_soft8_bare, 0);
	bp_set(0x100);
	for (i = 0; i <= BP_CONDITIONS_MAX / sizeof(code); i++) {
		ret = breakpoints_set_conditions(bp_vm.b, BP_SOFTWARE, 0x100, 1, &condition, 1);
		cr_assert_eq(ret, 0);
	}
	bp_vm_fini();
}
