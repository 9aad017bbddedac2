// SPDX-License-Identifier: MIT
/* vcpu_ops over the KVM of this machine, driven without an engine. */
#ifdef __x86_64__
#include <cpuid.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "arch/x86/kvm_vcpu.h"
#include "arch/x86/walk.h"
#include "tests/unit/x86_vm.h"

#define OPEN(m, mode)               \
	struct x86_vm m;            \
	if (!x86_vm_open(&m, mode)) \
	cr_skip_test(X86_NO_KVM)

/* Skips the test where the host's KVM never reports this exit. */
#define NEED(m, kind)                                                     \
	do {                                                              \
		const char *why = (m).ops->unsupported_trap((m).k, kind); \
		if (why) {                                                \
			x86_vm_close(&(m));                               \
			cr_skip_test("%s", why);                          \
		}                                                         \
	} while (0)

static const struct debug_control nothing, trap_brk = { .trap_brk = true };

static uint64_t rip(struct x86_vm *m)
{
	return x86_vm_get(m, X86_BANK_GPR)->rip;
}

static uint64_t stack64(struct x86_vm *m, unsigned int n)
{
	uint64_t value;

	memcpy(&value, m->mem + x86_vm_get(m, X86_BANK_GPR)->gpr[X86_RSP] + 8 * n, sizeof(value));
	return value;
}

static void *kick_later(void *arg)
{
	const struct timespec ms = { .tv_nsec = 20000000 };
	struct x86_vm *m = arg;

	nanosleep(&ms, NULL);
	m->ops->kick(m->k);
	return NULL;
}

/* ---- registers ------------------------------------------------------------------------------- */

Test(x86_kvm, gpr_round_trip,
     .description = "each general register is stored in KVM and reads back")
{
	struct x86_state *s, was;
	unsigned int i;
	struct trap t;
	OPEN(m, X86_GUEST_64);

	x86_vm_code(&m, "\xf4", 1);
	s = x86_vm_set(&m, X86_BANK_GPR);
	for (i = 0; i < 16; i++)
		s->gpr[i] = 0x1111111111111111ull * (i + 1) / 2;
	was = *s;
	cr_assert_eq(x86_vm_run(&m, &nothing, &t), 0);
	s = x86_vm_set(&m, X86_BANK_GPR);
	cr_assert_arr_eq(s->gpr, was.gpr, sizeof(was.gpr));
	cr_assert_eq(s->rip, X86_CODE + 1);
	x86_vm_close(&m);
}

Test(x86_kvm, gpr_names, .description = "a guest that loads registers by name shows which is which")
{
	/* mov eax..edi and r8d..r15d, 1 ..; hlt */
	static const uint8_t opcodes[] = { 0xb8, 0xb9, 0xba, 0xbb, 0xbc, 0xbd, 0xbe, 0xbf };
	const struct x86_state *s;
	uint8_t code[16 * 6 + 1];
	size_t n = 0;
	unsigned int i;
	struct trap t;
	OPEN(m, X86_GUEST_64);

	for (i = 0; i < 16; i++) {
		if (i >= 8)
			code[n++] = 0x41;
		code[n++] = opcodes[i & 7];
		memcpy(code + n, (uint32_t[]){ i + 1 }, 4);
		n += 4;
	}
	code[n++] = 0xf4;
	x86_vm_code(&m, code, n);
	cr_assert_eq(x86_vm_run(&m, &nothing, &t), 0);
	s = x86_vm_get(&m, X86_BANK_GPR);
	for (i = 0; i < 16; i++)
		cr_expect_eq(s->gpr[i], i + 1, "register %u", i);
	x86_vm_close(&m);
}

Test(x86_kvm, all_banks, .description = "every bank that can be stored reads back as it was stored")
{
	struct x86_state *s, was;
	unsigned int bank;
	OPEN(m, X86_GUEST_64);

	for (bank = 0; bank < X86_BANKS; bank++)
		s = x86_vm_set(&m, bank);
	s->gpr[X86_RAX] = 0x123456789abcdef0;
	s->cr2 = 0xffff800000001234;
	s->cr8 = 5;
	s->seg[X86_GS].base = 0xffff888012345000;
	s->msr.kernel_gs_base = 0xffff888000001000;
	s->msr.lstar = 0xffffffff81000000;
	s->msr.star = 0x0023001000000000;
	s->fpu.fctrl = 0x27f;
	s->fpu.mxcsr = 0x1fa0;
	s->events.sti_shadow = true;
	memcpy(s->fpu.st[0], "\0\0\0\0\0\0\0\x80\xff\x3f", 10);
	s->fpu.ftag = 0xfffc;
	memset(s->fpu.xmm[15], 0xa5, 16);
	if (s->cpuid.f1_ecx & X86_CPUID_1_ECX_AVX)
		memset(s->fpu.ymmh[3], 0x5a, 16);
	was = *s;
	for (bank = 0; bank < X86_BANK_CPUID; bank++)
		cr_assert_eq(m.ops->store(m.k, bank, s), 0, "bank %u", bank);
	memset(s, 0, sizeof(*s));
	for (bank = 0; bank < X86_BANKS; bank++)
		cr_assert_eq(m.ops->fetch(m.k, bank, s), 0, "bank %u", bank);
	cr_expect_arr_eq(s, &was, sizeof(was));
	cr_expect_eq(m.ops->store(m.k, X86_BANK_CPUID, s), -EINVAL);
	cr_expect_eq(m.ops->fetch(m.k, X86_BANKS, s), -EINVAL);
	x86_vm_close(&m);
}

Test(x86_kvm, cpuid, .description = "the bank has the guest's own CPUID, not the host's")
{
	struct kvm_cpuid2 none = { 0 };
	const struct x86_state *s;
	OPEN(m, X86_GUEST_64);

	s = x86_vm_get(&m, X86_BANK_CPUID);
	cr_expect_neq(s->cpuid.e1_edx & 1u << 29, 0, "long mode");
	cr_expect_geq(s->cpuid.phys_bits, 36);
	cr_assert_eq(ioctl(m.vcpu, KVM_SET_CPUID2, &none), 0);
	m.valid = 0;
	s = x86_vm_get(&m, X86_BANK_CPUID);
	cr_expect_eq(s->cpuid.e1_edx, 0);
	x86_vm_close(&m);
}

Test(x86_kvm, powered_off, .description = "a vCPU that waits for its SIPI is off, and readable")
{
	struct kvm_mp_state mp = { KVM_MP_STATE_UNINITIALIZED };
	unsigned int bank;
	struct x86_vm m;

	if (!x86_vm_open_irqchip(&m, X86_GUEST_REAL))
		cr_skip_test(X86_NO_KVM);
	cr_assert_null(m.ops->halted(m.k));
	cr_assert_eq(ioctl(m.vcpu, KVM_SET_MP_STATE, &mp), 0);
	cr_expect_null(m.ops->halted(m.k), "asked once a stop");
	cr_assert_eq(m.ops->arm(m.k, &nothing), 0);
	cr_expect_str_eq(m.ops->halted(m.k), "off");
	for (bank = 0; bank < X86_BANKS; bank++)
		cr_expect_eq(m.ops->fetch(m.k, bank, &m.state), 0, "bank %u", bank);
	x86_vm_close(&m);
}

Test(x86_kvm, halted, .description = "a vCPU in HLT is halted, and a kick makes it exit",
     .timeout = 20)
{
	pthread_t thread;
	struct x86_vm m;
	struct trap t;

	if (!x86_vm_open_irqchip(&m, X86_GUEST_64))
		cr_skip_test(X86_NO_KVM);
	x86_vm_code(&m, "\xf4\x90", 2);
	cr_assert_eq(pthread_create(&thread, NULL, kick_later, &m), 0);
	cr_expect_eq(x86_vm_run(&m, &nothing, &t), -EINTR);
	pthread_join(thread, NULL);
	cr_expect_str_eq(m.ops->halted(m.k), "halted");
	cr_expect_eq(rip(&m), X86_CODE + 1);
	x86_vm_close(&m);
}

/* Store the general registers with that RIP, as after a debugger's write. */
static void move_to(struct x86_vm *m, uint64_t to)
{
	x86_vm_set(m, X86_BANK_GPR)->rip = to;
	cr_assert_eq(m->ops->store(m->k, X86_BANK_GPR, &m->state), 0);
	m->dirty = 0;
}

static uint32_t mp_state(const struct x86_vm *m)
{
	struct kvm_mp_state mp;

	cr_assert_eq(ioctl(m->vcpu, KVM_GET_MP_STATE, &mp), 0);
	return mp.mp_state;
}

Test(x86_kvm, halted_moved,
     .description =
	     "a halted vCPU whose PC the debugger sets is no longer halted; one that is off stays off")
{
	struct kvm_mp_state mp = { KVM_MP_STATE_HALTED };
	struct x86_vm m;

	if (!x86_vm_open_irqchip(&m, X86_GUEST_64))
		cr_skip_test(X86_NO_KVM);
	cr_assert_eq(ioctl(m.vcpu, KVM_SET_MP_STATE, &mp), 0);
	cr_assert_eq(m.ops->arm(m.k, &nothing), 0);
	cr_expect_str_eq(m.ops->halted(m.k), "halted");
	move_to(&m, rip(&m));
	cr_expect_str_eq(m.ops->halted(m.k), "halted", "its PC is the same");
	cr_expect_eq(mp_state(&m), KVM_MP_STATE_HALTED);
	move_to(&m, X86_CODE + 1);
	cr_expect_null(m.ops->halted(m.k));
	cr_expect_eq(mp_state(&m), KVM_MP_STATE_RUNNABLE);
	mp.mp_state = KVM_MP_STATE_UNINITIALIZED;
	cr_assert_eq(ioctl(m.vcpu, KVM_SET_MP_STATE, &mp), 0);
	cr_assert_eq(m.ops->arm(m.k, &nothing), 0);
	move_to(&m, X86_CODE + 2);
	cr_expect_str_eq(m.ops->halted(m.k), "off");
	cr_expect_eq(mp_state(&m), KVM_MP_STATE_UNINITIALIZED);
	x86_vm_close(&m);
}

/* ---- steps and breakpoints --------------------------------------------------------------------- */

static void check_plain_steps(enum x86_guest mode)
{
	const struct debug_control step = { .step = true, .block_irq = true };
	uint64_t at, start;
	struct trap t;
	unsigned int i;
	OPEN(m, mode);

	start = x86_vm_get(&m, X86_BANK_SREGS)->seg[X86_CS].base;
	x86_vm_code(&m, "\x90\x40\x90\x90\xf4", mode == X86_GUEST_64 ? 1 : 5);
	if (mode == X86_GUEST_64)
		x86_vm_code(&m, "\x90\x90\x90\x90\xf4", 5);
	at = rip(&m);
	for (i = 1; i <= 4; i++) {
		cr_assert_eq(x86_vm_run(&m, &step, &t), 0);
		cr_expect_eq(t.kind, TRAP_STEP);
		cr_expect_eq(rip(&m), at + i);
		cr_expect_eq(t.pc, start + at + i, "pc %#lx", t.pc);
	}
	x86_vm_close(&m);
}

Test(x86_kvm, steps_real, .description = "single steps in real mode; the trap's pc is linear")
{
	check_plain_steps(X86_GUEST_REAL);
}

Test(x86_kvm, steps_32, .description = "single steps in protected mode")
{
	check_plain_steps(X86_GUEST_32);
}

Test(x86_kvm, steps_64, .description = "single steps in 64-bit mode")
{
	check_plain_steps(X86_GUEST_64);
}

Test(x86_kvm, step_needs_no_fetch_call,
     .description = "with KVM_CAP_SYNC_REGS a step's exit includes its registers")
{
	const struct debug_control step = { .step = true };
	struct kvm_regs other = { .rip = 0x4242, .rflags = 2 };
	struct trap t;
	OPEN(m, X86_GUEST_64);

	x86_vm_code(&m, "\x90\x90\xf4", 3);
	if (!m.k->sync_regs) {
		x86_vm_close(&m);
		cr_skip_test("no KVM_CAP_SYNC_REGS in this KVM");
	}
	cr_assert_eq(x86_vm_run(&m, &step, &t), 0);
	/*
	 * KVM's registers change meanwhile: the first fetch does not read them from KVM, the next
	 * does
	 */
	cr_assert_eq(ioctl(m.vcpu, KVM_SET_REGS, &other), 0);
	cr_expect_eq(rip(&m), X86_CODE + 1);
	m.valid = 0;
	cr_expect_eq(rip(&m), 0x4242);
	x86_vm_close(&m);
}

Test(x86_kvm, int3,
     .description = "an int3 is a breakpoint exit with PC on it, and the guest can go on")
{
	struct trap t;
	OPEN(m, X86_GUEST_64);

	NEED(m, TRAP_BRK);
	x86_vm_code(&m, "\x90\xcc\x90\xf4", 4);
	cr_assert_eq(x86_vm_run(&m, &trap_brk, &t), 0);
	cr_expect_eq(t.kind, TRAP_BRK);
	cr_expect_eq(t.pc, X86_CODE + 1);
	cr_expect_eq(rip(&m), X86_CODE + 1);
	m.mem[X86_CODE + 1] = 0x90;
	cr_assert_eq(x86_vm_run(&m, &trap_brk, &t), 0);
	cr_expect_eq(t.kind, 0);
	cr_expect_eq(m.run->exit_reason, KVM_EXIT_HLT);
	cr_expect_eq(rip(&m), X86_CODE + 4, "rip %#lx", rip(&m));
	x86_vm_close(&m);
}

Test(x86_kvm, int3_reinjected,
     .description =
	     "a reinjected int3 of the guest reaches its handler, with the address after it saved")
{
	struct trap t;
	OPEN(m, X86_GUEST_64);

	NEED(m, TRAP_BRK);
	x86_vm_code(&m, "\x90\xcc\x90\xf4", 4);
	cr_assert_eq(x86_vm_run(&m, &trap_brk, &t), 0);
	cr_assert_eq(t.kind, TRAP_BRK);
	cr_assert_eq(m.ops->reinject(m.k, &t), 0);
	cr_assert_eq(x86_vm_run(&m, &trap_brk, &t), 0);
	cr_expect_eq(t.kind, 0);
	cr_expect_eq(rip(&m), X86_HANDLERS + 16 * 3 + 1, "rip %#lx", rip(&m));
	cr_expect_eq(stack64(&m, 0), X86_CODE + 2);
	cr_expect_eq(stack64(&m, 1), X86_SEL_CODE64);
	cr_expect_eq(stack64(&m, 3), X86_STACK);
	x86_vm_close(&m);
}

Test(x86_kvm, step_reinjected,
     .description = "a reinjected debug exception of the guest reaches its handler")
{
	const struct trap t = { .kind = TRAP_STEP, .syndrome = { 1, 0x4000 } };
	struct kvm_debugregs regs;
	struct trap now;
	OPEN(m, X86_GUEST_64);

	x86_vm_code(&m, "\x90\xf4", 2);
	cr_assert_eq(x86_vm_run(&m, &(struct debug_control){ .step = true }, &now), 0);
	cr_assert_eq(m.ops->reinject(m.k, &t), 0);
	cr_assert_eq(x86_vm_run(&m, &nothing, &now), 0);
	cr_expect_eq(rip(&m), X86_HANDLERS + 16 * 1 + 1, "rip %#lx", rip(&m));
	cr_expect_eq(stack64(&m, 0), X86_CODE + 1);
	cr_assert_eq(ioctl(m.vcpu, KVM_GET_DEBUGREGS, &regs), 0);
	cr_expect_eq(regs.dr6 & 0x4000, 0x4000);
	x86_vm_close(&m);
}

/* VT-x stops at an INT1, AMD-V after it; both without a cause in DR6. */
Test(x86_kvm, int1_reinjected,
     .description = "a reinjected int1 of the guest saves the address after it")
{
	const struct trap t = { .kind = TRAP_STEP, .syndrome = { 1, 0 } };
	unsigned int a, b, c = 0, d, on_it;
	struct trap now;
	OPEN(m, X86_GUEST_64);

	on_it = __get_cpuid(1, &a, &b, &c, &d) && c >> 5 & 1;
	x86_vm_code(&m, "\x90\xf1\xf4", 3);
	cr_assert_eq(x86_vm_run(&m, &(struct debug_control){ .step = true }, &now), 0);
	x86_vm_set(&m, X86_BANK_GPR)->rip = X86_CODE + 2 - on_it;
	cr_assert_eq(m.ops->store(m.k, X86_BANK_GPR, &m.state), 0);
	m.dirty = 0;
	cr_assert_eq(m.ops->reinject(m.k, &t), 0);
	cr_assert_eq(x86_vm_run(&m, &nothing, &now), 0);
	cr_expect_eq(rip(&m), X86_HANDLERS + 16 * 1 + 1, "rip %#lx", rip(&m));
	cr_expect_eq(stack64(&m, 0), X86_CODE + 2);
	x86_vm_close(&m);
}

Test(x86_kvm, exec_slots, .description = "four execution slots, each reported by its index")
{
	struct debug_control w = { .nhw = 4 };
	struct trap t;
	unsigned int i;
	OPEN(m, X86_GUEST_64);

	NEED(m, TRAP_EXEC);
	for (i = 0; i < 4; i++)
		w.hw[i] = (struct hw_slot){ HW_EXEC, X86_CODE + 4 - i, 1 };
	x86_vm_code(&m, "\x90\x90\x90\x90\x90\xf4", 6);
	for (i = 4; i; i--) {
		cr_assert_eq(x86_vm_run(&m, &w, &t), 0);
		cr_expect_eq(t.kind, TRAP_EXEC);
		cr_expect_eq(t.slots, 1u << (i - 1));
		cr_expect_eq(t.pc, X86_CODE + 5 - i);
		w.nhw--;
	}
	cr_assert_eq(x86_vm_run(&m, &w, &t), 0);
	cr_expect_eq(m.run->exit_reason, KVM_EXIT_HLT);
	x86_vm_close(&m);
}

static bool watch_fires(struct x86_vm *m)
{
	const struct debug_control w = { .nhw = 1, .hw = { { HW_WRITE, 0x50000, 1 } } };
	struct trap t;

	x86_vm_code(m, "\xc6\x04\x25\x00\x00\x05\x00\x01\x90\xf4", 10);
	cr_assert_eq(x86_vm_run(m, &w, &t), 0);
	if (t.kind == TRAP_WATCH) {
		cr_expect_eq(t.slots, 1);
		cr_expect_eq(t.pc, X86_CODE + 8);
	}
	return t.kind == TRAP_WATCH;
}

static bool exec_fires(struct x86_vm *m)
{
	const struct debug_control w = { .nhw = 1, .hw = { { HW_EXEC, X86_CODE + 1, 1 } } };
	struct trap t;

	x86_vm_code(m, "\x90\x90\xf4", 3);
	cr_assert_eq(x86_vm_run(m, &w, &t), 0);
	return t.kind == TRAP_EXEC;
}

static bool brk_fires(struct x86_vm *m)
{
	struct trap t;

	x86_vm_code(m, "\x90\xcc\xf4", 3);
	cr_assert_eq(x86_vm_run(m, &trap_brk, &t), 0);
	return t.kind == TRAP_BRK;
}

Test(x86_kvm, unsupported_traps,
     .description = "traps reported as unsupported never happen, and all others do")
{
	OPEN(m, X86_GUEST_64);

	cr_expect_eq(!m.ops->unsupported_trap(m.k, TRAP_WATCH), watch_fires(&m));
	cr_expect_eq(!m.ops->unsupported_trap(m.k, TRAP_EXEC), exec_fires(&m));
	cr_expect_eq(!m.ops->unsupported_trap(m.k, TRAP_BRK), brk_fires(&m));
	cr_expect_null(m.ops->unsupported_trap(m.k, TRAP_STEP));
	x86_vm_close(&m);
}

/* At X86_CODE / 16 : 0, as x86_guest_state() has it; the handler of the int3 is a HLT. */
Test(x86_kvm, brk_ignored,
     .description =
	     "in real mode breakpoint instructions trap unless that is reported as unsupported")
{
	const char *why;
	bool fires;
	OPEN(m, X86_GUEST_REAL);

	why = m.ops->brk_ignored(m.k, &m.view, X86_CODE);
	fires = brk_fires(&m);
	cr_expect_eq(!why, fires || m.ops->unsupported_trap(m.k, TRAP_BRK));
	cr_expect_null(m.ops->brk_ignored(m.k, &m.view, 0x10fff0), "no code of real mode");
	x86_vm_close(&m);
}

Test(x86_kvm, brk_not_ignored,
     .description = "that they do not trap in real mode is of no other mode")
{
	OPEN(m, X86_GUEST_64);

	cr_expect_null(m.ops->brk_ignored(m.k, &m.view, X86_CODE));
	x86_vm_close(&m);
}

Test(x86_kvm, slots_refused,
     .description = "slots that DR0-3 can't hold are refused, never truncated")
{
	static const struct hw_slot bad[] = {
		{ HW_EXEC, X86_CODE, 2 },      { HW_WRITE, X86_CODE, 3 },
		{ HW_WRITE, X86_CODE + 1, 2 }, { HW_WRITE, X86_CODE, 16 },
		{ HW_WRITE, X86_CODE, 0 },
	};
	struct debug_control w = { .nhw = 1 };
	unsigned int i;
	OPEN(m, X86_GUEST_64);

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		w.hw[0] = bad[i];
		cr_expect_eq(m.ops->arm(m.k, &w), -EINVAL, "slot %u", i);
	}
	w.hw[0] = (struct hw_slot){ HW_READ, X86_CODE, 1 };
	cr_expect_eq(m.ops->arm(m.k, &w), -EOPNOTSUPP);
	w = (struct debug_control){ .nhw = 5 };
	cr_expect_eq(m.ops->arm(m.k, &w), -ENOSPC);
	x86_vm_close(&m);
}

Test(x86_kvm, guest_trap_flag,
     .description = "a TF that the debugger writes belongs to the guest: it survives arming")
{
	const struct debug_control step = { .step = true };
	struct trap t;
	OPEN(m, X86_GUEST_64);

	x86_vm_code(&m, "\x90\x90\x90\xf4", 4);
	cr_assert_eq(x86_vm_run(&m, &step, &t), 0);
	x86_vm_set(&m, X86_BANK_GPR)->rflags |= X86_FL_TF;
	cr_assert_eq(x86_vm_run(&m, &nothing, &t), 0);
	cr_expect_eq(rip(&m), X86_HANDLERS + 16 * 1 + 1, "rip %#lx", rip(&m));
	cr_expect_eq(stack64(&m, 0), X86_CODE + 2);
	x86_vm_close(&m);
}

/* ---- other exits ------------------------------------------------------------------------------- */

Test(x86_kvm, triple_fault,
     .description = "a triple fault is reported as such, with registers readable")
{
	struct trap t;
	OPEN(m, X86_GUEST_64);

	x86_vm_set(&m, X86_BANK_SREGS)->idt.limit = 0;
	x86_vm_code(&m, "\x90\x0f\x0b", 3);
	cr_assert_eq(x86_vm_run(&m, &nothing, &t), 0);
	cr_expect_eq(t.kind, TRAP_FATAL);
	cr_expect_str_eq(t.text, "triple fault");
	x86_vm_get(&m, X86_BANK_GPR);
	x86_vm_close(&m);
}

Test(x86_kvm, port_io, .description = "an exit for the VMM is no trap; it needs completion once")
{
	struct trap t;
	OPEN(m, X86_GUEST_64);

	x86_vm_code(&m, "\xe4\x80\xf4", 3); /* in al, 0x80 */
	cr_assert_eq(x86_vm_run(&m, &trap_brk, &t), 0);
	cr_assert_eq(m.run->exit_reason, KVM_EXIT_IO);
	cr_expect_eq(t.kind, 0);
	*((uint8_t *)m.run + m.run->io.data_offset) = 0x5a;
	cr_expect(m.ops->needs_completion(m.k));
	cr_expect_not(m.ops->needs_completion(m.k));
	m.ops->kick(m.k);
	cr_expect_eq(x86_vm_run(&m, &trap_brk, &t), -EINTR);
	cr_expect_eq(t.kind, TRAP_INTERRUPTED);
	m.ops->clear_kick(m.k);
	cr_expect_eq(x86_vm_get(&m, X86_BANK_GPR)->gpr[X86_RAX] & 0xff, 0x5a);
	cr_expect_eq(rip(&m), X86_CODE + 2);
	x86_vm_close(&m);
}

Test(x86_kvm, step_over_io,
     .description = "the step over an IN ends after it, after the VMM served it")
{
	const struct debug_control step = { .step = true };
	struct trap t;
	OPEN(m, X86_GUEST_64);

	x86_vm_code(&m, "\xe4\x80\x90\xf4", 4);
	cr_assert_eq(x86_vm_run(&m, &step, &t), 0);
	cr_assert_eq(m.run->exit_reason, KVM_EXIT_IO);
	cr_assert_eq(x86_vm_run(&m, &step, &t), 0);
	cr_expect_eq(t.kind, TRAP_STEP);
	cr_expect_eq(rip(&m), X86_CODE + 2, "rip %#lx", rip(&m));
	x86_vm_close(&m);
}

Test(x86_kvm, stale_exit,
     .description = "an entry that returns at once is not classified as the last exit")
{
	const struct debug_control step = { .step = true };
	struct trap t;
	OPEN(m, X86_GUEST_64);

	x86_vm_code(&m, "\x90\x90\xf4", 3);
	cr_assert_eq(x86_vm_run(&m, &step, &t), 0);
	cr_assert_eq(t.kind, TRAP_STEP);
	m.ops->kick(m.k);
	cr_expect_eq(x86_vm_run(&m, &step, &t), -EINTR);
	cr_expect_eq(t.kind, TRAP_INTERRUPTED);
	cr_expect_eq(rip(&m), X86_CODE + 1);
	m.ops->clear_kick(m.k);
	cr_expect_eq(x86_vm_run(&m, &step, &t), 0);
	cr_expect_eq(t.kind, TRAP_STEP);
	x86_vm_close(&m);
}

Test(x86_kvm, kick, .description = "a kick makes a spinning vCPU exit", .timeout = 20)
{
	pthread_t thread;
	struct trap t;
	OPEN(m, X86_GUEST_64);

	x86_vm_code(&m, "\xeb\xfe", 2);
	cr_assert_eq(pthread_create(&thread, NULL, kick_later, &m), 0);
	cr_expect_eq(x86_vm_run(&m, &nothing, &t), -EINTR);
	cr_expect_eq(t.kind, TRAP_INTERRUPTED);
	pthread_join(thread, NULL);
	cr_expect_eq(rip(&m), X86_CODE);
	x86_vm_close(&m);
}

Test(x86_kvm, kick_after_io,
     .description = "an unarmed entry that a kick ended is not classified as the last exit")
{
	struct trap t;
	OPEN(m, X86_GUEST_64);

	x86_vm_code(&m, "\xe6\x80\xeb\xfe", 4); /* out 0x80, al */
	cr_assert_eq(x86_vm_run(&m, &trap_brk, &t), 0);
	cr_assert_eq(m.run->exit_reason, KVM_EXIT_IO);
	m.ops->kick(m.k);
	cr_assert_eq(ioctl(m.vcpu, KVM_RUN, 0), -1);
	m.ops->classify(m.k, &t);
	cr_expect_eq(t.kind & ~(unsigned int)TRAP_INTERRUPTED, 0);
	x86_vm_close(&m);
}

/* ---- what is the VMM's ------------------------------------------------------------------------- */

Test(x86_kvm, vmm_kick_kept,
     .description =
	     "an immediate_exit that the VMM has set stays, whether a kick came on top or not")
{
	struct trap t;
	OPEN(m, X86_GUEST_64);

	x86_vm_code(&m, "\xeb\xfe", 2);
	m.run->immediate_exit = 1;
	m.ops->kick(m.k);
	cr_expect_eq(x86_vm_run(&m, &nothing, &t), -EINTR);
	cr_expect_eq(t.kind, TRAP_INTERRUPTED);
	m.ops->clear_kick(m.k);
	cr_expect_eq(m.run->immediate_exit, 1, "it was the VMM's");
	m.ops->clear_kick(m.k);
	cr_expect_eq(m.run->immediate_exit, 1, "there was no kick");
	m.run->immediate_exit = 0;
	m.ops->kick(m.k);
	m.ops->clear_kick(m.k);
	cr_expect_eq(m.run->immediate_exit, 0, "it was the library's");
	x86_vm_close(&m);
}

Test(x86_kvm, vmm_sync_kept, .description = "the VMM's kvm_valid_regs are kept over a step")
{
	const struct debug_control step = { .step = true };
	struct trap t;
	OPEN(m, X86_GUEST_64);

	m.run->kvm_valid_regs = KVM_SYNC_X86_REGS;
	x86_vm_code(&m, "\x90\xf4", 2);
	cr_assert_eq(x86_vm_run(&m, &step, &t), 0);
	cr_expect_eq(m.run->kvm_valid_regs & KVM_SYNC_X86_REGS, KVM_SYNC_X86_REGS);
	m.run->kvm_valid_regs = 0; /* the VMM asks for no registers from here on */
	cr_assert_eq(x86_vm_run(&m, &nothing, &t), 0);
	cr_expect_eq(m.run->kvm_valid_regs, 0);
	x86_vm_close(&m);
}

Test(x86_kvm, vmm_debugging_kept,
     .description = "the VMM's own guest debugging lasts until a debugger arms the vCPU")
{
	struct kvm_guest_debug d = { KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0, { { 0 } } };
	struct x86_kvm *again;
	struct vcpu_caps caps;
	struct trap t;
	OPEN(m, X86_GUEST_64);

	x86_vm_code(&m, "\x90\x90\xf4", 3);
	x86_vm_get(&m, X86_BANK_GPR);
	cr_assert_eq(m.ops->store(m.k, X86_BANK_GPR, &m.state), 0);
	m.dirty = 0;
	cr_assert_eq(ioctl(m.vcpu, KVM_SET_GUEST_DEBUG, &d), 0);
	cr_assert_eq(x86_kvm_create(m.vcpu, m.run, SIGRTMIN, &again, &caps), 0);
	m.ops->release(again);
	cr_assert_eq(x86_vm_run(&m, &nothing, &t), 0);
	cr_expect_eq(m.run->exit_reason, KVM_EXIT_DEBUG, "exit %u", m.run->exit_reason);
	x86_vm_close(&m);
}

struct nmi {
	int vcpu;
	pthread_barrier_t start, end;
};

enum { NMI_ROUNDS = 2000 };

static void *send_nmis(void *arg)
{
	struct nmi *n = arg;
	unsigned int i;

	for (i = 0; i < NMI_ROUNDS; i++) {
		pthread_barrier_wait(&n->start);
		ioctl(n->vcpu, KVM_NMI, 0);
		pthread_barrier_wait(&n->end);
	}
	return NULL;
}

/* Whether an NMI is pending; clears it. */
static bool take_nmi(int vcpu)
{
	struct kvm_vcpu_events e;
	bool pending;

	cr_assert_eq(ioctl(vcpu, KVM_GET_VCPU_EVENTS, &e), 0);
	pending = e.nmi.pending;
	e.nmi.pending = 0;
	e.flags = KVM_VCPUEVENT_VALID_NMI_PENDING;
	cr_assert_eq(ioctl(vcpu, KVM_SET_VCPU_EVENTS, &e), 0);
	return pending;
}

Test(x86_kvm, pending_nmi_kept,
     .description = "an NMI that the VMM sends while events are stored is not lost", .timeout = 60)
{
	const struct trap step = { .kind = TRAP_STEP };
	unsigned int i, lost = 0;
	struct x86_state *s;
	pthread_t thread;
	struct nmi n;
	OPEN(m, X86_GUEST_64);

	s = x86_vm_set(&m, X86_BANK_EVENTS);
	n.vcpu = m.vcpu;
	pthread_barrier_init(&n.start, NULL, 2);
	pthread_barrier_init(&n.end, NULL, 2);
	cr_assert_eq(pthread_create(&thread, NULL, send_nmis, &n), 0);
	for (i = 0; i < NMI_ROUNDS; i++) {
		pthread_barrier_wait(&n.start);
		if (i % 2)
			cr_expect_eq(m.ops->store(m.k, X86_BANK_EVENTS, s), 0);
		else
			cr_expect_eq(m.ops->reinject(m.k, &step), 0);
		pthread_barrier_wait(&n.end);
		lost += !take_nmi(m.vcpu);
	}
	pthread_join(thread, NULL);
	cr_expect_eq(lost, 0, "%u of %u", lost, NMI_ROUNDS);
	x86_vm_close(&m);
}

/* ---- against KVM's own translation ------------------------------------------------------------- */

Test(x86_kvm, translate, .description = "our page walk agrees with KVM_TRANSLATE")
{
	struct kvm_translation k;
	struct xlat x;
	uint64_t va;
	int ret;
	OPEN(m, X86_GUEST_64);

	for (va = 0; va < 2 * X86_MEM_SIZE; va += 0x3123) {
		k = (struct kvm_translation){ .linear_address = va };
		cr_assert_eq(ioctl(m.vcpu, KVM_TRANSLATE, &k), 0);
		ret = x86_translate(&m.view, va, &x);
		cr_expect_eq(!ret, k.valid, "va %#lx: %d, KVM %d", va, ret, k.valid);
		if (!ret)
			cr_expect_eq(x.gpa, k.physical_address);
	}
	x86_vm_close(&m);
}
#endif
