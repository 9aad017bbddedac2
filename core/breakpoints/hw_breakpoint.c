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
	free(h->points);
}

struct hw_breakpoint *hw_breakpoints_find(const struct hw_breakpoints *h, enum bp_type type,
					  uint64_t addr, uint64_t len)
{
	size_t i;

	for (i = 0; i < h->npoints; i++)
		if (h->points[i].type == type && h->points[i].addr == addr &&
		    h->points[i].len == len)
			return &h->points[i];
	return NULL;
}

/* Slots in use: of the kind that a type needs if exec is as given. */
static unsigned int used(const struct hw_breakpoints *h, bool exec)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < h->npoints; i++)
		if ((h->points[i].type == BP_HARDWARE) == exec)
			n += h->points[i].nslots;
	return n;
}

static unsigned int beyond(unsigned int n, unsigned int own)
{
	return n > own ? n - own : 0;
}

/* How many more slots there are, for execution or for data. */
static unsigned int left(const struct hw_breakpoints *h, bool exec)
{
	unsigned int own = exec ? h->caps.exec_slots : h->caps.watch_slots;
	unsigned int shared = beyond(used(h, true), h->caps.exec_slots) +
			      beyond(used(h, false), h->caps.watch_slots);

	return beyond(own, used(h, exec)) + beyond(h->caps.shared_slots, shared);
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

static int append(struct hw_breakpoints *h, const struct hw_breakpoint *pt)
{
	struct hw_breakpoint *grown = realloc(h->points, (h->npoints + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	h->points = grown;
	h->points[h->npoints++] = *pt;
	return 0;
}

int hw_breakpoints_insert(struct hw_breakpoints *h, enum bp_type type, uint64_t addr, uint64_t len,
			  const char **why)
{
	struct hw_breakpoint pt = { .type = type, .addr = addr, .len = len };
	bool exec = type == BP_HARDWARE;
	int n;

	if (hw_breakpoints_find(h, type, addr, len))
		return 0;
	n = h->cpu->hw_split(kind_of[type], addr, len, pt.slots,
			     sizeof(pt.slots) / sizeof(*pt.slots), why);
	if (n < 0)
		return n;
	if ((unsigned int)n > left(h, exec))
		return no_slot(h, exec, why);
	pt.nslots = n;
	return append(h, &pt);
}

void hw_breakpoints_remove(struct hw_breakpoints *h, enum bp_type type, uint64_t addr, uint64_t len)
{
	struct hw_breakpoint *pt = hw_breakpoints_find(h, type, addr, len);

	if (!pt)
		return;
	free(pt->rules);
	*pt = h->points[--h->npoints];
}

void hw_breakpoints_remove_all(struct hw_breakpoints *h)
{
	while (h->npoints)
		free(h->points[--h->npoints].rules);
}

static void arm(struct hw_breakpoints *h, const struct hw_slot *slot, enum bp_type type,
		uint64_t addr)
{
	if (h->narmed < HW_SLOTS_MAX)
		h->armed[h->narmed++] = (struct armed){ *slot, type, addr };
}

static void arm_pending(struct hw_breakpoints *h, const struct points *p)
{
	unsigned int room = left(h, true);
	const struct point *pt;

	for (pt = p->pending; pt && room; pt = pt->next, room--) {
		const struct hw_slot slot = { HW_EXEC, pt->node.key, h->cpu->brk_size };

		arm(h, &slot, BP_SOFTWARE, pt->node.key);
	}
}

void hw_breakpoints_commit(struct hw_breakpoints *h, const struct points *p)
{
	unsigned int s;
	size_t i;

	h->narmed = 0;
	for (i = 0; i < h->npoints; i++)
		for (s = 0; s < h->points[i].nslots; s++)
			arm(h, &h->points[i].slots[s], h->points[i].type, h->points[i].addr);
	arm_pending(h, p);
}
