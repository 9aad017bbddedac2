// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/breakpoints/breakpoints.h"
#include "core/breakpoints/hw_breakpoint.h"
#include "core/breakpoints/soft_watchpoint.h"
#include "core/breakpoints/sw_breakpoint.h"

struct breakpoints {
	struct breakpoints_config config;
	struct breakpoints_host host;
	struct sw_breakpoints sw;
	struct hw_breakpoints hw;
	struct soft_watchpoints soft;
	size_t conditions_size;
	atomic_bool active, in_memory;
};

int breakpoints_create(struct breakpoints **out, const struct breakpoints_config *config)
{
	struct breakpoints *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->config = *config;
	if (!b->config.max)
		b->config.max = BREAKPOINTS_MAX;
	sw_breakpoints_init(&b->sw, &b->config);
	b->soft.config = &b->config;
	b->soft.locations = &b->sw.locations;
	*out = b;
	return 0;
}

void breakpoints_destroy(struct breakpoints *b)
{
	if (!b)
		return;
	sw_breakpoints_fini(&b->sw);
	hw_breakpoints_fini(&b->hw);
	free(b);
}

void breakpoints_set_host(struct breakpoints *b, const struct breakpoints_host *host)
{
	b->host = *host;
	b->hw.cpu = b->sw.locations.cpu = host->cpu;
	b->hw.caps = host->caps;
	b->sw.locations.sync_icache = host->sync_icache;
	b->sw.never_in_memory = host->no_brk;
}

/* ---- set and remove ---------------------------------------------------------------------- */

static int refuse(int err, const char *reason, const char **why)
{
	*why = reason;
	return err;
}

/* What is set counts, whatever its type. */
static int check_room(struct breakpoints *b, const char **why)
{
	if (b->sw.nset + b->hw.nset + atomic_load(&b->soft.nset) >= b->config.max)
		return refuse(-ENOSPC, "there are too many breakpoints", why);
	return 0;
}

static unsigned int exec_slots(const struct breakpoints *b)
{
	const struct vcpu_caps *c = &b->host.caps;

	return b->host.no_exec ? 0 : c->exec_slots + c->shared_slots;
}

/* One that can't be in memory needs a slot, which an explicit breakpoint does not take from it. */
static int check_slot(struct breakpoints *b, uint64_t addr, const char **why)
{
	struct sw_breakpoint *bp = sw_breakpoints_find(&b->sw, addr);

	if (!sw_breakpoint_needs_slot(&b->sw, bp))
		return 0;
	b->hw.nreserved = sw_breakpoints_need_slots(&b->sw);
	if (exec_slots(b) && hw_breakpoints_fit(&b->hw))
		return 0;
	sw_breakpoints_remove(&b->sw, bp);
	if (!exec_slots(b))
		return refuse(-EFAULT, "the memory there can't be written", why);
	if (b->host.no_brk)
		return refuse(-ENOSPC,
			      "breakpoints need debug registers on this host, and all are in use",
			      why);
	return refuse(-ENOSPC,
		      "the memory there can't be written, and all debug registers are in use", why);
}

static int insert_sw(struct breakpoints *b, unsigned int vcpu, uint64_t addr, uint64_t kind,
		     const char **why)
{
	int ret = 0;

	if (b->host.no_brk && !exec_slots(b))
		return refuse(-EOPNOTSUPP, b->host.no_brk, why);
	if (kind != b->host.cpu->brk_kind)
		return refuse(-EINVAL, "no such kind of breakpoint here", why);
	if (addr % b->host.cpu->brk_size)
		return refuse(-EINVAL, "the address is not aligned to an instruction", why);
	if (!sw_breakpoints_find(&b->sw, addr))
		ret = check_room(b, why);
	if (!ret && b->sw.table.count >= b->config.max) /* removed ones among them */
		ret = sw_breakpoints_update(&b->sw);
	if (!ret)
		ret = sw_breakpoints_insert(&b->sw, vcpu, addr);
	return ret ? ret : check_slot(b, addr, why);
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
	b->hw.nreserved = sw_breakpoints_need_slots(&b->sw);
	return hw_breakpoints_insert(&b->hw, type, addr, kind, why);
}

static int insert_soft(struct breakpoints *b, unsigned int vcpu, enum bp_type type, uint64_t addr,
		       uint64_t len, const char **why)
{
	int ret;

	if (type != BP_WRITE)
		return refuse(-EOPNOTSUPP, "a software watchpoint sees changes only, not reads",
			      why);
	ret = soft_watchpoints_find(&b->soft, addr) ? 0 : check_room(b, why);
	return ret ? ret : soft_watchpoints_insert(&b->soft, vcpu, addr, len, why);
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
	struct sw_breakpoint *bp = type == BP_SOFTWARE ? sw_breakpoints_find(&b->sw, addr) : NULL;

	if (bp)
		sw_breakpoints_remove(&b->sw, bp);
	if (type != BP_SOFTWARE)
		hw_breakpoints_remove(&b->hw, type, addr, kind);
	if (type == BP_WRITE)
		soft_watchpoints_remove(&b->soft, addr, kind);
}

static void set_active(struct breakpoints *b)
{
	bool in_memory = bp_locations_inserted(&b->sw.locations);

	atomic_store(&b->in_memory, in_memory);
	atomic_store(&b->active, b->hw.nlayout || in_memory);
}

void breakpoints_remove_all(struct breakpoints *b)
{
	sw_breakpoints_remove_all(&b->sw);
	hw_breakpoints_remove_all(&b->hw);
	soft_watchpoints_remove_all(&b->soft);
	set_active(b);
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

static void sw_info(const struct breakpoints *b, const struct sw_breakpoint *bp,
		    struct bp_info *out)
{
	*out = (struct bp_info){ .type = BP_SOFTWARE,
				 .addr = bp->node.key,
				 .kind = b->host.cpu->brk_kind,
				 .state = sw_breakpoint_state(bp),
				 .conditional = bp->conditions };
}

static void hw_info(const struct hw_breakpoint *bp, struct bp_info *out)
{
	*out = (struct bp_info){ .type = bp->type,
				 .addr = bp->addr,
				 .kind = bp->len,
				 .state = "in a debug register",
				 .conditional = bp->conditions };
}

static void soft_info(const struct soft_watchpoint *w, struct bp_info *out)
{
	*out = (struct bp_info){ .type = BP_WRITE,
				 .addr = w->addr,
				 .kind = w->len,
				 .state = "compared after each step" };
}

int breakpoints_info(const struct breakpoints *b, unsigned int i, struct bp_info *out)
{
	const struct soft_watchpoint *w;

	if (i < b->sw.nset) {
		sw_info(b, b->sw.set[i], out);
		return 0;
	}
	i -= b->sw.nset;
	if (i < b->hw.nset) {
		hw_info(&b->hw.set[i], out);
		return 0;
	}
	w = soft_watchpoints_get(&b->soft, i - (unsigned int)b->hw.nset);
	if (!w)
		return -ENOENT;
	soft_info(w, out);
	return 0;
}

bool breakpoints_notice(struct breakpoints *b, char *buf, size_t len)
{
	return sw_breakpoints_notice(&b->sw, buf, len);
}

/* ---- sync -------------------------------------------------------------------------------- */

/* Slots first: what has none is inserted in memory. */
static void lay_out(struct breakpoints *b, bool guest_uses_slots)
{
	unsigned int room = b->host.no_exec ? 0 : hw_breakpoints_exec_left(&b->hw);

	hw_breakpoints_lay_out(&b->hw, true);
	sw_breakpoints_take_slots(&b->sw, &b->hw, room, guest_uses_slots);
}

/* One that turns out not to go into memory needs a slot, which another one may have to give up: twice. */
static int sync_run(struct breakpoints *b, bool guest_uses_slots)
{
	int ret = sw_breakpoints_try_waiting(&b->sw), err = 0, tries;
	size_t slot_only;

	for (tries = 0; tries < 2; tries++) {
		slot_only = b->sw.nslot_only;
		lay_out(b, guest_uses_slots);
		bp_locations_insert(&b->sw.locations);
		err = sw_breakpoints_update(&b->sw);
		if (slot_only == b->sw.nslot_only)
			break;
	}
	sw_breakpoints_collect_reports(&b->sw);
	return ret ? ret : err;
}

static void sync_step(struct breakpoints *b)
{
	bp_locations_withdraw(&b->sw.locations);
	hw_breakpoints_lay_out(&b->hw, false);
}

int breakpoints_sync(struct breakpoints *b, enum bp_sync how, bool guest_uses_slots)
{
	int ret = sw_breakpoints_update(&b->sw), run = 0;

	soft_watchpoints_sync(&b->soft);
	if (how == BP_SYNC_STEP)
		sync_step(b);
	else
		run = sync_run(b, guest_uses_slots);
	set_active(b);
	return ret ? ret : run;
}

void breakpoints_withdraw(struct breakpoints *b)
{
	bp_locations_withdraw(&b->sw.locations);
	set_active(b);
}

/* ---- by vCPU threads --------------------------------------------------------------------- */

bool breakpoints_active(const struct breakpoints *b)
{
	return atomic_load(&b->active);
}

bool breakpoints_in_memory(const struct breakpoints *b)
{
	return atomic_load(&b->in_memory);
}

struct bp_location *breakpoints_location(struct breakpoints *b, uint64_t gpa)
{
	return bp_locations_at(&b->sw.locations, gpa);
}

void breakpoints_lift(struct breakpoints *b, struct bp_location *l)
{
	bp_locations_lift(&b->sw.locations, l);
}

void breakpoints_put_back(struct breakpoints *b, struct bp_location *l)
{
	bp_locations_put_back(&b->sw.locations, l);
}

bool breakpoints_named(struct breakpoints *b, uint64_t va)
{
	return sw_breakpoints_find(&b->sw, va);
}

const struct bp_slot *breakpoints_slots(const struct breakpoints *b, unsigned int *n)
{
	*n = b->hw.nlayout;
	return b->hw.layout;
}

unsigned int breakpoints_exec_room(const struct breakpoints *b)
{
	return b->host.no_exec ? 0 : hw_breakpoints_exec_room(&b->hw);
}

bool breakpoints_by_steps(const struct breakpoints *b)
{
	return atomic_load(&b->soft.nset);
}

bool breakpoints_changed(struct breakpoints *b, uint64_t *addr)
{
	const struct soft_watchpoint *w = soft_watchpoints_changed(&b->soft);

	if (w)
		*addr = w->addr;
	return w;
}

bool breakpoints_watching(struct breakpoints *b, enum hw_kind kind, uint64_t addr)
{
	return hw_breakpoints_watching(&b->hw, kind, addr) ||
	       (kind == HW_WRITE && soft_watchpoints_find(&b->soft, addr));
}

size_t breakpoints_read(struct breakpoints *b, uint64_t gpa, void *buf, size_t len)
{
	return bp_locations_read(&b->sw.locations, gpa, buf, len);
}

void breakpoints_read_pieces(struct breakpoints *b, struct bp_piece *pieces, unsigned int n)
{
	bp_locations_read_pieces(&b->sw.locations, pieces, n);
}

int breakpoints_write(struct breakpoints *b, uint64_t gpa, const void *buf, size_t len)
{
	int ret = bp_locations_write(&b->sw.locations, gpa, buf, len);

	if (!ret)
		soft_watchpoints_wrote(&b->soft, gpa, buf, len);
	return ret;
}

int breakpoints_write_as_guest(struct breakpoints *b, uint64_t gpa, const void *buf, size_t len)
{
	return bp_locations_write(&b->sw.locations, gpa, buf, len);
}

void breakpoints_memory_gone(struct breakpoints *b, uint64_t gpa, uint64_t len)
{
	bp_locations_memory_gone(&b->sw.locations, gpa, len);
}
