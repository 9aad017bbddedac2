/* SPDX-License-Identifier: MIT */
#include "host-tools/vmgdb-run/guests/arm64/walk.h"

const struct walk_kind walk_kind = {
	.name = "walk16k",
	.shift = 14,
	.low_bits = 36,
	.high_bits = 47,
	.ram_level = 2,
};
