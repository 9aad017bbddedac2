/* SPDX-License-Identifier: MIT */
#include "host-tools/vmgdb-run/guests/arm64/walk.h"

const struct walk_kind walk_kind = {
	.name = "walk4k",
	.shift = 12,
	.low_bits = 39,
	.high_bits = 48,
	.ram_level = 1,
};
