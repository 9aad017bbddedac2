// SPDX-License-Identifier: MIT
/* Agent expressions: every bytecode, every way to be wrong, and printf. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "core/breakpoints/agent.h"

/* Register n reads 100 + n, but 9 can't be read; memory is a page at 0x1000 with a string in it, and
 * ends with one that has no end. */
struct world {
	char out[8192];
	size_t n;
	unsigned int accesses;
};

static const uint8_t memory[0x1000] = { 0xf0, 0xe1, 0xd2, 0xc3,		 0xb4, 0xa5, 0x96, 0x87,
					'h',  'i',  0,	  [0xffc] = 'e', 'n',  'd',  '!' };

static int reg(void *opaque, unsigned int number, uint64_t *value)
{
	struct world *w = opaque;

	w->accesses++;
	*value = 100 + number;
	return number == 9 ? -ENODEV : 0;
}

static int mem(void *opaque, uint64_t addr, void *buf, size_t len)
{
	struct world *w = opaque;

	w->accesses++;
	if (addr < 0x1000 || addr - 0x1000 > sizeof(memory) ||
	    len > sizeof(memory) - (addr - 0x1000))
		return -EFAULT;
	memcpy(buf, memory + (addr - 0x1000), len);
	return 0;
}

static void print(void *opaque, const char *text, size_t len)
{
	struct world *w = opaque;

	cr_assert_leq(len, sizeof(w->out) - w->n);
	memcpy(w->out + w->n, text, len);
	w->n += len;
}

static int run(const char *code, size_t len, uint64_t *value, struct world *w)
{
	const struct agent_env env = { reg, mem, print, w };
	struct agent_budget budget = AGENT_BUDGET_OF_A_HIT;

	memset(w, 0, sizeof(*w));
	return agent_run((const uint8_t *)code, len, &env, &budget, value);
}

#define CODE(s) s, sizeof(s) - 1

struct good {
	const char *what, *code;
	size_t len;
	uint64_t value;
};

Test(agent, values, .description = "each bytecode gives the value that the manual says")
{
	static const struct good table[] = {
		{ "const8", CODE("\x22\x80\x27"), 0x80 },
		{ "const16", CODE("\x23\x80\x01\x27"), 0x8001 },
		{ "const32", CODE("\x24\x80\0\0\x01\x27"), 0x80000001 },
		{ "const64", CODE("\x25\x01\x02\x03\x04\x05\x06\x07\x08\x27"), 0x0102030405060708 },
		{ "add", CODE("\x22\x07\x22\x05\x02\x27"), 12 },
		{ "sub", CODE("\x22\x07\x22\x05\x03\x27"), 2 },
		{ "sub below zero", CODE("\x22\x05\x22\x07\x03\x27"), -2 },
		{ "mul", CODE("\x22\x07\x22\x05\x04\x27"), 35 },
		{ "div_signed", CODE("\x22\xf9\x16\x08\x22\x02\x05\x27"), -3 },
		{ "div_unsigned", CODE("\x22\xf9\x22\x02\x06\x27"), 124 },
		{ "rem_signed", CODE("\x22\xf9\x16\x08\x22\x02\x07\x27"), -1 },
		{ "rem_unsigned", CODE("\x22\xf9\x22\x02\x08\x27"), 1 },
		{ "lsh", CODE("\x22\x01\x22\x3f\x09\x27"), 1ULL << 63 },
		{ "lsh by 64", CODE("\x22\x01\x22\x40\x09\x27"), 0 },
		{ "rsh_signed", CODE("\x22\x80\x16\x08\x22\x01\x0a\x27"), -64 },
		{ "rsh_signed by 64", CODE("\x22\x80\x16\x08\x22\x40\x0a\x27"), -1 },
		{ "rsh_unsigned", CODE("\x22\x80\x22\x01\x0b\x27"), 64 },
		{ "log_not", CODE("\x22\x02\x0e\x27"), 0 },
		{ "bit_and", CODE("\x22\x0c\x22\x0a\x0f\x27"), 8 },
		{ "bit_or", CODE("\x22\x0c\x22\x0a\x10\x27"), 14 },
		{ "bit_xor", CODE("\x22\x0c\x22\x0a\x11\x27"), 6 },
		{ "bit_not", CODE("\x22\0\x12\x27"), UINT64_MAX },
		{ "equal", CODE("\x22\x03\x22\x03\x13\x27"), 1 },
		{ "less_signed", CODE("\x22\xff\x16\x08\x22\0\x14\x27"), 1 },
		{ "less_unsigned", CODE("\x22\xff\x16\x08\x22\0\x15\x27"), 0 },
		{ "ext keeps a positive", CODE("\x22\x7f\x16\x08\x27"), 0x7f },
		{ "zero_ext", CODE("\x23\xff\x81\x2a\x08\x27"), 0x81 },
		{ "ext of 64 bits", CODE("\x22\x81\x16\x40\x27"), 0x81 },
		{ "ref8", CODE("\x23\x10\0\x17\x27"), 0xf0 },
		{ "ref16", CODE("\x23\x10\0\x18\x27"), 0xe1f0 },
		{ "ref32", CODE("\x23\x10\0\x19\x27"), 0xc3d2e1f0 },
		{ "ref64", CODE("\x23\x10\0\x1a\x27"), 0x8796a5b4c3d2e1f0 },
		{ "if_goto taken", CODE("\x22\x01\x20\0\x07\x22\x05\x22\x06\x27"), 6 },
		{ "if_goto not taken", CODE("\x22\0\x20\0\x08\x22\x05\x27\x22\x06\x27"), 5 },
		{ "goto", CODE("\x21\0\x05\x22\x05\x22\x06\x27"), 6 },
		{ "reg", CODE("\x26\0\x07\x27"), 107 },
		{ "dup", CODE("\x22\x03\x28\x04\x27"), 9 },
		{ "pop", CODE("\x22\x03\x22\x04\x29\x27"), 3 },
		{ "swap", CODE("\x22\x07\x22\x05\x2b\x03\x27"), -2 },
		{ "pick 2", CODE("\x22\x07\x22\x05\x22\x04\x32\x02\x27"), 7 },
		{ "rot: c a b, top is b", CODE("\x22\x01\x22\x02\x22\x03\x33\x27"), 2 },
		{ "rot: c a b, below is a", CODE("\x22\x01\x22\x02\x22\x03\x33\x29\x27"), 1 },
	};
	struct world w;
	uint64_t v;
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(*table); i++) {
		cr_expect_eq(run(table[i].code, table[i].len, &v, &w), 0, "%s", table[i].what);
		cr_expect_eq(v, table[i].value, "%s: %#llx", table[i].what, (long long)v);
	}
}

struct bad {
	const char *what, *code;
	size_t len;
	int err;
};

Test(agent, errors, .description = "a program that is wrong is refused, whatever it does")
{
	static const struct bad table[] = {
		{ "no code", CODE(""), -EINVAL },
		{ "no end", CODE("\x22\x01"), -EINVAL },
		{ "operand cut off", CODE("\x25\x01\x02"), -EINVAL },
		{ "unknown bytecode", CODE("\x00\x27"), -EINVAL },
		{ "bytecode beyond the table", CODE("\xff\x27"), -EINVAL },
		{ "float", CODE("\x01\x27"), -EINVAL },
		{ "state variable", CODE("\x2c\0\x01\x27"), -EINVAL },
		{ "stack underflow", CODE("\x22\x01\x02\x27"), -EINVAL },
		{ "pick below the stack", CODE("\x22\x01\x32\x01\x27"), -EINVAL },
		{ "division by zero", CODE("\x22\x01\x22\0\x05\x27"), -EINVAL },
		{ "ext of no bits", CODE("\x22\x01\x16\0\x27"), -EINVAL },
		{ "ext of 65 bits", CODE("\x22\x01\x16\x41\x27"), -EINVAL },
		{ "goto out of the code", CODE("\x21\0\x04\x27"), -EINVAL },
		{ "stack overflow", CODE("\x22\x01\x21\0\0\x27"), -EINVAL },
		{ "endless loop", CODE("\x21\0\0\x27"), -ELOOP },
		{ "no value", CODE("\x27"), -ENODATA },
		{ "no value left", CODE("\x22\x01\x29\x27"), -ENODATA },
		{ "memory that is not there", CODE("\x22\0\x17\x27"), -EFAULT },
		{ "memory that ends", CODE("\x23\x1f\xfc\x1a\x27"), -EFAULT },
		{ "register that can't be read", CODE("\x26\0\x09\x27"), -EFAULT },
		{ "rot of two", CODE("\x22\0\x22\0\x33\x27"), -EINVAL },
		{ "printf without its string", CODE("\x22\0\x22\0\x34\0\0\x05%d"), -EINVAL },
		{ "printf without a NUL", CODE("\x22\0\x22\0\x34\0\0\x02ok\x27"), -EINVAL },
		{ "printf with too few arguments", CODE("\x22\0\x22\0\x34\x01\0\x02x\0\x27"),
		  -EINVAL },
		{ "printf that wants more arguments", CODE("\x22\0\x22\0\x34\0\0\x03%d\0\x27"),
		  -EINVAL },
		{ "printf of %n", CODE("\x22\0\x22\0\x22\0\x34\x01\0\x03%n\0\x27"), -EINVAL },
		{ "printf of a long width", CODE("\x22\0\x22\0\x22\0\x34\x01\0\x07%9999d\0\x27"),
		  -EINVAL },
		{ "printf of an endless width",
		  CODE("\x22\0\x22\0\x22\0\x34\x01\0\x0c%999999999d\0\x27"), -EINVAL },
		{ "printf of %*d", CODE("\x22\0\x22\0\x22\0\x34\x01\0\x04%*d\0\x27"), -EINVAL },
	};
	struct world w;
	uint64_t v;
	size_t i;
	int ret;

	for (i = 0; i < sizeof(table) / sizeof(*table); i++) {
		ret = run(table[i].code, table[i].len, &v, &w);
		cr_expect_eq(ret, table[i].err, "%s: %d", table[i].what, ret);
	}
}

Test(agent, signed_overflow, .description = "the one quotient that does not fit wraps, no trap")
{
	static const char code[] = "\x25\x80\0\0\0\0\0\0\0\x22\xff\x16\x08\x05\x27";
	struct world w;
	uint64_t v;

	cr_expect_eq(run(CODE(code), &v, &w), 0);
	cr_expect_eq(v, 1ULL << 63);
}

Test(agent, printf, .description = "printf formats arguments, strings from memory and escapes")
{
	/* arguments are pushed last first; then function and channel */
	static const char code[] = "\x23\x10\x08"	  /* "hi" */
				   "\x24\xff\xff\xff\xfe" /* -2 */
				   "\x22\x2a\x22\0\x22\0"
				   "\x34\x03\0\x15n=%04x %d %s 100%%\\n\0\x27";
	struct world w;
	uint64_t v;

	cr_expect_eq(run(code, sizeof(code) - 1, &v, &w), -ENODATA, "it leaves no value");
	cr_expect_str_eq(w.out, "n=002a -2 hi 100%\n");
}

Test(agent, string_to_the_end, .description = "a string ends where memory does")
{
	static const char code[] = "\x23\x1f\xfc\x22\0\x22\0\x34\x01\0\x03%s\0\x27";
	struct world w;
	uint64_t v;

	cr_expect_eq(run(CODE(code), &v, &w), -ENODATA, "it leaves no value");
	cr_expect_str_eq(w.out, "end!");
}

/* A program that never ends by itself, and what it does all the time. */
struct loop {
	const char *what, *code;
	size_t len;
};

static const struct loop loops[] = {
	{ "jumps", CODE("\x21\0\0\x27") },
	{ "reads memory", CODE("\x23\x10\0\x17\x29\x21\0\0\x27") },
	{ "reads a register", CODE("\x26\0\x01\x29\x21\0\0\x27") },
	{ "prints a string that is not there",
	  CODE("\x22\x01\x22\0\x22\0\x34\x01\0\x03%s\0\x21\0\0\x27") },
	{ "prints the same string",
	  CODE("\x23\x10\x08\x22\0\x22\0\x34\x01\0\x03%s\0\x21\0\0\x27") },
	{ "prints numbers", CODE("\x22\x01\x22\0\x22\0\x34\x01\0\x06%999d\0\x21\0\0\x27") },
	{ "prints text", CODE("\x22\0\x22\0\x34\0\0\x04"
			      "abc\0\x21\0\0\x27") },
	{ "prints nothing", CODE("\x22\0\x22\0\x34\0\0\x01\0\x21\0\0\x27") },
};

Test(agent, one_budget,
     .description = "all programs of a hit have one budget, whatever they do in loops")
{
	struct world w;
	const struct agent_env env = { reg, mem, print, &w };
	struct agent_budget budget;
	uint64_t v;
	size_t i;
	int n, ret = 0;

	for (i = 0; i < sizeof(loops) / sizeof(*loops); i++) {
		budget = (struct agent_budget)AGENT_BUDGET_OF_A_HIT;
		memset(&w, 0, sizeof(w));
		for (n = 0; n < 64; n++)
			ret = agent_run((const uint8_t *)loops[i].code, loops[i].len, &env, &budget,
					&v);
		cr_expect_eq(ret, -ELOOP, "%s: %d", loops[i].what, ret);
		cr_expect_leq(w.n, AGENT_PRINT_MAX, "%s: %zu", loops[i].what, w.n);
		cr_expect_leq(w.accesses, AGENT_STEPS_MAX / AGENT_ACCESS_STEPS, "%s: %u",
			      loops[i].what, w.accesses);
	}
}

Test(agent, unformatted, .description = "printf takes arguments that its string has no use for")
{
	uint64_t value;
	struct world w;

	cr_assert_eq(run(CODE("\x22\x07\x22\x05\x22\0\x22\0\x34\x01\0\x02x\0\x27"), &value, &w), 0);
	cr_expect_eq(value, 7);
}

Test(agent, last_step, .description = "a program may take as many steps as it has")
{
	static const uint8_t code[] = { 0x22, 1, 0x27 };
	const struct agent_env env = { reg, mem, print, NULL };
	struct agent_budget budget = { .steps = 2 };
	uint64_t value;

	cr_expect_eq(agent_run(code, sizeof(code), &env, &budget, &value), 0);
	budget.steps = 1;
	cr_expect_eq(agent_run(code, sizeof(code), &env, &budget, &value), -ELOOP);
}

Test(agent, print_budget, .description = "a program that prints more than it may fails with that")
{
	struct agent_budget budget = { .steps = 100, .print = 1 };
	struct world w = { 0 };
	const struct agent_env env = { reg, mem, print, &w };
	static const uint8_t code[] = "\x22\0\x22\0\x34\0\0\x03xy\0\x27";
	uint64_t value;

	cr_expect_eq(agent_run(code, sizeof(code) - 1, &env, &budget, &value), -ELOOP);
	cr_expect_str_eq(w.out, "x");
}
