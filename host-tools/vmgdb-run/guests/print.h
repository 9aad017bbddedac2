/* SPDX-License-Identifier: MIT */
/* Text on the console. */
#ifndef VMGDB_GUESTS_PRINT_H
#define VMGDB_GUESTS_PRINT_H

void print(const char *s);
void print_decimal(unsigned long n);
void print_hex(unsigned long n);

#endif
