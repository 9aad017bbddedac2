/* SPDX-License-Identifier: MIT */
/*
 * The x86 guests: GUEST(name, the file under build/guests that is embedded, a line for --help).
 * guests.c, embed.S and guests.mk read this list.
 */
GUEST(demo, "demo.elf", "64-bit C: main calls tick calls leaf, other vCPUs count, a timer ticks")
GUEST(exit, "exit.elf", "prints a line and exits with status 3")
GUEST(off, "off.elf", "prints a line and resets the machine")
GUEST(odd, "odd.elf", "64-bit: ends in an access to an unmapped address that KVM can't emulate")
GUEST(triple, "triple.elf", "64-bit: ends in a triple fault after a while")
GUEST(int3, "int3.elf", "64-bit: executes int3 instructions, which its own handler takes")
GUEST(realmode, "realmode.bin", "16-bit real mode: real_loop calls real_tick and real_far")
GUEST(prot32, "prot32.elf", "32-bit protected mode, no paging: main calls tick32 calls leaf32")
GUEST(page32, "page32.elf", "the same with 32-bit paging, after a while; all mapped twice")
GUEST(pae32, "pae32.elf", "the same with PAE paging")
GUEST(user, "user.elf", "64-bit: user_loop in ring 3 calls a kernel in the upper half")
GUEST(step, "step.elf", "64-bit: instructions that are hard to single-step, with a checksum")
GUEST(fpu, "fpu.elf", "64-bit: known values in x87 and vector registers")
