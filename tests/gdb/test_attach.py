# SPDX-License-Identifier: MIT
"""Coming, looking around, leaving: what everybody does first."""

import re

from cases import ALL, case, check, equal, expect

FRAMES = r"#0  .*leaf \(n=\d+\) at .*demo\.c:\d+\n#1  .*tick \(n=\d+\) at .*\n#2  .*main \(\) at .*\n"
BYTES = "".join(rf"\s0x{n:02x}" for n in range(8)), "".join(rf"\s0x{n:02x}" for n in range(8, 16))


@case(links=ALL, cpus=(1, 2))
def attach_and_look(t):
    """gdb attaches, sees registers, memory and threads, detaches"""
    vm = t.vm()
    where, pc, data, threads, bye = t.gdb(vm, "info symbol $pc", "p $pc", "x/16xb &test_data",
                                          "info threads", "detach")
    expect(r" in section \.text", where)
    expect(r"\$1 = \(void \(\*\)\(\)\) 0x[0-9a-f]+ <", pc)
    expect(rf"<test_data>:{BYTES[0]}\n.*:{BYTES[1]}\n", data)
    equal(len(re.findall(r"^[* ] +\d+ +Thread 1\.\d+ \(CPU \d+, ", threads, re.M)), t.cpus, threads)
    expect(r"\[Inferior 1 .*detached\]", bye)


@case("swbreak", links=ALL, cpus=(1, 2))
def break_in_leaf(t):
    """a breakpoint in leaf, the backtrace is leaf, tick, main and nothing more"""
    vm = t.vm()
    _, hit, bt, n, _ = t.gdb(vm, "break leaf", "continue", "bt", "p n == counter - 1", "detach")
    expect(r"Breakpoint 1, leaf \(n=\d+\) at .*demo\.c:\d+", hit)
    check(re.fullmatch(FRAMES, bt), bt)
    expect("= 1", n)
