// SPDX-License-Identifier: MIT
/* Stepping: facts 2, 4, 5 of arm64 in kvm-facts.md, and stepped code against free code. */
#include "probe.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

enum { STEPS_MAX = 1000, IRQ_VECTOR = CODE + 0x280 };

static const struct debug_control brks = { .trap_brk = true };
static const struct debug_control step = { .trap_brk = true, .step = true };

static uint64_t pc(struct vm *m)
{
	return vm_state(m, ARM64_BANK_CORE)->pc;
}

static void raise_irq(struct vm *m, bool level)
{
	struct kvm_irq_level line = { .irq = KVM_ARM_IRQ_TYPE_CPU << KVM_ARM_IRQ_TYPE_SHIFT |
					     KVM_ARM_IRQ_CPU_IRQ,
				      .level = level };

	ioctl(m->fd, KVM_IRQ_LINE, &line);
}

/* ---- KVM's own steps --------------------------------------------------------------------- */

static const char *raw_steps(struct vm *m)
{
	struct trap t;
	unsigned int i;

	vm_start(m, s_nops, PSTATE_DAIF);
	for (i = 1; i <= 50; i++) {
		CHECK(!vm_run(m, &step, &t) && t.kind == TRAP_STEP, "step %u: kind %u", i, t.kind);
		CHECK(t.pc == vm_address(s_nops) + 4 * i, "step %u: pc %#lx", i, t.pc);
		CHECK(t.syndrome[0] >> 26 == 0x32, "syndrome %#lx", t.syndrome[0]);
	}
	return NULL;
}

static const char *raw_irq(struct vm *m)
{
	struct trap t;

	vm_start(m, s_nops, 0);
	raise_irq(m, true);
	CHECK(!vm_run(m, &step, &t) && t.kind == TRAP_STEP && t.pc == IRQ_VECTOR, "kind %u at %#lx",
	      t.kind, t.pc);
	return NULL;
}

static const char *raw_exclusive(struct vm *m)
{
	struct trap t;
	bool ex = false;
	int i;

	vm_start(m, s_exclusive, PSTATE_DAIF);
	vm_change(m, ARM64_BANK_X)->x[0] = DATA;
	for (i = 0; i < 60; i++) {
		CHECK(!vm_run(m, &step, &t) && t.kind == TRAP_STEP, "step %d: kind %u", i, t.kind);
		ex |= t.syndrome[0] >> 6 & 1;
	}
	CHECK(ex, "ISS.EX was never set");
	CHECK(*(uint32_t *)vm_mem(m, DATA) == 0, "the store was made");
	return NULL;
}

static const char *without_enable(struct vm *m)
{
	const struct debug_control only_step = { .step = true };
	struct kvm_guest_debug dbg = { .control = KVM_GUESTDBG_SINGLESTEP };
	struct trap t;

	CHECK(!ioctl(m->vcpu, KVM_SET_GUEST_DEBUG, &dbg), "it is refused");
	dbg.control |= KVM_GUESTDBG_ENABLE;
	m->k->vcpu.armed = dbg; /* the layer takes this control as the armed one */
	vm_start(m, s_power_off, PSTATE_DAIF);
	CHECK(!vm_run(m, &only_step, &t) && t.kind == TRAP_EVENT, "kind %u", t.kind);
	return NULL;
}

/* ---- by the rules ------------------------------------------------------------------------ */

static const char *irq_held(struct vm *m)
{
	const struct debug_control at_irq = { .nhw = 1, .hw = { { HW_EXEC, IRQ_VECTOR, 4 } } };
	struct trap t;
	unsigned int i;

	vm_start(m, s_nops, 0);
	raise_irq(m, true);
	for (i = 1; i <= 20; i++) {
		CHECK(!vm_step(m, &t) && t.kind == TRAP_STEP, "step %u: kind %u", i, t.kind);
		CHECK(pc(m) == vm_address(s_nops) + 4 * i, "step %u: PC %#lx", i, pc(m));
		CHECK(m->state.pstate == PSTATE_EL1H, "step %u: PSTATE %#lx", i, m->state.pstate);
	}
	CHECK(!vm_run(m, &at_irq, &t) && t.kind == TRAP_EXEC && t.pc == IRQ_VECTOR,
	      "the interrupt is not taken on the next continue: kind %u at %#lx", t.kind, t.pc);
	CHECK(vm_state(m, ARM64_BANK_EL1)->spsr_el1 == PSTATE_EL1H, "SPSR_EL1 %#lx",
	      m->state.spsr_el1);
	CHECK(m->state.elr_el1 == vm_address(s_nops) + 80, "ELR_EL1 %#lx", m->state.elr_el1);
	return NULL;
}

static const char *exclusive_once(struct vm *m)
{
	const uint64_t at = vm_address(s_exclusive);
	struct trap t;

	vm_start(m, s_exclusive + 4, 0);
	vm_change(m, ARM64_BANK_X)->x[0] = DATA;
	CHECK(!vm_step(m, &t), "kind %u", t.kind);
	CHECK(pc(m) == at + 20, "PC %#lx", pc(m) - at);
	CHECK(*(uint32_t *)vm_mem(m, DATA) == 1, "the store was not made");
	CHECK(m->state.pstate == PSTATE_EL1H, "PSTATE %#lx", m->state.pstate);
	return NULL;
}

static const char *wait_stepped(struct vm *m)
{
	struct trap t;
	unsigned int i;

	vm_start(m, s_wfi, 0);
	for (i = 0; i < 30; i++)
		CHECK(!vm_step(m, &t) && t.kind == TRAP_STEP, "step %u: kind %u", i, t.kind);
	CHECK(vm_state(m, ARM64_BANK_X)->x[0] == 10, "%lu rounds", m->state.x[0]);
	return NULL;
}

/* An exception in a step ends the step at the vector, without the step's masks in what it saved. */
static const char *exception_ends_step(struct vm *m)
{
	struct trap t;

	vm_start(m, s_undefined, PSTATE_A);
	CHECK(!vm_step(m, &t) && t.kind == TRAP_STEP, "kind %u", t.kind);
	CHECK(pc(m) == CODE + 0x200, "PC %#lx", pc(m));
	CHECK(vm_state(m, ARM64_BANK_EL1)->spsr_el1 == (PSTATE_EL1H | PSTATE_A), "SPSR_EL1 %#lx",
	      m->state.spsr_el1);
	return NULL;
}

/* ---- stepped as free --------------------------------------------------------------------- */

struct outcome {
	struct arm64_state state;
	uint8_t data[64];
};

static const struct snippet {
	const char *name;
	const uint8_t *label;
	uint64_t x0;
	bool irq; /* may be stepped with an interrupt pending: changes no mask */
} snippets[] = {
	{ "ldxr and stxr", s_exclusive, DATA, true },
	{ "ldaxr with a branch out of the sequence", s_compare, DATA, true },
	{ "mmio", s_mmio, MMIO, true },
	{ "msr and mrs daif", s_daif, 0, true },
	{ "svc", s_svc, 0, true },
	{ "eret", s_eret, 0, true },
	{ "EL0", s_user, 0, true },
	{ "wfe", s_wait, 0, true },
	{ "udf", s_undefined, 0, true },
	{ "an unaligned load", s_unaligned, DATA + 1, true },
	{ "brk of the guest", s_brk, 0, true },
	{ "hvc", s_psci, 0, true },
	{ "system registers", s_sysregs, 0, true },
	{ "loads and stores", s_access, DATA, true },
};

static void begin(struct vm *m, const struct snippet *s, uint64_t daif)
{
	memset(vm_mem(m, DATA), 0, 64);
	vm_start(m, s->label, daif);
	memset(vm_change(m, ARM64_BANK_X)->x, 0, sizeof(m->state.x));
	vm_change(m, ARM64_BANK_FRAME)->x[29] = 0;
	m->state.x[0] = s->x0;
	m->state.x[30] = 0;
}

static void end(struct vm *m, struct outcome *o)
{
	vm_state(m, ARM64_BANK_CORE);
	vm_state(m, ARM64_BANK_X);
	vm_state(m, ARM64_BANK_FRAME);
	o->state = *vm_state(m, ARM64_BANK_EL1);
	memcpy(o->data, vm_mem(m, DATA), sizeof(o->data));
}

static const char *run_free(struct vm *m, const struct snippet *s, uint64_t daif, struct outcome *o)
{
	struct trap t;
	int i;

	begin(m, s, daif);
	for (i = 0; i < 20; i++) {
		CHECK(!vm_run(m, &brks, &t) && t.kind == TRAP_BRK, "free: kind %u at %#lx", t.kind,
		      t.pc);
		if (is_brk(&t, END_BRK)) {
			end(m, o);
			return NULL;
		}
		arm64_kvm_ops.reinject(m->k, &t);
	}
	return "free: too many BRKs";
}

static const char *run_stepped(struct vm *m, const struct snippet *s, uint64_t daif,
			       struct outcome *o)
{
	struct trap t;
	int i;

	begin(m, s, daif);
	for (i = 0; i < STEPS_MAX; i++) {
		CHECK(!vm_step(m, &t), "stepped: kind %u at %#lx", t.kind, t.pc);
		if (is_brk(&t, END_BRK)) {
			end(m, o);
			return NULL;
		}
	}
	return why("stepped: not at its end after %d steps, at %#lx", i, pc(m));
}

static const char *compare(const struct outcome *a, const struct outcome *b)
{
	unsigned int i;

	for (i = 0; i < 31; i++)
		CHECK(a->state.x[i] == b->state.x[i], "x%u %#lx, free %#lx", i, b->state.x[i],
		      a->state.x[i]);
	CHECK(a->state.pc == b->state.pc, "PC %#lx, free %#lx", b->state.pc, a->state.pc);
	CHECK(a->state.pstate == b->state.pstate, "PSTATE %#lx, free %#lx", b->state.pstate,
	      a->state.pstate);
	CHECK(a->state.spsr_el1 == b->state.spsr_el1 && a->state.elr_el1 == b->state.elr_el1,
	      "SPSR_EL1 %#lx, free %#lx; ELR_EL1 %#lx, free %#lx", b->state.spsr_el1,
	      a->state.spsr_el1, b->state.elr_el1, a->state.elr_el1);
	CHECK(!memcmp(a->state.sp_el, b->state.sp_el, sizeof(a->state.sp_el)), "stack pointers");
	CHECK(!memcmp(a->data, b->data, sizeof(a->data)), "memory");
	return NULL;
}

static const char *as_free(struct vm *m, const struct snippet *s, uint64_t daif, bool irq)
{
	static struct outcome alone, stepped;
	const char *text = run_free(m, s, daif, &alone);

	if (text)
		return text;
	raise_irq(m, irq);
	text = run_stepped(m, s, daif, &stepped);
	raise_irq(m, false);
	return text ? text : compare(&alone, &stepped);
}

static const char *all_as_free(struct vm *m, bool irq)
{
	static const uint64_t masks[] = { 0, PSTATE_I, PSTATE_F, PSTATE_DAIF };
	const char *text;
	char copy[300];
	size_t i, k;

	for (i = 0; i < sizeof(snippets) / sizeof(snippets[0]); i++)
		for (k = 0; k < 4; k++) {
			text = as_free(m, &snippets[i], masks[k], irq && snippets[i].irq);
			if (!text)
				continue;
			strncpy(copy, text, sizeof(copy) - 1);
			copy[sizeof(copy) - 1] = 0;
			return why("%s, masked %#lx: %s", snippets[i].name, masks[k], copy);
		}
	return NULL;
}

static const char *stepped_as_free(struct vm *m)
{
	return all_as_free(m, false);
}

static const char *stepped_as_free_irq(struct vm *m)
{
	return all_as_free(m, true);
}

const struct fact step_facts[] = {
	{ "step, one instruction each", raw_steps, NULL },
	{ "step into a pending interrupt, without rules", raw_irq, NULL },
	{ "step of exclusives never succeeds, without rules", raw_exclusive, NULL },
	{ "step without enable does nothing", without_enable, NULL },
	{ "step rules keep interrupts out", irq_held, NULL },
	{ "step rules execute a sequence of exclusives as one step", exclusive_once, NULL },
	{ "step rules skip wfi", wait_stepped, NULL },
	{ "step rules end at the vector", exception_ends_step, NULL },
	{ "stepped code ends as code that runs free", stepped_as_free, NULL },
	{ "stepped code ends as code that runs free, with an interrupt pending",
	  stepped_as_free_irq, NULL },
	{ 0 },
};
