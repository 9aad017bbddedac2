/* SPDX-License-Identifier: MIT */
/*
 * What a terminal in PARMRK mode puts into its input, termios(3): a byte 0377 comes as 0377 0377,
 * and a BREAK as 0377 0 0. Private.
 */
#ifndef VMGDB_TRANSPORT_PARMRK_H
#define VMGDB_TRANSPORT_PARMRK_H

#include <stddef.h>

enum parmrk_state { PARMRK_DATA, PARMRK_FF, PARMRK_FF_00 };

/*
 * Take the marks out of buf, in place; a BREAK becomes 0x03, the protocol's interrupt. *state goes
 * from one call to the next, PARMRK_DATA at first. Returns how many bytes are left; perhaps none.
 */
size_t parmrk_decode(enum parmrk_state *state, unsigned char *buf, size_t len);

#endif
