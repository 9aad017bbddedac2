// SPDX-License-Identifier: MIT
#include "arch/arm64/step.h"

#include "arch/arm64/event_delivery.h"
#include "arch/arm64/walk.h"

enum { EXCLUSIVE_MAX = 16 };

/* From a load-exclusive to its store and the branch after it that tries again. */
struct sequence {
	uint64_t start, end; /* of its instructions: start <= PC < end */
	unsigned int nbranches;
	uint64_t branches[EXCLUSIVE_MAX]; /* targets of the branches in it */
};

static void find_retry(struct cpu_view *v, struct sequence *q)
{
	struct arm64_insn in;
	uint64_t target;

	if (!arm64_decode_at(v, q->end, &in) || in.op != ARM64_OP_BRANCH || !in.conditional)
		return;
	target = q->end + in.offset;
	if (target >= q->start && target < q->end)
		q->end += ARM64_INSN_SIZE;
}

static bool find_sequence(struct cpu_view *v, uint64_t start, struct sequence *q)
{
	struct arm64_insn in;
	unsigned int i;

	*q = (struct sequence){ .start = start, .end = start + ARM64_INSN_SIZE };
	for (i = 0; i < EXCLUSIVE_MAX; i++) {
		if (!arm64_decode_at(v, q->end, &in))
			return false;
		if (in.op == ARM64_OP_BRANCH)
			q->branches[q->nbranches++] = q->end + in.offset;
		else if (in.op != ARM64_OP_OTHER && in.op != ARM64_OP_STORE_EXCLUSIVE)
			return false;
		q->end += ARM64_INSN_SIZE;
		if (in.op == ARM64_OP_STORE_EXCLUSIVE) {
			find_retry(v, q);
			return true;
		}
	}
	return false;
}

static bool add_until(struct step_plan *p, uint64_t pc)
{
	unsigned int i;

	for (i = 0; i < p->nuntil; i++)
		if (p->until[i] == pc)
			return true;
	if (p->nuntil == sizeof(p->until) / sizeof(p->until[0]))
		return false;
	p->until[p->nuntil++] = pc;
	return true;
}

bool arm64_plan_exclusive(struct cpu_view *v, struct step_plan *p, uint64_t *end)
{
	const uint64_t pstate = arm64_state(v)->pstate;
	struct sequence q;
	unsigned int i;
	uint64_t vbar;
	bool fits;

	if (!find_sequence(v, p->pc, &q) || arm64_sys(v, ARM64_VBAR, &vbar))
		return false;
	fits = add_until(p, q.end) && add_until(p, vbar + arm64_vector(pstate));
	for (i = 0; i < q.nbranches; i++)
		if (q.branches[i] < q.start || q.branches[i] >= q.end)
			fits = fits && add_until(p, q.branches[i]);
	if (fits)
		*end = q.end;
	else
		p->nuntil = 0;
	return fits;
}
