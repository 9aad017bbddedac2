// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>

#include "core/breakpoints/state.h"

int breakpoints_create(struct breakpoints **out, const struct breakpoints_config *config)
{
	struct breakpoints *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->config = *config;
	if (!b->config.max)
		b->config.max = BREAKPOINTS_MAX;
	b->hw.host = &b->host;
	if (!sw_breakpoints_init(&b->sw, &b->config)) {
		breakpoints_destroy(b);
		return -ENOMEM;
	}
	*out = b;
	return 0;
}

void breakpoints_destroy(struct breakpoints *b)
{
	if (!b)
		return;
	sw_breakpoints_fini(&b->sw);
	hw_breakpoints_remove_all(&b->hw);
	free(b);
}

void breakpoints_set_host(struct breakpoints *b, const struct breakpoints_host *host)
{
	b->host = *host;
	b->sw.locations.cpu = host->cpu;
	b->sw.locations.sync_icache = host->sync_icache;
	b->sw.never_in_memory = host->no_brk;
}

/* ---- set and remove ---------------------------------------------------------------------- */

/* What is set counts, whatever its type. */
static int check_room(struct breakpoints *b, const char **why)
{
	if (b->sw.nset + b->hw.nset + atomic_load(&b->soft.nset) >= b->config.max)
		return refuse(-ENOSPC, "there are too many breakpoints", why);
	return 0;
}

/* Why one that needs a slot has none. */
static int no_slot(const struct breakpoints *b, const struct sw_breakpoint *bp, const char **why)
{
	bool any = hw_exec_slots(&b->hw);

	if (!any && bp->no_brk)
		return refuse(-EOPNOTSUPP, bp->no_brk, why);
	if (!any)
		return refuse(-EFAULT, "the memory there can't be written", why);
	if (b->host.no_brk)
		return refuse(-ENOSPC,
			      "breakpoints need debug registers on this host, and all are in use",
			      why);
	if (bp->no_brk)
		return refuse(-ENOSPC,
			      "breakpoints need debug registers in this mode on this host, and "
			      "all are in use",
			      why);
	return refuse(-ENOSPC,
		      "the memory there can't be written, and all debug registers are in use", why);
}

/* One that can't be in memory needs a slot, which an explicit breakpoint does not take from it. */
static int check_slot(struct breakpoints *b, struct sw_breakpoint *bp, const char **why)
{
	int ret;

	if (!b->host.no_brk && !sw_state_needs_slot(bp->state))
		return 0;
	if (sw_breakpoints_need_slots(&b->sw) <= hw_exec_slots_left(&b->hw))
		return 0;
	ret = no_slot(b, bp, why);
	sw_breakpoints_refuse(&b->sw, bp);
	return ret;
}

static int insert_sw(struct breakpoints *b, unsigned int vcpu, uint64_t addr, uint64_t kind,
		     const char **why)
{
	int ret = 0;

	if (b->host.no_brk && !hw_exec_slots(&b->hw))
		return refuse(-EOPNOTSUPP, b->host.no_brk, why);
	if (kind != b->host.cpu->brk_kind)
		return refuse(-EINVAL, "no such kind of breakpoint here", why);
	if (addr % b->host.cpu->brk_size)
		return refuse(-EINVAL, "the address is not aligned to an instruction", why);
	if (!sw_breakpoints_find(&b->sw, addr))
		ret = check_room(b, why);
	if (ret)
		return ret;
	if (b->sw.table.count >= b->config.max) /* removed ones among them */
		sw_breakpoints_update(&b->sw);
	ret = sw_breakpoints_insert(&b->sw, vcpu, addr);
	return ret ? ret : check_slot(b, sw_breakpoints_find(&b->sw, addr), why);
}

static int insert_hw(struct breakpoints *b, enum bp_type type, uint64_t addr, uint64_t kind,
		     const char **why)
{
	const char *never = type == BP_HARDWARE ? b->host.no_exec : b->host.no_watch;
	int ret;

	if (never)
		return refuse(-EOPNOTSUPP, never, why);
	if (hw_breakpoints_find(&b->hw, type, addr, kind))
		return 0;
	ret = check_room(b, why);
	if (ret)
		return ret;
	return hw_breakpoints_insert(&b->hw, type, addr, kind, sw_breakpoints_need_slots(&b->sw),
				     why);
}

static int insert_soft(struct breakpoints *b, unsigned int vcpu, enum bp_type type, uint64_t addr,
		       uint64_t len, const char **why)
{
	int ret;

	if (type != BP_WRITE)
		return refuse(-EOPNOTSUPP, "a software watchpoint sees changes only, not reads",
			      why);
	ret = soft_watchpoints_find(&b->soft, addr) ? 0 : check_room(b, why);
	return ret ? ret : soft_watchpoints_insert(b, vcpu, addr, len, why);
}

int breakpoints_insert(struct breakpoints *b, unsigned int vcpu, enum bp_type type, uint64_t addr,
		       uint64_t kind, bool by_steps, const char **why)
{
	if (!b->host.cpu)
		return -EOPNOTSUPP;
	if (type == BP_SOFTWARE)
		return insert_sw(b, vcpu, addr, kind, why);
	if (type != BP_HARDWARE && by_steps)
		return insert_soft(b, vcpu, type, addr, kind, why);
	return insert_hw(b, type, addr, kind, why);
}

void breakpoints_remove(struct breakpoints *b, enum bp_type type, uint64_t addr, uint64_t kind)
{
	struct sw_breakpoint *sw = type == BP_SOFTWARE ? sw_breakpoints_find(&b->sw, addr) : NULL;
	struct hw_breakpoint *hw = hw_breakpoints_find(&b->hw, type, addr, kind);

	if (sw)
		sw_breakpoints_remove(&b->sw, sw);
	if (hw)
		hw_breakpoints_remove(&b->hw, hw);
	if (type == BP_WRITE)
		soft_watchpoints_remove(&b->soft, addr, kind);
}

/* ---- conditions, and what there is ------------------------------------------------------- */

static struct bp_conditions **conditions_of(struct breakpoints *b, enum bp_type type, uint64_t addr,
					    uint64_t kind)
{
	struct sw_breakpoint *sw = type == BP_SOFTWARE ? sw_breakpoints_find(&b->sw, addr) : NULL;
	struct hw_breakpoint *hw =
		type == BP_HARDWARE ? hw_breakpoints_find(&b->hw, type, addr, kind) : NULL;

	return sw ? &sw->conditions : hw ? &hw->conditions : NULL;
}

int breakpoints_set_conditions(struct breakpoints *b, enum bp_type type, uint64_t addr,
			       uint64_t kind, const struct agent_code *codes, unsigned int n)
{
	struct bp_conditions **place = conditions_of(b, type, addr, kind), *c;
	int ret;

	if (type > BP_HARDWARE)
		return -EOPNOTSUPP;
	if (!place)
		return -ENOENT;
	ret = bp_conditions_copy(&c, &b->conditions_size, codes, n);
	if (ret)
		return ret;
	bp_conditions_free(*place);
	*place = c;
	return 0;
}

const struct bp_conditions *breakpoints_conditions(struct breakpoints *b, enum bp_type type,
						   uint64_t addr, uint64_t kind)
{
	struct bp_conditions **place = conditions_of(b, type, addr, kind);

	return place ? *place : NULL;
}

static struct bp_info sw_info(const struct breakpoints *b, const struct sw_breakpoint *bp)
{
	return (struct bp_info){ .type = BP_SOFTWARE,
				 .addr = bp->node.key,
				 .kind = b->host.cpu->brk_kind,
				 .state = sw_breakpoint_state(bp),
				 .conditional = bp->conditions,
				 .removed = bp->removed };
}

static struct bp_info hw_info(const struct hw_breakpoints *h, unsigned int i)
{
	const struct hw_breakpoint *bp = i < h->nset ? &h->set[i] : &h->removed[i - h->nset];

	return (struct bp_info){ .type = bp->type,
				 .addr = bp->addr,
				 .kind = bp->len,
				 .state = "in a debug register",
				 .conditional = bp->conditions,
				 .removed = i >= h->nset };
}

static struct bp_info soft_info(const struct soft_watchpoint *w)
{
	return (struct bp_info){ .type = BP_WRITE,
				 .addr = w->addr,
				 .kind = w->len,
				 .state = "compared after each step",
				 .removed = w->removed };
}

int breakpoints_info(const struct breakpoints *b, unsigned int i, struct bp_info *out)
{
	const unsigned int nsw = (unsigned int)b->sw.table.count;
	const unsigned int nhw = b->hw.nset + b->hw.nremoved;

	if (i < nsw)
		*out = sw_info(b, sw_breakpoints_get(&b->sw, i));
	else if (i - nsw < nhw)
		*out = hw_info(&b->hw, i - nsw);
	else if (i - nsw - nhw < b->soft.n)
		*out = soft_info(&b->soft.all[i - nsw - nhw]);
	else
		return -ENOENT;
	return 0;
}

/* ---- sync -------------------------------------------------------------------------------- */

/*
 * Slots first: what has none is inserted in memory. One that turns out not to go into memory needs a slot,
 * which another one may have to give up: twice.
 */
static void sync_run(struct breakpoints *b, bool guest_uses_slots)
{
	size_t nneed_slot;
	int tries;

	sw_breakpoints_try_waiting(&b->sw);
	for (tries = 0; tries < 2; tries++) {
		nneed_slot = b->sw.nneed_slot;
		hw_breakpoints_lay_out(&b->hw, true);
		sw_breakpoints_take_slots(&b->sw, &b->hw, guest_uses_slots);
		atomic_store(&b->in_memory, bp_locations_insert(&b->sw.locations));
		sw_breakpoints_update(&b->sw);
		if (nneed_slot == b->sw.nneed_slot)
			break;
	}
	sw_breakpoints_collect_reports(&b->sw);
}

int breakpoints_sync(struct breakpoints *b, enum bp_sync how, bool guest_uses_slots)
{
	b->sw.out_of_memory = false;
	sw_breakpoints_update(&b->sw);
	soft_watchpoints_sync(&b->soft);
	if (how == BP_SYNC_RUN) {
		sync_run(b, guest_uses_slots);
	} else {
		hw_breakpoints_lay_out(&b->hw, false);
		atomic_store(&b->in_memory, bp_locations_withdraw(&b->sw.locations));
	}
	return b->sw.out_of_memory ? -ENOMEM : 0;
}

void breakpoints_withdraw(struct breakpoints *b)
{
	atomic_store(&b->in_memory, bp_locations_withdraw(&b->sw.locations));
}

void breakpoints_remove_all(struct breakpoints *b)
{
	sw_breakpoints_remove_all(&b->sw);
	hw_breakpoints_remove_all(&b->hw);
	soft_watchpoints_remove_all(&b->soft);
	atomic_store(&b->in_memory, false);
}

/* ---- by vCPU threads --------------------------------------------------------------------- */

bool breakpoints_in_memory(const struct breakpoints *b)
{
	return atomic_load(&b->in_memory);
}

bool breakpoints_named(struct breakpoints *b, uint64_t va)
{
	return sw_breakpoints_find(&b->sw, va);
}

bool breakpoints_watching(struct breakpoints *b, enum hw_kind kind, uint64_t addr)
{
	return hw_breakpoints_watching(&b->hw, kind, addr) ||
	       (kind == HW_WRITE && soft_watchpoints_find(&b->soft, addr));
}

int breakpoints_write(struct breakpoints *b, uint64_t gpa, const void *buf, size_t len)
{
	int ret = breakpoints_write_as_guest(b, gpa, buf, len);

	if (!ret)
		soft_watchpoints_wrote(&b->soft, gpa, buf, len);
	return ret;
}
