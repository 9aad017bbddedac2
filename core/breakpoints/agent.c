// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/breakpoints/agent.h"

struct machine {
	const uint8_t *code;
	size_t len, pc;
	uint64_t stack[AGENT_STACK_MAX];
	unsigned int sp;  /* how many there are */
	uint64_t operand; /* of the bytecode that runs */
	unsigned int arg;
	bool ended;
	const struct agent_env *env;
	struct agent_budget *budget;
};

/* What the bytecodes of one handler differ in. */
enum binop {
	ADD,
	SUB,
	MUL,
	DIV_S,
	DIV_U,
	REM_S,
	REM_U,
	LSH,
	RSH_S,
	RSH_U,
	AND,
	OR,
	XOR,
	EQUAL,
	LESS_S,
	LESS_U,
};

struct bytecode {
	int (*run)(struct machine *m);
	uint8_t operand; /* bytes, big-endian, after the opcode */
	uint8_t pops;	 /* how many the stack must hold */
	uint8_t arg;
};

static int push(struct machine *m, uint64_t value)
{
	if (m->sp == AGENT_STACK_MAX)
		return -EINVAL;
	m->stack[m->sp++] = value;
	return 0;
}

static uint64_t pop(struct machine *m)
{
	return m->stack[--m->sp];
}

/* 0, or -ELOOP when there are not so many steps left. */
static int spend(struct machine *m, unsigned int steps)
{
	if (m->budget->steps < steps) {
		m->budget->steps = 0;
		return -ELOOP;
	}
	m->budget->steps -= steps;
	return 0;
}

static int read_memory(struct machine *m, uint64_t addr, void *buf, size_t len)
{
	int ret = spend(m, AGENT_ACCESS_STEPS);

	return ret ? ret : m->env->mem(m->env->opaque, addr, buf, len) ? -EFAULT : 0;
}

/* ---- arithmetic -------------------------------------------------------------------------- */

static int divide(enum binop op, uint64_t a, uint64_t b, uint64_t *r)
{
	bool overflow = a == 1ULL << 63 && b == UINT64_MAX;

	if (!b)
		return -EINVAL;
	switch (op) {
	case DIV_S: *r = overflow ? a : (uint64_t)((int64_t)a / (int64_t)b); return 0;
	case REM_S: *r = overflow ? 0 : (uint64_t)((int64_t)a % (int64_t)b); return 0;
	case DIV_U: *r = a / b; return 0;
	default: *r = a % b; return 0;
	}
}

static uint64_t shift(enum binop op, uint64_t a, uint64_t n)
{
	uint64_t gone = op == RSH_S && (int64_t)a < 0 ? UINT64_MAX : 0;

	if (n > 63)
		return gone;
	if (op == LSH)
		return a << n;
	return op == RSH_U ? a >> n : (uint64_t)((int64_t)a >> n);
}

static uint64_t combine(enum binop op, uint64_t a, uint64_t b)
{
	switch (op) {
	case ADD: return a + b;
	case SUB: return a - b;
	case MUL: return a * b;
	case AND: return a & b;
	case OR: return a | b;
	case XOR: return a ^ b;
	case EQUAL: return a == b;
	case LESS_S: return (int64_t)a < (int64_t)b;
	case LESS_U: return a < b;
	default: return shift(op, a, b);
	}
}

static int run_binary(struct machine *m)
{
	uint64_t b = pop(m), a = pop(m), r;
	int ret = 0;

	if (m->arg >= DIV_S && m->arg <= REM_U)
		ret = divide(m->arg, a, b, &r);
	else
		r = combine(m->arg, a, b);
	return ret ? ret : push(m, r);
}

/* log_not and bit_not: arg is 1 for the latter. */
static int run_not(struct machine *m)
{
	uint64_t v = pop(m);

	return push(m, m->arg ? ~v : !v);
}

/* ext and zero_ext: arg says whether the sign is extended. */
static int run_extend(struct machine *m)
{
	uint64_t v = pop(m), bits = m->operand, mask;

	if (!bits || bits > 64)
		return -EINVAL;
	mask = UINT64_MAX >> (64 - bits);
	return push(m, m->arg && v >> (bits - 1) & 1 ? v | ~mask : v & mask);
}

/* ---- memory, registers, constants -------------------------------------------------------- */

static int run_ref(struct machine *m)
{
	uint64_t v = 0;
	int ret = read_memory(m, pop(m), &v, m->arg);

	return ret ? ret : push(m, v);
}

static int run_reg(struct machine *m)
{
	uint64_t v;
	int ret = spend(m, AGENT_ACCESS_STEPS);

	if (!ret && m->env->reg(m->env->opaque, (unsigned int)m->operand, &v))
		ret = -EFAULT;
	return ret ? ret : push(m, v);
}

static int run_const(struct machine *m)
{
	return push(m, m->operand);
}

/* ---- the stack --------------------------------------------------------------------------- */

static int run_pick(struct machine *m)
{
	return m->operand < m->sp ? push(m, m->stack[m->sp - 1 - m->operand]) : -EINVAL;
}

static int run_pop(struct machine *m)
{
	pop(m);
	return 0;
}

/* Bring the arg-th from below the top up to the top. swap is 1; rot is 2, the other way round. */
static int run_swap(struct machine *m)
{
	uint64_t *top = &m->stack[m->sp - 1], v = *top;

	memmove(top - m->arg + 1, top - m->arg, m->arg * sizeof(v));
	*(top - m->arg) = v;
	return 0;
}

/* ---- flow -------------------------------------------------------------------------------- */

static int run_goto(struct machine *m)
{
	if (!m->arg || pop(m))
		m->pc = m->operand;
	return 0;
}

static int run_end(struct machine *m)
{
	m->ended = true;
	return 0;
}

/* ---- printf ------------------------------------------------------------------------------ */

enum { FORMAT_MAX = 1024, SPEC_MAX = 32, PIECE_MAX = 256, FLAGS_MAX = 6, STRING_PIECE = 64 };

struct printer {
	struct machine *m;
	char out[FORMAT_MAX];
	size_t n;
};

static void put(struct printer *p, const char *text, size_t len)
{
	size_t room = sizeof(p->out) - p->n;

	len = len < room ? len : room;
	memcpy(p->out + p->n, text, len);
	p->n += len;
}

/* A piece that is read at once crosses no page. A string ends at memory that can't be read. */
static int put_string(struct printer *p, uint64_t addr)
{
	char piece[STRING_PIECE];
	size_t len, n;
	int ret;

	do {
		len = STRING_PIECE - addr % STRING_PIECE;
		ret = read_memory(p->m, addr, piece, len);
		if (ret)
			return ret == -EFAULT ? 0 : ret;
		n = strnlen(piece, len);
		put(p, piece, n);
		addr += len;
	} while (n == len && p->n < sizeof(p->out));
	return 0;
}

/* Widths and precisions are at most 999: longer ones take libc a while. */
static bool is_short(const char *flags, size_t n)
{
	size_t digits = 0, i;

	for (i = 0; i < n && digits < 4; i++)
		digits = flags[i] >= '0' && flags[i] <= '9' ? digits + 1 : 0;
	return n <= FLAGS_MAX && digits < 4;
}

/*
 * One conversion with one argument. The specification is rebuilt from flags, width and precision
 * alone, always for a 64-bit integer: nothing that the peer sends reaches printf unchecked.
 */
static int put_value(struct printer *p, const char *flags, size_t nflags, char conv, uint64_t value)
{
	char spec[SPEC_MAX], piece[PIECE_MAX];
	int n, ret = spend(p->m, AGENT_ACCESS_STEPS);

	if (ret)
		return ret;
	if (!is_short(flags, nflags))
		return -EINVAL;
	if (conv == 's')
		return put_string(p, value);
	snprintf(spec, sizeof(spec), "%%%s%.*s%s%c", conv == 'p' ? "#" : "", (int)nflags, flags,
		 conv == 'c' ? "" : "ll", conv == 'p' ? 'x' : conv);
	if (conv == 'c')
		n = snprintf(piece, sizeof(piece), spec, (int)value);
	else
		n = snprintf(piece, sizeof(piece), spec, (unsigned long long)value);
	if (n < 0)
		return -EINVAL;
	put(p, piece, n < PIECE_MAX ? (size_t)n : PIECE_MAX - 1);
	return 0;
}

/* The escapes that C source has; anything else stands for itself. */
static char unescape(char c)
{
	static const char from[] = "abefnrtv", to[] = "\a\b\033\f\n\r\t\v";
	const char *at = strchr(from, c);

	return c && at ? to[at - from] : c;
}

/* Sizes narrower than 64 bits cut the argument, so that %d of an int shows its sign. */
static uint64_t narrow(uint64_t v, unsigned int longs, char conv)
{
	if (longs || conv == 'p' || conv == 's')
		return v;
	return conv == 'd' || conv == 'i' ? (uint64_t)(int64_t)(int32_t)v : (uint32_t)v;
}

static int put_conversion(struct printer *p, const char **f, unsigned int *nargs)
{
	size_t nflags = strspn(*f, "-+ #0123456789.");
	const char *flags = *f;
	unsigned int longs;

	*f += nflags;
	longs = strspn(*f, "lzjt");
	*f += longs + strspn(*f + longs, "h");
	if (**f == '%') {
		put(p, (*f)++, 1);
		return 0;
	}
	if (!**f || !strchr("diouxXcps", **f) || !*nargs)
		return -EINVAL;
	(*nargs)--;
	(*f)++;
	return put_value(p, flags, nflags, (*f)[-1], narrow(pop(p->m), longs, (*f)[-1]));
}

static int format(struct printer *p, const char *f, unsigned int nargs)
{
	int ret = 0;
	char c;

	while (*f && !ret) {
		c = *f++;
		if (c == '%') {
			ret = put_conversion(p, &f, &nargs);
			continue;
		}
		if (c == '\\' && *f)
			c = unescape(*f++);
		put(p, &c, 1);
	}
	while (nargs--)
		pop(p->m);
	return ret;
}

/* What was formatted, as far as the budget goes; ret is passed on. */
static int print(struct printer *p, int ret)
{
	struct machine *m = p->m;
	size_t n = p->n < m->budget->print ? p->n : m->budget->print;

	if (n)
		m->env->print(m->env->opaque, p->out, n);
	m->budget->print -= n;
	return n < p->n ? -ELOOP : ret;
}

/* printf NARGS LENGTH STRING; on the stack the channel, the function, and the arguments, first on top. */
static int run_printf(struct machine *m)
{
	unsigned int nargs = m->operand >> 16, len = m->operand & 0xffff;
	const char *f = (const char *)m->code + m->pc;
	struct printer p = { .m = m };
	int ret;

	if (!m->env->print || !len || len > m->len - m->pc || f[len - 1] || nargs + 2 > m->sp)
		return -EINVAL;
	m->pc += len;
	m->sp -= 2;
	ret = format(&p, f, nargs);
	return print(&p, ret);
}

/* ---- the table --------------------------------------------------------------------------- */

/* GDB manual, "Bytecode Descriptions". Floats, state variables and tracing have no place here. */
static const struct bytecode bytecodes[] = {
	[0x02] = { run_binary, 0, 2, ADD },    [0x03] = { run_binary, 0, 2, SUB },
	[0x04] = { run_binary, 0, 2, MUL },    [0x05] = { run_binary, 0, 2, DIV_S },
	[0x06] = { run_binary, 0, 2, DIV_U },  [0x07] = { run_binary, 0, 2, REM_S },
	[0x08] = { run_binary, 0, 2, REM_U },  [0x09] = { run_binary, 0, 2, LSH },
	[0x0a] = { run_binary, 0, 2, RSH_S },  [0x0b] = { run_binary, 0, 2, RSH_U },
	[0x0e] = { run_not, 0, 1, 0 },	       [0x0f] = { run_binary, 0, 2, AND },
	[0x10] = { run_binary, 0, 2, OR },     [0x11] = { run_binary, 0, 2, XOR },
	[0x12] = { run_not, 0, 1, 1 },	       [0x13] = { run_binary, 0, 2, EQUAL },
	[0x14] = { run_binary, 0, 2, LESS_S }, [0x15] = { run_binary, 0, 2, LESS_U },
	[0x16] = { run_extend, 1, 1, 1 },      [0x17] = { run_ref, 0, 1, 1 },
	[0x18] = { run_ref, 0, 1, 2 },	       [0x19] = { run_ref, 0, 1, 4 },
	[0x1a] = { run_ref, 0, 1, 8 },	       [0x20] = { run_goto, 2, 1, 1 },
	[0x21] = { run_goto, 2, 0, 0 },	       [0x22] = { run_const, 1, 0, 0 },
	[0x23] = { run_const, 2, 0, 0 },       [0x24] = { run_const, 4, 0, 0 },
	[0x25] = { run_const, 8, 0, 0 },       [0x26] = { run_reg, 2, 0, 0 },
	[0x27] = { run_end, 0, 0, 0 },	       [0x28] = { run_pick, 0, 1, 0 }, /* dup */
	[0x29] = { run_pop, 0, 1, 0 },	       [0x2a] = { run_extend, 1, 1, 0 },
	[0x2b] = { run_swap, 0, 2, 1 },	       [0x32] = { run_pick, 1, 1, 0 },
	[0x33] = { run_swap, 0, 3, 2 }, /* rot: a b c becomes c a b */
	[0x34] = { run_printf, 3, 2, 0 },
};

static int step(struct machine *m)
{
	const struct bytecode *b;
	unsigned int i;
	uint8_t op;

	if (m->pc >= m->len)
		return -EINVAL;
	op = m->code[m->pc++];
	b = op < sizeof(bytecodes) / sizeof(*bytecodes) ? &bytecodes[op] : NULL;
	if (!b || !b->run || b->operand > m->len - m->pc || b->pops > m->sp)
		return -EINVAL;
	m->arg = b->arg;
	m->operand = 0;
	for (i = 0; i < b->operand; i++)
		m->operand = m->operand << 8 | m->code[m->pc++];
	return b->run(m);
}

int agent_run(const uint8_t *code, size_t len, const struct agent_env *env,
	      struct agent_budget *budget, uint64_t *value)
{
	struct machine m = { .code = code, .len = len, .env = env, .budget = budget };
	int ret = 0;

	while (!ret && !m.ended) {
		ret = spend(&m, 1);
		if (!ret)
			ret = step(&m);
	}
	if (ret)
		return ret;
	if (!m.sp)
		return -ENODATA;
	*value = pop(&m);
	return 0;
}
