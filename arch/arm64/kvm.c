// SPDX-License-Identifier: MIT
/* Running a vCPU under KVM: arming, kicking, and what its exits mean. */
#define _GNU_SOURCE /* gettid, tgkill */
#include "arch/arm64/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "arch/arm64/arm64.h"
#include "arch/arm64/event_delivery.h"
#include "arch/arm64/debug_regs.h"
#include <vmgdb/vmgdb.h>

/* Exception classes in the syndrome: Arm ARM D19, ESR_ELx.EC. The odd ones are of EL1 itself. */
enum {
	EC_BREAKPOINT = 0x30,
	EC_STEP = 0x32,
	EC_WATCHPOINT = 0x34,
	EC_BKPT32 = 0x38,
	EC_BRK64 = 0x3c,
};

#define ESR_WNR (1U << 6)

static unsigned int class_of(uint32_t hsr)
{
	const unsigned int ec = hsr >> 26;

	return ec < EC_BKPT32 ? ec & ~1U : ec;
}

/* ---- arming ------------------------------------------------------------------------------ */

/* Slots of one kind beyond what the host has would be ignored by KVM, silently. */
static int encode(const struct arm64_kvm *k, const struct debug_control *w,
		  struct kvm_guest_debug_arch *arch)
{
	unsigned int nexec = 0, nwatch = 0, i;
	struct arm64_debug_pair pair;

	for (i = 0; i < w->nhw; i++) {
		pair = arm64_hw_encode(&w->hw[i]);
		if (w->hw[i].kind == HW_EXEC) {
			if (nexec == k->caps.exec_slots)
				return -ENOSPC;
			arch->dbg_bvr[nexec] = pair.value;
			arch->dbg_bcr[nexec++] = pair.control;
		} else {
			if (nwatch == k->caps.watch_slots)
				return -ENOSPC;
			arch->dbg_wvr[nwatch] = pair.value;
			arch->dbg_wcr[nwatch++] = pair.control;
		}
	}
	return 0;
}

static bool same_control(const struct debug_control *a, const struct debug_control *b)
{
	unsigned int i;

	if (a->trap_brk != b->trap_brk || a->step != b->step || a->nhw != b->nhw)
		return false;
	for (i = 0; i < a->nhw; i++)
		if (a->hw[i].kind != b->hw[i].kind || a->hw[i].addr != b->hw[i].addr ||
		    a->hw[i].len != b->hw[i].len)
			return false;
	return true;
}

static int set_guest_debug(struct arm64_kvm *k, const struct debug_control *w)
{
	struct kvm_guest_debug dbg = { 0 };
	int ret = encode(k, w, &dbg.arch);

	if (ret)
		return ret;
	dbg.control = (w->trap_brk ? KVM_GUESTDBG_USE_SW_BP : 0) |
		      (w->step ? KVM_GUESTDBG_SINGLESTEP : 0) | (w->nhw ? KVM_GUESTDBG_USE_HW : 0);
	dbg.control |= dbg.control ? KVM_GUESTDBG_ENABLE : 0;
	return ioctl(k->fd, KVM_SET_GUEST_DEBUG, &dbg) ? -errno : 0;
}

static void copy_control(struct debug_control *to, const struct debug_control *from)
{
	unsigned int i;

	to->trap_brk = from->trap_brk;
	to->step = from->step;
	to->nhw = from->nhw;
	for (i = 0; i < from->nhw; i++)
		to->hw[i] = from->hw[i];
}

/* KVM looks at the exit reason to complete an access; any other would be taken for a new exit. */
static void forget_exit(struct arm64_kvm *k)
{
	if (k->completing || k->run->exit_reason != KVM_EXIT_MMIO)
		k->run->exit_reason = KVM_EXIT_INTR;
	k->completing = false;
}

static int arm(void *ctx, const struct debug_control *control)
{
	struct arm64_kvm *k = ctx;
	int ret;

	atomic_store_explicit(&k->tid, gettid(), memory_order_release);
	forget_exit(k);
	k->seen_banks = 0;
	if (same_control(&k->armed, control))
		return 0;
	ret = set_guest_debug(k, control);
	if (!ret)
		copy_control(&k->armed, control);
	return ret;
}

/* ---- kicking ----------------------------------------------------------------------------- */

/* tgkill, as a thread that has ended is no harm to it. */
static void kick(void *ctx)
{
	struct arm64_kvm *k = ctx;
	const pid_t tid = atomic_load_explicit(&k->tid, memory_order_acquire);

	__atomic_store_n(&k->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	if (tid)
		tgkill(getpid(), tid, k->signal);
}

static void clear_kick(void *ctx)
{
	const struct arm64_kvm *k = ctx;

	__atomic_store_n(&k->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
}

/* ---- exits ------------------------------------------------------------------------------- */

/* PC is moved past the instruction, and a load's register set, by the next entry only. */
static bool needs_completion(void *ctx)
{
	struct arm64_kvm *k = ctx;

	if (k->completing || k->run->exit_reason != KVM_EXIT_MMIO)
		return false;
	k->completing = true;
	k->seen_banks = 0;
	return true;
}

static uint32_t exec_slots(const struct debug_control *w, uint64_t pc)
{
	uint32_t hit = 0;
	unsigned int i;

	for (i = 0; i < w->nhw; i++)
		if (w->hw[i].kind == HW_EXEC && w->hw[i].addr == pc)
			hit |= 1U << i;
	return hit;
}

static void classify_debug(struct arm64_kvm *k, struct trap *t)
{
	const struct kvm_debug_exit_arch *d = &k->run->debug.arch;

	t->syndrome[0] = d->hsr;
	t->syndrome[1] = d->far;
	arm64_kvm_get_pc(k, &t->pc);
	switch (class_of(d->hsr)) {
	case EC_BKPT32:
	case EC_BRK64: t->kind = TRAP_BRK; break;
	case EC_STEP: t->kind = TRAP_STEP; break;
	case EC_BREAKPOINT:
		t->kind = TRAP_EXEC;
		t->slots = exec_slots(&k->armed, t->pc);
		break;
	case EC_WATCHPOINT:
		t->kind = TRAP_WATCH;
		t->slots = arm64_watch_slots(k->armed.hw, k->armed.nhw, d->far, d->hsr & ESR_WNR);
		break;
	default: t->kind = TRAP_FATAL; t->text = "KVM reported a debug exit of an unknown class";
	}
}

/* WAKEUP and SUSPEND are no end: they are between the guest and its VMM. */
static void classify_event(const struct kvm_run *run, struct trap *t)
{
	static const char *const texts[] = {
		[KVM_SYSTEM_EVENT_SHUTDOWN] = "the guest powered off",
		[KVM_SYSTEM_EVENT_RESET] = "the guest asked for a reset",
		[KVM_SYSTEM_EVENT_CRASH] = "the guest reported a crash",
	};
	const uint32_t type = run->system_event.type;

	if (type >= sizeof(texts) / sizeof(texts[0]) || !texts[type])
		return;
	t->kind = TRAP_EVENT;
	t->text = texts[type];
}

/* An access that has been completed was all of its instruction: there is nothing left of a step. */
static void classify_settled(const struct arm64_kvm *k, struct trap *t)
{
	if (k->armed.step && !arm64_kvm_get_pc(k, &t->pc))
		t->kind = TRAP_STEP;
}

static void classify(void *ctx, struct trap *t)
{
	struct arm64_kvm *k = ctx;

	*t = (struct trap){ 0 };
	if (k->completing) {
		classify_settled(k, t);
		return;
	}
	switch (k->run->exit_reason) {
	case KVM_EXIT_DEBUG: classify_debug(k, t); break;
	case KVM_EXIT_SYSTEM_EVENT: classify_event(k->run, t); break;
	case KVM_EXIT_FAIL_ENTRY:
		t->kind = TRAP_FATAL;
		t->text = "KVM could not enter the guest on this processor";
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		t->kind = TRAP_FATAL;
		t->text = "KVM internal error";
		break;
	case KVM_EXIT_ARM_NISV:
		t->kind = TRAP_FATAL;
		t->text = "KVM can't emulate this access to no memory";
		break;
	default: break;
	}
}

/* ---- the guest's own debug exceptions ---------------------------------------------------- */

/* Take the exception by hand: KVM takes every debug exception while it debugs. */
static int inject(struct arm64_kvm *k, uint32_t syndrome)
{
	static const unsigned int reads[] = {
		ARM64_BANK_CORE,
		ARM64_BANK_EL1,
		ARM64_BANK_SYS + ARM64_SCTLR,
		ARM64_BANK_SYS + ARM64_VBAR,
		ARM64_BANK_SYS + ARM64_MMFR1,
		ARM64_BANK_SYS + ARM64_PFR1,
	};
	struct arm64_state s;
	size_t i;
	int ret = 0;

	for (i = 0; i < sizeof(reads) / sizeof(reads[0]) && !ret; i++)
		ret = arm64_kvm_fetch(k, reads[i], &s);
	if (ret)
		return ret;
	if (class_of(syndrome) < EC_BKPT32)
		syndrome = arm64_esr_from(syndrome, s.pstate);
	arm64_take_exception(&s, syndrome);
	ret = arm64_kvm_store(k, ARM64_BANK_SYS + ARM64_ESR, &s);
	ret = ret ? ret : arm64_kvm_store(k, ARM64_BANK_EL1, &s);
	return ret ? ret : arm64_kvm_store(k, ARM64_BANK_CORE, &s);
}

/* A guest's own single step never ends up here: KVM holds it back while it debugs. */
static int reinject(void *ctx, const struct trap *t)
{
	int ret;

	if (t->kind & TRAP_STEP)
		return 0;
	ret = inject(ctx, t->syndrome[0]);
	if (!ret && t->kind & TRAP_WATCH)
		ret = arm64_kvm_set_sysreg(ctx, SYSREG(3, 0, 6, 0, 0), t->syndrome[1]); /* FAR */
	return ret;
}

/* ---- the rest ---------------------------------------------------------------------------- */

static void sync_icache(void *hva, size_t len)
{
	__builtin___clear_cache((char *)hva, (char *)hva + len);
}

static const char *halted(void *ctx)
{
	const struct arm64_kvm *k = ctx;
	struct kvm_mp_state mp;

	if (ioctl(k->fd, KVM_GET_MP_STATE, &mp))
		return NULL;
	return mp.mp_state == KVM_MP_STATE_STOPPED ? "off" : NULL;
}

static void release(void *ctx)
{
	struct arm64_kvm *k = ctx;

	free(k->layout);
	free(k);
}

const struct vcpu_ops arm64_kvm_ops = {
	.cpu = &arm64_cpu,
	.fetch = arm64_kvm_fetch,
	.store = arm64_kvm_store,
	.arm = arm,
	.kick = kick,
	.clear_kick = clear_kick,
	.needs_completion = needs_completion,
	.classify = classify,
	.reinject = reinject,
	.sync_icache = sync_icache,
	.halted = halted,
	.release = release,
};

/* How many pairs of a kind there are: never under 2 (Arm ARM, ID_AA64DFR0_EL1.BRPs and .WRPs). */
static unsigned int slots(const struct arm64_kvm *k, int system, int cap, unsigned int dfr0_shift)
{
	const int n = system < 0 ? -1 : ioctl(system, KVM_CHECK_EXTENSION, cap);
	uint64_t dfr0;

	if (n > 0)
		return n;
	if (arm64_kvm_get_sysreg(k, SYSREG(3, 0, 0, 5, 0), &dfr0))
		return 2;
	return (dfr0 >> dfr0_shift & 15) + 1;
}

/* A VMM in a jail has no /dev/kvm: then the vCPU's own identification register tells. */
static void find_caps(struct arm64_kvm *k)
{
	const int system = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	k->caps.exec_slots = slots(k, system, KVM_CAP_GUEST_DEBUG_HW_BPS, 12);
	k->caps.watch_slots = slots(k, system, KVM_CAP_GUEST_DEBUG_HW_WPS, 20);
	if (system >= 0)
		close(system);
}

int arm64_kvm_open(int fd, struct kvm_run *run, int signal, struct arm64_kvm **out)
{
	struct arm64_kvm *k = calloc(1, sizeof(*k));
	int ret;

	if (!k)
		return -ENOMEM;
	k->fd = fd;
	k->run = run;
	k->signal = signal;
	ret = set_guest_debug(k, &k->armed);
	if (ret) {
		free(k);
		return -ENOTSUP;
	}
	find_caps(k);
	*out = k;
	return 0;
}

int vmgdb_add_kvm_vcpu(struct vmgdb *v, unsigned int index, int vcpu_fd, struct kvm_run *run,
		       struct vmgdb_vcpu **out)
{
	struct arm64_kvm *k;
	int ret = arm64_kvm_open(vcpu_fd, run, vmgdb_kick_signal(v), &k);

	return ret ? ret : vmgdb_add_vcpu(v, index, &arm64_kvm_ops, &k->caps, k, out);
}
