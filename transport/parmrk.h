/* SPDX-License-Identifier: MIT */
/*
 * What a terminal in PARMRK mode puts into its input, termios(3): a byte 0377 comes as 0377 0377,
 * and a BREAK as 0377 0 0. Private.
 */
#ifndef VMGDB_TRANSPORT_PARMRK_H
#define VMGDB_TRANSPORT_PARMRK_H

#include <stddef.h>

enum unmark_state { UNMARK_PLAIN, UNMARK_FF, UNMARK_FF_00 };

/*
 * Take the marks out of buf, in place; a BREAK becomes 0x03, the protocol's interrupt. *state goes
 * from one call to the next, UNMARK_PLAIN at first. Returns how many bytes are left; perhaps none.
 */
size_t unmark(enum unmark_state *state, unsigned char *buf, size_t len);

#endif
