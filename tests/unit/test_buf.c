// SPDX-License-Identifier: MIT
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "core/lib/buf.h"
#include "core/lib/hex.h"

static struct scan scan(const char *text)
{
	return (struct scan){ text, text + strlen(text) };
}

Test(buf, bounded, .description = "what does not fit is left out whole, and so is all after it")
{
	char mem[9];
	struct buf b;

	memset(mem, '!', sizeof(mem));
	buf_init(&b, mem, 8);
	buf_str(&b, "12345");
	cr_expect_null(buf_grow(&b, 4));
	cr_expect(b.over && b.len == 5);
	buf_char(&b, '6');
	buf_num(&b, 7);
	buf_fmt(&b, "%s", "8");
	buf_hex(&b, "9", 1);
	cr_expect_eq(b.len, 5);
	buf_clear(&b);
	cr_expect(!b.over);
	buf_fmt(&b, "%08x", 0x1234);
	cr_expect(b.over && b.len == 0, "no room for snprintf's zero");
	buf_clear(&b);
	buf_hex(&b, "abcd", 4);
	cr_expect(!b.over && !memcmp(mem, "61626364!", 9));
	buf_clear(&b);
	buf_hex(&b, mem, (size_t)-1);
	cr_expect(b.over);
}

Test(hex, all, .description = "each byte value to digits and back; upper case is read, not written")
{
	char text[512];
	uint8_t bytes[256], back[256];

	for (int i = 0; i < 256; i++)
		bytes[i] = (uint8_t)i;
	hex_encode(text, bytes, 256);
	cr_expect_eq(memcmp(text, "000102", 6), 0);
	cr_expect_eq(memcmp(text + 506, "fdfeff", 6), 0);
	cr_expect(hex_decode(back, text, 256));
	cr_expect_eq(memcmp(bytes, back, 256), 0);
	cr_expect(hex_decode(back, "aFfA", 2) && back[0] == 0xaf && back[1] == 0xfa);
}

Test(hex, in_place, .description = "decoding over itself, and encoding from the end of the room")
{
	char text[8] = "31323334", room[8] = { [4] = 1, 2, 0x7f, (char)0xff };

	cr_expect(hex_decode((uint8_t *)text, text, 4));
	cr_expect_eq(memcmp(text, "1234", 4), 0);
	hex_encode(room, (uint8_t *)room + 4, 4);
	cr_expect_eq(memcmp(room, "01027fff", 8), 0);
}

Test(hex, lengths, .description = "any length, in place as well: the same as byte by byte")
{
	uint8_t bytes[100];
	char want[201], room[200];

	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (uint8_t)(i * 37);
		snprintf(want + 2 * i, 3, "%02x", bytes[i]);
	}
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		memcpy(room + n, bytes, n);
		hex_encode(room, (uint8_t *)room + n, n);
		cr_expect_eq(memcmp(room, want, 2 * n), 0, "%zu bytes encoded", n);
		cr_expect(hex_decode((uint8_t *)room, room, n));
		cr_expect_eq(memcmp(room, bytes, n), 0, "%zu bytes decoded", n);
	}
}

Test(hex, bad_anywhere, .description = "a byte that is no digit is found wherever it is")
{
	char text[80];
	uint8_t out[40];

	memset(text, 'a', sizeof(text));
	for (size_t i = 0; i < sizeof(text); i++) {
		for (const char *c = "/:@G`g\xc1\x80"; *c; c++) {
			text[i] = *c;
			cr_expect(!hex_decode(out, text, sizeof(out)), "%x at %zu", *c, i);
		}
		text[i] = "0aF9"[i % 4];
		cr_expect(hex_decode(out, text, sizeof(out)));
	}
}

Test(hex, bad, .description = "no byte but a digit passes for one")
{
	for (int c = 0; c < 256; c++) {
		char text[2] = { (char)c, '0' }, other[2] = { '0', (char)c };
		bool digit = c && strchr("0123456789abcdefABCDEF", c);
		uint8_t out;

		cr_expect_eq(hex_decode(&out, text, 1), digit, "%02x", c);
		cr_expect_eq(hex_decode(&out, other, 1), digit, "%02x", c);
		cr_expect_eq(hex_digit((char)c) >= 0, digit, "%02x", c);
	}
}

Test(scan, numbers, .description = "numbers of up to 64 bits, and nothing that is more or none")
{
	struct scan s = scan("1f,");
	uint64_t x = 0;

	cr_expect(scan_hex(&s, &x) && x == 0x1f && *s.p == ',');
	cr_expect(!scan_hex(&s, &x) && *s.p == ',');
	s = scan("000000000000000000000ffffffffffffffff");
	cr_expect(scan_hex(&s, &x) && x == UINT64_MAX);
	s = scan("10000000000000000");
	cr_expect(!scan_hex(&s, &x) && scan_left(&s) == 17);
	s = scan("");
	cr_expect(!scan_hex(&s, &x) && scan_end(&s));
}

Test(scan, fields, .description = "fields between delimiters; what is after the last is empty")
{
	struct scan s = scan("a;;b"), f;

	cr_expect(scan_field(&s, ';', &f) && scan_left(&f) == 1 && *f.p == 'a');
	cr_expect(scan_field(&s, ';', &f) && scan_end(&f));
	cr_expect(scan_field(&s, ';', &f) && scan_left(&f) == 1 && *f.p == 'b');
	cr_expect(!scan_field(&s, ';', &f));
}

Test(scan, words, .description = "a word is taken whole or not at all")
{
	struct scan s = scan("-12");

	cr_expect(!scan_str(&s, "-1234") && scan_left(&s) == 3);
	cr_expect(scan_str(&s, "-1") && scan_left(&s) == 1);
	cr_expect(!scan_char(&s, '-') && scan_char(&s, '2') && !scan_char(&s, '2'));
}
