// SPDX-License-Identifier: MIT
#include <errno.h>

#include "core/breakpoints/state.h"

static const enum hw_kind kind_of[] = {
	[BP_HARDWARE] = HW_EXEC,
	[BP_WRITE] = HW_WRITE,
	[BP_READ] = HW_READ,
	[BP_ACCESS] = HW_ACCESS,
};

static struct hw_breakpoint *find(struct hw_breakpoint *all, unsigned int n, enum bp_type type,
				  uint64_t addr, uint64_t len)
{
	struct hw_breakpoint *bp;

	for (bp = all; bp < all + n; bp++)
		if (bp->type == type && bp->addr == addr && bp->len == len)
			return bp;
	return NULL;
}

struct hw_breakpoint *hw_breakpoints_find(struct hw_breakpoints *h, enum bp_type type,
					  uint64_t addr, uint64_t len)
{
	return find(h->set, h->nset, type, addr, len);
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

/* How many there can be of one kind beside so many of the other. */
static unsigned int room(const struct hw_breakpoints *h, bool exec, unsigned int others)
{
	const struct vcpu_caps *c = &h->host->caps;
	unsigned int own = exec ? c->exec_slots : c->watch_slots;
	unsigned int apart = exec ? c->watch_slots : c->exec_slots;
	unsigned int taken = others > apart ? others - apart : 0;

	return own + (c->shared_slots > taken ? c->shared_slots - taken : 0);
}

unsigned int hw_exec_slots(const struct hw_breakpoints *h)
{
	return h->host->no_exec ? 0 : room(h, true, 0);
}

static unsigned int exec_room(const struct hw_breakpoints *h)
{
	return h->host->no_exec ? 0 : room(h, true, used(h, false));
}

unsigned int breakpoints_exec_room(const struct breakpoints *b)
{
	return exec_room(&b->hw);
}

unsigned int hw_exec_slots_left(const struct hw_breakpoints *h)
{
	return exec_room(h) - used(h, true);
}

static int no_slot(const struct hw_breakpoints *h, bool exec, const char **why)
{
	static const char *const texts[][2] = {
		{ "this host has no watchpoints", "all watchpoints are in use" },
		{ "this host has no hardware breakpoints", "all hardware breakpoints are in use" },
	};
	bool any = room(h, exec, 0);

	return refuse(any ? -ENOSPC : -EOPNOTSUPP, texts[exec][any], why);
}

/* ---- set and remove ---------------------------------------------------------------------- */

int hw_breakpoints_insert(struct hw_breakpoints *h, enum bp_type type, uint64_t addr, uint64_t len,
			  unsigned int needed, const char **why)
{
	struct hw_breakpoint bp = { .type = type, .addr = addr, .len = len };
	struct hw_breakpoint *removed = find(h->removed, h->nremoved, type, addr, len);
	unsigned int nexec = used(h, true) + needed, nwatch = used(h, false);
	bool exec = type == BP_HARDWARE;
	int n = h->host->cpu->hw_split(kind_of[type], addr, len, bp.slots,
				       sizeof(bp.slots) / sizeof(*bp.slots), why);

	if (n < 0)
		return n;
	bp.nslots = (unsigned int)n;
	if (bp.nslots + (exec ? nexec : nwatch) > room(h, exec, exec ? nwatch : nexec) ||
	    h->nset == HW_SLOTS_MAX)
		return no_slot(h, exec, why);
	h->set[h->nset++] = bp;
	if (removed)
		*removed = h->removed[--h->nremoved];
	return 0;
}

void hw_breakpoints_remove(struct hw_breakpoints *h, struct hw_breakpoint *bp)
{
	bp_conditions_free(bp->conditions);
	bp->conditions = NULL;
	if (h->nremoved < HW_SLOTS_MAX)
		h->removed[h->nremoved++] = *bp;
	*bp = h->set[--h->nset];
}

void hw_breakpoints_remove_all(struct hw_breakpoints *h)
{
	while (h->nset)
		hw_breakpoints_remove(h, h->set);
	h->nremoved = 0;
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

	h->nremoved = 0;
	h->nlayout = 0;
	for (bp = h->set; bp < h->set + h->nset; bp++)
		for (s = 0; s < bp->nslots && (exec || bp->type != BP_HARDWARE); s++)
			lay_out(h, &(struct bp_slot){ bp->slots[s], bp->type, bp->addr, bp->len });
}

void hw_breakpoints_lay_out_sw(struct hw_breakpoints *h, uint64_t addr)
{
	const struct hw_slot slot = { HW_EXEC, addr, h->host->cpu->brk_size };

	lay_out(h, &(struct bp_slot){ slot, BP_SOFTWARE, addr, h->host->cpu->brk_kind });
}

const struct bp_slot *breakpoints_slots(const struct breakpoints *b, unsigned int *n)
{
	*n = b->hw.nlayout;
	return b->hw.layout;
}
