// SPDX-License-Identifier: MIT
/* Register banks in and out of KVM (KVM API, KVM_GET_REGS and its relatives). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "arch/x86/fpu.h"
#include "arch/x86/kvm_vcpu.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static int call(const struct x86_kvm *k, unsigned long request, void *arg)
{
	return kvm_call(k->vcpu.fd, request, arg);
}

/* Once only: who asks again has a reason to believe that it has changed. */
static bool take_synced(struct x86_kvm *k, uint32_t what)
{
	bool have = k->synced & what;

	k->synced &= ~what;
	return have;
}

/* ---- general registers --------------------------------------------------------------------- */

/* struct kvm_regs has them as rax rbx rcx rdx rsi rdi rsp rbp r8 ... r15. */
static const uint8_t gpr_order[] = {
	X86_RAX, X86_RBX,    X86_RCX,	 X86_RDX,    X86_RSI,	 X86_RDI,    X86_RSP,	 X86_RBP,
	X86_R8,	 X86_R8 + 1, X86_R8 + 2, X86_R8 + 3, X86_R8 + 4, X86_R8 + 5, X86_R8 + 6, X86_R8 + 7,
};

static int fetch_gpr(struct x86_kvm *k, struct x86_state *s)
{
	struct kvm_regs regs;
	uint64_t gpr[16];
	unsigned int i;
	int ret = 0;

	if (take_synced(k, KVM_SYNC_X86_REGS))
		regs = k->vcpu.run->s.regs.regs;
	else
		ret = call(k, KVM_GET_REGS, &regs);
	if (ret)
		return ret;
	memcpy(gpr, &regs, sizeof(gpr));
	for (i = 0; i < ARRAY_LEN(gpr_order); i++)
		s->gpr[gpr_order[i]] = gpr[i];
	s->rip = k->rip = regs.rip;
	s->rflags = regs.rflags;
	k->rip_known = true;
	return 0;
}

/* A debugger that moves a halted vCPU elsewhere wants it to run there; one that is off stays off. */
static int end_halt(struct x86_kvm *k, uint64_t rip)
{
	struct kvm_mp_state runnable = { KVM_MP_STATE_RUNNABLE };
	int ret = 0;

	if (k->rip_known && k->rip == rip)
		return 0;
	if (kvm_mp_state(&k->vcpu) == KVM_MP_STATE_HALTED)
		ret = call(k, KVM_SET_MP_STATE, &runnable);
	if (ret)
		return ret;
	k->rip = rip;
	k->rip_known = true;
	return 0;
}

/*
 * While KVM steps it takes any TF for its own, and drops it when the vCPU is armed next: a TF of the
 * guest is safe only while no step is armed.
 */
static int store_gpr(struct x86_kvm *k, const struct x86_state *s)
{
	struct kvm_regs regs = { .rip = s->rip, .rflags = s->rflags };
	uint64_t gpr[16];
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_LEN(gpr_order); i++)
		gpr[i] = s->gpr[gpr_order[i]];
	memcpy(&regs, gpr, sizeof(gpr));
	ret = s->rflags & X86_FL_TF ? x86_kvm_disarm(k) : 0;
	if (!ret)
		ret = call(k, KVM_SET_REGS, &regs);
	return ret ? ret : end_halt(k, s->rip);
}

/* ---- segments and control registers ---------------------------------------------------------- */

/* A segment in KVM's form from the state's, or the other way: the fields have the same names. */
#define SEGMENT_OF(from)                                                                          \
	{                                                                                         \
		.base = (from).base, .limit = (from).limit, .selector = (from).selector,          \
		.type = (from).type, .s = (from).s, .dpl = (from).dpl, .present = (from).present, \
		.avl = (from).avl, .l = (from).l, .db = (from).db, .g = (from).g,                 \
		.unusable = (from).unusable                                                       \
	}

#define COPY_CONTROL_REGS(to, from)                                                    \
	do {                                                                           \
		(to).cr0 = (from).cr0, (to).cr2 = (from).cr2, (to).cr3 = (from).cr3;   \
		(to).cr4 = (from).cr4, (to).cr8 = (from).cr8, (to).efer = (from).efer; \
	} while (0)

/* Where struct kvm_sregs has each segment. */
static const size_t seg_at[X86_SREGS] = {
	[X86_ES] = offsetof(struct kvm_sregs, es), [X86_CS] = offsetof(struct kvm_sregs, cs),
	[X86_SS] = offsetof(struct kvm_sregs, ss), [X86_DS] = offsetof(struct kvm_sregs, ds),
	[X86_FS] = offsetof(struct kvm_sregs, fs), [X86_GS] = offsetof(struct kvm_sregs, gs),
	[X86_TR] = offsetof(struct kvm_sregs, tr), [X86_LDTR] = offsetof(struct kvm_sregs, ldt),
};

static int fetch_sregs(struct x86_kvm *k, struct x86_state *s)
{
	struct kvm_segment seg;
	int i, ret = 0;

	if (take_synced(k, KVM_SYNC_X86_SREGS))
		k->sregs = k->vcpu.run->s.regs.sregs;
	else
		ret = call(k, KVM_GET_SREGS, &k->sregs);
	if (ret)
		return ret;
	for (i = 0; i < X86_SREGS; i++) {
		memcpy(&seg, (const char *)&k->sregs + seg_at[i], sizeof(seg));
		s->seg[i] = (struct x86_seg)SEGMENT_OF(seg);
	}
	s->gdt = (struct x86_dtable){ k->sregs.gdt.base, k->sregs.gdt.limit };
	s->idt = (struct x86_dtable){ k->sregs.idt.base, k->sregs.idt.limit };
	COPY_CONTROL_REGS(*s, k->sregs);
	return 0;
}

static int store_sregs(struct x86_kvm *k, const struct x86_state *s)
{
	struct kvm_segment seg;
	int i;

	for (i = 0; i < X86_SREGS; i++) {
		seg = (struct kvm_segment)SEGMENT_OF(s->seg[i]);
		memcpy((char *)&k->sregs + seg_at[i], &seg, sizeof(seg));
	}
	k->sregs.gdt = (struct kvm_dtable){ .base = s->gdt.base, .limit = s->gdt.limit };
	k->sregs.idt = (struct kvm_dtable){ .base = s->idt.base, .limit = s->idt.limit };
	COPY_CONTROL_REGS(k->sregs, *s);
	return call(k, KVM_SET_SREGS, &k->sregs);
}

int x86_kvm_code_addr(struct x86_kvm *k, uint64_t *addr)
{
	const uint32_t synced = k->synced; /* not used up by this */
	struct x86_state s = { 0 };
	int ret = fetch_gpr(k, &s);

	if (!ret)
		ret = fetch_sregs(k, &s);
	k->synced = synced;
	*addr = ret ? 0 : x86_code_addr(&s, s.rip);
	return ret;
}

/* ---- CPUID ----------------------------------------------------------------------------------- */

enum { CPUID_ENTRIES_MAX = 256 };

static void cpuid_entry(struct x86_cpuid *c, const struct kvm_cpuid_entry2 *e)
{
	switch (e->function) {
	case 1:
		c->f1_ecx = e->ecx;
		c->f1_edx = e->edx;
		break;
	case 7:
		if (e->index == 1)
			c->f7_1_eax = e->eax;
		if (e->index)
			break;
		c->f7_ebx = e->ebx;
		c->f7_ecx = e->ecx;
		c->f7_edx = e->edx;
		break;
	case 0x80000001:
		c->e1_ecx = e->ecx;
		c->e1_edx = e->edx;
		break;
	case 0x80000008: c->phys_bits = e->eax & 0xff; break;
	case 0x80000021: c->e21_eax = e->eax; break;
	default: break;
	}
}

static int fetch_cpuid(struct x86_kvm *k, struct x86_state *s)
{
	struct kvm_cpuid2 *c;
	unsigned int i;
	int ret;

	if (k->cpuid_known) {
		s->cpuid = k->cpuid;
		return 0;
	}
	c = calloc(1, sizeof(*c) + CPUID_ENTRIES_MAX * sizeof(c->entries[0]));
	if (!c)
		return -ENOMEM;
	c->nent = CPUID_ENTRIES_MAX;
	ret = call(k, KVM_GET_CPUID2, c);
	k->cpuid = (struct x86_cpuid){ 0 };
	for (i = 0; !ret && i < c->nent; i++)
		cpuid_entry(&k->cpuid, &c->entries[i]);
	k->cpuid_known = !ret && k->vcpu.has_run;
	s->cpuid = k->cpuid;
	free(c);
	return ret;
}

/* ---- x87, SSE, AVX ----------------------------------------------------------------------------- */

static bool has_avx(struct x86_kvm *k, struct x86_state *s)
{
	return !fetch_cpuid(k, s) && s->cpuid.f1_ecx & X86_CPUID_1_ECX_AVX;
}

static int fetch_fpu(struct x86_kvm *k, struct x86_state *s)
{
	int ret = call(k, k->xsave2 ? KVM_GET_XSAVE2 : KVM_GET_XSAVE, k->xsave);

	if (!ret)
		x86_fpu_unpack(&s->fpu, k->xsave, has_avx(k, s));
	return ret;
}

static int store_fpu(struct x86_kvm *k, const struct x86_state *s)
{
	bool avx = s->cpuid.f1_ecx & X86_CPUID_1_ECX_AVX;

	x86_fpu_pack(&s->fpu, k->xsave, avx);
	return call(k, KVM_SET_XSAVE, k->xsave);
}

/* ---- MSRs -------------------------------------------------------------------------------------- */

static const struct {
	uint32_t index; /* SDM vol. 4, table 2-2 */
	size_t offset;	/* in struct x86_msrs */
} msrs[] = {
	{ 0xc0000102, offsetof(struct x86_msrs, kernel_gs_base) },
	{ 0xc0000081, offsetof(struct x86_msrs, star) },
	{ 0xc0000082, offsetof(struct x86_msrs, lstar) },
	{ 0xc0000083, offsetof(struct x86_msrs, cstar) },
	{ 0xc0000084, offsetof(struct x86_msrs, fmask) },
	{ 0x174, offsetof(struct x86_msrs, sysenter_cs) },
	{ 0x175, offsetof(struct x86_msrs, sysenter_esp) },
	{ 0x176, offsetof(struct x86_msrs, sysenter_eip) },
};

union msr_list {
	struct kvm_msrs head;
	uint8_t room[sizeof(struct kvm_msrs) + ARRAY_LEN(msrs) * sizeof(struct kvm_msr_entry)];
};

/* KVM stops at the first MSR that it does not know, and returns how many it has read or set. */
static int msr_call(const struct x86_kvm *k, unsigned long request, union msr_list *list)
{
	int n;

	list->head.nmsrs = ARRAY_LEN(msrs);
	n = ioctl(k->vcpu.fd, request, list);
	if (n < 0)
		return -errno;
	return n == (int)ARRAY_LEN(msrs) ? 0 : -EINVAL;
}

static int fetch_msrs(struct x86_kvm *k, struct x86_state *s)
{
	union msr_list list = { 0 };
	size_t i;
	int ret;

	for (i = 0; i < ARRAY_LEN(msrs); i++)
		list.head.entries[i].index = msrs[i].index;
	ret = msr_call(k, KVM_GET_MSRS, &list);
	for (i = 0; !ret && i < ARRAY_LEN(msrs); i++)
		memcpy((char *)&s->msr + msrs[i].offset, &list.head.entries[i].data, 8);
	return ret;
}

static int store_msrs(struct x86_kvm *k, const struct x86_state *s)
{
	union msr_list list = { 0 };
	uint64_t value;
	size_t i;

	for (i = 0; i < ARRAY_LEN(msrs); i++) {
		memcpy(&value, (const char *)&s->msr + msrs[i].offset, sizeof(value));
		list.head.entries[i].index = msrs[i].index;
		list.head.entries[i].data = value;
	}
	return msr_call(k, KVM_SET_MSRS, &list);
}

/* ---- events ------------------------------------------------------------------------------------ */

/* At most one is injected. */
static void find_delivery(const struct kvm_vcpu_events *e, struct x86_events *out)
{
	out->delivering = true;
	if (e->exception.injected || e->exception.pending)
		out->vector = e->exception.nr;
	else if (e->nmi.injected)
		out->vector = X86_VEC_NMI;
	else if (e->interrupt.injected)
		out->vector = e->interrupt.nr;
	else
		out->delivering = false;
}

/* A VMM with KVM_CAP_EXCEPTION_PAYLOAD has pending exceptions apart from injected ones: both are set. */
int x86_kvm_set_events(struct x86_kvm *k, struct kvm_vcpu_events *e, uint32_t valid)
{
	e->flags = valid | (e->flags & KVM_VCPUEVENT_VALID_PAYLOAD);
	return call(k, KVM_SET_VCPU_EVENTS, e);
}

static int fetch_events(struct x86_kvm *k, struct x86_state *s)
{
	struct kvm_vcpu_events e;
	int ret = 0;

	if (take_synced(k, KVM_SYNC_X86_EVENTS))
		e = k->vcpu.run->s.regs.events;
	else
		ret = call(k, KVM_GET_VCPU_EVENTS, &e);
	if (ret)
		return ret;
	s->events.sti_shadow = e.interrupt.shadow & KVM_X86_SHADOW_INT_STI;
	s->events.mov_ss_shadow = e.interrupt.shadow & KVM_X86_SHADOW_INT_MOV_SS;
	find_delivery(&e, &s->events);
	return 0;
}

static int store_events(struct x86_kvm *k, const struct x86_state *s)
{
	struct kvm_vcpu_events e;
	int ret = call(k, KVM_GET_VCPU_EVENTS, &e);

	if (ret)
		return ret;
	e.interrupt.shadow = (s->events.sti_shadow ? KVM_X86_SHADOW_INT_STI : 0) |
			     (s->events.mov_ss_shadow ? KVM_X86_SHADOW_INT_MOV_SS : 0);
	return x86_kvm_set_events(k, &e, KVM_VCPUEVENT_VALID_SHADOW);
}

/* ---- the guest's own debug registers ----------------------------------------------------------- */

static int fetch_debug(struct x86_kvm *k, struct x86_state *s)
{
	struct kvm_debugregs regs;
	int ret = call(k, KVM_GET_DEBUGREGS, &regs);

	if (ret)
		return ret;
	s->debug = (struct x86_debug){ .dr6 = regs.dr6, .dr7 = regs.dr7, .hit = k->guest_hits };
	memcpy(s->debug.dr, regs.db, sizeof(s->debug.dr));
	return 0;
}

static int store_debug(struct x86_kvm *k, const struct x86_state *s)
{
	struct kvm_debugregs regs;
	int ret = call(k, KVM_GET_DEBUGREGS, &regs);

	if (ret)
		return ret;
	regs.dr6 = s->debug.dr6;
	return call(k, KVM_SET_DEBUGREGS, &regs);
}

/* ------------------------------------------------------------------------------------------------ */

static const struct {
	int (*fetch)(struct x86_kvm *k, struct x86_state *s);
	int (*store)(struct x86_kvm *k, const struct x86_state *s);
} banks[X86_BANKS] = {
	[X86_BANK_GPR] = { fetch_gpr, store_gpr },
	[X86_BANK_SREGS] = { fetch_sregs, store_sregs },
	[X86_BANK_FPU] = { fetch_fpu, store_fpu },
	[X86_BANK_MSRS] = { fetch_msrs, store_msrs },
	[X86_BANK_EVENTS] = { fetch_events, store_events },
	[X86_BANK_CPUID] = { fetch_cpuid, NULL },
	[X86_BANK_DEBUG] = { fetch_debug, store_debug },
};

int x86_kvm_fetch(void *ctx, unsigned int bank, void *state)
{
	return bank < X86_BANKS ? banks[bank].fetch(ctx, state) : -EINVAL;
}

int x86_kvm_store(void *ctx, unsigned int bank, const void *state)
{
	struct x86_kvm *k = ctx;

	if (bank >= X86_BANKS || !banks[bank].store)
		return -EINVAL;
	k->synced = 0;
	return banks[bank].store(k, state);
}
