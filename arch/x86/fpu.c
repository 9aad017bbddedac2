// SPDX-License-Identifier: MIT
#include "arch/x86/fpu.h"

#include <string.h>

/* Bytes from the start of the area. AVX is where CPUID 0DH.2 has put it on every processor. */
enum {
	FCW = 0,
	FSW = 2,
	FTW = 4,
	FOP = 6,
	FIP = 8,
	FCS = 12,
	FDP = 16,
	FDS = 20,
	MXCSR = 24,
	MXCSR_MASK = 28,
	ST0 = 32,
	XMM0 = 160,
	XSTATE_BV = 512,
	YMMH0 = 576,
};

enum { XSTATE_X87 = 1, XSTATE_SSE = 2, XSTATE_AVX = 4 };
enum { TAG_VALID, TAG_ZERO, TAG_SPECIAL, TAG_EMPTY };
enum { FCW_INIT = 0x37f, MXCSR_INIT = 0x1f80, MXCSR_MASK_DEFAULT = 0xffbf };

static uint64_t get(const uint8_t *area, size_t at, size_t len)
{
	uint64_t value = 0;

	memcpy(&value, area + at, len);
	return value;
}

static void put(uint8_t *area, size_t at, size_t len, uint64_t value)
{
	memcpy(area + at, &value, len);
}

static unsigned int tag_of(const uint8_t *st)
{
	uint64_t mantissa = get(st, 0, 8);
	unsigned int exponent = get(st, 8, 2) & 0x7fff;

	if (exponent == 0x7fff)
		return TAG_SPECIAL;
	if (!exponent)
		return mantissa ? TAG_SPECIAL : TAG_ZERO;
	return mantissa >> 63 ? TAG_VALID : TAG_SPECIAL;
}

/* FXSAVE has one bit for each physical register, the tag word two; ST(i) is relative to TOP. */
static uint32_t full_tags(const struct x86_fpu *fpu, unsigned int abridged)
{
	unsigned int i, tag, top = fpu->fstat >> 11 & 7;
	uint32_t full = 0;

	for (i = 0; i < 8; i++) {
		tag = abridged >> i & 1 ? tag_of(fpu->st[(i - top) & 7]) : TAG_EMPTY;
		full |= tag << 2 * i;
	}
	return full;
}

static unsigned int abridged_tags(uint32_t full)
{
	unsigned int i, abridged = 0;

	for (i = 0; i < 8; i++)
		if ((full >> 2 * i & 3) != TAG_EMPTY)
			abridged |= 1u << i;
	return abridged;
}

static void unpack_x87(struct x86_fpu *fpu, const uint8_t *area)
{
	fpu->fctrl = get(area, FCW, 2);
	fpu->fstat = get(area, FSW, 2);
	fpu->fop = get(area, FOP, 2);
	fpu->fioff = get(area, FIP, 4);
	fpu->fiseg = get(area, FCS, 2);
	fpu->fooff = get(area, FDP, 4);
	fpu->foseg = get(area, FDS, 2);
	memcpy(fpu->st, area + ST0, sizeof(fpu->st));
	fpu->ftag = full_tags(fpu, get(area, FTW, 1));
}

/* What XSTATE_BV says is in its initial state may hold anything in the area. */
void x86_fpu_unpack(struct x86_fpu *fpu, const uint8_t *area, bool avx)
{
	uint64_t bv = get(area, XSTATE_BV, 8);
	uint32_t mask = get(area, MXCSR_MASK, 4);

	memset(fpu, 0, sizeof(*fpu));
	fpu->fctrl = FCW_INIT;
	fpu->ftag = 0xffff;
	fpu->mxcsr = bv & (XSTATE_SSE | XSTATE_AVX) ? get(area, MXCSR, 4) : MXCSR_INIT;
	fpu->mxcsr_mask = mask ? mask : MXCSR_MASK_DEFAULT;
	if (bv & XSTATE_X87)
		unpack_x87(fpu, area);
	if (bv & XSTATE_SSE)
		memcpy(fpu->xmm, area + XMM0, sizeof(fpu->xmm));
	if (avx && bv & XSTATE_AVX)
		memcpy(fpu->ymmh, area + YMMH0, sizeof(fpu->ymmh));
}

static bool all_zero(const void *p, size_t len)
{
	const uint8_t *b = p;

	return !len || (!b[0] && !memcmp(b, b + 1, len - 1));
}

void x86_fpu_pack(const struct x86_fpu *fpu, uint8_t *area, bool avx)
{
	uint64_t bv = get(area, XSTATE_BV, 8) | XSTATE_X87 | XSTATE_SSE;

	put(area, FCW, 2, fpu->fctrl);
	put(area, FSW, 2, fpu->fstat);
	put(area, FTW, 1, abridged_tags(fpu->ftag));
	put(area, FOP, 2, fpu->fop);
	put(area, FIP, 4, fpu->fioff);
	put(area, FCS, 2, fpu->fiseg);
	put(area, FDP, 4, fpu->fooff);
	put(area, FDS, 2, fpu->foseg);
	put(area, MXCSR, 4, fpu->mxcsr);
	memcpy(area + ST0, fpu->st, sizeof(fpu->st));
	memcpy(area + XMM0, fpu->xmm, sizeof(fpu->xmm));
	if (avx && (bv & XSTATE_AVX || !all_zero(fpu->ymmh, sizeof(fpu->ymmh)))) {
		memcpy(area + YMMH0, fpu->ymmh, sizeof(fpu->ymmh));
		bv |= XSTATE_AVX;
	}
	put(area, XSTATE_BV, 8, bv);
}
