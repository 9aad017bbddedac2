// SPDX-License-Identifier: MIT
/* Run control over KVM: KVM API, KVM_SET_GUEST_DEBUG and "The kvm_run structure". */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "arch/x86/kvm.h"
#include <vmgdb/vmgdb.h>

enum { SLOTS = 4, XSAVE_ROOM = 16384 };
enum { INT3 = 0xcc };

/* What every stop and every step needs. */
#define SYNCED (KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS)

/* trap.syndrome[0]: the exception of the exit, or this */
enum { EMULATED_INT3 = 256 };

#define DR6_B(i)   (1ull << (i))
#define DR6_BREAKS 0xfull
#define DR6_CAUSE  (DR6_BREAKS | 0xe000)

/* What every KVM with KVM_CAP_SET_GUEST_DEBUG has; KVM_CAP_SET_GUEST_DEBUG2 tells of more. */
#define DEBUG_FLAGS_BASE                                                          \
	(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_SW_BP | \
	 KVM_GUESTDBG_USE_HW_BP)

/* ---- arming -------------------------------------------------------------------------------- */

/* Called by the thread that runs the vCPU. */
static void learn_thread(struct x86_kvm *k)
{
	if (atomic_load_explicit(&k->tid, memory_order_relaxed) &&
	    pthread_equal(k->self, pthread_self()))
		return;
	k->self = pthread_self();
	atomic_store(&k->tid, gettid());
}

/* DR7's R/W and LEN fields of one register (SDM vol. 3, 17.2.4), or -errno. */
static int dr7_field(const struct hw_slot *s)
{
	static const int8_t lens[] = { [1] = 0, [2] = 1, [4] = 3, [8] = 2 };
	int len;

	if (s->len > 8 || s->len & (s->len - 1) || !s->len || s->addr & (s->len - 1))
		return -EINVAL;
	len = lens[s->len] << 2;
	switch (s->kind) {
	case HW_EXEC: return s->len == 1 ? 0 : -EINVAL;
	case HW_WRITE: return len | 1;
	case HW_ACCESS: return len | 3;
	default: return -EOPNOTSUPP;
	}
}

/* Global enable for each, and GE with the bit that is always one; nothing above bit 31. */
static int fill_slots(struct kvm_guest_debug *d, const struct debug_control *control)
{
	uint32_t dr7 = 0x600;
	unsigned int i;
	int field;

	if (control->nhw > SLOTS)
		return -ENOSPC;
	for (i = 0; i < control->nhw; i++) {
		field = dr7_field(&control->hw[i]);
		if (field < 0)
			return field;
		d->arch.debugreg[i] = control->hw[i].addr;
		dr7 |= 2u << 2 * i | (uint32_t)field << (16 + 4 * i);
	}
	d->arch.debugreg[7] = dr7;
	d->control |= KVM_GUESTDBG_USE_HW_BP;
	return 0;
}

static int fill(const struct x86_kvm *k, struct kvm_guest_debug *d,
		const struct debug_control *control)
{
	int ret = control->nhw ? fill_slots(d, control) : 0;

	if (control->trap_brk)
		d->control |= KVM_GUESTDBG_USE_SW_BP;
	if (control->step)
		d->control |= KVM_GUESTDBG_SINGLESTEP;
	if (control->block_irq)
		d->control |= KVM_GUESTDBG_BLOCKIRQ & k->debug_flags;
	if (d->control)
		d->control |= KVM_GUESTDBG_ENABLE;
	return ret;
}

int x86_kvm_disarm(struct x86_kvm *k)
{
	struct kvm_guest_debug off = { 0 };

	if (!memcmp(&off, &k->armed, sizeof(off)))
		return 0;
	if (ioctl(k->fd, KVM_SET_GUEST_DEBUG, &off) < 0)
		return -errno;
	k->armed = off;
	return 0;
}

/* Have it come along with the exit: no calls for it. */
static void sync_with_exits(struct x86_kvm *k, bool on)
{
	if (!k->sync_regs || on == !!k->valid_regs_added)
		return;
	if (on)
		k->valid_regs_added = SYNCED & ~k->run->kvm_valid_regs;
	k->run->kvm_valid_regs ^= k->valid_regs_added;
	if (!on)
		k->valid_regs_added = 0;
}

/*
 * A step is armed anew each time: where KVM has emulated an instruction meanwhile, the trap flag
 * would be gone. The exit that was is overwritten, because an entry that comes back at once leaves
 * it as it is.
 */
static int arm(void *ctx, const struct debug_control *control)
{
	struct x86_kvm *k = ctx;
	struct kvm_guest_debug d = { 0 };
	int ret = fill(k, &d, control);

	if (ret)
		return ret;
	learn_thread(k);
	k->run->exit_reason = KVM_EXIT_INTR;
	k->synced = 0;
	k->halted_known = false;
	k->control = *control;
	sync_with_exits(k, d.control);
	if (!control->step && !memcmp(&d, &k->armed, sizeof(d)))
		return 0;
	if (ioctl(k->fd, KVM_SET_GUEST_DEBUG, &d) < 0)
		return -errno;
	k->armed = d;
	return 0;
}

/* ---- kicking ------------------------------------------------------------------------------- */

/* The flag catches an entry that is still to come, the signal one that is under way. */
static void kick(void *ctx)
{
	struct x86_kvm *k = ctx;
	int tid = atomic_load(&k->tid);

	__atomic_store_n(&k->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	if (tid)
		tgkill(getpid(), tid, k->kick_signal);
}

static void clear_kick(void *ctx)
{
	struct x86_kvm *k = ctx;

	__atomic_store_n(&k->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
}

static bool is_write(const struct kvm_run *run)
{
	switch (run->exit_reason) {
	case KVM_EXIT_IO: return run->io.direction == KVM_EXIT_IO_OUT;
	case KVM_EXIT_MMIO: return run->mmio.is_write;
	default: return false;
	}
}

/*
 * KVM may move RIP on before it tells of a write, and would step the next instruction behind it: that
 * the write has been completed, and nothing more came, is the end of the step.
 */
static bool needs_completion(void *ctx)
{
	struct x86_kvm *k = ctx;

	switch (k->run->exit_reason) {
	case KVM_EXIT_IO:
	case KVM_EXIT_MMIO:
	case KVM_EXIT_HYPERCALL:
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR:
	case KVM_EXIT_HYPERV:
	case KVM_EXIT_XEN: break;
	default: return false;
	}
	k->wrote = k->control.step && is_write(k->run);
	k->run->exit_reason = KVM_EXIT_INTR;
	return true;
}

/* ---- exits --------------------------------------------------------------------------------- */

static void fatal(struct trap *t, unsigned int kind, const char *text)
{
	t->kind = kind;
	t->text = text;
}

static uint32_t fired(const struct x86_kvm *k, uint64_t dr6, uint64_t pc, unsigned int *kind)
{
	const struct hw_slot *s = k->control.hw;
	uint32_t slots = 0;
	unsigned int i;

	for (i = 0; i < k->control.nhw; i++) {
		/* a bit may be set although its condition is not met (SDM vol. 3, 17.2.3) */
		if (!(dr6 & DR6_B(i)) || (s[i].kind == HW_EXEC && s[i].addr != pc))
			continue;
		slots |= 1u << i;
		*kind |= s[i].kind == HW_EXEC ? TRAP_EXEC : TRAP_WATCH;
	}
	return slots;
}

static void classify_debug(struct x86_kvm *k, struct trap *t)
{
	const struct kvm_debug_exit_arch *d = &k->run->debug.arch;

	t->pc = d->pc;
	t->syndrome[0] = d->exception;
	t->syndrome[1] = d->dr6;
	if (d->exception == X86_VEC_BP) {
		t->kind = TRAP_BRK;
		return;
	}
	t->slots = fired(k, d->dr6, d->pc, &t->kind);
	if (!k->control.nhw) /* otherwise the guest's own are out of the way */
		k->own_hit = d->dr6 & DR6_BREAKS;
	if (d->dr6 & X86_DR6_BS || !t->kind)
		t->kind |= TRAP_STEP;
}

/* RIP as a linear address. */
static int linear_rip(struct x86_kvm *k, uint64_t *pc)
{
	const struct kvm_sync_regs *sync = &k->run->s.regs;
	struct kvm_regs regs = sync->regs;
	struct kvm_sregs sregs = sync->sregs;

	if (!(k->synced & KVM_SYNC_X86_REGS) && ioctl(k->fd, KVM_GET_REGS, &regs) < 0)
		return -errno;
	if (!(k->synced & KVM_SYNC_X86_SREGS) && ioctl(k->fd, KVM_GET_SREGS, &sregs) < 0)
		return -errno;
	*pc = sregs.cs.l ? regs.rip : (uint32_t)(sregs.cs.base + regs.rip);
	return 0;
}

/*
 * Where KVM runs the guest in its instruction emulator an INT3 is an instruction that it does not
 * know, and says so: also while no breakpoint is armed.
 */
static bool is_emulated_int3(const struct kvm_run *run)
{
	return run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION &&
	       run->emulation_failure.ndata >= 3 &&
	       run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES &&
	       run->emulation_failure.insn_size && run->emulation_failure.insn_bytes[0] == INT3;
}

static const char *internal_error(uint32_t suberror)
{
	switch (suberror) {
	case KVM_INTERNAL_ERROR_EMULATION: return "KVM can't emulate this instruction";
	case KVM_INTERNAL_ERROR_SIMUL_EX: return "KVM internal error: simultaneous exceptions";
	case KVM_INTERNAL_ERROR_DELIVERY_EV:
		return "KVM internal error: exit while delivering an event";
	case KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON:
		return "KVM internal error: unexpected exit";
	default: return "KVM internal error";
	}
}

/* KVM may have queued a #UD for the instruction that it could not emulate: it is none. */
static int drop_exception(struct x86_kvm *k)
{
	struct kvm_vcpu_events e;

	k->synced &= ~(uint64_t)KVM_SYNC_X86_EVENTS;
	if (ioctl(k->fd, KVM_GET_VCPU_EVENTS, &e) < 0)
		return -errno;
	if (!e.exception.injected && !e.exception.pending)
		return 0;
	memset(&e.exception, 0, sizeof(e.exception));
	e.exception_has_payload = 0;
	return ioctl(k->fd, KVM_SET_VCPU_EVENTS, &e) < 0 ? -errno : 0;
}

static void classify_internal(struct x86_kvm *k, struct trap *t)
{
	if (is_emulated_int3(k->run) && !linear_rip(k, &t->pc) && !drop_exception(k)) {
		t->kind = TRAP_BRK;
		t->syndrome[0] = EMULATED_INT3;
	} else {
		fatal(t, TRAP_FATAL, internal_error(k->run->internal.suberror));
	}
}

static void classify_event(const struct kvm_run *run, struct trap *t)
{
	switch (run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN: fatal(t, TRAP_EVENT, "power-off"); break;
	case KVM_SYSTEM_EVENT_RESET: fatal(t, TRAP_EVENT, "reset"); break;
	case KVM_SYSTEM_EVENT_CRASH: fatal(t, TRAP_EVENT, "the guest has crashed"); break;
	default: break;
	}
}

static void classify(void *ctx, struct trap *t)
{
	struct x86_kvm *k = ctx;
	bool wrote = k->wrote;

	learn_thread(k);
	*t = (struct trap){ 0 };
	k->wrote = false;
	k->ran = true;
	k->halted_known = false;
	k->synced = k->own_hit = 0;
	switch (k->run->exit_reason) {
	case KVM_EXIT_DEBUG:
		k->synced = k->valid_regs_added;
		classify_debug(k, t);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		k->synced = k->valid_regs_added;
		classify_internal(k, t);
		break;
	case KVM_EXIT_SHUTDOWN: fatal(t, TRAP_FATAL, "triple fault"); break;
	case KVM_EXIT_FAIL_ENTRY:
		fatal(t, TRAP_FATAL, "the processor refuses to enter the guest");
		break;
	case KVM_EXIT_SYSTEM_EVENT: classify_event(k->run, t); break;
	case KVM_EXIT_INTR:
		if (wrote && !linear_rip(k, &t->pc))
			t->kind = TRAP_STEP;
		break;
	default: break;
	}
}

/* ---- exceptions for the guest -------------------------------------------------------------- */

/* The causes stay in DR6 until the guest clears them (SDM vol. 3, 17.2.3). */
static int raise_dr6(const struct x86_kvm *k, uint64_t dr6)
{
	struct kvm_debugregs regs;

	if (ioctl(k->fd, KVM_GET_DEBUGREGS, &regs) < 0)
		return -errno;
	regs.dr6 |= dr6 & DR6_CAUSE;
	return ioctl(k->fd, KVM_SET_DEBUGREGS, &regs) < 0 ? -errno : 0;
}

/*
 * A #BP that the processor has intercepted is told how long its instruction is and saves the address
 * behind it; one that the emulator gave up at is not.
 */
static int skip_int3(const struct x86_kvm *k)
{
	struct kvm_regs regs;

	if (ioctl(k->fd, KVM_GET_REGS, &regs) < 0)
		return -errno;
	regs.rip++;
	return ioctl(k->fd, KVM_SET_REGS, &regs) < 0 ? -errno : 0;
}

static int inject(const struct x86_kvm *k, uint8_t vector)
{
	struct kvm_vcpu_events e;

	if (ioctl(k->fd, KVM_GET_VCPU_EVENTS, &e) < 0)
		return -errno;
	memset(&e.exception, 0, sizeof(e.exception));
	e.exception_has_payload = 0;
	e.exception.injected = 1;
	e.exception.nr = vector;
	return ioctl(k->fd, KVM_SET_VCPU_EVENTS, &e) < 0 ? -errno : 0;
}

static int reinject(void *ctx, const struct trap *t)
{
	struct x86_kvm *k = ctx;
	int ret = 0;

	k->synced = 0;
	if (!(t->kind & TRAP_BRK))
		ret = raise_dr6(k, t->syndrome[1]);
	else if (t->syndrome[0] == EMULATED_INT3)
		ret = skip_int3(k);
	if (ret)
		return ret;
	return inject(k, t->kind & TRAP_BRK ? X86_VEC_BP : X86_VEC_DB);
}

/* ---- the rest ------------------------------------------------------------------------------ */

static const char *mp_state(const struct x86_kvm *k)
{
	struct kvm_mp_state mp;

	if (ioctl(k->fd, KVM_GET_MP_STATE, &mp) < 0)
		return NULL;
	switch (mp.mp_state) {
	case KVM_MP_STATE_RUNNABLE: return NULL;
	case KVM_MP_STATE_HALTED: return "halted";
	default: return "off";
	}
}

/* Asked more than once a stop; it changes only while the vCPU runs. */
static const char *halted(void *ctx)
{
	struct x86_kvm *k = ctx;

	if (!k->halted_known)
		k->halted = mp_state(k);
	k->halted_known = true;
	return k->halted;
}

static const char *unsupported_trap(void *ctx, enum trap_kind kind)
{
	struct x86_kvm *k = ctx;

	if (!k->dead_known)
		k->dead = x86_kvm_dead_traps();
	k->dead_known = true;
	switch (k->dead & kind) {
	case TRAP_BRK: return "this host's KVM does not tell of breakpoint instructions";
	case TRAP_EXEC: return "this host's KVM takes hardware breakpoints, but they never hit";
	case TRAP_WATCH:
		return "this host's KVM takes watchpoints, but they never hit; "
		       "`monitor set software-watch on' carries them by steps";
	default: return NULL;
	}
}

static void release(void *ctx)
{
	struct x86_kvm *k = ctx;

	free(k->xsave);
	free(k);
}

const struct vcpu_ops x86_kvm_ops = {
	.cpu = &x86_cpu,
	.fetch = x86_kvm_fetch,
	.store = x86_kvm_store,
	.arm = arm,
	.kick = kick,
	.clear_kick = clear_kick,
	.needs_completion = needs_completion,
	.classify = classify,
	.reinject = reinject,
	.halted = halted,
	.unsupported_trap = unsupported_trap,
	.release = release,
};

/*
 * What this KVM can: asked of /dev/kvm, because a vCPU's descriptor can't tell. A VMM that has shut
 * itself in goes without what is not everywhere.
 */
static size_t probe(struct x86_kvm *k)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC), flags, sync, xsave;

	k->debug_flags = DEBUG_FLAGS_BASE;
	if (fd < 0)
		return XSAVE_ROOM;
	flags = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_SET_GUEST_DEBUG2);
	sync = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS);
	xsave = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);
	close(fd);
	if (flags > 0)
		k->debug_flags = flags;
	k->sync_regs = sync > 0 && !(~sync & SYNCED);
	k->xsave2 = xsave > 0;
	return xsave > XSAVE_ROOM ? xsave : XSAVE_ROOM;
}

int x86_kvm_create(int vcpu_fd, struct kvm_run *run, int kick_signal, struct x86_kvm **out,
		   struct vcpu_caps *caps)
{
	struct kvm_guest_debug off = { 0 };
	struct x86_kvm *k;

	if (ioctl(vcpu_fd, KVM_SET_GUEST_DEBUG, &off) < 0)
		return -ENOTSUP;
	k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	k->fd = vcpu_fd;
	k->run = run;
	k->kick_signal = kick_signal;
	k->xsave = calloc(1, probe(k));
	if (!k->xsave) {
		free(k);
		return -ENOMEM;
	}
	*caps = (struct vcpu_caps){
		.shared_slots = SLOTS,
		.block_irq = k->debug_flags & KVM_GUESTDBG_BLOCKIRQ,
	};
	*out = k;
	return 0;
}

int vmgdb_add_kvm_vcpu(struct vmgdb *v, unsigned int index, int vcpu_fd, struct kvm_run *run,
		       struct vmgdb_vcpu **out)
{
	struct vcpu_caps caps;
	struct x86_kvm *k;
	int ret = x86_kvm_create(vcpu_fd, run, vmgdb_kick_signal(v), &k, &caps);

	return ret ? ret : vmgdb_add_vcpu(v, index, &x86_kvm_ops, &caps, k, out);
}
