// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

enum { SLOT_ALIGN = 4096 };

int memory_init(struct memory *m)
{
	m->slots = NULL;
	m->nslots = 0;
	m->generation = 0;
	return -pthread_rwlock_init(&m->lock, NULL);
}

void memory_fini(struct memory *m)
{
	free(m->slots);
	pthread_rwlock_destroy(&m->lock);
}

/* Index of the first slot that ends above gpa. */
static size_t slot_at_or_after(const struct memory *m, uint64_t gpa)
{
	size_t low = 0, high = m->nslots;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (m->slots[mid].gpa + (m->slots[mid].size - 1) < gpa)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int insert_slot(struct memory *m, const struct memslot *s)
{
	size_t i = slot_at_or_after(m, s->gpa);
	struct memslot *grown;

	if (i < m->nslots && m->slots[i].gpa <= s->gpa + (s->size - 1))
		return -EEXIST;
	grown = realloc(m->slots, (m->nslots + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	memmove(&grown[i + 1], &grown[i], (m->nslots - i) * sizeof(*grown));
	grown[i] = *s;
	m->slots = grown;
	m->nslots++;
	m->generation++;
	return 0;
}

int memory_add(struct memory *m, uint64_t gpa, void *hva, uint64_t size)
{
	struct memslot s = { .gpa = gpa, .size = size, .hva = hva };
	int ret;

	if (!size || (gpa | size) % SLOT_ALIGN || gpa + (size - 1) < gpa)
		return -EINVAL;
	pthread_rwlock_wrlock(&m->lock);
	ret = insert_slot(m, &s);
	pthread_rwlock_unlock(&m->lock);
	return ret;
}

/* The slot that starts at gpa, or NULL. */
static struct memslot *slot_from(const struct memory *m, uint64_t gpa)
{
	size_t i = slot_at_or_after(m, gpa);

	return i < m->nslots && m->slots[i].gpa == gpa ? &m->slots[i] : NULL;
}

uint64_t memory_size(struct memory *m, uint64_t gpa)
{
	const struct memslot *s;
	uint64_t size;

	pthread_rwlock_rdlock(&m->lock);
	s = slot_from(m, gpa);
	size = s ? s->size : 0;
	pthread_rwlock_unlock(&m->lock);
	return size;
}

int memory_remove(struct memory *m, uint64_t gpa)
{
	struct memslot *s;

	pthread_rwlock_wrlock(&m->lock);
	s = slot_from(m, gpa);
	if (s) {
		m->nslots--;
		m->generation++;
		memmove(s, s + 1, (size_t)(m->slots + m->nslots - s) * sizeof(*s));
	}
	pthread_rwlock_unlock(&m->lock);
	return s ? 0 : -ENOENT;
}

uint8_t *memory_hva(const struct memory *m, uint64_t gpa, size_t *len)
{
	size_t i = slot_at_or_after(m, gpa);
	const struct memslot *s;

	if (i == m->nslots || gpa < m->slots[i].gpa)
		return NULL;
	s = &m->slots[i];
	*len = s->size - (gpa - s->gpa);
	return s->hva + (gpa - s->gpa);
}

size_t memory_read(struct memory *m, uint64_t gpa, void *buf, size_t len)
{
	size_t done = 0, run;
	const uint8_t *hva;

	pthread_rwlock_rdlock(&m->lock);
	for (; done < len && (hva = memory_hva(m, gpa + done, &run)); done += run) {
		run = run < len - done ? run : len - done;
		memcpy((uint8_t *)buf + done, hva, run);
	}
	pthread_rwlock_unlock(&m->lock);
	return done;
}

size_t memory_write(struct memory *m, uint64_t gpa, const void *buf, size_t len)
{
	size_t done = 0, run;
	uint8_t *hva;

	pthread_rwlock_rdlock(&m->lock);
	for (; done < len && (hva = memory_hva(m, gpa + done, &run)); done += run) {
		run = run < len - done ? run : len - done;
		memcpy(hva, (const uint8_t *)buf + done, run);
	}
	pthread_rwlock_unlock(&m->lock);
	return done;
}
