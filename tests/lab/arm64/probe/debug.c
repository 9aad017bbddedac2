// SPDX-License-Identifier: MIT
/* Breakpoints and watchpoints: facts 1, 2, 3, 10 of arm64 in kvm-facts.md. */
#include "probe.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>

static const struct debug_control brks = { .trap_brk = true };
static const struct debug_control nothing;

static struct debug_control slot(enum hw_kind kind, uint64_t addr, uint64_t len)
{
	return (struct debug_control){ .trap_brk = true, .nhw = 1, .hw = { { kind, addr, len } } };
}

static uint64_t pc(struct vm *m)
{
	return vm_state(m, ARM64_BANK_CORE)->pc;
}

/* ---- BRK --------------------------------------------------------------------------------- */

static const char *brk_exit(struct vm *m)
{
	struct trap t;
	int ret;

	vm_start(m, s_brk, PSTATE_DAIF);
	ret = vm_run(m, &brks, &t);
	CHECK(!ret && is_brk(&t, 0x123), "ret %d kind %u syndrome %#lx", ret, t.kind,
	      t.syndrome[0]);
	CHECK(t.pc == vm_address(s_brk) && pc(m) == t.pc, "pc %#lx is not on it", t.pc);
	return NULL;
}

static const char *brk_any_debugging(struct vm *m)
{
	struct debug_control w = slot(HW_EXEC, vm_address(s_spin), 4);
	struct trap t;

	w.trap_brk = false;
	vm_start(m, s_brk, PSTATE_DAIF);
	CHECK(!vm_run(m, &w, &t) && is_brk(&t, 0x123), "kind %u: not trapped", t.kind);
	return NULL;
}

/* The guest's handler has read what the processor would have saved. */
static const char *handled(struct vm *m, uint64_t pstate)
{
	const struct arm64_state *s = vm_state(m, ARM64_BANK_X);

	CHECK(s->x[20] == vm_address(s_brk), "ELR_EL1 %#lx", s->x[20]);
	CHECK(s->x[21] == 0xf2000123, "ESR_EL1 %#lx", s->x[21]);
	CHECK(s->x[22] == pstate, "SPSR_EL1 %#lx, not %#lx", s->x[22], pstate);
	CHECK(s->x[24] == PSTATE_DAIF, "DAIF %#lx in the handler", s->x[24]);
	CHECK(s->x[0] == 1, "the guest did not go on after the BRK");
	return NULL;
}

static const char *brk_reinjected(struct vm *m)
{
	static const struct {
		uint64_t pstate, vector;
	} from[] = { { PSTATE_EL1H, 0x200 }, { PSTATE_EL1T, 0 }, { PSTATE_EL0T, 0x400 } };
	const uint64_t flags = 5ULL << 28;
	const char *text;
	struct trap t;
	size_t i;
	int ret;

	for (i = 0; i < 3; i++) {
		vm_start(m, s_brk, 0);
		vm_change(m, ARM64_BANK_CORE)->pstate = from[i].pstate | flags;
		vm_change(m, ARM64_BANK_X)->x[0] = 0;
		vm_run(m, &brks, &t);
		ret = arm64_kvm_ops.reinject(m->k, &t);
		CHECK(!ret, "reinject: %d", ret);
		CHECK(pc(m) == CODE + from[i].vector, "PC %#lx, not at vector %#lx", pc(m),
		      from[i].vector);
		CHECK(!vm_run(m, &brks, &t) && is_brk(&t, END_BRK), "kind %u", t.kind);
		text = handled(m, from[i].pstate | flags);
		if (text)
			return text;
	}
	return NULL;
}

/*
 * With nothing armed a BRK is the guest's: the guest handles it and goes on, to an access of no
 * memory.
 */
static const char *brk_undebugged(struct vm *m)
{
	uint32_t *end = vm_mem(m, vm_address(s_brk) + 8);
	struct trap t;

	*end = 0xb9000120; /* str w0, [x9] */
	arm64_kvm_ops.sync_icache(end, sizeof(*end));
	vm_start(m, s_brk, 0);
	vm_change(m, ARM64_BANK_X)->x[9] = MMIO;
	CHECK(!vm_enter(m, &nothing, &t) && m->run->exit_reason == KVM_EXIT_MMIO && !t.kind,
	      "exit %u", m->run->exit_reason);
	return handled(m, PSTATE_EL1H);
}

/* ---- execution slots --------------------------------------------------------------------- */

static const char *exec_exit(struct vm *m)
{
	const uint64_t at = vm_address(s_nops) + 12;
	struct debug_control w = slot(HW_EXEC, at, 4);
	struct trap t;

	vm_start(m, s_nops, PSTATE_DAIF);
	CHECK(!vm_run(m, &w, &t) && t.kind == TRAP_EXEC, "kind %u", t.kind);
	CHECK(t.pc == at && t.slots == 1, "pc %#lx slots %#x", t.pc, t.slots);
	CHECK(t.syndrome[0] >> 26 == 0x30, "syndrome %#lx", t.syndrome[0]);
	return NULL;
}

static const char *exec_again(struct vm *m)
{
	const uint64_t at = vm_address(s_nops) + 4;
	struct debug_control w = slot(HW_EXEC, at, 4), step = { .step = true };
	struct trap t;
	int i;

	vm_start(m, s_nops, PSTATE_DAIF);
	for (i = 0; i < 3; i++)
		CHECK(!vm_run(m, &w, &t) && t.kind == TRAP_EXEC && t.pc == at,
		      "entry %d: kind %u at %#lx", i, t.kind, t.pc);
	w.step = true;
	CHECK(!vm_run(m, &w, &t) && t.kind == TRAP_EXEC && t.pc == at,
	      "a step executed the instruction at the slot");
	CHECK(!vm_run(m, &step, &t) && t.kind == TRAP_STEP && t.pc == at + 4,
	      "a step without the slot: kind %u at %#lx", t.kind, t.pc);
	return NULL;
}

static const char *exec_stepped_onto(struct vm *m)
{
	struct debug_control w = slot(HW_EXEC, vm_address(s_nops) + 4, 4);
	struct trap t;

	w.step = true;
	vm_start(m, s_nops, PSTATE_DAIF);
	CHECK(!vm_run(m, &w, &t) && t.kind == TRAP_STEP, "kind %u", t.kind);
	CHECK(t.pc == vm_address(s_nops) + 4, "pc %#lx", t.pc);
	return NULL;
}

/* EL1 and EL0: the same slot fires at both. */
static const char *exec_user(struct vm *m)
{
	struct debug_control w = slot(HW_EXEC, vm_address(s_nops) + 8, 4);
	struct trap t;

	vm_start(m, s_nops, 0);
	vm_change(m, ARM64_BANK_CORE)->pstate = PSTATE_EL0T;
	CHECK(!vm_run(m, &w, &t) && t.kind == TRAP_EXEC, "kind %u", t.kind);
	return NULL;
}

/* ---- watchpoints ------------------------------------------------------------------------- */

/* Which instruction of s_access fires a slot, counted from 0; 6: none. */
static unsigned int fired(struct vm *m, enum hw_kind kind, uint64_t addr, uint64_t len)
{
	struct debug_control w = slot(kind, addr, len);
	struct trap t;

	vm_start(m, s_access, PSTATE_DAIF);
	vm_change(m, ARM64_BANK_X)->x[0] = DATA + 8;
	vm_run(m, &w, &t);
	return t.kind == TRAP_WATCH && t.slots == 1 ? (t.pc - vm_address(s_access)) / 4
	       : is_brk(&t, END_BRK)		    ? 6
						    : 99;
}

/* s_access: loads of 1, 4 and 8 bytes, stores of 1, 4 and 8 bytes, at DATA + 8 */
static const char *watch_kinds(struct vm *m)
{
	static const struct {
		enum hw_kind kind;
		unsigned int offset, len, first;
	} cases[] = {
		{ HW_READ, 8, 1, 0 },	{ HW_READ, 9, 1, 1 },	 { HW_READ, 12, 4, 2 },
		{ HW_WRITE, 8, 1, 3 },	{ HW_WRITE, 9, 1, 4 },	 { HW_WRITE, 12, 4, 5 },
		{ HW_ACCESS, 8, 8, 0 }, { HW_ACCESS, 10, 2, 1 }, { HW_ACCESS, 15, 1, 2 },
		{ HW_WRITE, 8, 8, 3 },	{ HW_WRITE, 16, 8, 6 },	 { HW_ACCESS, 0, 8, 6 },
		{ HW_WRITE, 7, 1, 6 },
	};
	unsigned int got;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		got = fired(m, cases[i].kind, DATA + cases[i].offset, cases[i].len);
		CHECK(got == cases[i].first, "kind %d at +%u, %u bytes: instruction %u, not %u",
		      cases[i].kind, cases[i].offset, cases[i].len, got, cases[i].first);
	}
	return NULL;
}

static const char *watch_masks(struct vm *m)
{
	static const uint64_t sizes[] = { 16, 64, 4096, 1 << 16, 1 << 20, 1ULL << 31 };
	uint64_t start;
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		start = DATA & ~(sizes[i] - 1);
		CHECK(fired(m, HW_WRITE, start, sizes[i]) == 3, "%#lx bytes: not hit", sizes[i]);
		CHECK(fired(m, HW_WRITE, start + sizes[i], sizes[i]) == 6, "%#lx bytes: hit beside",
		      sizes[i]);
	}
	return NULL;
}

static const char *watch_before(struct vm *m)
{
	struct debug_control w = slot(HW_WRITE, DATA + 8, 8);
	uint64_t *data = vm_mem(m, DATA + 8);
	struct trap t;

	*data = 0x1122334455667788;
	vm_start(m, s_access, PSTATE_DAIF);
	vm_change(m, ARM64_BANK_X)->x[0] = DATA + 8;
	CHECK(!vm_run(m, &w, &t) && t.kind == TRAP_WATCH, "kind %u", t.kind);
	CHECK(*data == 0x1122334455667788, "the store was made");
	CHECK(t.syndrome[0] >> 26 == 0x34 && t.syndrome[0] & 1 << 6, "syndrome %#lx",
	      t.syndrome[0]);
	CHECK(t.syndrome[1] == DATA + 8, "FAR %#lx", t.syndrome[1]);
	CHECK(!vm_run(m, &w, &t) && t.kind == TRAP_WATCH && t.pc == vm_address(s_access) + 12,
	      "the watchpoint does not fire again at the same PC");
	return NULL;
}

/* An access that begins below the watched bytes is still attributed to the slot. */
static const char *watch_wide(struct vm *m)
{
	struct debug_control w = slot(HW_WRITE, DATA + 12, 4);
	struct trap t;

	w.hw[w.nhw++] = (struct hw_slot){ HW_WRITE, DATA + 64, 8 };
	vm_start(m, s_access, PSTATE_DAIF);
	vm_change(m, ARM64_BANK_X)->x[0] = DATA + 8;
	CHECK(!vm_run(m, &w, &t) && t.kind == TRAP_WATCH && t.slots == 1, "kind %u slots %#x",
	      t.kind, t.slots);
	return NULL;
}

static bool has_atomics(struct vm *m)
{
	uint64_t isar0 = 0;

	arm64_kvm_get_sysreg(m->k, SYSREG(3, 0, 0, 6, 0), &isar0);
	return isar0 >> 20 & 15;
}

static const char *watch_atomic(struct vm *m)
{
	if (!has_atomics(m))
		return NOT_APPLICABLE "this CPU has no atomic instructions";
	struct debug_control w = slot(HW_WRITE, DATA, 4);
	struct trap t;

	vm_start(m, s_ldaddal, PSTATE_DAIF);
	vm_change(m, ARM64_BANK_X)->x[0] = DATA;
	CHECK(!vm_run(m, &w, &t) && t.kind == TRAP_WATCH && t.slots == 1,
	      "write: kind %u slots %#x", t.kind, t.slots);
	w.hw[0].kind = HW_READ;
	CHECK(!vm_run(m, &w, &t) && t.kind == TRAP_WATCH && t.slots == 1, "read: kind %u slots %#x",
	      t.kind, t.slots);
	return NULL;
}

/* The VMM's own guest debugging lasts until a debugger arms the vCPU. */
static const char *vmm_debugging(struct vm *m)
{
	struct kvm_guest_debug dbg = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP };
	struct arm64_kvm *again;
	struct vcpu_caps caps;
	struct trap t;

	vm_start(m, s_nops, PSTATE_DAIF);
	CHECK(!ioctl(m->vcpu, KVM_SET_GUEST_DEBUG, &dbg), "KVM_SET_GUEST_DEBUG: %d", errno);
	CHECK(!arm64_kvm_create(m->vcpu, m->run, KICK_SIGNAL, &again, &caps), "create");
	arm64_kvm_ops.release(again);
	CHECK(!vm_run(m, &nothing, &t) && t.kind == TRAP_STEP, "kind %u", t.kind);
	return NULL;
}

/* ---- how many ---------------------------------------------------------------------------- */

/* Every slot that is counted works, at its own index, and one more is refused. */
static const char *slots_all(struct vm *m)
{
	const unsigned int nexec = m->k->caps.exec_slots, nwatch = m->k->caps.watch_slots;
	struct debug_control w = { .trap_brk = true };
	struct trap t;

	CHECK(nexec >= 2 && nwatch >= 2, "%u and %u", nexec, nwatch);
	for (; w.nhw < nexec; w.nhw++)
		w.hw[w.nhw] = (struct hw_slot){ HW_EXEC, vm_address(s_nops) + 4 * w.nhw, 4 };
	vm_start(m, s_nops + 4 * (nexec - 1), PSTATE_DAIF);
	CHECK(!vm_run(m, &w, &t) && t.kind == TRAP_EXEC && t.slots == 1U << (nexec - 1),
	      "execution slot %u: kind %u slots %#x", nexec - 1, t.kind, t.slots);
	w.hw[w.nhw] = w.hw[0];
	w.nhw++;
	CHECK(vm_run(m, &w, &t) == -ENOSPC, "one execution slot more is not refused");
	for (w.nhw = 0; w.nhw < nwatch; w.nhw++)
		w.hw[w.nhw] = (struct hw_slot){ HW_WRITE, DATA + 0x1000 - 0x100 * w.nhw, 8 };
	vm_start(m, s_access, PSTATE_DAIF);
	vm_change(m, ARM64_BANK_X)->x[0] = DATA + 0x1000 - 0x100 * (nwatch - 1);
	CHECK(!vm_run(m, &w, &t) && t.kind == TRAP_WATCH && t.slots == 1U << (nwatch - 1),
	      "data slot %u: kind %u slots %#x", nwatch - 1, t.kind, t.slots);
	w.hw[w.nhw] = w.hw[0];
	w.nhw++;
	CHECK(vm_run(m, &w, &t) == -ENOSPC, "one data slot more is not refused");
	return NULL;
}

static const char *slots_beyond(struct vm *m)
{
	const unsigned int n = m->k->caps.exec_slots;
	struct kvm_guest_debug dbg = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW };

	if (n == KVM_ARM_MAX_DBG_REGS)
		return NOT_APPLICABLE "this CPU has every slot that there can be";
	dbg.arch.dbg_bvr[n] = vm_address(s_nops);
	dbg.arch.dbg_bcr[n] = 0x1e7;
	vm_start(m, s_nops, PSTATE_DAIF);
	vm_flush(m);
	CHECK(!ioctl(m->vcpu, KVM_SET_GUEST_DEBUG, &dbg), "KVM refuses the control");
	CHECK(!ioctl(m->vcpu, KVM_RUN, 0) && m->run->exit_reason == KVM_EXIT_DEBUG &&
		      m->run->debug.arch.hsr >> 26 == 0x3c,
	      "slot %u, beyond the last, fires", n);
	return NULL;
}

static const char *flags(struct vm *m)
{
	struct kvm_guest_debug dbg = { .control = KVM_GUESTDBG_ENABLE | 1 << 20 };

	CHECK(ioctl(m->vcpu, KVM_SET_GUEST_DEBUG, &dbg) && errno == EINVAL,
	      "an unknown flag is not refused");
	return NULL;
}

const struct fact debug_facts[] = {
	{ "brk exits with PC on it", brk_exit, NULL },
	{ "brk exits with any guest debugging", brk_any_debugging, NULL },
	{ "brk is the guest's when nothing is armed", brk_undebugged, NULL },
	{ "brk reinjected by registers", brk_reinjected, NULL },
	{ "the VMM's own debugging is kept", vmm_debugging, NULL },
	{ "exec slot exits at its address", exec_exit, NULL },
	{ "exec slot fires again until disarmed", exec_again, NULL },
	{ "exec slot stepped onto is a step", exec_stepped_onto, NULL },
	{ "exec slot fires at EL0", exec_user, NULL },
	{ "watch kinds and byte selects", watch_kinds, NULL },
	{ "watch masks up to 2 GiB", watch_masks, NULL },
	{ "watch fires before the access", watch_before, NULL },
	{ "watch of part of an access", watch_wide, NULL },
	{ "watch of an atomic access", watch_atomic, NULL },
	{ "slots, every counted one fires", slots_all, NULL },
	{ "slots beyond the counted ones are ignored by KVM", slots_beyond, NULL },
	{ "debug flags unknown to KVM are refused", flags, NULL },
	{ 0 },
};
