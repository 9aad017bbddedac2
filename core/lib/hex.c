// SPDX-License-Identifier: MIT
#include "core/lib/hex.h"

#include "core/lib/vec.h"

enum { LETTER_GAP = 'a' - '9' - 1 };

int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 'a' - 'A';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* ---- encoding ---------------------------------------------------------------------------- */

static vec digits(vec values)
{
	return values + '0' + ((vec)(values > 9) & LETTER_GAP);
}

static void encode_vec(char *dst, vec bytes)
{
	vec high = digits(bytes >> 4), low = digits(bytes & 15);

	vec_store(dst, VEC_PICK(high, low, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
	vec_store(dst + sizeof(vec), VEC_PICK(high, low, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13,
					      29, 14, 30, 15, 31));
}

/* What is written has been read before, also when src is the end of dst. */
void hex_encode(char *dst, const uint8_t *src, size_t n)
{
	size_t i = 0;

	for (; n - i >= sizeof(vec); i += sizeof(vec))
		encode_vec(dst + 2 * i, vec_load(src + i));
	for (; i < n; i++) {
		uint8_t byte = src[i];

		dst[2 * i] = "0123456789abcdef"[byte >> 4];
		dst[2 * i + 1] = "0123456789abcdef"[byte & 15];
	}
}

/* ---- decoding ---------------------------------------------------------------------------- */

/* The values of digits; what is none sets its byte in *bad. */
static vec values(vec digits, vec *bad)
{
	vec decimal = digits - '0', letter = (digits | ('a' - 'A')) - 'a';
	vec is_decimal = (vec)(decimal <= 9), is_letter = (vec)(letter <= 5);

	*bad |= ~(is_decimal | is_letter);
	return (decimal & is_decimal) | ((letter + 10) & is_letter);
}

static vec decode_vec(const char *src, vec *bad)
{
	vec a = values(vec_load(src), bad), b = values(vec_load(src + sizeof(vec)), bad);
	vec high = VEC_PICK(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
	vec low = VEC_PICK(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);

	return high << 4 | low;
}

bool hex_decode(uint8_t *dst, const char *src, size_t n)
{
	vec bad = { 0 };
	size_t i = 0;
	int all = 0;

	for (; n - i >= sizeof(vec); i += sizeof(vec))
		vec_store(dst + i, decode_vec(src + 2 * i, &bad));
	for (; i < n; i++) {
		int high = hex_digit(src[2 * i]), low = hex_digit(src[2 * i + 1]);

		all |= high | low;
		dst[i] = (uint8_t)((unsigned int)high << 4 | (unsigned int)low);
	}
	return all >= 0 && !vec_any(bad);
}
