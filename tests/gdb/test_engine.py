# SPDX-License-Identifier: MIT
"""What the stub does by itself: ranges, breakpoints before their page is there, rules of breakpoints."""

import re
import time

from cases import case, check, equal, expect, pc_of
from drive import goes_on, text_is_right
from test_breakpoints import UNUSED, worker_loop

# A store of the first register to where the second points, a nop, a jump to itself
STORE = {"x86": ("rax", "rdi", b"\x88\x07", b"\x90", b"\xeb\xfe"),
         "arm64": ("x0", "x1", b"\x20\0\0\xb9", b"\x1f\x20\x03\xd5", b"\0\0\0\x14")}
NEVER = "X3,220027"  # a condition: const8 0, end (GDB manual, "Bytecode Descriptions")


@case("swbreak", cpus=(2,))
def range_steps(t):
    """vCont;r has one stop, where the range is left, at a breakpoint, another vCPU's or by Ctrl-C"""
    vm = t.vm()
    client = t.client(vm)
    leaf, worker = (f"{place:x},{t.kind}" for place in (t.elf(vm)["leaf"], worker_loop(t, vm)))
    text = t.elf(vm).section(".text")
    everywhere = f"vCont;r{text.address:x},{text.address + len(text.data):x}:p1.1;c"
    limit = 20 * t.host.slow

    equal(client.ask(f"Z0,{leaf}"), "OK")
    expect("^T05thread:p1.1;.*swbreak", client.resume(timeout=limit))
    start = client.reg(t.pc)
    reply = client.resume(f"vCont;r{start:x},{start + 8:x}:p1.1")
    expect("^T05thread:p1.1;(?!.*break)", reply, "the range is left")
    check(start + 8 <= pc_of(t, client, reply) < start + 16, reply)
    check(client.quiet(0.1), "a second stop")
    reply = client.resume(everywhere, timeout=limit)
    expect("^T05thread:p1.1;", reply, "a breakpoint in the range")
    equal(pc_of(t, client, reply), start)
    equal(client.ask(f"z0,{leaf}"), "OK")
    client.go(everywhere)
    check(client.quiet(0.3 * t.host.slow), "a stop in the range")
    expect("^T02", client.interrupt())
    equal(client.ask(f"Z0,{worker}"), "OK")
    expect("^T05thread:p1.2;.*swbreak", client.resume(everywhere, timeout=limit))


@case("swbreak hwbreak")
def before_its_page(t):
    """a breakpoint in a kernel whose page is not mapped yet is hit at its first call, and each"""
    vm = t.vm(guest="user", wait=True)
    client = t.client(vm)
    elf = t.elf(vm)
    place = elf["do_syscall"]
    equal(client.read(place, t.kind), None, "it is mapped already")
    equal(client.ask(f"Z0,{place:x},{t.kind}"), "OK")
    for calls in range(3):
        expect("^T05.*swbreak", client.resume(timeout=20 * t.host.slow))
        equal(client.reg(t.pc), place)
        equal(client.long(elf["syscall_count"]), calls, "calls before this one")
    text = elf.section(".text")
    code = text.data[place - text.address:][:t.kind]
    equal(client.read(place, t.kind), code, "memory")


@case("swbreak", cpus=(1, 2))
def rules(t):
    """gdb leaves a condition to the stub, and what a dprintf prints comes from there, once each"""
    # global data: gdb 13 makes no bytecode of arm64's locals
    said = t.gdb(t.vm(), "set breakpoint condition-evaluation target",
                 "set dprintf-style agent", "break leaf if counter % 20 == 7", "continue",
                 "print counter % 20", "info breakpoints", "print counter", "delete",
                 'dprintf leaf,"call %d\\n", (int) counter', "break tick if counter % 20 == 11",
                 "continue", "detach")
    expect("= 7", said[4])
    expect("target evals", said[5])
    first = int(said[6].split()[-1])
    printed = re.findall(r"^call (\d+)$", said[10], re.M)
    equal(printed, [str(first + i) for i in range(1, 5)], "it printed")


@case()
def never_silently_dead(t):
    """breakpoints and watchpoints of each kind are hit, or refused with a text that says why"""
    vm = t.vm()
    client = t.client(vm)
    elf = t.elf(vm)
    for packet, reason in ((f"0,{elf['leaf']:x},{t.kind}", "swbreak"),
                           (f"1,{elf['leaf']:x},{t.kind}", "hwbreak"),
                           (f"2,{elf['counter']:x},8", "watch"),
                           (f"4,{elf['counter']:x},8", "awatch")):
        reply = client.one(f"Z{packet}")
        fires = reason.removeprefix("a") in t.host.traits
        if reply == "OK":
            expect(f"^T05.*;{reason}:", client.resume(timeout=5 * t.host.slow))
            equal(client.ask(f"z{packet}"), "OK")
        else:
            expect(r"^E\..*(never hit|does not report)", reply, packet)
        equal(reply == "OK", fires, packet)


@case("swbreak")
def overwritten(t):
    """what the guest writes over a breakpoint stays; the breakpoint is set again on top, and goes"""
    vm = t.vm()
    client = t.client(vm)
    value, pointer, store, nop, spin = STORE[t.host.arch]
    code = t.elf(vm)["counter"] + UNUSED
    place, after = code + 0x100, code + len(store)
    equal(client.write(code, store + spin), "OK")
    equal(client.write(place, b"\xff" * len(nop) + spin), "OK")
    for name, number in ((value, int.from_bytes(nop, "little")), (pointer, place), (t.pc, code)):
        client.set_reg(name, number)
    for address in (place, after):
        equal(client.ask(f"Z0,{address:x},{t.kind}"), "OK")
    expect("^T05.*swbreak", client.resume())
    equal(client.reg(t.pc), after, "behind the store")
    equal(client.read(place, len(nop)), nop, "what the guest has written")
    client.set_reg(t.pc, place)
    expect("^T05.*swbreak", client.resume())
    equal(client.reg(t.pc), place, "it is set again")
    for address in (place, after):
        equal(client.ask(f"z0,{address:x},{t.kind}"), "OK")
    client.go()
    client.interrupt()
    equal(client.read(place, len(nop)), nop, "when it is gone")


@case("swbreak", cpus=(1, 2))
def interrupted_over(t):
    """Ctrl-C while breakpoints are stepped over all the time is answered, and leaves none behind"""
    vm = t.vm()
    client = t.client(vm)
    leaf = t.elf(vm)["leaf"]
    places = [leaf] + [worker_loop(t, vm)] * (t.cpus > 1)
    for place in places:
        equal(client.ask(f"Z0,{place:x},{t.kind};{NEVER}"), "OK")
    for i in range(max(10, 40 // t.host.slow)):
        client.go()
        time.sleep(0.0007 * i)
        expect("^T02", client.interrupt())
    for place in places:
        equal(client.ask(f"z0,{place:x},{t.kind}"), "OK")
    goes_on(t, client, t.elf(vm)["counter"])
    text_is_right(t, vm, client)
    equal(client.ask(f"Z0,{leaf:x},{t.kind}"), "OK")
    expect("^T05.*swbreak", client.resume(timeout=20 * t.host.slow))
    equal(client.reg(t.pc), leaf)
