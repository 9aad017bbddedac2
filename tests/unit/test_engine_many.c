// SPDX-License-Identifier: MIT
/* What one breakpoint costs among many. */
#include <criterion/criterion.h>

#include "tests/unit/softvm.h"

enum { MANY = 10000, FEW = 10, MANY_AT = 0x2000, MANY_MEM = 0x10000 };

static atomic_uint translations;
static struct cpu counting_cpu;
static struct vcpu_ops counting_ops;
static int (*real_translate)(struct cpu_view *v, uint64_t va, struct xlat *out);
static atomic_uint syncs;

static int count_translate(struct cpu_view *v, uint64_t va, struct xlat *out)
{
	translations++;
	return real_translate(v, va, out);
}

static void count_sync(void *hva, size_t len)
{
	(void)hva;
	(void)len;
	syncs++;
}

struct work {
	unsigned int translations, patches, fetches;
};

static struct work work_so_far(const struct softvm *vm)
{
	return (struct work){ translations, syncs, vm->cpus[0].cpu.calls.fetch[0] };
}

/* With n breakpoints about: what one more costs to set, to hit twice and to take away. */
static struct work cost_among(struct softvm *vm, const struct vcpu_ops *ops, unsigned int n)
{
	struct work from, to;
	unsigned int i;

	counting_cpu = *ops->cpu;
	real_translate = counting_cpu.translate;
	counting_cpu.translate = count_translate;
	counting_ops = *ops;
	counting_ops.cpu = &counting_cpu;
	counting_ops.sync_icache = count_sync;
	softvm_init_sized(vm, &counting_ops, 1, NULL, MANY_MEM);
	softvm_loops(vm);
	for (i = 0; i < n; i++)
		CODE(vm, MANY_AT + 4 * i, I(NOP, 0, 0, 0));
	softvm_begin(vm);
	for (i = 0; i < n; i++)
		softvm_break(vm, MANY_AT + 4 * i);
	softvm_step(vm, 0);
	from = work_so_far(vm);
	softvm_break(vm, LOOP + 8);
	for (i = 0; i < 2; i++) {
		continue_to(vm, STOP_SWBREAK, 0);
	}
	softvm_unbreak(vm, LOOP + 8);
	softvm_step(vm, 0);
	to = work_so_far(vm);
	softvm_detach(vm);
	for (i = 0; i < n; i++)
		cr_assert_eq(vm->mem[MANY_AT + 4 * i], SOFT_NOP);
	softvm_fini(vm);
	return (struct work){ to.translations - from.translations, to.patches - from.patches,
			      to.fetches - from.fetches };
}

SOFT_TEST(
	engine_many, many,
	"among 10,000 breakpoints one costs what it costs among 10, but that each is inserted at a "
	"resume and removed at a stop")
{
	struct work few = cost_among(vm, ops, FEW), many = cost_among(vm, ops, MANY);
	unsigned int runs = 2;

	cr_expect_eq(many.translations, few.translations);
	cr_expect_eq(many.patches - few.patches, (MANY - FEW) * 2 * runs);
	cr_expect_eq(many.fetches, few.fetches);
}
