// SPDX-License-Identifier: MIT
#include <cpuid.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "tests/lab/x86/probe/facts.h"

enum { BP = 3, DB = 1, DR6_B0 = 1, DR6_BS = 1 << 14, STEPS = 5 };
enum { STEP = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP };
enum { SW = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP };
enum { HW = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP };
enum { DR7_EXEC0 = 2, DR7_WRITE0 = 0xd0002, DR7_EXEC1 = 8 };

#define AT(m) ((unsigned int)vm_regs(m).rip)

/* Is the exit a debug exit with PC there? */
static bool stopped_at(struct vm *m, int exit, uint32_t rip)
{
	return exit == KVM_EXIT_DEBUG && vm_regs(m).rip == rip;
}

/* A KVM that runs guests by its emulator, at an instruction that the emulator does not know. */
static bool gave_up(const struct vm *m, int exit)
{
	return exit == KVM_EXIT_INTERNAL_ERROR &&
	       m->run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION;
}

/* ---- 1: flags, and interrupts during steps ------------------------------------------------------ */

static const char *flags_named(struct vm *m)
{
	if (!m->flags)
		return NOT_APPLICABLE "this KVM does not name them";
	CHECK((m->flags & (STEP | SW | HW)) == (STEP | SW | HW), "%#x", m->flags);
	return NULL;
}

static void interrupt(struct vm *m)
{
	const struct kvm_msi msi = { .address_lo = 0xfee00000, .data = VECTORS - 1 };
	struct kvm_regs regs = vm_regs(m);

	regs.rflags |= FL_IF;
	vm_set_regs(m, &regs);
	ioctl(m->fd, KVM_SIGNAL_MSI, &msi);
}

static const char *irq_blocked(struct vm *m)
{
	unsigned int i;
	int exit;

	if (!(m->flags & KVM_GUESTDBG_BLOCKIRQ))
		return NOT_APPLICABLE "this KVM has no KVM_GUESTDBG_BLOCKIRQ";
	interrupt(m);
	for (i = 1; i <= STEPS; i++) {
		exit = vm_step(m, KVM_GUESTDBG_BLOCKIRQ);
		CHECK(stopped_at(m, exit, CODE + i), "step %u: exit %d at %#x", i, exit, AT(m));
	}
	return NULL;
}

static const char *irq_not_blocked(struct vm *m)
{
	int exit;

	interrupt(m);
	vm_handler(m, VECTORS - 1, "\xe6\x80", 2); /* out: where TF is gone with the delivery */
	exit = vm_step(m, 0);
	CHECK(AT(m) - HANDLERS < 16 * VECTORS, "exit %d at %#x", exit, AT(m));
	return NULL;
}

static const char *irq_masked(struct vm *m)
{
	struct kvm_regs regs;
	int exit;

	interrupt(m);
	regs = vm_regs(m);
	regs.rflags &= ~(uint64_t)FL_IF;
	vm_set_regs(m, &regs);
	exit = vm_step(m, 0);
	CHECK(stopped_at(m, exit, CODE + 1), "exit %d at %#x", exit, AT(m));
	return NULL;
}

/* ---- 2 and 3: int3 --------------------------------------------------------------------------- */

static const char *int3_exits(struct vm *m)
{
	int exit;

	vm_arm(m, SW, 0, 0);
	exit = vm_run(m);
	if (exit == KVM_EXIT_HLT)
		return NOT_APPLICABLE "this KVM does not report breakpoint instructions";
	if (gave_up(m, exit))
		return NOT_APPLICABLE "this KVM can't emulate it: fact 3";
	CHECK(stopped_at(m, exit, CODE) && m->run->debug.arch.pc == CODE, "exit %d at %#x", exit,
	      AT(m));
	CHECK(m->run->debug.arch.exception == BP, "exception %u", m->run->debug.arch.exception);
	return NULL;
}

static const char *int3_reinjected(struct vm *m)
{
	const char *text = int3_exits(m);
	struct kvm_vcpu_events e;
	int exit;

	if (text)
		return text;
	CHECK(!ioctl(m->vcpu, KVM_GET_VCPU_EVENTS, &e), "KVM_GET_VCPU_EVENTS");
	memset(&e.exception, 0, sizeof(e.exception));
	e.exception.injected = 1;
	e.exception.nr = BP;
	CHECK(!ioctl(m->vcpu, KVM_SET_VCPU_EVENTS, &e), "KVM_SET_VCPU_EVENTS");
	exit = vm_run(m);
	CHECK(exit == KVM_EXIT_HLT && AT(m) == HANDLERS + 16 * BP + 1, "exit %d at %#x", exit,
	      AT(m));
	CHECK(vm_word(m, STACK - 12) == CODE + 1, "it saved %#x", vm_word(m, STACK - 12));
	return NULL;
}

static const char *int_3_not_caught(struct vm *m)
{
	int exit;

	vm_arm(m, SW, 0, 0);
	exit = vm_run(m);
	if (gave_up(m, exit))
		return NOT_APPLICABLE "this KVM can't emulate it";
	CHECK(exit == KVM_EXIT_HLT && AT(m) == HANDLERS + 16 * BP + 1, "exit %d at %#x", exit,
	      AT(m));
	return NULL;
}

static const char *int3_emulated(struct vm *m)
{
	int exit;

	vm_arm(m, SW, 0, 0);
	exit = vm_run(m);
	if (!gave_up(m, exit))
		return NOT_APPLICABLE "a processor runs this guest";
	CHECK(AT(m) == CODE, "at %#x", AT(m));
	CHECK(m->run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES,
	      "the exit has no instruction bytes");
	CHECK(m->run->emulation_failure.insn_bytes[0] == 0xcc, "its first byte is %#x",
	      m->run->emulation_failure.insn_bytes[0]);
	return NULL;
}

/* ---- 10: int1 ------------------------------------------------------------------------------------ */

static bool has_vmx(void)
{
	unsigned int a, b, c = 0, d;

	return __get_cpuid(1, &a, &b, &c, &d) && c >> 5 & 1;
}

static const char *int1_exits(struct vm *m)
{
	int exit;

	vm_arm(m, HW, DATA, DR7_EXEC0);
	exit = vm_run(m);
	if (gave_up(m, exit))
		return NOT_APPLICABLE "this KVM can't emulate it";
	if (exit == KVM_EXIT_HLT)
		return NOT_APPLICABLE "this KVM delivers it to the guest without an exit";
	CHECK(exit == KVM_EXIT_DEBUG && m->run->debug.arch.exception == DB, "exit %d", exit);
	CHECK(!(m->run->debug.arch.dr6 & 0xe00f), "DR6 %#llx", m->run->debug.arch.dr6);
	CHECK(AT(m) == (has_vmx() ? CODE : CODE + 1u), "at %#x", AT(m));
	return NULL;
}

/* ---- 4 and 5: steps over what leaves the guest --------------------------------------------------- */

static const char *mmio_stepped(struct vm *m)
{
	int exit = vm_step(m, 0);

	CHECK(exit == KVM_EXIT_MMIO && m->run->mmio.is_write, "exit %d", exit);
	CHECK(AT(m) == CODE + 5, "a write exits with RIP at %#x", AT(m));
	m->run->immediate_exit = 1;
	exit = vm_run(m);
	CHECK(exit == -EINTR && AT(m) == CODE + 5, "completed: exit %d at %#x", exit, AT(m));
	m->run->immediate_exit = 0;
	exit = vm_step(m, 0);
	CHECK(stopped_at(m, exit, CODE + 6), "armed again: exit %d at %#x", exit, AT(m));
	return NULL;
}

static const char *out_stepped(struct vm *m)
{
	int exit = vm_step(m, 0);

	CHECK(exit == KVM_EXIT_IO && m->run->io.port == 0x80, "exit %d", exit);
	exit = vm_run(m);
	CHECK(stopped_at(m, exit, CODE + 2), "exit %d at %#x", exit, AT(m));
	return NULL;
}

static const char *hlt_stepped(struct vm *m)
{
	int exit = vm_step(m, 0);

	CHECK(exit == KVM_EXIT_HLT && AT(m) == CODE + 1, "exit %d at %#x", exit, AT(m));
	return NULL;
}

/* ---- 6: what TF shows in ----------------------------------------------------------------------- */

static const char *step_reported(struct vm *m)
{
	int exit = vm_step(m, 0);

	CHECK(stopped_at(m, exit, CODE + 1), "exit %d at %#x", exit, AT(m));
	CHECK(m->run->debug.arch.exception == DB, "exception %u", m->run->debug.arch.exception);
	CHECK(m->run->debug.arch.dr6 & DR6_BS, "DR6 %#llx", m->run->debug.arch.dr6);
	CHECK(!(vm_regs(m).rflags & FL_TF), "KVM_GET_REGS shows TF");
	return NULL;
}

static const char *pushf_shows_tf(struct vm *m)
{
	int exit = vm_step(m, 0);

	CHECK(stopped_at(m, exit, CODE + 1), "exit %d at %#x", exit, AT(m));
	CHECK(vm_word(m, STACK - 4) == (FL_ONE | FL_TF), "it pushed %#x", vm_word(m, STACK - 4));
	return NULL;
}

static const char *popf_loses_tf(struct vm *m)
{
	int exit;

	vm_step(m, 0); /* push $0x102 */
	exit = vm_step(m, 0);
	CHECK(stopped_at(m, exit, CODE + 6), "exit %d at %#x", exit, AT(m));
	CHECK(!(vm_regs(m).rflags & FL_TF), "TF is still set");
	return NULL;
}

static const char *two_at_a_time(struct vm *m, unsigned int len)
{
	int exit = vm_step(m, 0);

	if (stopped_at(m, exit, CODE + len))
		return NOT_APPLICABLE "here a step ends after it";
	CHECK(stopped_at(m, exit, CODE + len + 1), "exit %d at %#x", exit, AT(m));
	return NULL;
}

static const char *sti_two(struct vm *m)
{
	return two_at_a_time(m, 1);
}

static const char *mov_ss_two(struct vm *m)
{
	struct kvm_regs regs = vm_regs(m);

	regs.rax = 16;
	vm_set_regs(m, &regs);
	return two_at_a_time(m, 2);
}

static const char *int_runs_handler(struct vm *m)
{
	int exit;

	vm_handler(m, 0x10, "\x90\xcf", 2);
	exit = vm_step(m, 0);
	if (gave_up(m, exit))
		return NOT_APPLICABLE "this KVM can't emulate it";
	CHECK(stopped_at(m, exit, CODE + 3), "exit %d at %#x", exit, AT(m));
	return NULL;
}

static const char *rep_by_iterations(struct vm *m)
{
	struct kvm_regs regs = vm_regs(m);
	int exit;

	regs.rcx = 3;
	regs.rdi = DATA;
	vm_set_regs(m, &regs);
	exit = vm_step(m, 0);
	CHECK(exit == KVM_EXIT_DEBUG, "exit %d", exit);
	regs = vm_regs(m);
	if (regs.rcx == 0 && regs.rip == CODE)
		return NOT_APPLICABLE "this KVM's emulator does several at a time";
	CHECK(regs.rip == CODE && regs.rcx == 2, "at %#llx, %lld left", regs.rip, regs.rcx);
	return NULL;
}

/* ---- 7 and 8: debug registers ------------------------------------------------------------------- */

#define NO_SLOTS NOT_APPLICABLE "debug registers never fire here"

static const char *exec_again(struct vm *m)
{
	struct kvm_regs regs;
	int i, exit;

	vm_arm(m, HW, CODE + 1, DR7_EXEC0);
	for (i = 0; i < 3; i++) {
		exit = vm_run(m);
		if (exit == KVM_EXIT_HLT)
			return NO_SLOTS;
		CHECK(stopped_at(m, exit, CODE + 1), "exit %d at %#x", exit, AT(m));
		CHECK(m->run->debug.arch.dr6 & DR6_B0, "DR6 %#llx", m->run->debug.arch.dr6);
	}
	regs = vm_regs(m);
	regs.rflags |= FL_RF;
	vm_set_regs(m, &regs);
	exit = vm_run(m);
	CHECK(exit == KVM_EXIT_HLT, "with RF: exit %d at %#x", exit, AT(m));
	return NULL;
}

static const char *exec_again_in_step(struct vm *m)
{
	int exit;

	vm_arm(m, HW | STEP, CODE, DR7_EXEC0);
	exit = vm_run(m);
	if (stopped_at(m, exit, CODE + 1))
		return NO_SLOTS;
	CHECK(stopped_at(m, exit, CODE), "exit %d at %#x", exit, AT(m));
	CHECK(!(m->run->debug.arch.dr6 & DR6_BS), "DR6 %#llx", m->run->debug.arch.dr6);
	return NULL;
}

static const char *watch_after(struct vm *m)
{
	int exit;

	vm_arm(m, HW, DATA, DR7_WRITE0);
	exit = vm_run(m);
	if (exit == KVM_EXIT_HLT)
		return NO_SLOTS;
	CHECK(stopped_at(m, exit, CODE + 5), "exit %d at %#x", exit, AT(m));
	CHECK(m->run->debug.arch.dr6 & DR6_B0, "DR6 %#llx", m->run->debug.arch.dr6);
	return NULL;
}

/* Not tested where the processor is an emulator that aborts when a guest sets debug registers. */
static const char *guest_held_back(struct vm *m)
{
	struct kvm_debugregs regs = { .db = { 0, CODE + 1 }, .dr6 = 0xffff0ff0 };
	int exit;

	vm_arm(m, HW, CODE + 1, DR7_EXEC0);
	if (vm_run(m) == KVM_EXIT_HLT)
		return NO_SLOTS;
	regs.dr7 = 0x400 | DR7_EXEC1;
	CHECK(!ioctl(m->vcpu, KVM_SET_DEBUGREGS, &regs), "KVM_SET_DEBUGREGS");
	vm_arm(m, HW, DATA, DR7_EXEC0);
	exit = vm_run(m);
	CHECK(exit == KVM_EXIT_HLT && AT(m) == CODE + 4, "exit %d at %#x", exit, AT(m));
	return NULL;
}

/* ---- what has no number -------------------------------------------------------------------------- */

static const char *exit_reason_stays(struct vm *m)
{
	int ret;

	m->run->exit_reason = KVM_EXIT_INTR;
	m->run->immediate_exit = 1;
	ret = vm_run(m);
	CHECK(ret == -EINTR, "KVM_RUN gives %d", ret);
	CHECK(m->run->exit_reason == KVM_EXIT_INTR, "exit %u", m->run->exit_reason);
	CHECK(AT(m) == CODE, "at %#x", AT(m));
	return NULL;
}

static const char *registers_come_along(struct vm *m)
{
	int have = ioctl(m->kvm, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS);

	if (have <= 0 || !(have & KVM_SYNC_X86_REGS))
		return NOT_APPLICABLE "this KVM has no KVM_CAP_SYNC_REGS";
	m->run->kvm_valid_regs = KVM_SYNC_X86_REGS;
	vm_step(m, 0);
	CHECK(m->run->s.regs.regs.rip == CODE + 1, "%#llx", m->run->s.regs.regs.rip);
	return NULL;
}

static const char *triple_fault(struct vm *m)
{
	struct kvm_sregs s;
	int exit;

	ioctl(m->vcpu, KVM_GET_SREGS, &s);
	s.idt.limit = 0;
	ioctl(m->vcpu, KVM_SET_SREGS, &s);
	exit = vm_run(m);
	CHECK(exit == KVM_EXIT_SHUTDOWN, "exit %d", exit);
	return NULL;
}

#define ROW(name, on, holds, code)                 \
	{                                          \
		name, holds, &(const struct setup) \
		{                                  \
			on, code, sizeof(code) - 1 \
		}                                  \
	}
#define NOPS  "\x90\x90\x90\x90\x90\x90\x90\xf4"
#define STORE "\xa3\x00\x90\x00\x00\x90\xf4" /* mov %eax, DATA; nop; hlt */
#define MMIO  "\xa3\x00\x00\x00\xd0\x90\x90" /* mov %eax, 0xd0000000; nop; nop */

const struct fact facts[] = {
	ROW("1, the debug flags are named", 0, flags_named, NOPS),
	ROW("1, BLOCKIRQ keeps an interrupt out of steps", IRQCHIP, irq_blocked, NOPS),
	ROW("1, without BLOCKIRQ a step ends in the handler", IRQCHIP, irq_not_blocked, NOPS),
	ROW("1, clearing IF keeps an interrupt out of steps", IRQCHIP, irq_masked, NOPS),
	ROW("2, an int3 exits with PC on it", 0, int3_exits, "\xcc\xf4"),
	ROW("2, an int3 reinjected saves the address after it", 0, int3_reinjected, "\xcc\xf4"),
	ROW("2, int 3 of two bytes is the guest's", 0, int_3_not_caught, "\xcd\x03\xf4"),
	ROW("3, an int3 that can't be emulated exits with its bytes", 0, int3_emulated, "\xcc\xf4"),
	ROW("4, an MMIO write exits with RIP after it, and armed again the next step is one", 0,
	    mmio_stepped, MMIO),
	ROW("5, out exits before its step ends", PROCESSOR, out_stepped, "\xe6\x80\x90\x90"),
	ROW("5, hlt is not reported as a step", PROCESSOR, hlt_stepped, "\xf4\x90"),
	ROW("6, a step has DR6.BS, and no TF in its flags", 0, step_reported, NOPS),
	ROW("6, pushf shows TF", PROCESSOR, pushf_shows_tf, "\x9c\x90"),
	ROW("6, popf clears the guest's TF", 0, popf_loses_tf, "\x68\x02\x01\x00\x00\x9d\x90"),
	ROW("6, a step over sti is one of two instructions", 0, sti_two, "\xfb\x90\x90\xf4"),
	ROW("6, a step over mov ss is one of two instructions", 0, mov_ss_two,
	    "\x8e\xd0\x90\x90\xf4"),
	ROW("6, a step over int runs the handler", 0, int_runs_handler, "\xcd\x10\x90\x90\xf4"),
	ROW("6, rep is stepped by iterations", 0, rep_by_iterations, "\xf3\xaa\x90"),
	ROW("7, an execution slot hits again until RF is set", PROCESSOR, exec_again,
	    "\x90\x90\x90\xf4"),
	ROW("7, an execution slot hits again in a step, too", 0, exec_again_in_step, NOPS),
	ROW("7, a data slot hits after the access", 0, watch_after, STORE),
	ROW("8, while slots are used the guest's own debug registers do not fire", PROCESSOR,
	    guest_held_back, "\x90\x90\x90\xf4"),
	ROW("10, an int1 exits without a cause, with PC on it on VT-x, after it on AMD-V", 0,
	    int1_exits, "\xf1\xf4"),
	ROW("an entry that does not reach the guest leaves the exit", 0, exit_reason_stays, NOPS),
	ROW("KVM_CAP_SYNC_REGS gives registers with exits", 0, registers_come_along, NOPS),
	ROW("a triple fault is KVM_EXIT_SHUTDOWN", 0, triple_fault, "\x0f\x0b"),
	{ 0 },
};
