// SPDX-License-Identifier: MIT
#include "transport/parmrk.h"

enum { INTERRUPT = 0x03 };

size_t parmrk_decode(enum parmrk_state *state, unsigned char *buf, size_t len)
{
	size_t in, out = 0;

	for (in = 0; in < len; in++) {
		unsigned char c = buf[in];

		if (*state == PARMRK_DATA && c == 0xff) {
			*state = PARMRK_FF;
		} else if (*state == PARMRK_FF && c == 0) {
			*state = PARMRK_FF_00;
		} else {
			buf[out++] = *state == PARMRK_FF_00 && c == 0 ? INTERRUPT : c;
			*state = PARMRK_DATA;
		}
	}
	return out;
}
