/* SPDX-License-Identifier: MIT */
/* A target description in use: registers by number, their values, and its XML. */
#ifndef VMGDB_CORE_REGS_H
#define VMGDB_CORE_REGS_H

#include "core/lib/buf.h"
#include "core/cpu.h"

/* The widest register: SVE's at its longest vector. */
enum { REG_SIZE_MAX = 256 };

static inline size_t reg_size(const struct reg_desc *r)
{
	return (r->bits + 7u) / 8;
}

/* Walks the registers in the order of their numbers: reg_next() until it gives NULL. */
struct reg_iter {
	const struct tdesc *tdesc;
	unsigned int feature, index; /* of the next one */
	unsigned int number;	     /* of the one that was given last */
};

struct reg_iter reg_iter(const struct tdesc *d);
const struct reg_desc *reg_next(struct reg_iter *it);

/* How many bytes the registers in `g` have together (it has twice as many digits). */
size_t regs_size(const struct tdesc *d);

/* The register with this number, or NULL. */
const struct reg_desc *regs_find(const struct tdesc *d, uint64_t number);

/* The register that lldb calls `generic` ("pc"), or NULL. */
const struct reg_desc *regs_find_generic(const struct tdesc *d, const char *generic);

/* Where the value is, reg_size() bytes; NULL when it can't be read. */
const void *reg_value(struct cpu_view *v, const struct reg_desc *r);

/* The value in hexadecimal, or as many x. */
void reg_show(struct cpu_view *v, const struct reg_desc *r, struct buf *out);

/* Change a register: 0; -EACCES: read-only; or what the CPU refused it with, nothing changed. */
int reg_set(struct cpu_view *v, const struct reg_desc *r, const void *value);

/* `g`: all registers, except those of features that are read one by one. */
void regs_show(struct cpu_view *v, const struct tdesc *d, struct buf *out);

/*
 * `G`: set regs_size() bytes of values, which are overwritten. Registers that are read-only, can't be
 * read, or have that value already are skipped. 0, or the error of the first register that refuses its
 * value: *refused is that register, and all that were changed before it have their old values again.
 */
int regs_set(struct cpu_view *v, const struct tdesc *d, uint8_t *values,
	     const struct reg_desc **refused);

/*
 * The XML for an annex of len characters ("target.xml" or a feature's): GDB manual, "Target
 * Description Format". 0; -ENOENT: no such annex.
 */
int regs_xml(const struct tdesc *d, const char *annex, size_t len, struct buf *out);

#endif
