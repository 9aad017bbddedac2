// SPDX-License-Identifier: MIT
#include "arch/x86/segment.h"

#include <errno.h>

#include "arch/x86/walk.h"

enum { TYPE_ACCESSED = 1, TYPE_WRITE = 2, TYPE_READ = 2, SEL_TI = 4 };

struct x86_seg x86_flat_seg(uint32_t selector, uint8_t type, unsigned int dpl, bool code64)
{
	return (struct x86_seg){
		.limit = UINT32_MAX,
		.selector = selector,
		.type = type,
		.s = 1,
		.dpl = dpl,
		.present = 1,
		.l = code64,
		.db = !code64,
		.g = 1,
	};
}

/* Real mode keeps limits and rights as they are: "unreal" mode relies on that. */
static void load_real(struct x86_seg *seg, uint32_t selector)
{
	seg->selector = selector;
	seg->base = (uint64_t)selector << 4;
}

static void load_vm86(struct x86_seg *seg, uint32_t selector)
{
	*seg = (struct x86_seg){
		.selector = selector,
		.base = (uint64_t)selector << 4,
		.limit = 0xffff,
		.type = TYPE_ACCESSED | TYPE_WRITE,
		.s = 1,
		.dpl = 3,
		.present = 1,
	};
}

static int load_null(const struct x86_state *s, enum x86_sreg n, struct x86_seg *seg, uint32_t sel)
{
	unsigned int cpl = x86_cpl(s);

	if (n == X86_CS)
		return -EINVAL;
	if (n == X86_SS && (!x86_64bit(s) || cpl == 3 || (sel & X86_SEL_RPL) != cpl))
		return -EINVAL;
	*seg = (struct x86_seg){ .selector = sel, .dpl = n == X86_SS ? cpl : 0, .unusable = true };
	return 0;
}

static int read_descriptor(struct cpu_view *v, uint32_t sel, uint64_t *desc)
{
	const struct x86_state *s = v->state;
	const struct x86_seg *ldt = &s->seg[X86_LDTR];
	uint64_t at = sel & ~(uint32_t)(X86_SEL_RPL | SEL_TI);
	bool local = sel & SEL_TI;

	if (local && (ldt->unusable || !ldt->present))
		return -EINVAL;
	if (at + 7 > (local ? ldt->limit : s->gdt.limit))
		return -EINVAL;
	at += local ? ldt->base : s->gdt.base;
	return x86_read_virt(v, at, desc, sizeof(*desc));
}

static struct x86_seg unpack(uint32_t sel, uint64_t desc)
{
	struct x86_seg seg = {
		.selector = sel,
		.base = x86_bits(desc, 39, 16) | x86_bits(desc, 63, 56) << 24,
		.limit = x86_bits(desc, 15, 0) | x86_bits(desc, 51, 48) << 16,
		.type = x86_bits(desc, 43, 40) | TYPE_ACCESSED,
		.s = x86_bits(desc, 44, 44),
		.dpl = x86_bits(desc, 46, 45),
		.present = x86_bits(desc, 47, 47),
		.avl = x86_bits(desc, 52, 52),
		.l = x86_bits(desc, 53, 53),
		.db = x86_bits(desc, 54, 54),
		.g = x86_bits(desc, 55, 55),
	};

	if (seg.g)
		seg.limit = seg.limit << 12 | 0xfff;
	return seg;
}

/* The privilege level stays: a debugger that wants another one has to go through the guest. */
static bool fits_cs(const struct x86_state *s, struct x86_seg *seg)
{
	unsigned int cpl = x86_cpl(s);

	if (!(seg->type & X86_TYPE_CODE) || (seg->selector & X86_SEL_RPL) != cpl)
		return false;
	if (seg->type & X86_TYPE_CONFORMING ? seg->dpl > cpl : seg->dpl != cpl)
		return false;
	if (!x86_long_mode(s))
		seg->l = 0;
	return !(seg->l && seg->db);
}

static bool fits_ss(const struct x86_state *s, const struct x86_seg *seg)
{
	unsigned int cpl = x86_cpl(s);

	if (seg->type & X86_TYPE_CODE || !(seg->type & TYPE_WRITE))
		return false;
	return (seg->selector & X86_SEL_RPL) == cpl && seg->dpl == cpl;
}

static bool fits_data(const struct x86_state *s, const struct x86_seg *seg)
{
	unsigned int rpl = seg->selector & X86_SEL_RPL, cpl = x86_cpl(s);

	if (seg->type & X86_TYPE_CODE && !(seg->type & TYPE_READ))
		return false;
	if (seg->type & X86_TYPE_CODE && seg->type & X86_TYPE_CONFORMING)
		return true;
	return seg->dpl >= (rpl > cpl ? rpl : cpl);
}

static bool fits(const struct x86_state *s, enum x86_sreg n, struct x86_seg *seg)
{
	if (!seg->s || !seg->present)
		return false;
	switch (n) {
	case X86_CS: return fits_cs(s, seg);
	case X86_SS: return fits_ss(s, seg);
	default: return fits_data(s, seg);
	}
}

int x86_read_seg(struct cpu_view *v, uint32_t selector, struct x86_seg *seg)
{
	uint64_t desc;
	int ret = -EINVAL;

	if (selector & ~(uint32_t)X86_SEL_RPL)
		ret = read_descriptor(v, selector, &desc);
	if (!ret)
		*seg = unpack(selector, desc);
	return ret;
}

static int load_protected(struct cpu_view *v, enum x86_sreg n, struct x86_seg *seg, uint32_t sel)
{
	const struct x86_state *s = v->state;
	int ret;

	if (!(sel & ~(uint32_t)X86_SEL_RPL))
		return load_null(s, n, seg, sel);
	ret = x86_read_seg(v, sel, seg);
	if (ret)
		return ret;
	return fits(s, n, seg) ? 0 : -EINVAL;
}

int x86_load_seg(struct cpu_view *v, enum x86_sreg n, uint32_t selector)
{
	struct x86_state *s = v->state;
	struct x86_seg seg = s->seg[n];
	int ret = 0;

	if (selector > 0xffff)
		return -EINVAL;
	if (x86_real_mode(s))
		load_real(&seg, selector);
	else if (x86_vm86(s))
		load_vm86(&seg, selector);
	else
		ret = load_protected(v, n, &seg, selector);
	if (ret)
		return ret;
	s->seg[n] = seg;
	v->dirty(v, X86_BANK_SREGS);
	return 0;
}
