// SPDX-License-Identifier: MIT
#include "arch/x86/insn.h"
#include "arch/x86/state.h"

enum { REX = 0x40, REX_MASK = 0xf0, REX_W = 8, REX_B = 1 };
enum {
	ESCAPE = 0x0f,
	SIZE_PREFIX = 0x66,
	ADDRESS_PREFIX = 0x67,
	LOCK = 0xf0,
	REPNE = 0xf2,
	REP = 0xf3
};

struct decoder {
	const uint8_t *p, *end;
	enum x86_width mode;
	uint8_t rex, segment;
	bool size_prefix, address_prefix, rep;
};

/* The segment that a prefix names; X86_MEM_NONE: it is no segment prefix. */
static uint8_t segment_of(uint8_t b)
{
	switch (b) {
	case 0x26: return X86_ES;
	case 0x2e: return X86_CS;
	case 0x36: return X86_SS;
	case 0x3e: return X86_DS;
	case 0x64: return X86_FS;
	case 0x65: return X86_GS;
	default: return X86_MEM_NONE;
	}
}

static bool is_prefix(uint8_t b)
{
	switch (b) {
	case SIZE_PREFIX:
	case ADDRESS_PREFIX:
	case LOCK:
	case REPNE:
	case REP: return true;
	default: return segment_of(b) != X86_MEM_NONE;
	}
}

/* Legacy prefixes in any order, then REX, which counts only right before the opcode. */
static bool prefixes(struct decoder *d, struct x86_insn *in)
{
	for (; d->p < d->end; d->p++) {
		if (d->mode == X86_64 && (*d->p & REX_MASK) == REX) {
			d->rex = *d->p;
			continue;
		}
		if (!is_prefix(*d->p))
			return true;
		d->rex = 0;
		d->size_prefix |= *d->p == SIZE_PREFIX;
		d->address_prefix |= *d->p == ADDRESS_PREFIX;
		if (segment_of(*d->p) != X86_MEM_NONE)
			d->segment = segment_of(*d->p);
		d->rep |= *d->p == REP || *d->p == REPNE;
		in->lock |= *d->p == LOCK;
	}
	return false;
}

static unsigned int operand_size(const struct decoder *d)
{
	if (d->rex & REX_W)
		return 64;
	if (d->mode == X86_16)
		return d->size_prefix ? 32 : 16;
	return d->size_prefix ? 16 : 32;
}

/* Pushes and pops have no 32-bit form in 64-bit mode. */
static unsigned int stack_operand(const struct decoder *d, unsigned int operand)
{
	return d->mode == X86_64 && operand == 32 ? 64 : operand;
}

static bool modrm(const struct decoder *d, uint8_t *out)
{
	if (d->p >= d->end)
		return false;
	*out = *d->p;
	return true;
}

static enum x86_op two_byte_op(uint8_t b)
{
	switch (b) {
	case 0x05: return X86_OP_SYSCALL;
	case 0x07: return X86_OP_SYSRET;
	case 0x34: return X86_OP_SYSENTER;
	case 0x35: return X86_OP_SYSEXIT;
	case 0x80 ... 0x8f: return X86_OP_BRANCH;
	case 0x10 ... 0x17:
	case 0x28 ... 0x2f:
	case 0x38:
	case 0x3a:
	case 0x50 ... 0x77:
	case 0x7c ... 0x7f:
	case 0xae:
	case 0xc2:
	case 0xc4 ... 0xc6:
	case 0xd0 ... 0xfe: return X86_OP_FPU;
	default: return X86_OP_OTHER;
	}
}

/* C4, C5 and 62 are VEX and EVEX in 64-bit mode, and elsewhere where they can't be LES, LDS, BOUND. */
static bool is_vector_prefix(const struct decoder *d, uint8_t op)
{
	uint8_t next = 0;

	if (op != 0xc4 && op != 0xc5 && op != 0x62)
		return false;
	return d->mode == X86_64 || (modrm(d, &next) && next >= 0xc0);
}

static enum x86_op group_op(const struct decoder *d, uint8_t op)
{
	uint8_t m;

	if (!modrm(d, &m))
		return X86_OP_OTHER;
	if (op == 0xc7)
		return m == 0xf8 ? X86_OP_BRANCH : X86_OP_OTHER; /* XBEGIN */
	m = m >> 3 & 7;
	if (op == 0xff)
		return m >= 2 && m <= 5 ? X86_OP_BRANCH : X86_OP_OTHER;
	return m >= 6 ? X86_OP_DIV : X86_OP_OTHER;
}

static enum x86_op one_byte_op(const struct decoder *d, uint8_t op)
{
	switch (op) {
	case 0x9c: return X86_OP_PUSHF;
	case 0x9d: return X86_OP_POPF;
	case 0xcc: return X86_OP_INT3;
	case 0xcd: return X86_OP_INT;
	case 0xcf: return X86_OP_IRET;
	case 0xf1: return X86_OP_INT1;
	case 0xf4: return X86_OP_HLT;
	case 0xfa: return X86_OP_CLI;
	case 0xfb: return X86_OP_STI;
	case 0x17: return d->mode == X86_64 ? X86_OP_OTHER : X86_OP_POP_SS;
	case 0xce: return d->mode == X86_64 ? X86_OP_OTHER : X86_OP_INTO;
	case 0xd4: return X86_OP_DIV;
	case 0xc7:
	case 0xf6:
	case 0xf7:
	case 0xff: return group_op(d, op);
	case 0x9b:
	case 0xd8 ... 0xdf: return X86_OP_FPU;
	case 0x6c ... 0x6f:
	case 0xa4 ... 0xa7:
	case 0xaa ... 0xaf: return d->rep ? X86_OP_REP : X86_OP_OTHER;
	case 0x70 ... 0x7f:
	case 0x9a:
	case 0xc2:
	case 0xc3:
	case 0xca:
	case 0xcb:
	case 0xe0 ... 0xe3:
	case 0xe8 ... 0xeb: return X86_OP_BRANCH;
	default: return X86_OP_OTHER;
	}
}

static unsigned int address_size(const struct decoder *d)
{
	switch (d->mode) {
	case X86_64: return d->address_prefix ? 32 : 64;
	case X86_32: return d->address_prefix ? 16 : 32;
	default: return d->address_prefix ? 32 : 16;
	}
}

/* MOV SS: 8E with SS in the reg field. False: it is cut off. */
static bool mov_sreg(struct decoder *d, struct x86_insn *in)
{
	size_t n = 1;
	uint8_t m;

	if (!modrm(d, &m))
		return false;
	if ((m >> 3 & 7) != X86_SS)
		return true;
	in->op = X86_OP_MOV_SS;
	in->rm = (m & 7) | (d->rex & REX_B ? 8 : 0);
	in->in_memory = m < 0xc0;
	if (in->in_memory) {
		in->mem = (struct x86_mem){ .segment = d->segment, .width = address_size(d) };
		n = x86_decode_mem(&in->mem, d->p, d->end - d->p, d->rex, d->mode);
	}
	d->p += n;
	return n;
}

static bool finish(struct decoder *d, struct x86_insn *in, uint8_t op)
{
	if (is_vector_prefix(d, op))
		in->op = X86_OP_FPU;
	else if (op == 0x8e)
		return mov_sreg(d, in);
	else
		in->op = one_byte_op(d, op);
	if (in->op == X86_OP_PUSHF || in->op == X86_OP_POPF)
		in->operand = stack_operand(d, in->operand);
	if (in->op != X86_OP_INT)
		return true;
	if (d->p >= d->end)
		return false;
	in->vector = *d->p++;
	return true;
}

bool x86_decode(struct x86_insn *in, const uint8_t *bytes, size_t n, enum x86_width mode)
{
	struct decoder d = { .p = bytes, .mode = mode, .segment = X86_MEM_NONE };
	uint8_t op;

	*in = (struct x86_insn){ .op = X86_OP_OTHER };
	d.end = bytes + (n < X86_INSN_MAX ? n : X86_INSN_MAX);
	if (!prefixes(&d, in))
		return false;
	in->operand = operand_size(&d);
	op = *d.p++;
	if (op == ESCAPE) {
		if (d.p >= d.end)
			return false;
		in->op = two_byte_op(*d.p++);
	} else if (!finish(&d, in, op)) {
		return false;
	}
	in->len = d.p - bytes;
	return true;
}
