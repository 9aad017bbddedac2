// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/breakpoints/hw_breakpoint.h"

static const enum hw_kind kind_of[] = {
	[BP_HARDWARE] = HW_EXEC,
	[BP_WRITE] = HW_WRITE,
	[BP_READ] = HW_READ,
	[BP_ACCESS] = HW_ACCESS,
};

void hw_breakpoints_fini(struct hw_breakpoints *h)
{
	hw_breakpoints_remove_all(h);
	free(h->set);
}

struct hw_breakpoint *hw_breakpoints_find(const struct hw_breakpoints *h, enum bp_type type,
					  uint64_t addr, uint64_t len)
{
	struct hw_breakpoint *bp;

	for (bp = h->set; bp < h->set + h->nset; bp++)
		if (bp->type == type && bp->addr == addr && bp->len == len)
			return bp;
	return NULL;
}

bool hw_breakpoints_watching(const struct hw_breakpoints *h, enum hw_kind kind, uint64_t addr)
{
	const struct hw_breakpoint *bp;

	for (bp = h->set; bp < h->set + h->nset; bp++)
		if (kind_of[bp->type] == kind && bp->addr == addr)
			return true;
	return false;
}

/* ---- how many slots there are ------------------------------------------------------------ */

static unsigned int beyond(unsigned int n, unsigned int have)
{
	return n > have ? n - have : 0;
}

/* Slots that are in use, for execution or for data. */
static unsigned int used(const struct hw_breakpoints *h, bool exec)
{
	const struct hw_breakpoint *bp;
	unsigned int n = 0;

	for (bp = h->set; bp < h->set + h->nset; bp++)
		if ((bp->type == BP_HARDWARE) == exec)
			n += bp->nslots;
	return n;
}

/* What is left when so many are in use. */
static unsigned int left(const struct hw_breakpoints *h, bool exec, unsigned int nexec,
			 unsigned int nwatch)
{
	const struct vcpu_caps *c = &h->caps;
	unsigned int shared = beyond(nexec, c->exec_slots) + beyond(nwatch, c->watch_slots);
	unsigned int apart = exec ? beyond(c->exec_slots, nexec) : beyond(c->watch_slots, nwatch);

	return apart + beyond(c->shared_slots, shared);
}

bool hw_breakpoints_fit(const struct hw_breakpoints *h)
{
	const struct vcpu_caps *c = &h->caps;

	return beyond(used(h, true) + h->nreserved, c->exec_slots) +
		       beyond(used(h, false), c->watch_slots) <=
	       c->shared_slots;
}

unsigned int hw_breakpoints_exec_left(const struct hw_breakpoints *h)
{
	return left(h, true, used(h, true), used(h, false));
}

unsigned int hw_breakpoints_exec_room(const struct hw_breakpoints *h)
{
	return left(h, true, 0, used(h, false));
}

static int no_slot(const struct hw_breakpoints *h, bool exec, const char **why)
{
	unsigned int all = h->caps.shared_slots + (exec ? h->caps.exec_slots : h->caps.watch_slots);

	if (!all)
		*why = exec ? "this host has no hardware breakpoints"
			    : "this host has no watchpoints";
	else
		*why = exec ? "all hardware breakpoints are in use" : "all watchpoints are in use";
	return all ? -ENOSPC : -EOPNOTSUPP;
}

/* ---- set and remove ---------------------------------------------------------------------- */

static int append(struct hw_breakpoints *h, const struct hw_breakpoint *bp)
{
	struct hw_breakpoint *grown = realloc(h->set, (h->nset + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	h->set = grown;
	h->set[h->nset++] = *bp;
	return 0;
}

int hw_breakpoints_insert(struct hw_breakpoints *h, enum bp_type type, uint64_t addr, uint64_t len,
			  const char **why)
{
	struct hw_breakpoint bp = { .type = type, .addr = addr, .len = len };
	unsigned int nexec = used(h, true) + h->nreserved, nwatch = used(h, false);
	bool exec = type == BP_HARDWARE;
	int n = h->cpu->hw_split(kind_of[type], addr, len, bp.slots,
				 sizeof(bp.slots) / sizeof(*bp.slots), why);

	if (n < 0)
		return n;
	if ((unsigned int)n > left(h, exec, nexec, nwatch))
		return no_slot(h, exec, why);
	bp.nslots = (unsigned int)n;
	return append(h, &bp);
}

void hw_breakpoints_remove(struct hw_breakpoints *h, enum bp_type type, uint64_t addr, uint64_t len)
{
	struct hw_breakpoint *bp = hw_breakpoints_find(h, type, addr, len);

	if (!bp)
		return;
	bp_conditions_free(bp->conditions);
	*bp = h->set[--h->nset];
}

void hw_breakpoints_remove_all(struct hw_breakpoints *h)
{
	while (h->nset)
		bp_conditions_free(h->set[--h->nset].conditions);
	h->nlayout = 0;
}

/* ---- the layout -------------------------------------------------------------------------- */

static void lay_out(struct hw_breakpoints *h, const struct bp_slot *slot)
{
	if (h->nlayout < HW_SLOTS_MAX)
		h->layout[h->nlayout++] = *slot;
}

void hw_breakpoints_lay_out(struct hw_breakpoints *h, bool exec)
{
	const struct hw_breakpoint *bp;
	unsigned int s;

	h->nlayout = 0;
	for (bp = h->set; bp < h->set + h->nset; bp++)
		for (s = 0; s < bp->nslots && (exec || bp->type != BP_HARDWARE); s++)
			lay_out(h, &(struct bp_slot){ bp->slots[s], bp->type, bp->addr, bp->len });
}

void hw_breakpoints_lay_out_sw(struct hw_breakpoints *h, uint64_t addr)
{
	const struct hw_slot slot = { HW_EXEC, addr, h->cpu->brk_size };

	lay_out(h, &(struct bp_slot){ slot, BP_SOFTWARE, addr, h->cpu->brk_kind });
}
