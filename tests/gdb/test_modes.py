# SPDX-License-Identifier: MIT
"""Guests in every mode of the processor: the debugger sees the one that the vCPU is in."""

import time

from cases import ALL, case, check, equal, expect, line_of
from drive import goes_on


def no_long_reply(said):
    for text in said:
        check("packet reply is too long" not in text and "error" not in text.lower(), text)


@case("x86", links=ALL)
def real_mode_attach(t):
    """a real-mode guest is seen in 16 bits, attached to again and again"""
    vm = t.vm(guest="realmode")
    for _ in range(3):
        # gdb takes the file's architecture, i386, over the stub's, which it thinks is a part of it
        said = t.gdb(vm, "set architecture i8086", "x/3i &real_tick", "info registers",
                     "x/16xb &real_data", "print *(int *) &real_counter > 0", "detach")
        no_long_reply(said)
        expect(r"push +%bp\n.*mov +%sp,%bp\n.*incl ", said[1])
        expect(r"^eip ", said[2])
        expect(r"0x00\s+0x01\s+0x02\s+0x03", said[3])
        expect("= 1", said[4])


@case("x86")
def real_mode_without_elf(t):
    """gdb without a file takes the real mode from the stub's description"""
    vm = t.vm(guest="realmode")
    said = t.gdb(vm, "show architecture", "x/2i 0x7c00", "info registers rip eip", elf=False)
    expect("i8086", said[0])
    expect(r"xor +%ax,%ax", said[1])


@case("x86", links=ALL)
def real_mode_steps(t):
    """steps in real mode, into a segment whose base is not 0"""
    vm = t.vm(guest="realmode")
    client = t.client(vm)
    elf = t.elf(vm)
    far = elf["real_far"]
    seen = set()
    for _ in range(80):
        expect("^T05", client.step())
        seen.add((client.reg("cs"), client.reg("eip")))
    linear = {(cs << 4) + ip for cs, ip in seen}
    check(elf["real_tick"] in linear and elf["real_leaf"] in linear, seen)
    check(any(cs == 0x700 for cs, _ in seen), f"never in the far segment: {seen}")
    check(far in linear or far in {ip for _, ip in seen}, hex(far))


@case("hwbreak x86")
def real_mode_breakpoint(t):
    """a hardware breakpoint in real mode"""
    vm = t.vm(guest="realmode")
    said = t.gdb(vm, "hbreak real_leaf", "continue", "print/x $pc == (long) &real_leaf",
                 "print $was = *(int *) &real_counter", "continue",
                 "print *(int *) &real_counter - $was", "detach")
    expect("Breakpoint 1, ", said[1])
    expect("= 0x1", said[2])
    expect("= 1", said[5])


@case("real-swbreak x86")
def real_mode_software(t):
    """a software breakpoint in real mode"""
    vm = t.vm(guest="realmode")
    said = t.gdb(vm, "break real_leaf", "continue", "print $was = *(int *) &real_counter",
                 "continue",
                 "print *(int *) &real_counter - $was", "delete", "x/i &real_leaf", "detach")
    expect("Breakpoint 1, ", said[1])
    expect("= 1", said[4])
    expect(r"add +%e?ax,%e?ax", said[6])


@case("x86")
def real_mode_many(t):
    """of more software breakpoints in real mode than slots each hits or is refused"""
    vm = t.vm(guest="realmode")
    client = t.client(vm)
    elf = t.elf(vm)
    places = [elf["real_loop"], elf["real_tick"], elf["real_leaf"], elf["real_far"],
              elf["real_leaf"] + 2]
    for guest_slots in ("off", "on"):
        equal(client.ask("qRcmd," + f"set guest-slots {guest_slots}".encode().hex()), "OK")
        there = {place for place in places if accepted(client, place)}
        check("swbreak" not in t.host.traits or len(there) >= 4, there)
        seen = set()
        for _ in range(3 * len(there)):
            expect("^T05", client.resume(timeout=20 * t.host.slow))
            seen.add((client.reg("cs") << 4) + client.reg("eip"))
        equal(seen, there, f"with guest-slots {guest_slots}")
        for place in there:
            equal(client.ask(f"z0,{place:x},1"), "OK")
        goes_on(t, client, elf["real_counter"])


def accepted(client, place):
    reply = client.ask(f"Z0,{place:x},1")
    check(reply == "OK" or reply.startswith("E"), reply)
    return reply == "OK"


def thirty_two(t, guest):
    """What holds for each 32-bit guest."""
    vm = t.vm(guest=guest)
    said = t.gdb(vm, "show architecture", "break leaf32", "continue", "bt", "x/16xb &test_data32",
                 "finish", "stepi", "info registers", "hbreak tick32", "continue",
                 "print $eip == (long) $pc", "detach")
    no_long_reply(said)
    expect('"i386"', said[0])
    expect("Breakpoint 1, leaf32", said[2])
    expect(r"#0  leaf32 .*\n#1  .*tick32 .*\n#2  .*main ", said[3])
    expect(r"0x00\s+0x01\s+0x02\s+0x03", said[4])
    expect("Value returned is", said[5])
    expect("^eip ", said[7])
    expect("Breakpoint 2, tick32", said[9])
    return vm


@case("swbreak hwbreak x86", links=ALL)
def protected(t):
    """32-bit protected mode without paging"""
    thirty_two(t, "prot32")


@case("paging-32 swbreak hwbreak x86")
def paging_32(t):
    """32-bit paging"""
    vm = thirty_two(t, "page32")
    second_address(t, vm)


@case("paging-32 swbreak hwbreak x86")
def paging_pae(t):
    """PAE paging"""
    vm = thirty_two(t, "pae32")
    second_address(t, vm)


def second_address(t, vm):
    """All memory is mapped twice; what is not mapped is an error."""
    said = t.gdb(vm, "print alias32 != &counter32", "print *alias32 == counter32",
                 "set $other = (char *) alias32 - (char *) &counter32",
                 "print *(unsigned char (*)[16]) ((char *) &test_data32 + $other)",
                 "print phase32", "detach")
    expect("= 1", said[0])
    expect("= 1", said[1])
    expect(r'"\\000\\001\\002', said[3])
    expect("= 2", said[4])


@case("paging-32 hwbreak x86")
def paging_turned_on(t):
    """a guest turns paging on while the debugger is attached"""
    for guest in ("page32", "pae32"):
        vm = t.vm(guest=guest, wait=True)
        said = t.gdb(vm, "print $cr0 & 0x80000000", "hbreak tick32", "continue", "print phase32",
                     "delete", "hbreak tick32 if phase32 == 2", "continue", "print phase32",
                     "print ($cr0 & 0x80000000) != 0", "bt", "detach", timeout=60)
        expect("= 0|= \\[ \\]", said[0])
        expect("= 1", said[3])
        expect("= 2", said[7])
        expect("= 1", said[8])
        expect(r"#0  tick32 .*\n#1  .*main ", said[9])


@case("hwbreak x86")
def long_mode_entered(t):
    """the second vCPU goes from real mode to 64 bits under a debugger"""
    vm = t.vm(wait=True, cpus=2)
    line = line_of("worker_counter[cpu]++")
    said = t.gdb(vm, "info threads", f"hbreak demo.c:{line}", "continue", "info threads",
                 "print cpu", "bt", "info registers rip cs efer", "detach")
    no_long_reply(said)
    expect(r"Thread 1\.2 \(CPU 1, .*(off|real)", said[0])
    expect("Thread 2 hit", said[2])
    expect(r"Thread 1\.2 \(CPU 1, 64-bit kernel\)", said[3])
    expect("= 1", said[4])
    expect("#0  worker", said[5])


@case("swbreak x86")
def system_call(t):
    """a breakpoint in a kernel that a user program calls"""
    vm = t.vm(guest="user")
    said = t.gdb(vm, "break do_syscall", "continue", "print $cs & 3", "info threads", "print n",
                 "continue", "finish", "detach")
    expect("Breakpoint 1, do_syscall", said[1])
    expect("= 0", said[2])
    expect("64-bit kernel", said[3])
    expect("Value returned is", said[6])


@case("user-swbreak swbreak x86")
def user_mode(t):
    """a breakpoint in a user program, its backtrace, and the way into the kernel and back"""
    vm = t.vm(guest="user")
    said = t.gdb(vm, "break user_loop", "continue", "print $cs & 3", "info threads", "bt",
                 "print $was = n", "continue", "print n - $was", "break do_syscall", "continue",
                 "continue", "finish", "detach")
    expect("Breakpoint 1, user_loop", said[1])
    expect("= 3", said[2])
    expect("64-bit user", said[3])
    expect(r"#0  user_loop .*\n#1  .*user_main", said[4])
    expect("= 1", said[7])


@case("user-hwbreak x86")
def user_mode_hardware(t):
    """a hardware breakpoint in a user program"""
    said = t.gdb(t.vm(guest="user"), "hbreak user_loop", "continue", "print $cs & 3", "continue",
                 "detach")
    expect("Breakpoint 1, user_loop", said[1])
    expect("= 3", said[2])
    expect("Breakpoint 1, user_loop", said[3])


@case("x86")
def user_mode_stopped(t):
    """an interrupt finds the guest in its user program, steps in it and into the kernel are right"""
    vm = t.vm(guest="user")
    client = t.client(vm)
    elf = t.elf(vm)
    for n in range(500):
        if client.reg("cs") & 3 == 3:
            break
        client.go()
        time.sleep(0.001 * (n % 10))
        client.interrupt()
    equal(client.reg("cs") & 3, 3, "the privilege level")
    start, end = elf["user_text_start"], elf["user_text_end"]
    for _ in range(100):
        expect("^T05", client.step())
        if client.reg("cs") & 3 == 3:
            check(start <= client.reg("rip") < end, hex(client.reg("rip")))
    goes_on(t, client, elf["user_count"])
