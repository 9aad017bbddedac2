// SPDX-License-Identifier: MIT
/*
 * Stepping on KVM: each program runs free and is stepped, and must end in the
 * same state, with every stop after one instruction. The programs end at a HLT.
 */
#ifdef __x86_64__
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "arch/x86/segment.h"
#include "arch/x86/kvm_vcpu.h"
#include "tests/unit/x86_vm.h"

enum { HLT = 0xf4, STEPS_MAX = 100 };

struct program {
	const char *name;
	enum x86_guest mode;
	const char *code;
	size_t len;
	unsigned int steps; /* up to the HLT; 0: any number */
	void (*prepare)(struct x86_vm *m);
};

#define CODE(s) s, sizeof(s) - 1

/* A handler that only returns; some handlers must advance the return address first. */
static void handler(struct x86_vm *m, unsigned int vector, const char *code, size_t len)
{
	memcpy(m->mem + X86_HANDLERS + 16 * vector, code, len);
}

static void returning(struct x86_vm *m)
{
	unsigned int i;

	for (i = 0; i < 32; i++)
		handler(m, i, CODE("\x90\x48\xcf"));
}

static void returning_32(struct x86_vm *m)
{
	unsigned int i;

	for (i = 0; i < 32; i++)
		handler(m, i, CODE("\x90\xcf"));
}

/* Handlers that leave the saved flags in RBX before they halt. */
static void faulting(struct x86_vm *m)
{
	handler(m, 6, CODE("\x48\x8b\x5c\x24\x10\xf4"));
	handler(m, 14, CODE("\x48\x8b\x5c\x24\x18\xf4"));
	handler(m, 0, CODE("\x48\x8b\x5c\x24\x10\xf4"));
}

static void faulting_if(struct x86_vm *m)
{
	faulting(m);
	x86_vm_set(m, X86_BANK_GPR)->rflags |= X86_FL_IF;
}

static void with_if(struct x86_vm *m)
{
	x86_vm_set(m, X86_BANK_GPR)->rflags |= X86_FL_IF;
}

static void overflow(struct x86_vm *m)
{
	returning_32(m);
	x86_vm_set(m, X86_BANK_GPR)->rflags |= X86_FL_OF;
}

/* LSTAR is the address of the divide error's handler. */
static void fast_calls(struct x86_vm *m)
{
	struct x86_state *s = x86_vm_set(m, X86_BANK_MSRS);

	s->msr.star = 0x001b000800000000;
	s->msr.lstar = X86_HANDLERS;
	s->msr.fmask = X86_FL_IF;
	s = x86_vm_set(m, X86_BANK_SREGS);
	s->efer |= X86_EFER_SCE;
	s = x86_vm_set(m, X86_BANK_GPR);
	s->rflags |= X86_FL_IF;
	memcpy(m->mem + X86_HANDLERS, "\x90\xf4", 2);
}

static const struct program programs[] = {
	/* sti; nop; cli; nop */
	{ "sti, cli", X86_GUEST_64, CODE("\xfb\x90\xfa\x90\xf4"), 4, NULL },
	/* pushf; pop rax; push rax; popf; nop */
	{ "pushf, popf", X86_GUEST_64, CODE("\x9c\x58\x50\x9d\x90\xf4"), 5, with_if },
	/* pushfw; popfw */
	{ "pushf, popf of 16 bits", X86_GUEST_64, CODE("\x66\x9c\x66\x9d\xf4"), 2, NULL },
	{ "pushf, popf", X86_GUEST_32, CODE("\x9c\x58\x50\x9d\x90\xf4"), 5, with_if },
	{ "pushf, popf", X86_GUEST_REAL, CODE("\x9c\x58\x50\x9d\x90\xf4"), 5, with_if },
	/* mov ss, ax; nop; nop */
	{ "mov ss", X86_GUEST_32, CODE("\x66\x8c\xd0\x8e\xd0\x90\x90\xf4"), 4, NULL },
	{ "mov ss", X86_GUEST_64, CODE("\x66\x8c\xd0\x8e\xd0\x90\x90\xf4"), 4, NULL },
	{ "mov ss", X86_GUEST_REAL, CODE("\x8c\xd8\x8e\xd0\x90\x90\xf4"), 4, NULL },
	{ "push and pop ss", X86_GUEST_32, CODE("\x16\x17\x90\xf4"), 3, NULL },
	/*
	 * push ss; push rsp...: xor eax; mov rcx, rsp; push 0x10; push rcx; pushf; push 8; lea;
	 * iretq
	 */
	{ "iret", X86_GUEST_64,
	  CODE("\x48\x89\xe1\x6a\x10\x51\x9c\x6a\x08\x48\x8d\x05\x03\x00\x00\x00\x50\x48\xcf\x90\xf4"),
	  9, with_if },
	/* mov ecx, 3; mov edi, 0x50000; rep stosb */
	{ "rep stos", X86_GUEST_64,
	  CODE("\xb9\x01\x00\x00\x00\xbf\x00\x00\x05\x00\xf3\xaa\x90\xf4"), 0, NULL },
	{ "loop", X86_GUEST_64, CODE("\xb9\x03\x00\x00\x00\xff\xc0\xff\xc9\x75\xfa\xf4"), 10,
	  NULL },
	{ "ud2", X86_GUEST_64, CODE("\x90\x0f\x0b"), 3, faulting },
	{ "ud2 with interrupts on", X86_GUEST_64, CODE("\x90\x0f\x0b"), 3, faulting_if },
	/* mov rax, [0x40000000] */
	{ "page fault", X86_GUEST_64, CODE("\x90\x48\x8b\x04\x25\x00\x00\x00\x40"), 3, faulting },
	{ "page fault with interrupts on", X86_GUEST_64,
	  CODE("\x90\x48\x8b\x04\x25\x00\x00\x00\x40"), 3, faulting_if },
	/* xor ecx, ecx; div ecx */
	{ "divide error", X86_GUEST_64, CODE("\x31\xc9\xf7\xf1"), 3, faulting_if },
	{ "syscall", X86_GUEST_64, CODE("\x90\x0f\x05"), 3, fast_calls },
};

/*
 * A KVM that emulates its guests can't run all of these: it emulates INT, and IRET of 32 bits, in
 * real mode only.
 */
static const struct program interrupts[] = {
	{ "iret", X86_GUEST_32, CODE("\x9c\x0e\x68\x0a\x00\x01\x00\xcf\x90\x90\x90\xf4"), 6, NULL },
	{ "int3", X86_GUEST_64, CODE("\x90\xcc\x90\xf4"), 5, returning },
	{ "int 16", X86_GUEST_64, CODE("\x90\xcd\x10\x90\xf4"), 5, returning },
	{ "int 16", X86_GUEST_32, CODE("\x90\xcd\x10\x90\xf4"), 5, returning_32 },
	{ "int 16", X86_GUEST_REAL, CODE("\x90\xcd\x10\x90\xf4"), 5, returning_32 },
	{ "into", X86_GUEST_32, CODE("\x90\xce\x90\xf4"), 5, overflow },
};

static bool at_end(struct x86_vm *m)
{
	const struct x86_state *s = x86_vm_get(m, X86_BANK_SREGS);
	uint64_t at = x86_vm_get(m, X86_BANK_GPR)->rip + (x86_64bit(s) ? 0 : s->seg[X86_CS].base);

	return m->mem[at % X86_MEM_SIZE] == HLT;
}

static void start(struct x86_vm *m, const struct program *p)
{
	cr_assert(x86_vm_open(m, p->mode));
	x86_vm_code(m, p->code, p->len);
	if (p->prepare)
		p->prepare(m);
}

/* Run to the end with one execution slot; where KVM can't emulate an int3 the test reinjects it. */
static bool run_free(struct x86_vm *m, uint64_t end)
{
	const struct debug_control w = { .trap_brk = true,
					 .nhw = 1,
					 .hw = { { HW_EXEC, end, 1 } } };
	struct trap t;

	do {
		cr_assert_eq(x86_vm_run(m, &w, &t), 0);
		if (t.kind == TRAP_BRK)
			cr_assert_eq(m->ops->reinject(m->k, &t), 0);
	} while (t.kind == TRAP_BRK);
	if (t.kind == TRAP_FATAL)
		return false;
	cr_assert_eq(t.kind, TRAP_EXEC, "exit %u", m->run->exit_reason);
	return true;
}

static void same_segments(const char *name, const struct x86_state *a, const struct x86_state *b)
{
	int i;

	for (i = 0; i < X86_SREGS; i++) {
		cr_expect_eq(a->seg[i].selector, b->seg[i].selector, "%s: segment %d", name, i);
		cr_expect_eq(a->seg[i].base, b->seg[i].base, "%s: segment %d", name, i);
		cr_expect_eq(a->seg[i].dpl, b->seg[i].dpl, "%s: segment %d", name, i);
		cr_expect_eq(a->seg[i].l, b->seg[i].l, "%s: segment %d", name, i);
		cr_expect_eq(a->seg[i].db, b->seg[i].db, "%s: segment %d", name, i);
	}
}

/* The accessed bits of page tables are ignored: the two runs may set them at different times. */
static uint8_t byte(const struct x86_vm *m, size_t at)
{
	return at >= X86_TABLES && at < X86_TSS && at % 8 == 0 ? m->mem[at] & ~0x20 : m->mem[at];
}

static void same(const char *name, struct x86_vm *stepped, struct x86_vm *ran)
{
	const struct x86_state *a = x86_vm_get(stepped, X86_BANK_GPR);
	const struct x86_state *b = x86_vm_get(ran, X86_BANK_GPR);
	size_t i;

	x86_vm_get(stepped, X86_BANK_SREGS);
	x86_vm_get(ran, X86_BANK_SREGS);
	for (i = 0; i < 16; i++)
		cr_expect_eq(a->gpr[i], b->gpr[i], "%s: register %zu: %#lx, free %#lx", name, i,
			     a->gpr[i], b->gpr[i]);
	cr_expect_eq(a->rip, b->rip, "%s: rip %#lx, free %#lx", name, a->rip, b->rip);
	cr_expect_eq(a->rflags & ~X86_FL_RF, b->rflags & ~X86_FL_RF, "%s: rflags %#lx, free %#lx",
		     name, a->rflags, b->rflags);
	same_segments(name, a, b);
	for (i = 0; i < X86_MEM_SIZE && byte(stepped, i) == byte(ran, i); i++)
		;
	if (i < X86_MEM_SIZE)
		cr_expect_fail("%s: memory at %#zx: %#x, free %#x", name, i, stepped->mem[i],
			       ran->mem[i]);
}

/* How many steps; 0: this KVM can't run what the program has. */
static unsigned int step_to_end(struct x86_vm *m, const struct program *p,
				const struct step_plan *how)
{
	unsigned int n;
	struct trap t;

	for (n = 0; !at_end(m) && n < STEPS_MAX; n++) {
		x86_vm_step(m, how, &t);
		if (t.kind == TRAP_FATAL)
			return 0;
		cr_assert(t.kind & (TRAP_STEP | TRAP_EXEC), "%s: step %u: exit %u", p->name, n,
			  m->run->exit_reason);
	}
	return n;
}

static uint64_t linear_pc(struct x86_vm *m)
{
	uint64_t addr = 0;

	cr_assert_eq(x86_cpu.code_addr(&m->view, x86_vm_get(m, X86_BANK_GPR)->rip, &addr), 0);
	return addr;
}

/* A free run ends at an execution slot. */
static void need_exec(void)
{
	const char *why;
	struct x86_vm m;

	if (!x86_vm_open(&m, X86_GUEST_64))
		cr_skip_test(X86_NO_KVM);
	why = m.ops->unsupported_trap(m.k, TRAP_EXEC);
	x86_vm_close(&m);
	if (why)
		cr_skip_test("%s", why);
}

/* False: this KVM can't run it. */
static bool check(const struct program *p, const struct step_plan *how)
{
	struct x86_vm stepped, ran;
	unsigned int n;
	bool can;

	start(&stepped, p);
	n = step_to_end(&stepped, p, how);
	if (n && p->steps)
		cr_expect_eq(n, p->steps, "%s, mode %d: %u steps", p->name, p->mode, n);
	start(&ran, p);
	can = n && run_free(&ran, linear_pc(&stepped));
	if (can)
		same(p->name, &stepped, &ran);
	x86_vm_close(&stepped);
	x86_vm_close(&ran);
	return can;
}

static const struct step_plan blocked = { .block_irq = true, .room = 4 }, masked = { .room = 4 };

Test(x86_kvm_step, like_free, .description = "programs end in the same state stepped and free")
{
	size_t i;

	need_exec();
	for (i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		cr_expect(check(&programs[i], &blocked), "%s", programs[i].name);
}

Test(x86_kvm_step, masked,
     .description = "programs end in the same state where the rules mask interrupts by IF")
{
	size_t i;

	need_exec();
	for (i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		cr_expect(check(&programs[i], &masked), "%s", programs[i].name);
}

/* An interrupt that KVM has taken from its controller; the guest has not reached the INT3 yet. */
static void open_delivery(struct x86_vm *m)
{
	struct kvm_vcpu_events e;

	cr_assert(x86_vm_open(m, X86_GUEST_64));
	x86_vm_code(m, CODE("\xcc\xf4"));
	handler(m, 31, CODE("\x90\xf4"));
	x86_vm_set(m, X86_BANK_GPR)->rflags |= X86_FL_IF;
	cr_assert_eq(ioctl(m->vcpu, KVM_GET_VCPU_EVENTS, &e), 0);
	e.interrupt.injected = 1;
	e.interrupt.nr = 31;
	cr_assert_eq(ioctl(m->vcpu, KVM_SET_VCPU_EVENTS, &e), 0);
}

static void step_delivery(const struct step_plan *how)
{
	struct x86_vm stepped, ran;
	struct trap t;

	open_delivery(&stepped);
	open_delivery(&ran);
	cr_expect(stepped.view.cpu->delivers(&stepped.view));
	x86_vm_step(&stepped, how, &t);
	cr_expect_eq(linear_pc(&stepped), X86_HANDLERS + 16 * 31);
	cr_expect_not(stepped.view.cpu->delivers(&stepped.view));
	x86_vm_step(&stepped, how, &t);
	cr_assert(run_free(&ran, X86_HANDLERS + 16 * 31 + 1));
	same("delivery", &stepped, &ran);
	x86_vm_close(&stepped);
	x86_vm_close(&ran);
}

Test(x86_kvm_step, delivery,
     .description = "a step with an interrupt in delivery ends at the handler's first instruction")
{
	need_exec();
	step_delivery(&blocked);
	step_delivery(&masked);
}

/* Runs to a HLT at level 3, whose general protection fault ends in its handler. */
static void open_sysret(struct x86_vm *m)
{
	struct x86_state *s;

	cr_assert(x86_vm_open(m, X86_GUEST_64));
	x86_vm_code(m, CODE("\x48\x0f\x07\xf4"));
	fast_calls(m);
	s = x86_vm_set(m, X86_BANK_GPR);
	s->gpr[X86_RCX] = X86_CODE + 3;
	s->gpr[X86_R8 + 3] = 0x8d7;
	s->rflags &= ~(uint64_t)X86_FL_IF;
}

Test(x86_kvm_step, sysret,
     .description = "a stepped sysret goes to the address that a free one goes to")
{
	const struct debug_control nothing = { 0 };
	struct x86_vm stepped, ran;
	struct trap t;

	need_exec();
	open_sysret(&stepped);
	open_sysret(&ran);
	x86_vm_step(&stepped, &blocked, &t);
	cr_expect_eq(x86_vm_get(&stepped, X86_BANK_GPR)->rip, X86_CODE + 3);
	cr_expect_eq(x86_cpl(x86_vm_get(&stepped, X86_BANK_SREGS)), 3);
	cr_assert_eq(x86_vm_run(&stepped, &nothing, &t), 0);
	cr_assert_eq(x86_vm_run(&ran, &nothing, &t), 0);
	cr_expect_eq(x86_vm_get(&ran, X86_BANK_GPR)->rip, X86_HANDLERS + 16 * 13 + 1);
	same("sysret", &stepped, &ran);
	x86_vm_close(&stepped);
	x86_vm_close(&ran);
}

/* nop; inc eax; syscall; nop: the kernel's entry is a HLT. */
static void open_user(struct x86_vm *m)
{
	struct x86_state *s;

	cr_assert(x86_vm_open(m, X86_GUEST_64));
	x86_vm_code(m, CODE("\x90\xff\xc0\x0f\x05\x90"));
	fast_calls(m);
	m->mem[X86_HANDLERS] = HLT;
	s = x86_vm_set(m, X86_BANK_SREGS);
	cr_assert_eq(x86_read_seg(&m->view, X86_SEL_USER_CODE64, &s->seg[X86_CS]), 0);
	cr_assert_eq(x86_read_seg(&m->view, X86_SEL_USER_DATA, &s->seg[X86_SS]), 0);
}

Test(x86_kvm_step, user, .description = "steps in user mode, and into the kernel")
{
	static const uint64_t way[] = { X86_CODE + 1, X86_CODE + 3, X86_HANDLERS };
	struct x86_vm m;
	struct trap t;
	size_t i;

	need_exec();
	open_user(&m);
	for (i = 0; i < sizeof(way) / sizeof(way[0]); i++) {
		x86_vm_step(&m, &blocked, &t);
		cr_expect_eq(x86_vm_get(&m, X86_BANK_GPR)->rip, way[i], "step %zu: rip %#lx", i,
			     m.state.rip);
		cr_expect_eq(x86_cpl(x86_vm_get(&m, X86_BANK_SREGS)), i < 2 ? 3 : 0);
		cr_expect_eq(m.state.rflags & X86_FL_TF, 0);
	}
	cr_expect_eq(m.state.gpr[X86_RSP], X86_STACK);
	cr_expect_eq(m.state.gpr[X86_RAX], 1);
	x86_vm_close(&m);
}

/* One step of a run by steps, in which interrupts are not masked. */
static void step_open(struct x86_vm *m)
{
	const struct debug_control control = { .step = true };
	struct step_plan plan = blocked;
	struct trap t = { .kind = TRAP_STEP };

	plan.room = 0;
	plan.pc = x86_vm_get(m, X86_BANK_GPR)->rip;
	cr_assert_eq(x86_cpu.step_begin(&m->view, &plan), 0);
	if (!plan.emulated)
		cr_assert_eq(x86_vm_run(m, &control, &t), 0);
	x86_cpu.step_end(&m->view, &plan, t.kind & TRAP_STEP);
}

Test(x86_kvm_step, interrupt_let_in,
     .description = "steps through an interrupt leave no TF in the guest")
{
	const struct debug_control nothing = { 0 };
	struct kvm_interrupt irq = { 31 };
	struct x86_vm m;
	struct trap t;
	int i;

	need_exec();
	cr_assert(x86_vm_open(&m, X86_GUEST_64));
	x86_vm_code(&m, CODE("\x90\x90\x90\x90\x90\x90\xf4"));
	x86_vm_set(&m, X86_BANK_GPR)->rflags |= X86_FL_IF;
	handler(&m, 31, CODE("\x90\x90\xc6\x04\x25\x00\x00\x05\x00\x01\x48\xcf"));
	step_open(&m);
	cr_assert_eq(ioctl(m.vcpu, KVM_INTERRUPT, &irq), 0);
	for (i = 0; i < 2; i++)
		step_open(&m);
	cr_assert_eq(x86_vm_run(&m, &nothing, &t), 0);
	cr_expect_eq(m.run->exit_reason, KVM_EXIT_HLT);
	cr_expect_eq(m.mem[0x50000], 1, "the interrupt came");
	cr_expect_eq(x86_vm_get(&m, X86_BANK_GPR)->rip, X86_CODE + 7, "rip %#lx", m.state.rip);
	cr_expect_eq(m.state.rflags, X86_FL_ONE | X86_FL_IF);
	x86_vm_close(&m);
}

/* Replaces the C library's function in this whole program. */
static unsigned int calls;

int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	calls++;
	return (int)syscall(SYS_ioctl, fd, request, arg);
}

Test(x86_kvm_step, cost,
     .description = "a plain step costs KVM_RUN and the calls for arming, debug registers, and HLT")
{
	struct x86_vm m;
	unsigned int n;
	struct trap t;

	if (!x86_vm_open(&m, X86_GUEST_64))
		cr_skip_test(X86_NO_KVM);
	if (!m.k->sync_regs) {
		x86_vm_close(&m);
		cr_skip_test("no KVM_CAP_SYNC_REGS in this KVM");
	}
	x86_vm_code(&m, CODE("\x90\x90\x90\xf4"));
	x86_vm_step(&m, &blocked, &t);
	x86_vm_step(&m, &blocked,
		    &t); /* CPUID is fixed from the first entry on, and read for the last time */
	n = calls;
	x86_vm_step(&m, &blocked, &t);
	cr_expect_null(m.ops->halted(m.k));
	cr_expect_null(m.ops->halted(m.k));
	cr_expect_eq(calls - n, 4, "%u calls", calls - n);
	x86_vm_close(&m);
}

static void check_interrupts(enum x86_guest mode)
{
	unsigned int i, cannot = 0;

	need_exec();
	for (i = 0; i < sizeof(interrupts) / sizeof(interrupts[0]); i++)
		if (interrupts[i].mode == mode)
			cannot += !check(&interrupts[i], &blocked);
	if (cannot)
		cr_skip_test("this KVM can't run INT in that mode: nothing to compare a step with");
}

Test(x86_kvm_step, interrupts_real, .description = "INT n in real mode ends at its handler")
{
	check_interrupts(X86_GUEST_REAL);
}

Test(x86_kvm_step, interrupts_32, .description = "INT n and INTO in protected mode")
{
	check_interrupts(X86_GUEST_32);
}

Test(x86_kvm_step, interrupts_64, .description = "INT3 and INT n in 64-bit mode")
{
	check_interrupts(X86_GUEST_64);
}
#endif
