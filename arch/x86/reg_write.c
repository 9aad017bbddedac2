// SPDX-License-Identifier: MIT
#include "arch/x86/cpu.h"

/*
 * What a register may be set to: what the processor would refuse is refused here, so that storing
 * the state never fails later, nor the entry into the guest (SDM vol. 3, 2.5 and 26.3.1).
 */
#include <errno.h>
#include <string.h>

#include "arch/x86/segment.h"
#include "arch/x86/state.h"

#define AT(member)   offsetof(struct x86_state, member)
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

enum { PHYS_BITS_MAX = 52, FLAGS_SETTABLE = 0x3f7fd5 };

/*
 * Checks a value for one register, and may adjust it; 0, or -errno and nothing has changed. SREGS and GPR
 * are valid.
 */
typedef int check_fn(struct cpu_view *v, uint64_t *value);

/* ---- addresses --------------------------------------------------------------------------- */

static int check_address(struct cpu_view *v, uint64_t *value)
{
	const struct x86_state *s = v->state;

	if (x86_long_mode(s))
		return x86_canonical(s, *value) ? 0 : -EINVAL;
	return *value >> 32 ? -EINVAL : 0;
}

/* An MSR holds a 64-bit address in every mode. */
static int check_msr_address(struct cpu_view *v, uint64_t *value)
{
	return x86_canonical(v->state, *value) ? 0 : -EINVAL;
}

/* Outside 64-bit mode it is within the code segment, which keeps to 32 bits. */
static int check_rip(struct cpu_view *v, uint64_t *value)
{
	const struct x86_state *s = v->state;

	if (!x86_64bit(s) && *value > s->seg[X86_CS].limit)
		return -EINVAL;
	return check_address(v, value);
}

/* ---- flags and control registers ----------------------------------------------------------- */

/* A change of VM would need other hidden parts in every segment register. */
static int check_eflags(struct cpu_view *v, uint64_t *value)
{
	const struct x86_state *s = v->state;

	*value |= X86_FL_ONE;
	if (*value & ~(uint64_t)(FLAGS_SETTABLE | X86_FL_ONE))
		return -EINVAL;
	return (*value ^ s->rflags) & X86_FL_VM ? -EINVAL : 0;
}

/* Would the processor be in this state? CS.L and EFER.LMA must fit what they depend on. */
static bool consistent(const struct x86_state *s, uint64_t cr0, uint64_t cr4, uint64_t efer)
{
	bool lma = efer & X86_EFER_LMA;

	if (cr0 & X86_CR0_NW && !(cr0 & X86_CR0_CD))
		return false;
	if (cr0 & X86_CR0_PG && !(cr0 & X86_CR0_PE))
		return false;
	if (lma != (efer & X86_EFER_LME && cr0 & X86_CR0_PG))
		return false;
	if (lma ? !(cr4 & X86_CR4_PAE) : s->seg[X86_CS].l)
		return false;
	if (cr4 & X86_CR4_CET && !(cr0 & X86_CR0_WP))
		return false;
	return lma || !(cr4 & X86_CR4_PCIDE);
}

/* Leaving protected mode is for privilege level 0, and not for virtual-8086 mode. */
static bool may_change_pe(const struct x86_state *s)
{
	return !x86_cpl(s) && !(s->rflags & X86_FL_VM);
}

static int check_cr0(struct cpu_view *v, uint64_t *value)
{
	struct x86_state *s = v->state;
	uint64_t efer = s->efer & ~(uint64_t)X86_EFER_LMA;

	*value |= X86_CR0_ET;
	if (*value & ~(uint64_t)X86_CR0_SETTABLE)
		return -EINVAL;
	if ((*value ^ s->cr0) & X86_CR0_PE && !may_change_pe(s))
		return -EINVAL;
	if (efer & X86_EFER_LME && *value & X86_CR0_PG)
		efer |= X86_EFER_LMA;
	if (!consistent(s, *value, s->cr4, efer))
		return -EINVAL;
	s->efer = efer;
	return 0;
}

static int check_cr3(struct cpu_view *v, uint64_t *value)
{
	const struct x86_state *s = v->state;
	unsigned int width = v->need(v, X86_BANK_CPUID) ? 0 : s->cpuid.phys_bits;
	uint64_t address = *value;

	if (!x86_long_mode(s))
		return *value >> 32 ? -EINVAL : 0;
	if (s->cpuid.f7_1_eax & X86_CPUID_7_1_EAX_LAM)
		address &= ~(X86_CR3_LAM_U48 | X86_CR3_LAM_U57);
	return address >> (width ? width : PHYS_BITS_MAX) ? -EINVAL : 0;
}

/* A bit that is there only with a bit of CPUID. */
struct feature_bit {
	uint32_t bit;
	uint32_t leaf; /* where it is in the state */
	unsigned int leaf_bit;
};

static const struct feature_bit cr4_bits[] = {
	{ X86_CR4_UMIP, AT(cpuid.f7_ecx), 2 },	     { X86_CR4_LA57, AT(cpuid.f7_ecx), 16 },
	{ X86_CR4_VMXE, AT(cpuid.f1_ecx), 5 },	     { X86_CR4_SMXE, AT(cpuid.f1_ecx), 6 },
	{ X86_CR4_FSGSBASE, AT(cpuid.f7_ebx), 0 },   { X86_CR4_PCIDE, AT(cpuid.f1_ecx), 17 },
	{ X86_CR4_OSXSAVE, AT(cpuid.f1_ecx), 26 },   { X86_CR4_SMEP, AT(cpuid.f7_ebx), 7 },
	{ X86_CR4_SMAP, AT(cpuid.f7_ebx), 20 },	     { X86_CR4_PKE, AT(cpuid.f7_ecx), 3 },
	{ X86_CR4_CET, AT(cpuid.f7_ecx), 7 },	     { X86_CR4_PKS, AT(cpuid.f7_ecx), 31 },
	{ X86_CR4_LAM_SUP, AT(cpuid.f7_1_eax), 26 },
};

static const struct feature_bit efer_bits[] = {
	{ X86_EFER_SCE, AT(cpuid.e1_edx), 11 }, { X86_EFER_LME, AT(cpuid.e1_edx), 29 },
	{ X86_EFER_LMA, AT(cpuid.e1_edx), 29 }, { X86_EFER_NXE, AT(cpuid.e1_edx), 20 },
	{ X86_EFER_SVME, AT(cpuid.e1_ecx), 2 }, { X86_EFER_FFXSR, AT(cpuid.e1_edx), 25 },
	{ X86_EFER_TCE, AT(cpuid.e1_ecx), 17 }, { X86_EFER_AUTOIBRS, AT(cpuid.e21_eax), 8 },
};

/* The bits that this CPU has, of those that depend on CPUID. */
static uint64_t present(struct cpu_view *v, const struct feature_bit *f, size_t n)
{
	uint32_t leaf;
	uint64_t mask = 0;
	size_t i;

	if (v->need(v, X86_BANK_CPUID))
		return 0;
	for (i = 0; i < n; i++) {
		memcpy(&leaf, (const char *)v->state + f[i].leaf, sizeof(leaf));
		if (leaf >> f[i].leaf_bit & 1)
			mask |= f[i].bit;
	}
	return mask;
}

static int check_cr4(struct cpu_view *v, uint64_t *value)
{
	const struct x86_state *s = v->state;
	uint64_t have = X86_CR4_ALWAYS | present(v, cr4_bits, ARRAY_LEN(cr4_bits));
	uint64_t changed = *value ^ s->cr4;

	if (*value & changed & ~have)
		return -EINVAL;
	if (x86_long_mode(s) && changed & X86_CR4_LA57)
		return -EINVAL;
	if (*value & changed & X86_CR4_PCIDE && s->cr3 & 0xfff)
		return -EINVAL;
	return consistent(s, s->cr0, *value, s->efer) ? 0 : -EINVAL;
}

static int check_efer(struct cpu_view *v, uint64_t *value)
{
	const struct x86_state *s = v->state;
	uint64_t changed = *value ^ s->efer;

	if (*value & changed & ~present(v, efer_bits, ARRAY_LEN(efer_bits)))
		return -EINVAL;
	if (s->cr0 & X86_CR0_PG && changed & X86_EFER_LME)
		return -EINVAL;
	return consistent(s, s->cr0, s->cr4, *value) ? 0 : -EINVAL;
}

/* ---- the rest ------------------------------------------------------------------------------ */

static int check_mxcsr(struct cpu_view *v, uint64_t *value)
{
	const struct x86_state *s = v->state;

	return *value & ~(uint64_t)s->fpu.mxcsr_mask ? -EINVAL : 0;
}

struct rule {
	uint32_t offset;
	uint64_t most; /* the largest value; 0: any */
	check_fn *check;
};

static const struct rule rules[] = {
	{ AT(rip), 0, check_rip },
	{ AT(rflags), 0, check_eflags },
	{ AT(seg[X86_FS].base), 0, check_address },
	{ AT(seg[X86_GS].base), 0, check_address },
	{ AT(gdt.base), 0, check_address },
	{ AT(gdt.limit), 0xffff, NULL },
	{ AT(idt.base), 0, check_address },
	{ AT(idt.limit), 0xffff, NULL },
	{ AT(cr0), 0, check_cr0 },
	{ AT(cr3), 0, check_cr3 },
	{ AT(cr4), 0, check_cr4 },
	{ AT(cr8), 0xf, NULL },
	{ AT(efer), 0, check_efer },
	{ AT(fpu.fctrl), 0xffff, NULL },
	{ AT(fpu.fstat), 0xffff, NULL },
	{ AT(fpu.ftag), 0xffff, NULL },
	{ AT(fpu.fiseg), 0xffff, NULL },
	{ AT(fpu.foseg), 0xffff, NULL },
	{ AT(fpu.fop), 0x7ff, NULL },
	{ AT(fpu.mxcsr), 0, check_mxcsr },
	{ AT(msr.kernel_gs_base), 0, check_msr_address },
	{ AT(msr.lstar), 0, check_msr_address },
	{ AT(msr.cstar), 0, check_msr_address },
	{ AT(msr.fmask), UINT32_MAX, NULL },
	{ AT(msr.sysenter_cs), UINT32_MAX, NULL },
	{ AT(msr.sysenter_esp), 0, check_msr_address },
	{ AT(msr.sysenter_eip), 0, check_msr_address },
};

static const struct rule *rule_for(const struct reg_desc *r)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(rules); i++)
		if (rules[i].offset == r->offset)
			return &rules[i];
	return NULL;
}

/* The segment register that has this selector; X86_SREGS: it is none that can be loaded. */
static enum x86_sreg segment_of(const struct reg_desc *r)
{
	enum x86_sreg n;

	for (n = X86_ES; n <= X86_GS; n++)
		if (r->offset == AT(seg[n].selector))
			return n;
	return X86_SREGS;
}

static int write_checked(struct cpu_view *v, const struct reg_desc *r, const void *value,
			 size_t size)
{
	const struct rule *rule = rule_for(r);
	uint64_t n = 0;
	int ret;

	if (!rule)
		return -EOPNOTSUPP;
	memcpy(&n, value, size);
	if (rule->most && n > rule->most)
		return -EINVAL;
	ret = rule->check ? rule->check(v, &n) : 0;
	if (ret)
		return ret;
	memcpy((char *)v->state + r->offset, &n, size);
	v->dirty(v, r->bank);
	return 0;
}

int x86_write_reg(struct cpu_view *v, const struct reg_desc *r, const void *value)
{
	const enum x86_sreg segment = segment_of(r);
	size_t size = (r->bits + 7u) / 8;
	uint32_t selector;
	int ret = v->need(v, r->bank);

	if (!ret)
		ret = v->need(v, X86_BANK_SREGS);
	if (!ret)
		ret = v->need(v, X86_BANK_GPR);
	if (ret || !memcmp((char *)v->state + r->offset, value, size))
		return ret;
	if (segment == X86_SREGS)
		return write_checked(v, r, value, size);
	memcpy(&selector, value, sizeof(selector));
	return x86_load_seg(v, segment, selector);
}
