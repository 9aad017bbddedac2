/* SPDX-License-Identifier: MIT */
/*
 * The x86 guests: GUEST(name, the file under build/guests that is embedded, a line for --help).
 * guests.c, embed.S and guests.mk read this list.
 */
GUEST(demo, "demo.elf", "64-bit C: main calls tick calls leaf, other vCPUs count, a timer ticks")
