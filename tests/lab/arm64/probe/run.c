// SPDX-License-Identifier: MIT
/* Entries, exits and kicks: facts 6, 11, 12 of arm64 in kvm-facts.md. */
#include "probe.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

static const struct debug_control brks = { .trap_brk = true };
static const struct debug_control nothing;

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

/* ---- MMIO -------------------------------------------------------------------------------- */

static const char *mmio_completes(struct vm *m)
{
	const uint64_t at = vm_address(s_mmio);
	const uint32_t got = 0xabcd;
	struct trap t;
	int ret;

	vm_start(m, s_mmio, PSTATE_DAIF);
	vm_change(m, ARM64_BANK_X)->x[0] = MMIO;
	CHECK(!vm_enter(m, &brks, &t) && m->run->exit_reason == KVM_EXIT_MMIO, "exit %u",
	      m->run->exit_reason);
	CHECK(vm_state(m, ARM64_BANK_CORE)->pc == at, "PC %#lx at the exit", m->state.pc);
	memcpy(m->run->mmio.data, &got, sizeof(got));
	CHECK(arm64_kvm_ops.needs_completion(m->k), "it does not need completion");
	arm64_kvm_ops.kick(m->k);
	ret = ioctl(m->vcpu, KVM_RUN, 0) ? -errno : 0;
	CHECK(ret == -EINTR, "the entry that completes it: %d", ret);
	CHECK(!arm64_kvm_ops.needs_completion(m->k), "it needs completion twice");
	vm_flush(m);
	CHECK(vm_state(m, ARM64_BANK_CORE)->pc == at + 4, "PC %#lx when completed", m->state.pc);
	CHECK(vm_state(m, ARM64_BANK_X)->x[1] == got, "x1 %#lx when completed", m->state.x[1]);
	CHECK(!vm_run(m, &brks, &t) && is_brk(&t, END_BRK) && vm_state(m, ARM64_BANK_X)->x[2] == 2,
	      "the guest did not go on from there: kind %u x2 %lu", t.kind, m->state.x[2]);
	return NULL;
}

/*
 * A step of an MMIO access that is stopped before it completes; the next step executes one
 * instruction.
 */
static const char *mmio_completes_in_step(struct vm *m)
{
	const struct debug_control step = { .trap_brk = true, .step = true };
	const uint64_t at = vm_address(s_mmio);
	struct trap t;

	vm_start(m, s_mmio, PSTATE_DAIF);
	vm_change(m, ARM64_BANK_X)->x[0] = MMIO;
	CHECK(!vm_enter(m, &step, &t) && m->run->exit_reason == KVM_EXIT_MMIO, "exit %u",
	      m->run->exit_reason);
	CHECK(arm64_kvm_ops.needs_completion(m->k), "it does not need completion");
	arm64_kvm_ops.kick(m->k);
	ioctl(m->vcpu, KVM_RUN, 0);
	arm64_kvm_ops.classify(m->k, &t);
	CHECK(t.kind == (TRAP_STEP | TRAP_INTERRUPTED) && t.pc == at + 4,
	      "kind %u at %#lx when completed", t.kind, t.pc);
	vm_flush(m);
	CHECK(vm_state(m, ARM64_BANK_CORE)->pc == at + 4, "PC %#lx when completed", m->state.pc);
	CHECK(!vm_enter(m, &step, &t) && t.kind == TRAP_STEP && t.pc == at + 8,
	      "the next step: kind %u at %#lx", t.kind, t.pc);
	return NULL;
}

static const char *mmio_in_step(struct vm *m)
{
	const struct debug_control step = { .trap_brk = true, .step = true };
	const uint64_t at = vm_address(s_mmio);
	struct trap t;
	unsigned int i;

	vm_start(m, s_mmio, PSTATE_DAIF);
	vm_change(m, ARM64_BANK_X)->x[0] = MMIO;
	for (i = 1; i <= 4; i++)
		CHECK(!vm_run(m, &step, &t) && t.kind == TRAP_STEP && t.pc == at + 4 * i,
		      "step %u: kind %u at %#lx", i, t.kind, t.pc);
	CHECK(vm_state(m, ARM64_BANK_X)->x[1] == m->mmio_value, "x1 %#lx", m->state.x[1]);
	return NULL;
}

/* ---- exits ------------------------------------------------------------------------------- */

/* An entry that returns before it reached the guest is not classified as the exit before it. */
static const char *exit_forgotten(struct vm *m)
{
	struct trap t;
	int ret;

	vm_start(m, s_brk, PSTATE_DAIF);
	CHECK(!vm_run(m, &brks, &t) && is_brk(&t, 0x123), "kind %u", t.kind);
	arm64_kvm_ops.arm(m->k, &brks);
	arm64_kvm_ops.kick(m->k);
	ret = ioctl(m->vcpu, KVM_RUN, 0) ? -errno : 0;
	arm64_kvm_ops.classify(m->k, &t);
	CHECK(ret == -EINTR && t.kind == TRAP_INTERRUPTED, "ret %d kind %u", ret, t.kind);
	return NULL;
}

static const char *power_off(struct vm *m)
{
	struct trap t;

	vm_start(m, s_power_off, PSTATE_DAIF);
	CHECK(!vm_run(m, &brks, &t) && t.kind == TRAP_EVENT && t.text, "kind %u", t.kind);
	return NULL;
}

static const char *patched(struct vm *m)
{
	uint32_t *code = vm_mem(m, vm_address(s_patched));
	struct trap t;
	unsigned int i;

	for (i = 1; i <= 100; i++) {
		*code = 0x52800000 | i << 5; /* mov w0, #i */
		arm64_kvm_ops.sync_icache(code, sizeof(*code));
		vm_start(m, s_patched, PSTATE_DAIF);
		CHECK(!vm_run(m, &brks, &t) && is_brk(&t, END_BRK), "kind %u", t.kind);
		CHECK(vm_state(m, ARM64_BANK_X)->x[0] == i, "x0 %lu, not %u", m->state.x[0], i);
	}
	return NULL;
}

static const char *icache(struct vm *m)
{
	(void)m;
	return NOT_APPLICABLE "emulation keeps instruction caches coherent by itself";
}

/* ---- kicks ------------------------------------------------------------------------------- */

struct runner {
	struct vm *m;
	pthread_t thread;
	int ret;
	struct trap t;
	_Atomic bool done;
};

static void *run_vcpu(void *arg)
{
	struct runner *r = arg;

	r->ret = vm_enter(r->m, &nothing, &r->t);
	atomic_store(&r->done, true);
	return NULL;
}

static void start(struct runner *r, struct vm *m)
{
	*r = (struct runner){ .m = m };
	pthread_create(&r->thread, NULL, run_vcpu, r);
	sleep_ms(100);
}

/* The vCPU stays in the guest until it is kicked, and exits within a second. */
static const char *kick_it(struct runner *r)
{
	int i;

	CHECK(!atomic_load(&r->done), "it exited without a kick: ret %d", r->ret);
	arm64_kvm_ops.kick(r->m->k);
	for (i = 0; i < 100 && !atomic_load(&r->done); i++)
		sleep_ms(10);
	CHECK(atomic_load(&r->done), "the kick had no effect");
	pthread_join(r->thread, NULL);
	CHECK(r->ret == -EINTR && r->t.kind == TRAP_INTERRUPTED, "ret %d kind %u", r->ret,
	      r->t.kind);
	return NULL;
}

static const char *kicked_at(struct vm *m, const uint8_t *label)
{
	struct runner r;
	const char *text;
	uint64_t pc;

	vm_start(m, label, PSTATE_DAIF);
	start(&r, m);
	text = kick_it(&r);
	pc = vm_state(m, ARM64_BANK_CORE)->pc;
	if (!text && (pc < vm_address(label) || pc >= vm_address(label) + 16))
		text = why("PC %#lx", pc);
	return text;
}

static const char *kick_spin(struct vm *m)
{
	return kicked_at(m, s_spin);
}

static const char *kick_wfi(struct vm *m)
{
	return kicked_at(m, s_wfi);
}

static const char *kick_off(struct vm *m)
{
	struct runner r;
	const char *text, *halted;

	start(&r, m);
	text = kick_it(&r);
	halted = arm64_kvm_ops.halted(m->k);
	CHECK(halted && !strcmp(halted, "off"), "it is %s", halted ? halted : "not halted");
	return text;
}

static const char *kick_early(struct vm *m)
{
	struct trap t;

	vm_start(m, s_spin, PSTATE_DAIF);
	arm64_kvm_ops.kick(m->k);
	vm_flush(m);
	CHECK(ioctl(m->vcpu, KVM_RUN, 0) && errno == EINTR, "it entered the guest");
	CHECK(!arm64_kvm_ops.halted(m->k), "it is %s", arm64_kvm_ops.halted(m->k));
	vm_start(m, s_nops, PSTATE_DAIF);
	CHECK(!vm_run(m, &brks, &t) && is_brk(&t, END_BRK), "the next entry did not run the guest");
	return NULL;
}

/* An entry that a kick ended leaves the last exit in kvm_run: it must not be classified again. */
static const char *kick_unarmed(struct vm *m)
{
	struct trap t;
	int ret;

	vm_start(m, s_mmio, PSTATE_DAIF);
	vm_change(m, ARM64_BANK_X)->x[0] = MMIO;
	CHECK(!vm_enter(m, &brks, &t) && m->run->exit_reason == KVM_EXIT_MMIO, "exit %u",
	      m->run->exit_reason);
	arm64_kvm_ops.kick(m->k);
	ret = ioctl(m->vcpu, KVM_RUN, 0) ? -errno : 0;
	arm64_kvm_ops.classify(m->k, &t);
	CHECK(ret == -EINTR && !(t.kind & ~TRAP_INTERRUPTED), "ret %d kind %u", ret, t.kind);
	return NULL;
}

static const char *kick_of_vmm(struct vm *m)
{
	m->run->immediate_exit = 1;
	arm64_kvm_ops.kick(m->k);
	arm64_kvm_ops.clear_kick(m->k);
	CHECK(m->run->immediate_exit, "the VMM's immediate_exit is cleared");
	m->run->immediate_exit = 0;
	arm64_kvm_ops.kick(m->k);
	arm64_kvm_ops.clear_kick(m->k);
	CHECK(!m->run->immediate_exit, "the kick is not cleared");
	return NULL;
}

/* A debugger that sets the PC of a vCPU that is off does not power the vCPU on. */
static const char *off_moved(struct vm *m)
{
	const char *halted;

	vm_start(m, s_nops, PSTATE_DAIF);
	vm_flush(m);
	halted = arm64_kvm_ops.halted(m->k);
	CHECK(halted && !strcmp(halted, "off"), "it is %s", halted ? halted : "not halted");
	return NULL;
}

static void *read_pc(void *arg)
{
	struct runner *r = arg;
	uint64_t pc;

	r->ret = arm64_kvm_get_pc(r->m->k, &pc);
	atomic_store(&r->done, true);
	return NULL;
}

static const char *ioctl_waits(struct vm *m)
{
	struct runner vcpu, reader = { .m = m };
	const char *text;

	vm_start(m, s_spin, PSTATE_DAIF);
	start(&vcpu, m);
	pthread_create(&reader.thread, NULL, read_pc, &reader);
	sleep_ms(200);
	CHECK(!atomic_load(&reader.done), "registers were read while it ran");
	text = kick_it(&vcpu);
	pthread_join(reader.thread, NULL);
	return text;
}

static const struct setup powered_off = { .off = true };

const struct fact run_facts[] = {
	{ "mmio completes before registers are read", mmio_completes, NULL },
	{ "mmio completes in the middle of a step", mmio_completes_in_step, NULL },
	{ "mmio in a step", mmio_in_step, NULL },
	{ "exit is not classified again after the next entry", exit_forgotten, NULL },
	{ "power-off is an event", power_off, NULL },
	{ "code that was patched is executed", patched, NULL },
	{ "code that was patched needs the caches cleaned", icache, NULL },
	{ "kick, a spinning vCPU", kick_spin, NULL },
	{ "kick, a vCPU that waits for interrupts", kick_wfi, NULL },
	{ "kick, a vCPU that is powered off", kick_off, &powered_off },
	{ "kick before it enters", kick_early, NULL },
	{ "kick of an entry that nobody armed", kick_unarmed, NULL },
	{ "the VMM's own kick is kept", kick_of_vmm, NULL },
	{ "a vCPU that is off stays off when its PC is set", off_moved, &powered_off },
	{ "ioctl from another thread waits for the vCPU", ioctl_waits, NULL },
	{ 0 },
};
