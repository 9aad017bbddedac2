// SPDX-License-Identifier: MIT
#include "core/regs.h"

#include <errno.h>
#include <string.h>

/* ---- registers --------------------------------------------------------------------------- */

struct reg_iter reg_iter(const struct tdesc *d)
{
	return (struct reg_iter){ .tdesc = d, .number = -1u };
}

const struct reg_desc *reg_next(struct reg_iter *it)
{
	for (; it->feature < it->tdesc->nfeatures; it->feature++, it->index = 0) {
		const struct reg_feature *f = it->tdesc->features[it->feature];

		if (it->index < f->nregs) {
			it->number++;
			return &f->regs[it->index++];
		}
	}
	return NULL;
}

/* As reg_next(), for those that g and G have. */
static const struct reg_desc *next_in_g(struct reg_iter *it)
{
	const struct reg_desc *r = reg_next(it);

	return r && !it->tdesc->features[it->feature]->apart ? r : NULL;
}

size_t regs_size(const struct tdesc *d)
{
	struct reg_iter it = reg_iter(d);
	const struct reg_desc *r;
	size_t size = 0;

	while ((r = next_in_g(&it)))
		size += reg_size(r);
	return size;
}

const struct reg_desc *regs_find(const struct tdesc *d, uint64_t number)
{
	for (unsigned int i = 0; i < d->nfeatures; number -= d->features[i++]->nregs)
		if (number < d->features[i]->nregs)
			return &d->features[i]->regs[number];
	return NULL;
}

const struct reg_desc *regs_find_generic(const struct tdesc *d, const char *generic)
{
	struct reg_iter it = reg_iter(d);
	const struct reg_desc *r;

	while ((r = reg_next(&it)))
		if (r->generic && !strcmp(r->generic, generic))
			return r;
	return NULL;
}

/* ---- values ------------------------------------------------------------------------------ */

const void *reg_value(struct cpu_view *v, const struct reg_desc *r)
{
	return v->need(v, r->bank) < 0 ? NULL : (const uint8_t *)v->state + r->offset;
}

void reg_show(struct cpu_view *v, const struct reg_desc *r, struct buf *out)
{
	const void *value = reg_value(v, r);
	char *unknown;

	if (value) {
		buf_hex(out, value, reg_size(r));
		return;
	}
	unknown = buf_grow(out, 2 * reg_size(r));
	if (unknown)
		memset(unknown, 'x', 2 * reg_size(r));
}

int reg_set(struct cpu_view *v, const struct reg_desc *r, const void *value)
{
	int err = -EOPNOTSUPP;

	if (r->flags & REG_READONLY)
		return -EACCES;
	if (!reg_value(v, r))
		return -EIO;
	if (v->cpu->write_reg)
		err = v->cpu->write_reg(v, r, value);
	if (err != -EOPNOTSUPP)
		return err;
	memcpy((uint8_t *)v->state + r->offset, value, reg_size(r));
	v->dirty(v, r->bank);
	return 0;
}

void regs_show(struct cpu_view *v, const struct tdesc *d, struct buf *out)
{
	struct reg_iter it = reg_iter(d);
	const struct reg_desc *r;

	while ((r = next_in_g(&it)))
		reg_show(v, r, out);
}

/*
 * Exchange a register's value and *value, unless they are equal or the register can't be changed. A
 * second call undoes the first.
 */
static int swap(struct cpu_view *v, const struct reg_desc *r, uint8_t *value)
{
	uint8_t old[REG_SIZE_MAX];
	const void *now = reg_value(v, r);
	size_t size = reg_size(r);
	int err;

	if (!now || (r->flags & REG_READONLY) || size > sizeof(old) || !memcmp(now, value, size))
		return 0;
	memcpy(old, now, size);
	err = reg_set(v, r, value);
	if (!err)
		memcpy(value, old, size);
	return err;
}

/* Exchange the values of the registers before number `end` again, the last one first. */
static void undo(struct cpu_view *v, const struct tdesc *d, unsigned int end, uint8_t *values)
{
	while (end--) {
		const struct reg_desc *r = regs_find(d, end);

		values -= reg_size(r);
		swap(v, r, values);
	}
}

int regs_set(struct cpu_view *v, const struct tdesc *d, uint8_t *values,
	     const struct reg_desc **refused)
{
	struct reg_iter it = reg_iter(d);
	const struct reg_desc *r;

	while ((r = next_in_g(&it))) {
		int err = swap(v, r, values);

		if (err) {
			*refused = r;
			undo(v, d, it.number, values);
			return err;
		}
		values += reg_size(r);
	}
	return 0;
}

/* ---- the description --------------------------------------------------------------------- */

static void xml_head(struct buf *out, const char *root)
{
	buf_fmt(out, "<?xml version=\"1.0\"?>\n<!DOCTYPE %s SYSTEM \"gdb-target.dtd\">\n", root);
}

static void xml_target(const struct tdesc *d, struct buf *out)
{
	xml_head(out, "target");
	buf_str(out, "<target version=\"1.0\" xmlns:xi=\"http://www.w3.org/2001/XInclude\">\n");
	buf_fmt(out, "  <architecture>%s</architecture>\n", d->arch);
	if (d->osabi)
		buf_fmt(out, "  <osabi>%s</osabi>\n", d->osabi);
	for (unsigned int i = 0; i < d->nfeatures; i++)
		buf_fmt(out, "  <xi:include href=\"%s\"/>\n", d->features[i]->annex);
	buf_str(out, "</target>\n");
}

static void xml_attr(struct buf *out, const char *name, const char *value)
{
	if (value)
		buf_fmt(out, " %s=\"%s\"", name, value);
}

/* gdb ignores the attributes that only lldb knows. */
static void xml_reg(const struct reg_desc *r, unsigned int number, struct buf *out)
{
	buf_fmt(out, "  <reg name=\"%s\" bitsize=\"%u\" regnum=\"%u\"", r->name, r->bits, number);
	xml_attr(out, "type", r->type);
	xml_attr(out, "group", r->group);
	if (r->flags & REG_HIDDEN)
		xml_attr(out, "save-restore", "no");
	xml_attr(out, "generic", r->generic);
	xml_attr(out, "altname", r->alt);
	if (r->dwarf >= 0)
		buf_fmt(out, " dwarf_regnum=\"%d\" ehframe_regnum=\"%d\"", r->dwarf, r->dwarf);
	buf_str(out, "/>\n");
}

static void xml_feature(const struct reg_feature *f, unsigned int number, struct buf *out)
{
	xml_head(out, "feature");
	buf_fmt(out, "<feature name=\"%s\">\n", f->name);
	if (f->types)
		buf_str(out, f->types);
	for (unsigned int i = 0; i < f->nregs; i++)
		xml_reg(&f->regs[i], number + i, out);
	buf_str(out, "</feature>\n");
}

int regs_xml(const struct tdesc *d, const char *annex, size_t len, struct buf *out)
{
	unsigned int number = 0;

	if (len == strlen("target.xml") && !memcmp(annex, "target.xml", len)) {
		xml_target(d, out);
		return 0;
	}
	for (unsigned int i = 0; i < d->nfeatures; i++) {
		const struct reg_feature *f = d->features[i];

		if (len == strlen(f->annex) && !memcmp(annex, f->annex, len)) {
			xml_feature(f, number, out);
			return 0;
		}
		number += f->nregs;
	}
	return -ENOENT;
}
