// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/softwatch.h"

void softwatch_fini(struct softwatches *s)
{
	free(s->w);
}

struct softwatch *softwatch_find(const struct softwatches *s, uint64_t addr)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->w[i].wished && s->w[i].addr == addr)
			return &s->w[i];
	return NULL;
}

static struct softwatch *find(const struct softwatches *s, uint64_t addr, uint64_t len)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->w[i].addr == addr && s->w[i].len == len)
			return &s->w[i];
	return NULL;
}

static int append(struct softwatches *s, const struct softwatch *w)
{
	struct softwatch *grown = realloc(s->w, (s->n + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	s->w = grown;
	s->w[s->n++] = *w;
	return 0;
}

int softwatch_insert(struct softwatches *s, struct points *mem, uint64_t addr, uint64_t gpa,
		     uint64_t len, const char **why)
{
	struct softwatch w = { .addr = addr, .gpa = gpa, .len = len, .wished = true };
	struct softwatch *there = find(s, addr, len);

	if (there && there->gpa == gpa) {
		there->wished = true;
		return 0;
	}
	if (!len || len > sizeof(w.old)) {
		*why = "a software watchpoint is 1 to 64 bytes long";
		return -EINVAL;
	}
	if (points_read(mem, gpa, w.old, len) < len) {
		*why = "there is no memory at that address";
		return -EFAULT;
	}
	if (!there)
		return append(s, &w);
	*there = w;
	return 0;
}

void softwatch_remove(struct softwatches *s, uint64_t addr, uint64_t len)
{
	struct softwatch *w = find(s, addr, len);

	if (w)
		w->wished = false;
}

void softwatch_remove_all(struct softwatches *s)
{
	s->n = 0;
}

void softwatch_commit(struct softwatches *s)
{
	size_t i;

	for (i = s->n; i--;)
		if (!s->w[i].wished)
			s->w[i] = s->w[--s->n];
}

void softwatch_wrote(struct softwatches *s, uint64_t gpa, const void *buf, size_t len)
{
	struct softwatch *w;
	uint64_t from, to;

	for (w = s->w; w < s->w + s->n; w++) {
		from = gpa > w->gpa ? gpa : w->gpa;
		to = gpa + len < w->gpa + w->len ? gpa + len : w->gpa + w->len;
		if (from < to)
			memcpy(w->old + (from - w->gpa), (const uint8_t *)buf + (from - gpa),
			       to - from);
	}
}

/* Memory that has gone has not changed. */
static bool changed(struct softwatch *w, struct points *mem)
{
	uint8_t now[SOFTWATCH_LEN_MAX];

	if (points_read(mem, w->gpa, now, w->len) < w->len || !memcmp(now, w->old, w->len))
		return false;
	memcpy(w->old, now, w->len);
	return true;
}

const struct softwatch *softwatch_changed(struct softwatches *s, struct points *mem)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (changed(&s->w[i], mem))
			return &s->w[i];
	return NULL;
}
