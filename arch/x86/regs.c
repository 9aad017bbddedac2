// SPDX-License-Identifier: MIT
#include "arch/x86/cpu.h"

/*
 * The register table: what gdb and lldb see, and where each value is in the state. Names,
 * order and sizes of the org.gnu.gdb features are gdb's (GDB manual, "i386 Features").
 */
#include "arch/x86/state.h"

#define AT(member)   offsetof(struct x86_state, member)
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* A register and its DWARF number in the 64-bit and in the 32-bit psABI. */
#define GPR(n, num, bits_, type_, dw, ...)                                       \
	{                                                                        \
		.name = n, .type = type_, .offset = AT(gpr[num]), .bits = bits_, \
		.bank = X86_BANK_GPR, .dwarf = dw, __VA_ARGS__                   \
	}
#define SEL(n, num, dw)                                                                  \
	{                                                                                \
		.name = n, .type = "int32", .offset = AT(seg[num].selector), .bits = 32, \
		.bank = X86_BANK_SREGS, .dwarf = dw                                      \
	}
#define ST(n, dw)                                                                         \
	{                                                                                 \
		.name = "st" #n, .type = "i387_ext", .offset = AT(fpu.st[n]), .bits = 80, \
		.bank = X86_BANK_FPU, .dwarf = (dw) + (n)                                 \
	}
#define FCTL(n, dw)                                                                           \
	{                                                                                     \
		.name = #n, .type = "int", .group = "float", .offset = AT(fpu.n), .bits = 32, \
		.bank = X86_BANK_FPU, .dwarf = dw                                             \
	}
#define XMM(n, dw)                                                                         \
	{                                                                                  \
		.name = "xmm" #n, .type = "vec128", .offset = AT(fpu.xmm[n]), .bits = 128, \
		.bank = X86_BANK_FPU, .dwarf = dw                                          \
	}
#define YMMH(n)                                                                                  \
	{                                                                                        \
		.name = "ymm" #n "h", .type = "uint128", .offset = AT(fpu.ymmh[n]), .bits = 128, \
		.bank = X86_BANK_FPU, .dwarf = -1                                                \
	}
#define MXCSR(dw)                                                                                  \
	{                                                                                          \
		.name = "mxcsr", .type = "i386_mxcsr", .group = "vector", .offset = AT(fpu.mxcsr), \
		.bits = 32, .bank = X86_BANK_FPU, .dwarf = dw                                      \
	}
/* The system registers: gdb neither saves nor restores them round a call that it makes. */
#define SYS(n, member, bits_, type_, bank_)                                                   \
	{                                                                                     \
		.name = n, .type = type_, .offset = AT(member), .bits = bits_, .bank = bank_, \
		.flags = REG_HIDDEN, .dwarf = -1                                              \
	}
#define SREG(n, member, bits_, type_) SYS(n, member, bits_, type_, X86_BANK_SREGS)
/* Those that only `info registers system` shows. */
#define TABLE(n, member, bits_, bank_, flags_)                                                    \
	{                                                                                         \
		.name = n, .group = "system", .offset = AT(member), .bits = bits_, .bank = bank_, \
		.flags = REG_HIDDEN | (flags_), .dwarf = -1                                       \
	}
#define TABLES(bits_)                                                                       \
	TABLE("gdt_base", gdt.base, bits_, X86_BANK_SREGS, 0),                              \
		TABLE("gdt_limit", gdt.limit, 32, X86_BANK_SREGS, 0),                       \
		TABLE("idt_base", idt.base, bits_, X86_BANK_SREGS, 0),                      \
		TABLE("idt_limit", idt.limit, 32, X86_BANK_SREGS, 0),                       \
		TABLE("ldtr", seg[X86_LDTR].selector, 32, X86_BANK_SREGS, REG_READONLY),    \
		TABLE("ldt_base", seg[X86_LDTR].base, bits_, X86_BANK_SREGS, REG_READONLY), \
		TABLE("tr", seg[X86_TR].selector, 32, X86_BANK_SREGS, REG_READONLY),        \
		TABLE("tss_base", seg[X86_TR].base, bits_, X86_BANK_SREGS, REG_READONLY)
#define MSR(n) TABLE(#n, msr.n, 64, X86_BANK_MSRS, 0)

/* ---- types ------------------------------------------------------------------------------- */

#define FLAG(n, b) "<field name=\"" n "\" start=\"" #b "\" end=\"" #b "\"/>"

/* clang-format off */
static const char core_types[] =
	"<flags id=\"i386_eflags\" size=\"4\">"
	FLAG("CF", 0) FLAG("", 1) FLAG("PF", 2) FLAG("AF", 4) FLAG("ZF", 6)
	FLAG("SF", 7) FLAG("TF", 8) FLAG("IF", 9) FLAG("DF", 10) FLAG("OF", 11) FLAG("NT", 14)
	FLAG("RF", 16) FLAG("VM", 17) FLAG("AC", 18) FLAG("VIF", 19) FLAG("VIP", 20) FLAG("ID", 21)
	"</flags>";

static const char sse_types[] =
	"<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
	"<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
	"<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>"
	"<vector id=\"v8i16\" type=\"int16\" count=\"8\"/>"
	"<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>"
	"<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
	"<union id=\"vec128\">"
	"<field name=\"v4_float\" type=\"v4f\"/><field name=\"v2_double\" type=\"v2d\"/>"
	"<field name=\"v16_int8\" type=\"v16i8\"/><field name=\"v8_int16\" type=\"v8i16\"/>"
	"<field name=\"v4_int32\" type=\"v4i32\"/><field name=\"v2_int64\" type=\"v2i64\"/>"
	"<field name=\"uint128\" type=\"uint128\"/>"
	"</union>"
	"<flags id=\"i386_mxcsr\" size=\"4\">"
	FLAG("IE", 0) FLAG("DE", 1) FLAG("ZE", 2) FLAG("OE", 3) FLAG("UE", 4) FLAG("PE", 5)
	FLAG("DAZ", 6) FLAG("IM", 7) FLAG("DM", 8) FLAG("ZM", 9) FLAG("OM", 10) FLAG("UM", 11)
	FLAG("PM", 12) FLAG("FZ", 15)
	"</flags>";

#define CR0_FIELDS                                                                                 \
	FLAG("PE", 0) FLAG("MP", 1) FLAG("EM", 2) FLAG("TS", 3) FLAG("ET", 4) FLAG("NE", 5)        \
	FLAG("WP", 16) FLAG("AM", 18) FLAG("NW", 29) FLAG("CD", 30) FLAG("PG", 31)
#define CR4_FIELDS                                                                                 \
	FLAG("VME", 0) FLAG("PVI", 1) FLAG("TSD", 2) FLAG("DE", 3) FLAG("PSE", 4) FLAG("PAE", 5)   \
	FLAG("MCE", 6) FLAG("PGE", 7) FLAG("PCE", 8) FLAG("OSFXSR", 9) FLAG("OSXMMEXCPT", 10)      \
	FLAG("UMIP", 11) FLAG("LA57", 12) FLAG("VMXE", 13) FLAG("SMXE", 14) FLAG("FSGSBASE", 16)   \
	FLAG("PCIDE", 17) FLAG("OSXSAVE", 18) FLAG("SMEP", 20) FLAG("SMAP", 21) FLAG("PKE", 22)    \
	FLAG("CET", 23) FLAG("PKS", 24) FLAG("LAM_SUP", 28)
#define EFER_FIELDS                                                                                \
	FLAG("SCE", 0) FLAG("LME", 8) FLAG("LMA", 10) FLAG("NXE", 11) FLAG("SVME", 12)             \
	FLAG("FFXSR", 14) FLAG("TCE", 15) FLAG("AIBRSE", 21)
#define SYSTEM_TYPES(size)                                                                         \
	"<flags id=\"i386_cr0\" size=\"" size "\">" CR0_FIELDS "</flags>"                          \
	"<flags id=\"i386_cr4\" size=\"" size "\">" CR4_FIELDS "</flags>"                          \
	"<flags id=\"i386_efer\" size=\"8\">" EFER_FIELDS "</flags>"
/* clang-format on */

/* ---- org.gnu.gdb.i386.core --------------------------------------------------------------- */

#define X87(dw_st, dw_fctrl, dw_fstat)                                                      \
	ST(0, dw_st), ST(1, dw_st), ST(2, dw_st), ST(3, dw_st), ST(4, dw_st), ST(5, dw_st), \
		ST(6, dw_st), ST(7, dw_st), FCTL(fctrl, dw_fctrl), FCTL(fstat, dw_fstat),   \
		FCTL(ftag, -1), FCTL(fiseg, -1), FCTL(fioff, -1), FCTL(foseg, -1),          \
		FCTL(fooff, -1), FCTL(fop, -1)

static const struct reg_desc core64_regs[] = {
	GPR("rax", X86_RAX, 64, "int64", 0),
	GPR("rbx", X86_RBX, 64, "int64", 3),
	GPR("rcx", X86_RCX, 64, "int64", 2, .generic = "arg4"),
	GPR("rdx", X86_RDX, 64, "int64", 1, .generic = "arg3"),
	GPR("rsi", X86_RSI, 64, "int64", 4, .generic = "arg2"),
	GPR("rdi", X86_RDI, 64, "int64", 5, .generic = "arg1"),
	GPR("rbp", X86_RBP, 64, "data_ptr", 6, .generic = "fp", .flags = REG_EXPEDITE),
	GPR("rsp", X86_RSP, 64, "data_ptr", 7, .generic = "sp", .flags = REG_EXPEDITE),
	GPR("r8", X86_R8, 64, "int64", 8, .generic = "arg5"),
	GPR("r9", X86_R8 + 1, 64, "int64", 9, .generic = "arg6"),
	GPR("r10", X86_R8 + 2, 64, "int64", 10),
	GPR("r11", X86_R8 + 3, 64, "int64", 11),
	GPR("r12", X86_R8 + 4, 64, "int64", 12),
	GPR("r13", X86_R8 + 5, 64, "int64", 13),
	GPR("r14", X86_R8 + 6, 64, "int64", 14),
	GPR("r15", X86_R8 + 7, 64, "int64", 15),
	{ .name = "rip",
	  .type = "code_ptr",
	  .offset = AT(rip),
	  .bits = 64,
	  .bank = X86_BANK_GPR,
	  .dwarf = 16,
	  .generic = "pc",
	  .flags = REG_EXPEDITE },
	{ .name = "eflags",
	  .type = "i386_eflags",
	  .offset = AT(rflags),
	  .bits = 32,
	  .bank = X86_BANK_GPR,
	  .dwarf = 49,
	  .generic = "flags",
	  .alt = "rflags" },
	SEL("cs", X86_CS, 51),
	SEL("ss", X86_SS, 52),
	SEL("ds", X86_DS, 53),
	SEL("es", X86_ES, 50),
	SEL("fs", X86_FS, 54),
	SEL("gs", X86_GS, 55),
	X87(33, 65, 66),
};

static const struct reg_desc core32_regs[] = {
	GPR("eax", X86_RAX, 32, "int32", 0),
	GPR("ecx", X86_RCX, 32, "int32", 1),
	GPR("edx", X86_RDX, 32, "int32", 2),
	GPR("ebx", X86_RBX, 32, "int32", 3),
	GPR("esp", X86_RSP, 32, "data_ptr", 4, .generic = "sp", .flags = REG_EXPEDITE),
	GPR("ebp", X86_RBP, 32, "data_ptr", 5, .generic = "fp", .flags = REG_EXPEDITE),
	GPR("esi", X86_RSI, 32, "int32", 6),
	GPR("edi", X86_RDI, 32, "int32", 7),
	{ .name = "eip",
	  .type = "code_ptr",
	  .offset = AT(rip),
	  .bits = 32,
	  .bank = X86_BANK_GPR,
	  .dwarf = 8,
	  .generic = "pc",
	  .flags = REG_EXPEDITE },
	{ .name = "eflags",
	  .type = "i386_eflags",
	  .offset = AT(rflags),
	  .bits = 32,
	  .bank = X86_BANK_GPR,
	  .dwarf = 9,
	  .generic = "flags" },
	SEL("cs", X86_CS, 41),
	SEL("ss", X86_SS, 42),
	SEL("ds", X86_DS, 43),
	SEL("es", X86_ES, 40),
	SEL("fs", X86_FS, 44),
	SEL("gs", X86_GS, 45),
	X87(11, 37, 38),
};

/* ---- org.gnu.gdb.i386.sse, .avx, .segments ------------------------------------------------ */

#define XMM_LOW(dw)                                                                         \
	XMM(0, dw), XMM(1, (dw) + 1), XMM(2, (dw) + 2), XMM(3, (dw) + 3), XMM(4, (dw) + 4), \
		XMM(5, (dw) + 5), XMM(6, (dw) + 6), XMM(7, (dw) + 7)
#define YMMH_LOW YMMH(0), YMMH(1), YMMH(2), YMMH(3), YMMH(4), YMMH(5), YMMH(6), YMMH(7)

static const struct reg_desc sse64_regs[] = {
	XMM_LOW(17), XMM(8, 25),  XMM(9, 26),  XMM(10, 27), XMM(11, 28),
	XMM(12, 29), XMM(13, 30), XMM(14, 31), XMM(15, 32), MXCSR(64),
};

static const struct reg_desc sse32_regs[] = { XMM_LOW(21), MXCSR(39) };

static const struct reg_desc avx64_regs[] = {
	YMMH_LOW, YMMH(8), YMMH(9), YMMH(10), YMMH(11), YMMH(12), YMMH(13), YMMH(14), YMMH(15),
};

static const struct reg_desc avx32_regs[] = { YMMH_LOW };

static const struct reg_desc segments_regs[] = {
	SYS("fs_base", seg[X86_FS].base, 64, "int64", X86_BANK_SREGS),
	SYS("gs_base", seg[X86_GS].base, 64, "int64", X86_BANK_SREGS),
};

/* ---- the system registers of vmgdb ---------------------------------------------------------- */

static const struct reg_desc system64_regs[] = {
	SYS("k_gs_base", msr.kernel_gs_base, 64, "int64", X86_BANK_MSRS),
	SREG("cr0", cr0, 64, "i386_cr0"),
	SREG("cr2", cr2, 64, "data_ptr"),
	SREG("cr3", cr3, 64, "int64"),
	SREG("cr4", cr4, 64, "i386_cr4"),
	SREG("cr8", cr8, 64, "int64"),
	SREG("efer", efer, 64, "i386_efer"),
	TABLES(64),
	MSR(star),
	MSR(lstar),
	MSR(cstar),
	MSR(fmask),
	MSR(sysenter_cs),
	MSR(sysenter_esp),
	MSR(sysenter_eip),
};

/* org.gnu.gdb.i386.segments is for 64-bit targets: gdb numbers its registers there. */
static const struct reg_desc system32_regs[] = {
	SREG("fs_base", seg[X86_FS].base, 32, "int32"),
	SREG("gs_base", seg[X86_GS].base, 32, "int32"),
	SREG("cr0", cr0, 32, "i386_cr0"),
	SREG("cr2", cr2, 32, "data_ptr"),
	SREG("cr3", cr3, 32, "int32"),
	SREG("cr4", cr4, 32, "i386_cr4"),
	SREG("cr8", cr8, 32, "int32"),
	SREG("efer", efer, 64, "i386_efer"),
	TABLES(32),
};

/* ---- the descriptions ------------------------------------------------------------------------ */

#define FEATURE(var, name_, annex_, types_, regs_)               \
	static const struct reg_feature var = { .name = name_,   \
						.annex = annex_, \
						.types = types_, \
						.regs = regs_,   \
						.nregs = ARRAY_LEN(regs_) }

FEATURE(core64, "org.gnu.gdb.i386.core", "64bit-core.xml", core_types, core64_regs);
FEATURE(core32, "org.gnu.gdb.i386.core", "32bit-core.xml", core_types, core32_regs);
FEATURE(sse64, "org.gnu.gdb.i386.sse", "64bit-sse.xml", sse_types, sse64_regs);
FEATURE(sse32, "org.gnu.gdb.i386.sse", "32bit-sse.xml", sse_types, sse32_regs);
FEATURE(avx64, "org.gnu.gdb.i386.avx", "64bit-avx.xml", NULL, avx64_regs);
FEATURE(avx32, "org.gnu.gdb.i386.avx", "32bit-avx.xml", NULL, avx32_regs);
FEATURE(segments, "org.gnu.gdb.i386.segments", "64bit-segments.xml", NULL, segments_regs);
FEATURE(system64, "org.vmgdb.x86.system", "64bit-system.xml", SYSTEM_TYPES("8"), system64_regs);
FEATURE(system32, "org.vmgdb.x86.system", "32bit-system.xml", SYSTEM_TYPES("4"), system32_regs);

/* AVX comes last: without it the list is one shorter. */
static const struct reg_feature *const features64[] = { &core64, &sse64, &segments, &system64,
							&avx64 };
static const struct reg_feature *const features32[] = { &core32, &sse32, &system32, &avx32 };

#define TDESC(arch_, osabi_, list, avx)                           \
	{                                                         \
		.arch = arch_, .osabi = osabi_, .features = list, \
		.nfeatures = ARRAY_LEN(list) - !(avx)             \
	}

enum mode { MODE_REAL, MODE_32, MODE_64 };

/* Without AVX, and with it. */
static const struct tdesc tdescs[][2] = {
	[MODE_REAL] = { TDESC("i8086", "none", features32, false),
			TDESC("i8086", "none", features32, true) },
	[MODE_32] = { TDESC("i386", NULL, features32, false),
		      TDESC("i386", NULL, features32, true) },
	[MODE_64] = { TDESC("i386:x86-64", NULL, features64, false),
		      TDESC("i386:x86-64", NULL, features64, true) },
};

/*
 * Compatibility mode gets the 64-bit description: its kernel is a 64-bit one, and the debugger asks for
 * the description once, perhaps while a 32-bit process is running.
 */
static enum mode mode_of(struct cpu_view *v)
{
	const struct x86_state *s = v->state;

	if (v->need(v, X86_BANK_SREGS) || x86_long_mode(s))
		return MODE_64;
	return x86_real_mode(s) ? MODE_REAL : MODE_32;
}

const struct tdesc *x86_describe(struct cpu_view *v)
{
	const struct x86_state *s = v->state;
	bool avx = !v->need(v, X86_BANK_CPUID) && s->cpuid.f1_ecx & X86_CPUID_1_ECX_AVX;

	return &tdescs[mode_of(v)][avx];
}
