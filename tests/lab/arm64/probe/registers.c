// SPDX-License-Identifier: MIT
/* Registers: facts 7, 8, 9 of arm64 in kvm-facts.md. */
#include "probe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "arch/arm64/cpu.h"
#include "core/regs.h"

static const struct debug_control brks = { .trap_brk = true };

static int get(const struct vm *m, uint64_t id, void *value)
{
	struct kvm_one_reg reg = { id, (uintptr_t)value };

	return ioctl(m->vcpu, KVM_GET_ONE_REG, &reg) ? -errno : 0;
}

static int set_pstate(const struct vm *m, uint64_t value)
{
	struct kvm_one_reg reg = { KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE |
					   KVM_REG_ARM_CORE_REG(regs.pstate),
				   (uintptr_t)&value };

	return ioctl(m->vcpu, KVM_SET_ONE_REG, &reg) ? -errno : 0;
}

static const struct reg_desc *find(struct vm *m, const char *name)
{
	struct reg_iter it = reg_iter(arm64_cpu.describe(&m->view));
	const struct reg_desc *r;

	while ((r = reg_next(&it)) && strcmp(r->name, name))
		;
	return r;
}

/* A register of up to 64 bits by its name, as the debugger reads it. */
static uint64_t value(struct vm *m, const char *name)
{
	const struct reg_desc *r = find(m, name);
	const void *p = r ? reg_value(&m->view, r) : NULL;
	uint64_t v = 0;

	if (p)
		memcpy(&v, p, reg_size(r));
	return p ? v : 0xdeadbeefdeadbeef;
}

/* ---- reading and writing ----------------------------------------------------------------- */

static const char *all_read(struct vm *m)
{
	struct reg_iter it = reg_iter(arm64_cpu.describe(&m->view));
	const struct reg_desc *r;
	unsigned int n = 0;

	vm_state(m, ARM64_BANK_LAYOUT);
	while ((r = reg_next(&it))) {
		CHECK(!m->view.need(&m->view, r->bank), "%s can't be read", r->name);
		n += !strncmp(r->name, "S3_", 3) || !strncmp(r->name, "S2_", 3);
	}
	CHECK(it.number > 150, "%u registers", it.number);
	CHECK(n < 40, "%u without a name", n);
	return NULL;
}

static bool is_general(const struct reg_desc *r)
{
	return r->bank < ARM64_BANK_SYS && !(r->flags & REG_READONLY) && strcmp(r->name, "cpsr");
}

/* Values that these registers can hold: the control registers have bits that stay zero. */
static void fill(const struct reg_desc *r, unsigned int seed, uint8_t *bytes)
{
	memset(bytes, 0, REG_SIZE_MAX);
	if (!strcmp(r->name, "fpsr"))
		bytes[0] = 0x1f;
	else if (!strcmp(r->name, "fpcr"))
		bytes[2] = 0x40;
	else if (!strcmp(r->name, "SPSR_EL1"))
		bytes[0] = 0x45;
	else if (!strcmp(r->name, "ffr"))
		memset(bytes, 0xff, 1);
	else
		memset(bytes, seed * 7 + 1, reg_size(r));
}

static const char *general_round_trip(struct vm *m)
{
	const struct tdesc *d = arm64_cpu.describe(&m->view);
	struct reg_iter it = reg_iter(d);
	uint8_t bytes[REG_SIZE_MAX];
	const struct reg_desc *r;

	while ((r = reg_next(&it)))
		if (is_general(r) && strcmp(r->name, "sp")) {
			fill(r, it.number, bytes);
			CHECK(!reg_set(&m->view, r, bytes), "%s: refused", r->name);
		}
	CHECK(!vm_flush(m), "storing them");
	for (it = reg_iter(d); (r = reg_next(&it));)
		if (is_general(r) && strcmp(r->name, "sp")) {
			fill(r, it.number, bytes);
			CHECK(reg_value(&m->view, r) &&
				      !memcmp(reg_value(&m->view, r), bytes, reg_size(r)),
			      "%s: reads back otherwise", r->name);
		}
	return NULL;
}

/* Each system register that is not read-only accepts its current value. */
static const char *system_rewrite(struct vm *m)
{
	struct reg_iter it = reg_iter(arm64_cpu.describe(&m->view));
	const struct reg_desc *r;
	char refused[256] = "";
	unsigned int n = 0;

	while ((r = reg_next(&it))) {
		if (r->bank < ARM64_BANK_SYS || r->flags & REG_READONLY)
			continue;
		vm_change(m, r->bank);
		if (vm_flush(m))
			snprintf(refused + strlen(refused), sizeof(refused) - strlen(refused),
				 " %s", r->name);
		n++;
	}
	CHECK(!*refused, "refused:%s", refused);
	CHECK(n > 50, "only %u can be written", n);
	return NULL;
}

static const char *system_write(struct vm *m)
{
	const uint64_t mark = 0x123456789abcdef0;

	CHECK(!reg_set(&m->view, find(m, "TPIDR_EL0"), &mark) &&
		      !reg_set(&m->view, find(m, "ELR_EL1"), &mark) && !vm_flush(m),
	      "refused");
	CHECK(value(m, "TPIDR_EL0") == mark && value(m, "ELR_EL1") == mark, "not as written");
	return NULL;
}

static const char *unset(struct vm *m)
{
	const uint64_t far = value(m, "FAR_EL1");

	CHECK(far == 0x1de7ec7edbadc0de, "FAR_EL1 %#lx before anything has run", far);
	return NULL;
}

/* ---- ids --------------------------------------------------------------------------------- */

static const char *core_ids_only(struct vm *m)
{
	static const uint16_t encs[] = { SYSREG(3, 0, 4, 1, 0), SYSREG(3, 4, 4, 1, 0),
					 SYSREG(3, 0, 4, 0, 1), SYSREG(3, 0, 4, 0, 0) };
	uint64_t v;
	size_t i;
	int ret;

	for (i = 0; i < 4; i++) {
		ret = arm64_kvm_get_sysreg(m->k, encs[i], &v);
		CHECK(ret == -ENOENT, "%s: %d", arm64_sysreg_name(encs[i]), ret);
	}
	return NULL;
}

static const char *vector_ids(struct vm *m)
{
	uint8_t v[16];
	const int ret = get(m,
			    KVM_REG_ARM64 | KVM_REG_SIZE_U128 | KVM_REG_ARM_CORE |
				    KVM_REG_ARM_CORE_REG(fp_regs.vregs[0]),
			    v);

	CHECK(ret == (m->sve ? -EINVAL : 0), "V0 by its core id: %d, SVE %d", ret, m->sve);
	return NULL;
}

/* The debugger reads what the guest wrote, and the guest what the debugger wrote. */
static const char *timer(struct vm *m)
{
	const uint64_t mark = 0x7777777777777777;
	struct trap t;
	uint64_t count;

	vm_start(m, s_timer, PSTATE_DAIF);
	vm_change(m, ARM64_BANK_X)->x[0] = mark;
	CHECK(!vm_run(m, &brks, &t) && is_brk(&t, END_BRK), "kind %u", t.kind);
	CHECK(value(m, "CNTV_CVAL_EL0") == mark, "CNTV_CVAL_EL0 %#lx", value(m, "CNTV_CVAL_EL0"));
	count = vm_state(m, ARM64_BANK_X)->x[1];
	CHECK(value(m, "CNTVCT_EL0") - count < 1ULL << 33, "CNTVCT_EL0 %#lx, the guest saw %#lx",
	      value(m, "CNTVCT_EL0"), count);
	return NULL;
}

/* ---- modes ------------------------------------------------------------------------------- */

static const char *stack_pointers(struct vm *m)
{
	static const uint64_t modes[] = { PSTATE_EL0T, PSTATE_EL1T, PSTATE_EL1H };
	struct trap t;
	size_t i;

	for (i = 0; i < 3; i++) {
		vm_start(m, s_nops, 0);
		vm_change(m, ARM64_BANK_CORE)->pstate = modes[i] | PSTATE_DAIF;
		m->state.sp_el[0] = 0x1110;
		m->state.sp_el[1] = 0x2220;
		vm_flush(m);
		CHECK(value(m, "sp") == (i == 2 ? 0x2220 : 0x1110), "mode %zu: sp %#lx", i,
		      value(m, "sp"));
	}
	/* and as the guest sees them */
	vm_start(m, s_sysregs, PSTATE_DAIF);
	CHECK(!vm_run(m, &brks, &t) && is_brk(&t, END_BRK), "kind %u", t.kind);
	CHECK(vm_state(m, ARM64_BANK_X)->x[5] == STACK, "SP_EL0 %#lx", m->state.x[5]);
	CHECK(m->state.x[6] == STACK + 0x1000, "SP_EL1 %#lx", m->state.x[6]);
	return NULL;
}

static const char *modes(struct vm *m)
{
	int ret;

	ret = set_pstate(m, 0x9 | PSTATE_DAIF);
	CHECK(ret == -EINVAL, "EL2h: %d", ret);
	ret = set_pstate(m, PSTATE_EL1H | PSTATE_SS | PSTATE_DAIF);
	CHECK(!ret, "PSTATE.SS: %d", ret);
	CHECK(vm_state(m, ARM64_BANK_CORE)->pstate == (PSTATE_EL1H | PSTATE_DAIF),
	      "SS is not masked: %#lx", m->state.pstate);
	return NULL;
}

/* KVM accepts an AArch32 mode on hosts with AArch32 at EL0: the register table refuses it first. */
static const char *aarch32(struct vm *m)
{
	const uint32_t usr = 0x10;
	const int ret = set_pstate(m, usr);

	CHECK(reg_set(&m->view, find(m, "cpsr"), &usr) == -EINVAL, "cpsr takes an AArch32 mode");
	if (ret == -EINVAL)
		return NOT_APPLICABLE "this KVM refuses an AArch32 mode by itself";
	CHECK(!ret, "KVM: %d", ret);
	return NULL;
}

static const char *no_ioctls(struct vm *m)
{
	struct kvm_translation tr = { .linear_address = CODE };
	struct kvm_regs regs;

	CHECK(ioctl(m->vcpu, KVM_TRANSLATE, &tr) < 0, "KVM_TRANSLATE works");
	CHECK(ioctl(m->vcpu, KVM_GET_REGS, &regs) < 0, "KVM_GET_REGS works");
	return NULL;
}

/* ---- extensions -------------------------------------------------------------------------- */

static void allow_vectors(struct vm *m)
{
	arm64_kvm_set_sysreg(m->k, SYSREG(3, 0, 1, 0, 2), 3 << 20 | 3 << 16);
}

static bool all(const uint8_t *bytes, size_t n, uint8_t want)
{
	while (n--)
		if (*bytes++ != want)
			return false;
	return true;
}

static const char *simd(struct vm *m)
{
	const struct reg_desc *r;
	struct trap t;

	allow_vectors(m);
	vm_start(m, s_vector, PSTATE_DAIF);
	CHECK(!vm_run(m, &brks, &t) && is_brk(&t, END_BRK), "kind %u", t.kind);
	r = find(m, m->sve ? "z3" : "v3");
	CHECK(r && reg_value(&m->view, r) && all(reg_value(&m->view, r), 16, 0x33),
	      "v3 is not what the guest put there");
	return NULL;
}

static const char *sve(struct vm *m)
{
	const struct reg_desc *z, *p;
	struct trap t;
	uint64_t len;

	if (!m->sve)
		return NOT_APPLICABLE "this CPU has no SVE";
	allow_vectors(m);
	arm64_kvm_set_sysreg(m->k, SYSREG(3, 0, 1, 2, 0), 15); /* ZCR_EL1.LEN */
	vm_start(m, s_sve, PSTATE_DAIF);
	CHECK(!vm_run(m, &brks, &t) && is_brk(&t, END_BRK), "kind %u", t.kind);
	len = vm_state(m, ARM64_BANK_X)->x[1];
	CHECK(value(m, "vg") * 8 == len, "vg %lu, the guest's vectors have %lu bytes",
	      value(m, "vg"), len);
	z = find(m, "z4");
	p = find(m, "p2");
	CHECK(z && z->bits == len * 8 && all(reg_value(&m->view, z), len, 0x5a), "z4");
	CHECK(p && p->bits == len && all(reg_value(&m->view, p), len / 8, 0xff), "p2");
	return NULL;
}

static const char *pauth(struct vm *m)
{
	const uint64_t user = 0x0000123456789abc, kernel = 0xffff923456789abc;
	uint64_t sctlr, seen, masks;
	struct trap t;
	int i;

	if (!m->pauth) {
		CHECK(!find(m, "pauth_cmask"), "masks without pointer authentication");
		return NOT_APPLICABLE "this CPU has no pointer authentication";
	}
	arm64_kvm_get_sysreg(m->k, SYSREG(3, 0, 1, 0, 0), &sctlr);
	vm_set_sys(m, ARM64_SCTLR, sctlr | 1U << 31); /* EnIA */
	for (i = 0; i < 4; i++) {
		vm_set_sys(m, ARM64_TCR, 16 | 25 << 16 | (i & 1 ? 1ULL << 37 | 1ULL << 38 : 0));
		vm_start(m, s_sign, PSTATE_DAIF);
		vm_change(m, ARM64_BANK_X)->x[0] = i & 2 ? kernel : user;
		m->state.x[1] = 200;
		CHECK(!vm_run(m, &brks, &t) && is_brk(&t, END_BRK), "kind %u", t.kind);
		seen = vm_state(m, ARM64_BANK_X)->x[2];
		masks = value(m, i & 2 ? "pauth_cmask_high" : "pauth_cmask");
		CHECK(seen == masks, "case %d: codes were in %#lx, the mask is %#lx", i, seen,
		      masks);
	}
	return NULL;
}

const struct fact register_facts[] = {
	{ "registers, all listed ones can be read", all_read, NULL },
	{ "registers, written and read back", general_round_trip, NULL },
	{ "registers, system ones accept their current values", system_rewrite, NULL },
	{ "registers, system ones written", system_write, NULL },
	{ "registers, never set: KVM's pattern", unset, NULL },
	{ "registers that have core ids only", core_ids_only, NULL },
	{ "registers, V by core id not with SVE", vector_ids, NULL },
	{ "registers, KVM's swapped timer ids", timer, NULL },
	{ "sp by mode", stack_pointers, NULL },
	{ "cpsr: no EL2, SS masked", modes, NULL },
	{ "cpsr: AArch32 refused", aarch32, NULL },
	{ "ioctls that arm64 does not have", no_ioctls, NULL },
	{ "vectors read as the guest's values", simd, NULL },
	{ "SVE reads as the guest's values", sve, NULL },
	{ "pointer authentication masks", pauth, NULL },
	{ 0 },
};
