/* SPDX-License-Identifier: MIT */
/*
 * What a CPU architecture is, as far as the core wants to know. Implemented once under arch/ for
 * each architecture; everything here is pure: no I/O, no KVM, any host.
 */
#ifndef VMGDB_CORE_CPU_H
#define VMGDB_CORE_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct cpu_view;

/* ---- registers --------------------------------------------------------------------------- */

enum reg_flag {
	REG_EXPEDITE = 1 << 0, /* sent along with every stop reply */
	REG_READONLY = 1 << 1, /* a write is refused */
	REG_HIDDEN = 1 << 2,   /* save-restore="no": not touched by gdb's inferior calls */
};

/*
 * One register: where it is in the architecture's state and how it is described to debuggers. From
 * these tables come g, G, p, P, the target description and lldb's qRegisterInfo. Values are
 * little-endian, so a register narrower than its place in the state is its low part.
 */
struct reg_desc {
	const char *name;
	const char *type;  /* gdb type, or an id that the feature's types define; NULL: uintBITS */
	const char *group; /* gdb register group; NULL: gdb decides */
	const char *generic; /* lldb: "pc", "sp", "fp", "flags", "arg1", ...; NULL: none */
	const char *alt;     /* lldb's other name; NULL: none */
	uint32_t offset;     /* of the value in the state */
	uint16_t bits;
	uint16_t bank;	/* which part of the state must be valid to read it */
	uint16_t flags; /* enum reg_flag */
	int16_t dwarf;	/* DWARF number; -1: none. lldb's eh_frame number too */
};

/* One <feature>: GDB manual, "Target Description Format" and "Standard Target Features". */
struct reg_feature {
	const char *name;  /* "org.gnu.gdb.i386.core" */
	const char *annex; /* the file that the debugger asks for: "64bit-core.xml" */
	const char *types; /* XML of types that the registers name; NULL: none */
	const struct reg_desc *regs;
	unsigned int nregs;
	/* Left out of g and G, and read one by one, because each costs an ioctl. Such a feature
	 * comes after all others. */
	bool apart;
};

/* A target description. Registers are numbered from 0 in the order of the features. */
struct tdesc {
	const char *arch;  /* gdb's <architecture>: "i386:x86-64" */
	const char *osabi; /* NULL: none */
	const struct reg_feature *const *features;
	unsigned int nfeatures;
};

/* ---- memory ------------------------------------------------------------------------------ */

enum prot { PROT_R = 1, PROT_W = 2, PROT_X = 4, PROT_USER = 8 };

struct xlat {
	uint64_t gpa;
	uint64_t
		page; /* size of the page or block that maps it, a power of two; 2^63: paging off */
	unsigned int prot;
	/*
	 * Names the tables that map it: equal in address spaces that share them, as all processes
	 * do a kernel's, and different in others. XLAT_FLAT: paging is off.
	 */
	uint64_t tables;
};

#define XLAT_FLAT (~0ULL)

/* ---- debug hardware ---------------------------------------------------------------------- */

enum hw_kind { HW_EXEC, HW_WRITE, HW_READ, HW_ACCESS };

/* One debug register pair as it is to be armed. */
struct hw_slot {
	enum hw_kind kind;
	uint64_t addr; /* virtual */
	uint64_t
		len; /* bytes; what lengths and alignments there are is the architecture's business */
};

enum { HW_SLOTS_MAX = 32 };

/* ---- single steps ------------------------------------------------------------------------ */

/*
 * What step_begin changed and step_end must know. kind is the architecture's; step_end gets it as
 * step_begin left it. A fresh one for every step.
 */
struct step_plan {
	unsigned int kind;
	bool block_irq; /* in: the backend keeps interrupts out of a step by itself */
	bool halted;	/* in: halted; an interrupt comes before the instruction at PC */
	bool whole_rep; /* in: an instruction that repeats is one step, not one for each time */
	bool emulated;	/* out of step_begin: the step was done here, do not run the vCPU */
	/* out of step_begin: the vCPU is neither halted nor off when the step is complete */
	bool stays_runnable;
	uint64_t pc;
	uint64_t saved[4];
	/* out of step_begin: run to any of these with execution slots instead of stepping */
	unsigned int nuntil;
	uint64_t until[4];
	/*
	 * ... or step and stop at these as well: where exceptions go, at most `room` of them. The
	 * step is whole when one is reached.
	 */
	bool until_too;
	unsigned int room; /* in: execution slots that are free for that */
};

/* ---- the architecture -------------------------------------------------------------------- */

struct cpu {
	const char *name; /* "x86-64", "arm64" */
	size_t state_size;
	unsigned int nbanks;   /* banks are 0 .. nbanks - 1; bank 0 holds the PC */
	const uint8_t *brk;    /* the software breakpoint instruction */
	unsigned int brk_size; /* its length, bytes: 1 on x86, 4 on arm64 */
	unsigned int brk_kind; /* gdb's kind in Z0 for it: 1 on x86, 4 on arm64 */

	bool watch_before; /* data slots fire before the access is made (arm64), not after */

	/*
	 * The description that fits the mode which the vCPU is in now. Never NULL, and there as long
	 * as the vCPU is. Another mode may give another one, which numbers registers differently:
	 * numbers from a debugger are of the description that the debugger was given.
	 */
	const struct tdesc *(*describe)(struct cpu_view *v);

	uint64_t (*pc)(const void *state); /* bank 0 is valid */

	/*
	 * Where the instruction at this PC is in the address space of translate: what struct trap
	 * has and slots are armed with. NULL: the PC itself (it is not with x86 segments). 0 or
	 * -errno.
	 */
	int (*code_addr)(struct cpu_view *v, uint64_t pc, uint64_t *addr);

	/*
	 * Change one register. NULL, or -EOPNOTSUPP from it: the core copies the bytes into the
	 * state. 0: done, banks marked dirty. -EINVAL etc.: refused, nothing changed.
	 */
	int (*write_reg)(struct cpu_view *v, const struct reg_desc *r, const void *value);

	/* Walk the guest's tables: 0; -EFAULT: not mapped; or an error of reading them. */
	int (*translate)(struct cpu_view *v, uint64_t va, struct xlat *out);

	/*
	 * Cut [addr, addr + len) into slots. Returns how many were written to out, -EINVAL for a
	 * length or alignment that can't be watched, -EOPNOTSUPP for a kind that the architecture
	 * does not have, -ENOSPC when max is too few. *why, if set, is for a person.
	 */
	int (*hw_split)(enum hw_kind kind, uint64_t addr, uint64_t len, struct hw_slot *out,
			unsigned int max, const char **why);

	/*
	 * Stepping rules. step_begin looks at the instruction at PC and readies the state for one
	 * single step (interrupts kept out, ...); step_end mends the state after it and returns 1
	 * when another step is needed before the debugger may see it, 0 when the step is done.
	 * Both may be NULL. On step_end `trapped` says that a single-step trap ended it;
	 * otherwise the vCPU stopped for another reason and may not have moved.
	 */
	int (*step_begin)(struct cpu_view *v, struct step_plan *p);
	int (*step_end)(struct cpu_view *v, struct step_plan *p, bool trapped);

	/*
	 * Is an exception or an interrupt on its way, which the next entry delivers before the
	 * instruction at PC? NULL: never; there it is entered by registers.
	 */
	bool (*delivers)(struct cpu_view *v);

	/*
	 * Does the guest use debug registers of its own, which the debugger's would keep from
	 * firing? NULL: that makes no difference there.
	 */
	bool (*guest_uses_debug_regs)(struct cpu_view *v);

	/* Can an interrupt wake the vCPU when it is halted? NULL: always. */
	bool (*takes_interrupts)(struct cpu_view *v);

	/* One line on what the vCPU is doing ("64-bit kernel", "EL0"), for qThreadExtraInfo. */
	void (*mode)(struct cpu_view *v, char *buf, size_t len);
};

/*
 * A vCPU's state as the architecture code sees it. Embedded in the engine's vCPU and in tests.
 * The state is filled by bank, on demand.
 */
struct cpu_view {
	const struct cpu *cpu;
	void *state;
	/* Make a bank valid: 0 or -errno (the registers in it can't be read). */
	int (*need)(struct cpu_view *v, unsigned int bank);
	/* The bank was changed: it is stored before the vCPU runs. */
	void (*dirty)(struct cpu_view *v, unsigned int bank);
	/* Guest-physical memory, inserted breakpoints hidden: how many bytes, or -EFAULT. */
	ssize_t (*read_phys)(struct cpu_view *v, uint64_t gpa, void *buf, size_t len);
	/*
	 * The same for writes, under inserted breakpoints: all of it, or -EFAULT and none. For the
	 * stepping rules; NULL: those that would write do without.
	 */
	int (*write_phys)(struct cpu_view *v, uint64_t gpa, const void *buf, size_t len);
};

#endif
