// SPDX-License-Identifier: MIT
/* Registers as gdb's standard features name them: GDB manual, "AArch64 Features". */
#include "arch/arm64/regs.h"

#include <stdio.h>
#include <string.h>

#define AT(member) offsetof(struct arm64_state, member)
#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))

/* ---- core -------------------------------------------------------------------------------- */

#define FLAG(name, start, end) "<field name=\"" name "\" start=\"" #start "\" end=\"" #end "\"/>"

static const char core_types[] = "<flags id=\"cpsr_flags\" size=\"4\">" FLAG("SP", 0, 0)
	FLAG("EL", 2, 3) FLAG("nRW", 4, 4) FLAG("F", 6, 6) FLAG("I", 7, 7) FLAG("A", 8, 8)
		FLAG("D", 9, 9) FLAG("BTYPE", 10, 11) FLAG("SSBS", 12, 12) FLAG("IL", 20, 20)
			FLAG("PAN", 22, 22) FLAG("UAO", 23, 23) FLAG("DIT", 24, 24)
				FLAG("TCO", 25, 25) FLAG("V", 28, 28) FLAG("C", 29, 29)
					FLAG("Z", 30, 30) FLAG("N", 31, 31) "</flags>";

#define X_AS(n, in_bank, role, other, how)                                                       \
	{                                                                                        \
		.name = "x" #n, .offset = AT(x[n]), .bits = 64, .bank = (in_bank), .dwarf = (n), \
		.generic = (role), .alt = (other), .flags = (how)                                \
	}
#define X(n)	       X_AS(n, ARM64_BANK_X, NULL, NULL, 0)
#define X_ARG(n, role) X_AS(n, ARM64_BANK_X, role, NULL, 0)

static const struct reg_desc core_regs[] = {
	X_ARG(0, "arg1"),
	X_ARG(1, "arg2"),
	X_ARG(2, "arg3"),
	X_ARG(3, "arg4"),
	X_ARG(4, "arg5"),
	X_ARG(5, "arg6"),
	X_ARG(6, "arg7"),
	X_ARG(7, "arg8"),
	X(8),
	X(9),
	X(10),
	X(11),
	X(12),
	X(13),
	X(14),
	X(15),
	X(16),
	X(17),
	X(18),
	X(19),
	X(20),
	X(21),
	X(22),
	X(23),
	X(24),
	X(25),
	X(26),
	X(27),
	X(28),
	X_AS(29, ARM64_BANK_FRAME, "fp", "fp", REG_EXPEDITE),
	X_AS(30, ARM64_BANK_FRAME, "ra", "lr", REG_EXPEDITE),
	{ .name = "sp",
	  .type = "data_ptr",
	  .offset = AT(sp),
	  .bits = 64,
	  .bank = ARM64_BANK_CORE,
	  .dwarf = 31,
	  .generic = "sp",
	  .flags = REG_EXPEDITE },
	{ .name = "pc",
	  .type = "code_ptr",
	  .offset = AT(pc),
	  .bits = 64,
	  .bank = ARM64_BANK_CORE,
	  .dwarf = 32,
	  .generic = "pc",
	  .flags = REG_EXPEDITE },
	{ .name = "cpsr",
	  .type = "cpsr_flags",
	  .offset = AT(pstate),
	  .bits = 32,
	  .bank = ARM64_BANK_CORE,
	  .dwarf = -1,
	  .generic = "flags" },
};

static const struct reg_feature core_feature = {
	.name = "org.gnu.gdb.aarch64.core",
	.annex = "aarch64-core.xml",
	.types = core_types,
	.regs = core_regs,
	.nregs = COUNT(core_regs),
};

/* ---- vectors ----------------------------------------------------------------------------- */

#define VECTOR(id, type, n) "<vector id=\"" id "\" type=\"" type "\" count=\"" n "\"/>"
#define FIELD(name, type)   "<field name=\"" name "\" type=\"" type "\"/>"
#define UNION(id, fields)   "<union id=\"" id "\">" fields "</union>"

/*
 * A vector register `t` seen as q, d, s, h and b, of which there are that many. The SVE registers
 * have the counts filled in by printf, in the order in which they stand here.
 */
#define VECTOR_TYPES(t, q, d, s, h, b)                                                       \
	VECTOR(t "qu", "uint128", q)                                                         \
	VECTOR(t "qs", "int128", q)                                                          \
	VECTOR(t "df", "ieee_double", d)                                                     \
	VECTOR(t "du", "uint64", d)                                                          \
	VECTOR(t "ds", "int64", d)                                                           \
	VECTOR(t "sf", "ieee_single", s)                                                     \
	VECTOR(t "su", "uint32", s)                                                          \
	VECTOR(t "ss", "int32", s)                                                           \
	VECTOR(t "hf", "ieee_half", h)                                                       \
	VECTOR(t "hu", "uint16", h)                                                          \
	VECTOR(t "hs", "int16", h)                                                           \
	VECTOR(t "bu", "uint8", b)                                                           \
	VECTOR(t "bs", "int8", b)                                                            \
	UNION(t "nq", FIELD("u", t "qu") FIELD("s", t "qs"))                                 \
	UNION(t "nd", FIELD("f", t "df") FIELD("u", t "du") FIELD("s", t "ds"))              \
	UNION(t "ns", FIELD("f", t "sf") FIELD("u", t "su") FIELD("s", t "ss"))              \
	UNION(t "nh", FIELD("f", t "hf") FIELD("u", t "hu") FIELD("s", t "hs"))              \
	UNION(t "nb", FIELD("u", t "bu") FIELD("s", t "bs"))                                 \
	UNION(t, FIELD("q", t "nq") FIELD("d", t "nd") FIELD("s", t "ns") FIELD("h", t "nh") \
			 FIELD("b", t "nb"))

static const char fpu_types[] = VECTOR_TYPES("aarch64v", "1", "2", "4", "8", "16");

#define V(n)                                                                         \
	{                                                                            \
		.name = "v" #n, .type = "aarch64v", .offset = AT(v[n]), .bits = 128, \
		.bank = ARM64_BANK_V, .dwarf = 64 + (n)                              \
	}
#define FPCR(reg)                                                              \
	{                                                                      \
		.name = #reg, .group = "float", .offset = AT(reg), .bits = 32, \
		.bank = ARM64_BANK_FPCR, .dwarf = -1                           \
	}

static const struct reg_desc fpu_regs[] = {
	V(0),  V(1),  V(2),  V(3),  V(4),  V(5),       V(6),	   V(7),  V(8),
	V(9),  V(10), V(11), V(12), V(13), V(14),      V(15),	   V(16), V(17),
	V(18), V(19), V(20), V(21), V(22), V(23),      V(24),	   V(25), V(26),
	V(27), V(28), V(29), V(30), V(31), FPCR(fpsr), FPCR(fpcr),
};

static const struct reg_feature fpu_feature = {
	.name = "org.gnu.gdb.aarch64.fpu",
	.annex = "aarch64-fpu.xml",
	.types = fpu_types,
	.regs = fpu_regs,
	.nregs = COUNT(fpu_regs),
};

#define Z(n)                                                                     \
	{                                                                        \
		.name = "z" #n, .type = "svev", .offset = AT(z[n]), .bits = 128, \
		.bank = ARM64_BANK_Z, .dwarf = 96 + (n)                          \
	}
#define P_AS(id, member, number)                                                                   \
	{                                                                                          \
		.name = (id), .type = "svep", .group = "vector", .offset = AT(member), .bits = 16, \
		.bank = ARM64_BANK_P, .dwarf = (number)                                            \
	}
#define P(n) P_AS("p" #n, p[n], 48 + (n))

/* With vectors of 128 bits; bits grow with the vCPU's vector length, but not those of these: */
static const struct reg_desc sve_regs[ARM64_NSVE] = {
	Z(0),
	Z(1),
	Z(2),
	Z(3),
	Z(4),
	Z(5),
	Z(6),
	Z(7),
	Z(8),
	Z(9),
	Z(10),
	Z(11),
	Z(12),
	Z(13),
	Z(14),
	Z(15),
	Z(16),
	Z(17),
	Z(18),
	Z(19),
	Z(20),
	Z(21),
	Z(22),
	Z(23),
	Z(24),
	Z(25),
	Z(26),
	Z(27),
	Z(28),
	Z(29),
	Z(30),
	Z(31),
	FPCR(fpsr),
	FPCR(fpcr),
	P(0),
	P(1),
	P(2),
	P(3),
	P(4),
	P(5),
	P(6),
	P(7),
	P(8),
	P(9),
	P(10),
	P(11),
	P(12),
	P(13),
	P(14),
	P(15),
	P_AS("ffr", ffr, 47),
	{ .name = "vg",
	  .offset = AT(vg),
	  .bits = 64,
	  .bank = ARM64_BANK_LAYOUT,
	  .dwarf = 46,
	  .flags = REG_READONLY | REG_HIDDEN },
};

static bool grows(const struct reg_desc *r)
{
	return r->bank == ARM64_BANK_Z || r->bank == ARM64_BANK_P;
}

static void build_sve(struct arm64_layout *l)
{
	const unsigned int q = l->vq, d = 2 * q, s = 4 * q, h = 8 * q, b = 16 * q;
	unsigned int i;

	snprintf(l->sve_types, sizeof(l->sve_types),
		 VECTOR_TYPES("svev", "%u", "%u", "%u", "%u", "%u") VECTOR("svep", "uint8", "%u"),
		 q, q, d, d, d, s, s, s, h, h, h, b, b, d);
	memcpy(l->sve_regs, sve_regs, sizeof(sve_regs));
	for (i = 0; i < ARM64_NSVE; i++)
		if (grows(&l->sve_regs[i]))
			l->sve_regs[i].bits *= q;
	l->sve = (struct reg_feature){
		.name = "org.gnu.gdb.aarch64.sve",
		.annex = "aarch64-sve.xml",
		.types = l->sve_types,
		.regs = l->sve_regs,
		.nregs = ARM64_NSVE,
	};
}

/* ---- pointer authentication -------------------------------------------------------------- */

#define PAUTH(id, member)                                                                       \
	{                                                                                       \
		.name = (id), .offset = AT(pauth.member), .bits = 64, .bank = ARM64_BANK_PAUTH, \
		.dwarf = -1, .flags = REG_READONLY | REG_HIDDEN, .group = "system"              \
	}

static const struct reg_desc pauth_regs[] = {
	PAUTH("pauth_dmask", dmask),
	PAUTH("pauth_cmask", cmask),
	PAUTH("pauth_dmask_high", dmask_high),
	PAUTH("pauth_cmask_high", cmask_high),
};

static const struct reg_feature pauth_feature = {
	.name = "org.gnu.gdb.aarch64.pauth",
	.annex = "aarch64-pauth.xml",
	.regs = pauth_regs,
	.nregs = COUNT(pauth_regs),
};

bool arm64_has_pauth(uint64_t isar1, uint64_t isar2)
{
	return isar1 & 0xff0 || isar2 & 0xf000;
}

/* Bit 55 tells the halves apart and is never part of a code. */
static uint64_t pauth_mask(unsigned int tsz, bool top_ignored)
{
	const uint64_t below = 1ULL << (64 - (tsz < 12 ? 12 : tsz));
	const uint64_t mask = ((1ULL << 55) - 1) & ~(below - 1);

	return top_ignored ? mask : mask | 0xffULL << 56;
}

struct arm64_pauth arm64_pauth_masks(uint64_t tcr)
{
	const unsigned int t0sz = tcr & 63, t1sz = tcr >> 16 & 63;
	const bool tbi0 = tcr >> 37 & 1, tbi1 = tcr >> 38 & 1;
	const bool tbid0 = tcr >> 51 & 1, tbid1 = tcr >> 52 & 1;

	return (struct arm64_pauth){
		.dmask = pauth_mask(t0sz, tbi0),
		.cmask = pauth_mask(t0sz, tbi0 && !tbid0),
		.dmask_high = pauth_mask(t1sz, tbi1),
		.cmask_high = pauth_mask(t1sz, tbi1 && !tbid1),
	};
}

/* ---- system registers -------------------------------------------------------------------- */

/*
 * gdb's `info registers` shows all that is neither float nor vector, whatever group it is in: as
 * vectors of one they are in `info registers system` alone. They print as {0x...}, count in
 * expressions, and have [0].
 */
static const char sys_types[] = VECTOR("sysreg", "uint64", "1");

#define SYSTEM(id, member, where)                                                        \
	{                                                                                \
		.name = (id), .type = "sysreg", .group = "system", .offset = AT(member), \
		.bits = 64, .bank = (where), .dwarf = -1, .flags = REG_HIDDEN            \
	}

static const struct reg_desc sys_core_regs[ARM64_NSYS_CORE] = {
	SYSTEM("SP_EL0", sp_el[0], ARM64_BANK_CORE),
	SYSTEM("SP_EL1", sp_el[1], ARM64_BANK_CORE),
	SYSTEM("ELR_EL1", elr_el1, ARM64_BANK_EL1),
	SYSTEM("SPSR_EL1", spsr_el1, ARM64_BANK_EL1),
};

static const struct reg_feature sys_core_feature = {
	.name = "org.vmgdb.aarch64.system",
	.annex = "aarch64-system.xml",
	.apart = true,
	.types = sys_types,
	.regs = sys_core_regs,
	.nregs = ARM64_NSYS_CORE,
};

const uint16_t arm64_fixed_sysregs[ARM64_NSYS_FIXED] = {
	[ARM64_SCTLR] = SYSREG(3, 0, 1, 0, 0), [ARM64_TCR] = SYSREG(3, 0, 2, 0, 2),
	[ARM64_TTBR0] = SYSREG(3, 0, 2, 0, 0), [ARM64_TTBR1] = SYSREG(3, 0, 2, 0, 1),
	[ARM64_VBAR] = SYSREG(3, 0, 12, 0, 0), [ARM64_ESR] = SYSREG(3, 0, 5, 2, 0),
	[ARM64_PFR1] = SYSREG(3, 0, 0, 4, 1),  [ARM64_MMFR0] = SYSREG(3, 0, 0, 7, 0),
	[ARM64_MMFR1] = SYSREG(3, 0, 0, 7, 1), [ARM64_MMFR2] = SYSREG(3, 0, 0, 7, 2),
	[ARM64_MDSCR] = SYSREG(2, 0, 0, 2, 2), [ARM64_OSLSR] = SYSREG(2, 0, 1, 1, 4),
};

/* The place of a register in arm64_state.sys[], a new one if need be; ARM64_SYS_MAX: none left. */
static unsigned int place_of(struct arm64_layout *l, uint16_t enc)
{
	unsigned int i;

	for (i = 0; i < ARM64_NSYS_FIXED; i++)
		if (l->enc[i] == enc)
			return i;
	if (l->nsys == ARM64_SYS_MAX)
		return ARM64_SYS_MAX;
	l->enc[l->nsys] = enc;
	return l->nsys++;
}

static const char *name_of(struct arm64_layout *l, unsigned int place)
{
	const char *name = arm64_sysreg_name(l->enc[place]);

	if (name)
		return name;
	arm64_sysreg_generic_name(l->enc[place], l->names[place]);
	return l->names[place];
}

static void build_system(struct arm64_layout *l, const uint16_t *encs, size_t nencs)
{
	unsigned int place, n = ARM64_NSYS_CORE;
	struct reg_desc *r;
	size_t i;

	memcpy(l->sys_regs, sys_core_regs, sizeof(sys_core_regs));
	for (i = 0; i < nencs && n < COUNT(l->sys_regs); i++) {
		place = place_of(l, encs[i]);
		if (place == ARM64_SYS_MAX)
			break;
		r = &l->sys_regs[n++];
		*r = (struct reg_desc)SYSTEM(name_of(l, place), sys[0], ARM64_BANK_SYS + place);
		r->offset += place * sizeof(uint64_t);
		r->flags |= arm64_sysreg_readonly(encs[i]) ? REG_READONLY : 0;
	}
	l->system = sys_core_feature;
	l->system.regs = l->sys_regs;
	l->system.nregs = n;
}

/* ---- target descriptions ----------------------------------------------------------------- */

static const struct reg_feature *const plain_features[] = {
	&core_feature,
	&fpu_feature,
	&sys_core_feature,
};

const struct tdesc arm64_plain_tdesc = {
	.arch = "aarch64",
	.features = plain_features,
	.nfeatures = COUNT(plain_features),
};

void arm64_layout_init(struct arm64_layout *l, unsigned int vq, bool pauth, const uint16_t *encs,
		       size_t nencs)
{
	unsigned int n = 0;

	*l = (struct arm64_layout){ .vq = vq, .nsys = ARM64_NSYS_FIXED };
	memcpy(l->enc, arm64_fixed_sysregs, sizeof(arm64_fixed_sysregs));
	build_system(l, encs, nencs);
	if (vq)
		build_sve(l);

	/* system registers last: a debugger's `g` may end before them */
	l->features[n++] = &core_feature;
	l->features[n++] = vq ? &l->sve : &fpu_feature;
	if (pauth)
		l->features[n++] = &pauth_feature;
	l->features[n++] = &l->system;
	l->tdesc = (struct tdesc){ .arch = "aarch64", .features = l->features, .nfeatures = n };
}
