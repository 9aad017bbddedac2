/* SPDX-License-Identifier: MIT */
/*
 * All breakpoints and watchpoints of a VM: what the debugger has set, where each is in guest memory,
 * which hold a debug register, and which are carried by comparing memory.
 *
 * A debugger sets and removes them while every vCPU is parked; guest memory and debug registers follow
 * at breakpoints_sync(), just before vCPUs run, and breakpoints_withdraw() leaves guest memory as the
 * guest has it, at every stop. So while the VM is stopped no byte of ours is in it.
 *
 * Threads: the functions under "by the server thread" are called by it alone, every vCPU parked. Those
 * under "by vCPU threads" are called while vCPUs run, from several threads at once. The lock that keeps
 * them apart from breakpoints_remove_memory() is taken last of all locks and never around a call of
 * translate().
 */
#ifndef VMGDB_CORE_BREAKPOINTS_H
#define VMGDB_CORE_BREAKPOINTS_H

#include "core/accel.h"
#include "core/breakpoint.h"
#include "core/memory.h"

struct breakpoints;
struct bp_conditions;
struct bp_location;

enum { BREAKPOINTS_MAX = 100000 }; /* of all types together, unless the config says otherwise */

struct breakpoints_config {
	struct memory *mem;
	/*
	 * As struct cpu.translate, through the tables of the vCPU with that index, else through
	 * any other's: 0 or -EFAULT. *no_brk (no_brk may be NULL): why a breakpoint instruction
	 * there does not trap in the mode of the vCPU that maps it, static, or NULL. Called by the
	 * server thread, every vCPU parked.
	 */
	int (*translate)(void *opaque, unsigned int vcpu, uint64_t va, struct xlat *out,
			 const char **no_brk);
	void *opaque;
	size_t max; /* how many may be set; 0: BREAKPOINTS_MAX */
};

/* 0 or -ENOMEM; *out is given to breakpoints_destroy(), which frees it (NULL is fine). */
int breakpoints_create(struct breakpoints **out, const struct breakpoints_config *config);
void breakpoints_destroy(struct breakpoints *b);

/* What this VM's vCPUs are and have; before anything is set. no_*: why traps of breakpoint instructions,
 * of execution slots, of data slots never come on this host, static; NULL: they come. */
struct breakpoints_host {
	const struct cpu *cpu;
	struct vcpu_caps caps;
	void (*sync_icache)(void *hva, size_t len); /* or NULL */
	const char *no_brk, *no_exec, *no_watch;
};
void breakpoints_set_host(struct breakpoints *b, const struct breakpoints_host *host);

/* ---- by the server thread ---------------------------------------------------------------- */

/*
 * Set one, as the debugger names it through that vCPU's tables. by_steps: a watchpoint without a debug
 * register. 0, also when it is there already; a software breakpoint whose address maps to no memory
 * waits for it. -EINVAL: kind, length or alignment; -EOPNOTSUPP: none of that type here; -ENOSPC: no
 * slot, or too many; -EFAULT: the memory of a software breakpoint can't be written and there are no
 * slots, or a watchpoint by steps is not mapped; -ENOMEM. *why is for a person, static, or stays as it
 * was.
 *
 * A software breakpoint that can only hit by a slot (its memory can't be written, or breakpoint
 * instructions do not trap there) keeps its slot like a hardware breakpoint; from all others an explicit
 * one takes it. Whether they trap is asked when it is located, and while they do not at each BP_SYNC_RUN.
 */
int breakpoints_insert(struct breakpoints *b, unsigned int vcpu, enum bp_type type, uint64_t addr,
		       uint64_t kind, bool by_steps, const char **why);

/*
 * Remove one: no error if it is not there. Set again before the next sync a software breakpoint keeps the
 * location that it had, unless the tables that mapped it there map it elsewhere now; a watchpoint by steps
 * does too, and keeps what it has seen. Conditions and commands are gone at once.
 */
void breakpoints_remove(struct breakpoints *b, enum bp_type type, uint64_t addr, uint64_t kind);

/* Remove all, at once and for good; guest memory is clean afterwards. */
void breakpoints_remove_all(struct breakpoints *b);

/* As target_ops.conditions and target_ops.breakpoint. */
int breakpoints_set_conditions(struct breakpoints *b, enum bp_type type, uint64_t addr,
			       uint64_t kind, const struct agent_code *codes, unsigned int n);
int breakpoints_info(const struct breakpoints *b, unsigned int i, struct bp_info *out);

enum bp_sync {
	/* Any vCPU may execute any instruction: locations are inserted in guest memory, execution
	 * slots are laid out. */
	BP_SYNC_RUN,
	/* One vCPU makes single steps and no other runs: there is nothing in guest memory and no
	 * execution slot; watchpoints are laid out. */
	BP_SYNC_STEP,
};

/*
 * Bring guest memory and the layout of slots to what is set. guest_uses_slots: the guest has debug
 * registers of its own in use, so software breakpoints are to leave them alone where they can (memory
 * instead of slots). 0, or -ENOMEM: what could not be done stays as it was and is tried again.
 *
 * BP_SYNC_RUN looks up the addresses of waiting breakpoints: of all that were set since the last one,
 * and of 16 others in their turn, so that any number of them costs a resume some microseconds.
 */
int breakpoints_sync(struct breakpoints *b, enum bp_sync how, bool guest_uses_slots);

/* Take what is inserted out of guest memory. What the guest has written over a breakpoint stays; that
 * breakpoint is inserted again at the next sync. */
void breakpoints_withdraw(struct breakpoints *b);

/*
 * The next thing that a person should know: a breakpoint that can't hit yet as of the last sync, or that
 * the guest has overwritten. A line in buf, without a newline, and true; or false. Each is reported once,
 * until its state changes; after 16 lines the last one says how many more there are.
 */
bool breakpoints_notice(struct breakpoints *b, char *buf, size_t len);

/* ---- by vCPU threads --------------------------------------------------------------------- */

/* Is anything inserted in guest memory, lifted or not, as of the last sync or withdraw? Without a lock. */
bool breakpoints_in_memory(const struct breakpoints *b);

/* The location inserted in the memory at gpa, or NULL; good until the vCPUs stop. */
struct bp_location *breakpoints_location(struct breakpoints *b, uint64_t gpa);

/* For a step over it: the guest's own instruction is put into memory for the one vCPU that runs, and
 * taken out again. A location whose memory was removed, or that was withdrawn, is left alone. */
void breakpoints_lift(struct breakpoints *b, struct bp_location *l);
void breakpoints_put_back(struct breakpoints *b, struct bp_location *l);

/* Has the debugger a software breakpoint set at this virtual address? */
bool breakpoints_named(struct breakpoints *b, uint64_t va);

/* A slot as it is laid out, and what a hit is reported as. */
struct bp_slot {
	struct hw_slot slot;
	enum bp_type type; /* BP_SOFTWARE: a software breakpoint that has a free slot */
	uint64_t addr;	   /* as the debugger named it */
	uint64_t kind;
};

/* The layout, the same for every vCPU until the next sync. */
const struct bp_slot *breakpoints_slots(const struct breakpoints *b, unsigned int *n);

/* How many slots could be execution slots besides those that hold watchpoints. */
unsigned int breakpoints_exec_room(const struct breakpoints *b);

/* The conditions and commands of that breakpoint, or NULL; good until the vCPUs stop. */
const struct bp_conditions *breakpoints_conditions(struct breakpoints *b, enum bp_type type,
						   uint64_t addr, uint64_t kind);

/* Is there a watchpoint that is carried by steps? Without a lock. */
bool breakpoints_by_steps(const struct breakpoints *b);

/* One of these whose memory has changed since it was reported or the debugger wrote there: true, and it
 * counts as reported from now on. By the vCPU that has stepped, alone. */
bool breakpoints_changed(struct breakpoints *b, uint64_t *addr);

/* Is such a watchpoint, or a slot of that kind, still there under this name? */
bool breakpoints_watching(struct breakpoints *b, enum hw_kind kind, uint64_t addr);

/*
 * Guest-physical memory with inserted breakpoints hidden. read: how many bytes up to the first hole or
 * byte that can't be read. write: all or nothing, beneath what is inserted: 0, -EFAULT or -ENOMEM; the
 * debugger's own writes are no change to a watchpoint.
 */
size_t breakpoints_read(struct breakpoints *b, uint64_t gpa, void *buf, size_t len);
int breakpoints_write(struct breakpoints *b, uint64_t gpa, const void *buf, size_t len);

/* A few bytes of guest-physical memory, with inserted breakpoints hidden. */
enum { BP_PIECES_MAX = 32, BP_PIECE_SIZE = 16 };

struct bp_piece {
	uint64_t gpa;
	unsigned int len; /* at most BP_PIECE_SIZE */
	bool ok;	  /* bytes could be read */
	uint8_t bytes[BP_PIECE_SIZE];
};

/* Many small pieces for the price of one: each that could be read is ok. */
void breakpoints_read_pieces(struct breakpoints *b, struct bp_piece *pieces, unsigned int n);

/* breakpoints_write() for what a vCPU's stepping rules write in the guest's name: a watchpoint sees that change. */
int breakpoints_write_as_guest(struct breakpoints *b, uint64_t gpa, const void *buf, size_t len);

/* ---- by any thread ----------------------------------------------------------------------- */

/* The VMM is about to unmap the memory that starts at gpa: what is inserted there is removed, those
 * breakpoints wait for other memory, and these addresses are a hole until memory is added there again.
 * Memory that is also at another guest-physical address keeps its breakpoints. 0 or -ENOENT. */
int breakpoints_remove_memory(struct breakpoints *b, uint64_t gpa);

#endif
