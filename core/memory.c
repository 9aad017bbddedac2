// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/memory.h"

struct memslot {
	uint64_t gpa;
	uint64_t size;
	uint8_t *hva;
};

/* PAGE: the smallest that a host has; SLOT_ALIGN is the same of a guest. */
enum { SLOT_ALIGN = 4096, PAGE = 4096, PAGES_MAX = MEMORY_WINDOW / PAGE + 1 };

/* A file may be as long as the window: a longer write would end the process by SIGXFSZ. */
static bool file_fits(void)
{
	struct rlimit limit;

	return !getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur >= MEMORY_WINDOW;
}

/* A host without memory files, or whose filter forbids them, has plain copies. */
static int open_window(struct memory *m)
{
	void *window;

	m->window_fd = file_fits() ? memfd_create("vmgdb", MFD_CLOEXEC) : -1;
	if (m->window_fd < 0)
		return !file_fits() || errno == ENOSYS || errno == EPERM ? 0 : -errno;
	if (ftruncate(m->window_fd, MEMORY_WINDOW))
		return -errno;
	window = mmap(NULL, MEMORY_WINDOW, PROT_READ | PROT_WRITE, MAP_SHARED, m->window_fd, 0);
	if (window == MAP_FAILED)
		return -errno;
	m->window = window;
	m->plain = false;
	return 0;
}

int memory_init(struct memory *m)
{
	int ret;

	*m = (struct memory){ .window_fd = -1, .plain = true };
	pthread_rwlock_init(&m->lock, NULL);
	pthread_mutex_init(&m->window_lock, NULL);
	ret = open_window(m);
	if (ret)
		memory_fini(m);
	return ret;
}

void memory_fini(struct memory *m)
{
	free(m->slots);
	if (m->window)
		munmap(m->window, MEMORY_WINDOW);
	if (m->window_fd >= 0)
		close(m->window_fd);
	pthread_mutex_destroy(&m->window_lock);
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

int memory_remove(struct memory *m, uint64_t gpa)
{
	size_t i = slot_at_or_after(m, gpa);

	if (i == m->nslots || m->slots[i].gpa != gpa)
		return -ENOENT;
	m->nslots--;
	memmove(&m->slots[i], &m->slots[i + 1], (m->nslots - i) * sizeof(*m->slots));
	return 0;
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

bool memory_has_hva(const struct memory *m, const uint8_t *hva)
{
	const struct memslot *s;

	for (s = m->slots; s < m->slots + m->nslots; s++)
		if (hva >= s->hva && (uint64_t)(hva - s->hva) < s->size)
			return true;
	return false;
}

/* ---- copies ------------------------------------------------------------------------------ */

static ssize_t copy_plain(const struct iovec *pieces, unsigned int n, uint8_t *buf, bool to_pieces)
{
	const uint8_t *start = buf;
	unsigned int i;

	for (i = 0; i < n; buf += pieces[i++].iov_len) {
		if (to_pieces)
			memcpy(pieces[i].iov_base, buf, pieces[i].iov_len);
		else
			memcpy(buf, pieces[i].iov_base, pieces[i].iov_len);
	}
	return buf - start;
}

/*
 * The kernel copies one piece of user memory after the other, with a barrier against speculation before
 * each: all their cache lines are asked for first. One piece alone, as a page walk reads it, is a seventh
 * faster by pwrite().
 */
static ssize_t gather_by_window(const struct memory *m, const struct iovec *pieces, unsigned int n,
				uint8_t *buf)
{
	unsigned int i;
	ssize_t got;

	for (i = 0; i < n; i++)
		__builtin_prefetch(pieces[i].iov_base);
	got = n == 1 ? pwrite(m->window_fd, pieces->iov_base, pieces->iov_len, 0)
		     : pwritev(m->window_fd, pieces, (int)n, 0);
	if (got > 0)
		memcpy(buf, m->window, (size_t)got);
	return got;
}

static ssize_t scatter_by_window(const struct memory *m, const struct iovec *pieces, unsigned int n,
				 const uint8_t *buf)
{
	size_t bytes = 0;
	unsigned int i;

	for (i = 0; i < n; i++)
		bytes += pieces[i].iov_len;
	memcpy(m->window, buf, bytes);
	return preadv(m->window_fd, pieces, (int)n, 0);
}

/*
 * Copies are made under locks, here and in the callers: a thread that the VMM cancels (pthread_cancel(3)) does
 * not end in the system call.
 */
static ssize_t copy_by_window(const struct memory *m, const struct iovec *pieces, unsigned int n,
			      uint8_t *buf, bool to_pieces)
{
	int state;
	ssize_t done;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	done = to_pieces ? scatter_by_window(m, pieces, n, buf)
			 : gather_by_window(m, pieces, n, buf);
	pthread_setcancelstate(state, NULL);
	return done;
}

/* Has the host taken the memory file away: forbidden the call or the length, closed the descriptor? */
static bool is_refused(ssize_t ret)
{
	return ret < 0 && (errno == EPERM || errno == ENOSYS || errno == EBADF || errno == EFBIG);
}

/* How many bytes, up to the first piece that can't be accessed. */
static size_t copy(struct memory *m, const struct iovec *pieces, unsigned int n, uint8_t *buf,
		   bool to_pieces)
{
	ssize_t done = 0;

	pthread_mutex_lock(&m->window_lock);
	if (!m->plain)
		done = copy_by_window(m, pieces, n, buf, to_pieces);
	m->plain |= is_refused(done);
	if (m->plain)
		done = copy_plain(pieces, n, buf, to_pieces);
	pthread_mutex_unlock(&m->window_lock);
	return done > 0 ? (size_t)done : 0;
}

static void copy_each(struct memory *m, const struct iovec *pieces, unsigned int n, uint8_t *buf,
		      bool to_pieces, bool *ok)
{
	size_t done = 0;
	unsigned int i;

	for (i = 0; i < n; buf += pieces[i++].iov_len) {
		if (!done)
			done = copy(m, pieces + i, n - i, buf, to_pieces);
		ok[i] = done >= pieces[i].iov_len;
		done -= ok[i] ? pieces[i].iov_len : done;
	}
}

void memory_gather(struct memory *m, const struct iovec *pieces, unsigned int n, void *buf,
		   bool *ok)
{
	copy_each(m, pieces, n, buf, false, ok);
}

void memory_scatter(struct memory *m, const struct iovec *pieces, unsigned int n, const void *buf,
		    bool *ok)
{
	copy_each(m, pieces, n, (uint8_t *)buf, true, ok);
}

/* The pages of [gpa, gpa + len), as many as one copy takes. */
static unsigned int find_pieces(const struct memory *m, uint64_t gpa, size_t len,
				struct iovec *pieces)
{
	unsigned int n = 0;
	size_t run, room;
	uint8_t *hva;

	len = len < MEMORY_WINDOW ? len : MEMORY_WINDOW;
	for (; len && n < PAGES_MAX; gpa += run, len -= run) {
		hva = memory_hva(m, gpa, &run);
		if (!hva)
			break;
		room = PAGE - (uintptr_t)hva % PAGE;
		run = run < room ? run : room;
		run = run < len ? run : len;
		pieces[n++] = (struct iovec){ hva, run };
	}
	return n;
}

/* Up to the first hole or page that can't be accessed: how many bytes. */
static size_t copy_range(struct memory *m, uint64_t gpa, uint8_t *buf, size_t len, bool to_guest)
{
	struct iovec pieces[PAGES_MAX];
	size_t done, some;
	unsigned int n;

	for (done = 0; done < len; done += some) {
		n = find_pieces(m, gpa + done, len - done, pieces);
		some = n ? copy(m, pieces, n, buf + done, to_guest) : 0;
		if (!some)
			break;
	}
	return done;
}

size_t memory_read(struct memory *m, uint64_t gpa, void *buf, size_t len)
{
	return copy_range(m, gpa, buf, len, false);
}

int memory_write(struct memory *m, uint64_t gpa, const void *buf, size_t len)
{
	uint8_t *old = NULL;
	size_t n = 0;

	if (gpa % PAGE + len > PAGE) { /* more than a page may fail on the way: then it is undone */
		old = malloc(len);
		if (!old)
			return -ENOMEM;
	}
	if (!old || memory_read(m, gpa, old, len) == len)
		n = copy_range(m, gpa, (uint8_t *)buf, len, true);
	if (n < len && old)
		copy_range(m, gpa, old, n, true);
	free(old);
	return n < len ? -EFAULT : 0;
}
