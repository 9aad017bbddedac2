/* SPDX-License-Identifier: MIT */
/* The protocol's hexadecimal: two digits a byte. Written in lower case, read in either. */
#ifndef VMGDB_CORE_HEX_H
#define VMGDB_CORE_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* dst has 2 * n bytes; src may be the last n of them. */
void hex_encode(char *dst, const uint8_t *src, size_t n);

/* 2 * n digits of src into n bytes; dst may be src. False if one is no digit; dst is then spoilt. */
bool hex_decode(uint8_t *dst, const char *src, size_t n);

/* 0 to 15, or -1 if c is no hexadecimal digit. */
int hex_digit(char c);

#endif
