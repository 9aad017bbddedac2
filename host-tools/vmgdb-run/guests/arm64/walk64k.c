/* SPDX-License-Identifier: MIT */
#include "host-tools/vmgdb-run/guests/arm64/walk.h"

const struct walk_kind walk_kind = {
	.name = "walk64k",
	.shift = 16,
	.low_bits = 42,
	.high_bits = 48,
	.ram_level = 2,
};
