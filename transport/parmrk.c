// SPDX-License-Identifier: MIT
#include "transport/parmrk.h"

enum { INTERRUPT = 0x03 };

size_t unmark(enum unmark_state *state, unsigned char *buf, size_t len)
{
	size_t in, out = 0;

	for (in = 0; in < len; in++) {
		unsigned char c = buf[in];

		if (*state == UNMARK_PLAIN && c == 0xff) {
			*state = UNMARK_FF;
		} else if (*state == UNMARK_FF && c == 0) {
			*state = UNMARK_FF_00;
		} else {
			buf[out++] = *state == UNMARK_FF_00 && c == 0 ? INTERRUPT : c;
			*state = UNMARK_PLAIN;
		}
	}
	return out;
}
