// SPDX-License-Identifier: MIT
#include "arch/x86/cpu.h"

#include <stdio.h>

#include "arch/x86/debug_regs.h"
#include "arch/x86/event_delivery.h"
#include "arch/x86/step.h"
#include "arch/x86/state.h"
#include "arch/x86/walk.h"

static const uint8_t int3[] = { 0xcc };

static uint64_t pc(const void *state)
{
	return ((const struct x86_state *)state)->rip;
}

static int code_addr(struct cpu_view *v, uint64_t offset, uint64_t *addr)
{
	int ret = v->need(v, X86_BANK_SREGS);

	*addr = ret ? 0 : x86_code_addr(v->state, offset);
	return ret;
}

static void mode(struct cpu_view *v, char *buf, size_t len)
{
	static const char *const rings[] = { "kernel", "ring 1", "ring 2", "user" };
	const struct x86_state *s = v->state;
	const char *ring, *width;

	if (v->need(v, X86_BANK_SREGS) || v->need(v, X86_BANK_GPR)) {
		snprintf(buf, len, "mode unknown");
		return;
	}
	ring = rings[x86_cpl(s) & 3];
	width = x86_64bit(s) ? "64" : s->seg[X86_CS].db ? "32" : "16";
	if (x86_real_mode(s))
		snprintf(buf, len, "real mode");
	else if (x86_vm86(s))
		snprintf(buf, len, "virtual-8086 mode");
	else if (x86_long_mode(s) && !x86_64bit(s))
		snprintf(buf, len, "%s-bit %s, compatibility mode", width, ring);
	else
		snprintf(buf, len, "%s-bit %s", width, ring);
}

const struct cpu x86_cpu = {
	.name = "x86-64",
	.state_size = sizeof(struct x86_state),
	.nbanks = X86_BANKS,
	.brk = int3,
	.brk_size = sizeof(int3),
	.brk_kind = 1,
	.describe = x86_describe,
	.pc = pc,
	.code_addr = code_addr,
	.write_reg = x86_write_reg,
	.translate = x86_translate,
	.hw_split = x86_hw_split,
	.step_begin = x86_step_begin,
	.step_end = x86_step_end,
	.delivers = x86_delivers,
	.guest_uses_debug_regs = x86_guest_uses_debug_regs,
	.mode = mode,
};
