// SPDX-License-Identifier: MIT
/* Registers to and from KVM. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "arch/arm64/kvm_vcpu.h"

#define AT(member)   offsetof(struct arm64_state, member)
#define CORE(member) (KVM_REG_ARM64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(member))
#define CORE32(m)    (CORE(m) | KVM_REG_SIZE_U32)
#define CORE64(m)    (CORE(m) | KVM_REG_SIZE_U64)
#define CORE128(m)   (CORE(m) | KVM_REG_SIZE_U128)

/* A run of registers that lie evenly both in KVM's ids and in the state. */
struct span {
	enum arm64_bank bank;
	uint64_t id;
	unsigned int id_step;
	uint32_t offset;
	unsigned int size;
	unsigned int count;
};

static const struct span spans[] = {
	{ ARM64_BANK_CORE, CORE64(regs.pc), 0, AT(pc), 8, 1 },
	{ ARM64_BANK_CORE, CORE64(regs.pstate), 0, AT(pstate), 8, 1 },
	{ ARM64_BANK_CORE, CORE64(regs.sp), 0, AT(sp_el[0]), 8, 1 },
	{ ARM64_BANK_CORE, CORE64(sp_el1), 0, AT(sp_el[1]), 8, 1 },
	{ ARM64_BANK_FRAME, CORE64(regs.regs[29]), 2, AT(x[29]), 8, 2 },
	{ ARM64_BANK_X, CORE64(regs.regs[0]), 2, AT(x[0]), 8, 29 },
	{ ARM64_BANK_EL1, CORE64(elr_el1), 0, AT(elr_el1), 8, 1 },
	{ ARM64_BANK_EL1, CORE64(spsr[KVM_SPSR_EL1]), 0, AT(spsr_el1), 8, 1 },
	{ ARM64_BANK_FPCR, CORE32(fp_regs.fpsr), 0, AT(fpsr), 4, 1 },
	{ ARM64_BANK_FPCR, CORE32(fp_regs.fpcr), 0, AT(fpcr), 4, 1 },
	{ ARM64_BANK_V, CORE128(fp_regs.vregs[0]), 4, AT(v), 16, ARM64_NV },
	{ ARM64_BANK_Z, KVM_REG_ARM64_SVE_ZREG(0, 0), 32, AT(z), 256, ARM64_NV },
	{ ARM64_BANK_P, KVM_REG_ARM64_SVE_PREG(0, 0), 32, AT(p), 32, ARM64_NP },
	{ ARM64_BANK_P, KVM_REG_ARM64_SVE_FFR(0), 0, AT(ffr), 32, 1 },
};

/* ---- one register ------------------------------------------------------------------------ */

static int one_reg(const struct arm64_kvm *k, unsigned long request, uint64_t id, void *value)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)value };

	return kvm_call(k->vcpu.fd, request, &reg);
}

/* KVM has the encodings of the virtual timer's count and its compare value swapped, for ever. */
static uint64_t sysreg_id(uint16_t enc)
{
	const uint16_t count = SYSREG(3, 3, 14, 0, 2), compare = SYSREG(3, 3, 14, 3, 2);

	if (enc == count || enc == compare)
		enc ^= count ^ compare;
	return KVM_REG_ARM64 | KVM_REG_ARM64_SYSREG | KVM_REG_SIZE_U64 | enc;
}

int arm64_kvm_get_sysreg(const struct arm64_kvm *k, uint16_t enc, uint64_t *out)
{
	return one_reg(k, KVM_GET_ONE_REG, sysreg_id(enc), out);
}

int arm64_kvm_set_sysreg(const struct arm64_kvm *k, uint16_t enc, uint64_t value)
{
	return one_reg(k, KVM_SET_ONE_REG, sysreg_id(enc), &value);
}

/* Asked when an exit is classified, and then again with its bank: one call for both. */
int arm64_kvm_get_pc(struct arm64_kvm *k, uint64_t *pc)
{
	int ret = k->pc_seen ? 0 : one_reg(k, KVM_GET_ONE_REG, CORE64(regs.pc), &k->seen.pc);

	k->pc_seen = !ret;
	*pc = k->seen.pc;
	return ret;
}

/* ---- layout ------------------------------------------------------------------------------ */

static struct kvm_reg_list *reg_list(const struct arm64_kvm *k)
{
	struct kvm_reg_list probe = { .n = 0 }, *list;

	if (ioctl(k->vcpu.fd, KVM_GET_REG_LIST, &probe) && errno != E2BIG)
		return NULL;
	list = calloc(1, sizeof(*list) + probe.n * sizeof(list->reg[0]));
	if (!list) {
		errno = ENOMEM;
		return NULL;
	}
	list->n = probe.n;
	if (!ioctl(k->vcpu.fd, KVM_GET_REG_LIST, list))
		return list;
	free(list);
	return NULL;
}

/* The largest vector length, which is what KVM gives Z registers in; 0 without SVE. */
static unsigned int vector_length(const struct arm64_kvm *k)
{
	uint64_t lengths[KVM_ARM64_SVE_VLS_WORDS] = { 0 };
	int word;

	if (one_reg(k, KVM_GET_ONE_REG, KVM_REG_ARM64_SVE_VLS, lengths))
		return 0;
	for (word = KVM_ARM64_SVE_VLS_WORDS - 1; word >= 0; word--)
		if (lengths[word])
			return word * 64 + 64 - __builtin_clzll(lengths[word]) - 1 +
			       KVM_ARM64_SVE_VQ_MIN;
	return 0;
}

static bool is_sysreg(uint64_t id)
{
	return (id & KVM_REG_ARM_COPROC_MASK) == KVM_REG_ARM64_SYSREG &&
	       (id & KVM_REG_SIZE_MASK) == KVM_REG_SIZE_U64;
}

static size_t sysregs_of(const struct kvm_reg_list *list, uint16_t *encs, size_t max)
{
	size_t n = 0, i;

	for (i = 0; i < list->n && n < max; i++)
		if (is_sysreg(list->reg[i]))
			encs[n++] = sysreg_id(list->reg[i]) & 0xffff;
	return n;
}

static bool has_pauth(const struct arm64_kvm *k)
{
	uint64_t isar1 = 0, isar2 = 0;

	arm64_kvm_get_sysreg(k, SYSREG(3, 0, 0, 6, 1), &isar1);
	arm64_kvm_get_sysreg(k, SYSREG(3, 0, 0, 6, 2), &isar2);
	return arm64_has_pauth(isar1, isar2);
}

static int build_layout(struct arm64_kvm *k)
{
	struct kvm_reg_list *list = reg_list(k);
	uint16_t encs[ARM64_SYS_MAX];
	size_t n;

	if (!list)
		return -errno;
	n = sysregs_of(list, encs, ARM64_SYS_MAX);
	free(list);
	k->layout = malloc(sizeof(*k->layout));
	if (!k->layout)
		return -ENOMEM;
	arm64_layout_init(k->layout, vector_length(k), has_pauth(k), encs, n);
	return 0;
}

static int need_layout(struct arm64_kvm *k)
{
	return k->layout ? 0 : build_layout(k);
}

static int fetch_layout(struct arm64_kvm *k, struct arm64_state *s)
{
	int ret = need_layout(k);

	if (ret)
		return ret;
	s->layout = k->layout;
	s->vg = 2 * k->layout->vq;
	return 0;
}

static int fetch_pauth(const struct arm64_kvm *k, struct arm64_state *s)
{
	uint64_t tcr;
	int ret = arm64_kvm_get_sysreg(k, arm64_fixed_sysregs[ARM64_TCR], &tcr);

	if (!ret)
		s->pauth = arm64_pauth_masks(tcr);
	return ret;
}

/* ---- banks ------------------------------------------------------------------------------- */

/* The register in a place of sys[]: 0, or -errno when there is none. */
static int sysreg_at(struct arm64_kvm *k, unsigned int place, uint16_t *enc)
{
	int ret;

	if (place < ARM64_NSYS_FIXED) {
		*enc = arm64_fixed_sysregs[place];
		return 0;
	}
	ret = need_layout(k);
	if (ret)
		return ret;
	if (place >= k->layout->nsys)
		return -ENOENT;
	*enc = k->layout->enc[place];
	return 0;
}

static int fetch_span(struct arm64_kvm *k, const struct span *p, uint8_t *state)
{
	unsigned int i, at;
	int ret = 0;

	for (i = 0; i < p->count && !ret; i++) {
		at = p->offset + i * p->size;
		if (at == AT(pc) && k->pc_seen)
			memcpy(state + at, &k->seen.pc, p->size);
		else
			ret = one_reg(k, KVM_GET_ONE_REG, p->id + i * p->id_step, state + at);
	}
	memcpy((uint8_t *)&k->seen + p->offset, state + p->offset, p->count * p->size);
	return ret;
}

static int store_span(struct arm64_kvm *k, const struct span *p, const uint8_t *state)
{
	const bool known = k->seen_banks >> p->bank & 1;
	uint8_t *seen = (uint8_t *)&k->seen;
	unsigned int i, at;
	int ret = 0;

	for (i = 0; i < p->count && !ret; i++) {
		at = p->offset + i * p->size;
		if (known && !memcmp(seen + at, state + at, p->size))
			continue;
		memcpy(seen + at, state + at, p->size);
		ret = one_reg(k, KVM_SET_ONE_REG, p->id + i * p->id_step, seen + at);
	}
	return ret;
}

/* PSTATE.SS shows only in a guest that steps itself. */
static void derive_core(struct arm64_kvm *k, struct arm64_state *s)
{
	s->guest_ss = k->seen.guest_ss = s->pstate & PSTATE_SS;
	s->pstate &= ~(uint64_t)PSTATE_SS;
	k->seen.pstate = s->pstate;
	s->sp = s->sp_el[arm64_sp_index(s->pstate)];
}

/* What was stored with the rest of PSTATE is without SS. */
static int store_ss(struct arm64_kvm *k, const struct arm64_state *s)
{
	uint64_t pstate = s->pstate | (s->guest_ss ? PSTATE_SS : 0);

	if (!s->guest_ss && !k->seen.guest_ss)
		return 0;
	k->seen.guest_ss = s->guest_ss;
	return one_reg(k, KVM_SET_ONE_REG, CORE64(regs.pstate), &pstate);
}

static int fetch_spans(struct arm64_kvm *k, enum arm64_bank bank, struct arm64_state *s)
{
	size_t i;
	int ret = 0;

	k->seen_banks &= ~(1U << bank);
	for (i = 0; i < sizeof(spans) / sizeof(spans[0]) && !ret; i++)
		if (spans[i].bank == bank)
			ret = fetch_span(k, &spans[i], (uint8_t *)s);
	if (ret)
		return ret;
	if (bank == ARM64_BANK_CORE)
		derive_core(k, s);
	k->seen_banks |= 1U << bank;
	return 0;
}

static int store_spans(struct arm64_kvm *k, enum arm64_bank bank, const struct arm64_state *s)
{
	size_t i;
	int ret = 0;

	for (i = 0; i < sizeof(spans) / sizeof(spans[0]) && !ret; i++)
		if (spans[i].bank == bank)
			ret = store_span(k, &spans[i], (const uint8_t *)s);
	if (!ret && bank == ARM64_BANK_CORE)
		ret = store_ss(k, s);
	if (ret)
		k->seen_banks &= ~(1U << bank);
	k->pc_seen = !ret && k->pc_seen;
	return ret;
}

/* Identification registers that stepping and translating read each time: they never change. */
static bool is_id(unsigned int place)
{
	return place >= ARM64_PFR1 && place <= ARM64_MMFR2;
}

static int fetch_sysreg(struct arm64_kvm *k, unsigned int place, struct arm64_state *s)
{
	uint16_t enc;
	int ret = 0;

	if (is_id(place) && k->seen_ids >> place & 1) {
		s->sys[place] = k->seen.sys[place];
		return 0;
	}
	ret = sysreg_at(k, place, &enc);
	if (!ret)
		ret = arm64_kvm_get_sysreg(k, enc, &s->sys[place]);
	if (!ret && is_id(place) && k->vcpu.has_run) {
		k->seen.sys[place] = s->sys[place];
		k->seen_ids |= 1U << place;
	}
	return ret;
}

int arm64_kvm_fetch(void *ctx, unsigned int bank, void *state)
{
	if (bank == ARM64_BANK_LAYOUT)
		return fetch_layout(ctx, state);
	if (bank == ARM64_BANK_PAUTH)
		return fetch_pauth(ctx, state);
	if (bank < ARM64_BANK_SYS)
		return fetch_spans(ctx, bank, state);
	return fetch_sysreg(ctx, bank - ARM64_BANK_SYS, state);
}

int arm64_kvm_store(void *ctx, unsigned int bank, const void *state)
{
	const struct arm64_state *s = state;
	uint16_t enc;
	int ret;

	if (bank < ARM64_BANK_SYS)
		return store_spans(ctx, bank, s);
	ret = sysreg_at(ctx, bank - ARM64_BANK_SYS, &enc);
	return ret ? ret : arm64_kvm_set_sysreg(ctx, enc, s->sys[bank - ARM64_BANK_SYS]);
}
