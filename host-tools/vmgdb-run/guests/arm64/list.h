/* SPDX-License-Identifier: MIT */
/*
 * The arm64 guests: GUEST(name, the file under build/guests that is embedded, a line for --help).
 * guests.c, embed.S and guests.mk read this list.
 */
GUEST(demo, "demo.elf", "C: main calls tick calls leaf, other vCPUs count, a timer ticks")
GUEST(exit, "exit.elf", "prints a line and exits with status 3")
GUEST(off, "off.elf", "prints a line and powers off")
GUEST(odd, "odd.elf", "ends in an access to an unmapped address that KVM can't emulate")
GUEST(brk, "brk.elf", "executes brk instructions, which its own handler takes")
GUEST(ldxr, "ldxr.elf", "counts by a load-exclusive, store-exclusive loop")
GUEST(user, "user.elf", "user_loop in EL0 calls a kernel in the upper half")
GUEST(walk4k, "walk4k.elf", "both halves mapped by 4 KiB pages and blocks; va[] and par[]")
GUEST(walk16k, "walk16k.elf", "the same with 16 KiB pages")
GUEST(walk64k, "walk64k.elf", "the same with 64 KiB pages")
GUEST(step, "step.elf", "instructions that are hard to single-step, with a checksum")
