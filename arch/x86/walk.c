// SPDX-License-Identifier: MIT
#include "arch/x86/walk.h"

#include <errno.h>
#include <string.h>

#include "arch/x86/state.h"

#define PTE_P	     (1ULL << 0)
#define PTE_RW	     (1ULL << 1)
#define PTE_US	     (1ULL << 2)
#define PTE_A	     (1ULL << 5)
#define PTE_D	     (1ULL << 6)
#define PTE_PS	     (1ULL << 7)
#define PTE_NX	     (1ULL << 63)
#define BITS(hi, lo) ((~0ULL >> (63 - (hi))) & (~0ULL << (lo)))

enum { PAGE_SHIFT = 12, WRITE_MAX = 64 };
enum { PHYS_BITS_MAX = 52, PSE36_BITS_MAX = 40 };

enum paging { PAGING_32 = 2, PAGING_PAE = 3, PAGING_4 = 4, PAGING_5 = 5 };

struct walk {
	struct cpu_view *v;
	const struct x86_state *s;
	enum paging mode; /* its value is the number of levels */
	unsigned int phys_bits;
	bool write; /* mark what is walked as the processor does for a write */
};

static unsigned int index_bits(const struct walk *w)
{
	return w->mode == PAGING_32 ? 10 : 9;
}

/* Bits that must be zero in every entry of this level, and in one that maps a large page. */
static uint64_t reserved(const struct walk *w, unsigned int level, bool large, unsigned int shift)
{
	uint64_t r;

	if (w->mode == PAGING_32)
		return large ? BITS(21, 21) : 0;
	r = w->phys_bits < PHYS_BITS_MAX ? BITS(PHYS_BITS_MAX - 1, w->phys_bits) : 0;
	if (!(w->s->efer & X86_EFER_NXE))
		r |= PTE_NX;
	if (w->mode == PAGING_PAE)
		r |= BITS(62, PHYS_BITS_MAX);
	if (w->mode == PAGING_PAE && level == 3)
		r |= PTE_NX | BITS(8, 5) | BITS(2, 1);
	if (level > 3)
		r |= PTE_PS;
	return large ? r | BITS(shift - 1, PAGE_SHIFT + 1) : r;
}

static bool is_large(const struct walk *w, unsigned int level, uint64_t e)
{
	if (level == 1 || !(e & PTE_PS))
		return false;
	if (w->mode == PAGING_32)
		return w->s->cr4 & X86_CR4_PSE;
	return level == 2 || (level == 3 && w->mode != PAGING_PAE);
}

static uint64_t table_base(const struct walk *w)
{
	switch (w->mode) {
	case PAGING_32: return w->s->cr3 & BITS(31, 12);
	case PAGING_PAE: return w->s->cr3 & BITS(31, 5);
	default: return w->s->cr3 & BITS(PHYS_BITS_MAX - 1, 12);
	}
}

/* The address in an entry. 4 MiB pages keep bits 39:32 in 20:13 (PSE-36). */
static uint64_t target(const struct walk *w, uint64_t e, bool large, unsigned int shift)
{
	if (w->mode == PAGING_32 && large)
		return (e & BITS(31, 22)) | (e & BITS(20, 13)) << (32 - 13);
	return e & BITS(PHYS_BITS_MAX - 1, large ? shift : PAGE_SHIFT);
}

static size_t entry_size(const struct walk *w)
{
	return w->mode == PAGING_32 ? 4 : 8;
}

static int read_entry(const struct walk *w, uint64_t gpa, uint64_t *e)
{
	size_t size = entry_size(w);
	ssize_t n;

	*e = 0;
	n = w->v->read_phys(w->v, gpa, e, size);
	return n == (ssize_t)size ? 0 : -EFAULT;
}

static unsigned int restrict_prot(const struct walk *w, unsigned int level, uint64_t e,
				  unsigned int prot)
{
	if (w->mode == PAGING_PAE && level == 3)
		return prot;
	if (!(e & PTE_RW))
		prot &= ~PROT_W;
	if (!(e & PTE_US))
		prot &= ~PROT_USER;
	if (e & PTE_NX)
		prot &= ~PROT_X;
	return prot;
}

/* Accessed everywhere, dirty where the page is (SDM vol. 3, 4.8). */
static int mark(const struct walk *w, uint64_t gpa, uint64_t e, unsigned int level, bool leaf)
{
	uint64_t want = leaf ? PTE_A | PTE_D : PTE_A;

	if (!w->write || (e & want) == want || (w->mode == PAGING_PAE && level == 3))
		return 0;
	e |= want;
	return w->v->write_phys(w->v, gpa, &e, entry_size(w));
}

static int walk(const struct walk *w, uint64_t va, struct xlat *out)
{
	unsigned int level, shift = PAGE_SHIFT, bits = index_bits(w);
	uint64_t e, at, base = table_base(w);
	bool large = false;
	int ret;

	out->prot = PROT_R | PROT_W | PROT_X | PROT_USER;
	out->tables = base;
	for (level = w->mode; level && !large; level--) {
		shift = PAGE_SHIFT + bits * (level - 1);
		at = base + (va >> shift & ((1u << bits) - 1)) * entry_size(w);
		ret = read_entry(w, at, &e);
		if (ret)
			return ret;
		large = is_large(w, level, e);
		if (!(e & PTE_P) || e & reserved(w, level, large, shift))
			return -EFAULT;
		ret = mark(w, at, e, level, large || level == 1);
		if (ret)
			return ret;
		out->prot = restrict_prot(w, level, e, out->prot);
		base = target(w, e, large, shift);
		if (level == w->mode && !large) /* processes share the kernel's below the root */
			out->tables = base;
	}
	out->page = 1ULL << shift;
	out->gpa = base | (va & (out->page - 1));
	return out->gpa >> w->phys_bits ? -EFAULT : 0;
}

/* Without paging a linear address is the physical one. */
static int flat(uint64_t va, struct xlat *out)
{
	if (va >> 32)
		return -EFAULT;
	*out = (struct xlat){ va, 1ULL << 63, PROT_R | PROT_W | PROT_X | PROT_USER, XLAT_FLAT };
	return 0;
}

static enum paging paging_mode(const struct x86_state *s)
{
	if (x86_long_mode(s))
		return s->cr4 & X86_CR4_LA57 ? PAGING_5 : PAGING_4;
	return s->cr4 & X86_CR4_PAE ? PAGING_PAE : PAGING_32;
}

/* MAXPHYADDR, or the most that it can be where it is not known. */
static unsigned int phys_bits(struct cpu_view *v, enum paging mode)
{
	const struct x86_state *s = v->state;
	unsigned int bits = v->need(v, X86_BANK_CPUID) ? 0 : s->cpuid.phys_bits;

	if (!bits || bits > PHYS_BITS_MAX)
		bits = PHYS_BITS_MAX;
	return mode == PAGING_32 && bits > PSE36_BITS_MAX ? PSE36_BITS_MAX : bits;
}

static int translate(struct cpu_view *v, uint64_t va, bool write, struct xlat *out)
{
	const struct x86_state *s = v->state;
	struct walk w = { .v = v, .s = s, .write = write };
	int ret = v->need(v, X86_BANK_SREGS);

	if (ret)
		return ret;
	if (!(s->cr0 & X86_CR0_PG))
		return flat(va, out);
	w.mode = paging_mode(s);
	if (x86_long_mode(s) ? !x86_canonical(s, va) : va >> 32)
		return -EFAULT;
	w.phys_bits = phys_bits(v, w.mode);
	return walk(&w, va, out);
}

int x86_translate(struct cpu_view *v, uint64_t va, struct xlat *out)
{
	return translate(v, va, false, out);
}

/* The first bytes of [va, va + len) that are in one page: how many, and where they are. */
static int next_piece(struct cpu_view *v, uint64_t va, size_t len, bool write, uint64_t *gpa,
		      size_t *n)
{
	size_t room = X86_PAGE_SIZE - va % X86_PAGE_SIZE;
	struct xlat x;
	int ret = translate(v, va, write, &x);

	*gpa = ret ? 0 : x.gpa;
	*n = room < len ? room : len;
	return ret;
}

int x86_read_virt(struct cpu_view *v, uint64_t va, void *buf, size_t len)
{
	size_t done, n;
	uint64_t gpa;
	int ret;

	for (done = 0; done < len; done += n) {
		ret = next_piece(v, va + done, len - done, false, &gpa, &n);
		if (ret)
			return ret;
		if (v->read_phys(v, gpa, (uint8_t *)buf + done, n) != (ssize_t)n)
			return -EFAULT;
	}
	return 0;
}

/* How far a write got is in *done, so that the caller can undo one that fails in the middle. */
static int write_pieces(struct cpu_view *v, uint64_t va, const uint8_t *buf, size_t len,
			size_t *done)
{
	uint64_t gpa;
	size_t n;
	int ret = 0;

	for (*done = 0; !ret && *done < len; *done += ret ? 0 : n) {
		ret = next_piece(v, va + *done, len - *done, true, &gpa, &n);
		if (!ret)
			ret = v->write_phys(v, gpa, buf + *done, n);
	}
	return ret;
}

int x86_write_virt(struct cpu_view *v, uint64_t va, const void *buf, size_t len)
{
	uint8_t old[WRITE_MAX];
	size_t done, undone;
	int ret;

	if (!v->write_phys || len > sizeof(old))
		return -EINVAL;
	ret = x86_read_virt(v, va, old, len);
	if (ret)
		return ret;
	ret = write_pieces(v, va, buf, len, &done);
	if (ret)
		write_pieces(v, va, old, done, &undone);
	return ret;
}

int x86_may_access(struct cpu_view *v, uint64_t va, unsigned int size, unsigned int prot)
{
	struct xlat x;
	int ret = x86_translate(v, va, &x);

	if (x86_cpl(v->state) == 3)
		prot |= PROT_USER;
	if (!ret && (x.prot & prot) != prot)
		return -EFAULT;
	if (!ret)
		ret = x86_translate(v, va + size - 1, &x);
	return ret ? ret : (x.prot & prot) == prot ? 0 : -EFAULT;
}
