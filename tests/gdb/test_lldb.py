# SPDX-License-Identifier: MIT
"""LLDB, the other debugger."""

import re
import shutil

from cases import ALL, NotApplicable, case, check, equal, expect


def attach(t, vm):
    """How lldb attaches to a VM; it knows TCP and unix sockets."""
    if not shutil.which("lldb-14"):
        raise NotApplicable("lldb-14 is not installed")
    if vm.target.startswith("/dev/"):
        raise NotApplicable("lldb does not know serial devices")
    if vm.target.startswith("/"):
        return f"process connect --plugin gdb-remote unix-connect://{vm.target}"
    return f"gdb-remote {vm.target}"


@case("swbreak", links=ALL, cpus=(1, 2))
def session(t):
    """lldb attaches, reads registers and memory, sets a breakpoint, continues, shows the stack"""
    vm = t.vm()
    pc = t.pc
    said = t.lldb(vm, attach(t, vm), f"register read {pc}", "breakpoint set --name leaf", "continue",
                  "thread list", "bt", "memory read --size 1 --count 16 --format x &test_data",
                  "frame variable n", "expression -- n * 2 == 2 * n", "detach")
    expect(rf"^ +{pc} = 0x[0-9a-f]{{16}}", said)
    expect(r"stop reason = breakpoint 1\.1", said)
    expect(r"frame #0: 0x[0-9a-f]+ demo\.elf`leaf\(n=\d+\) at demo\.c", said)
    expect(r"frame #1: 0x[0-9a-f]+ demo\.elf`tick", said)
    expect(r"frame #2: 0x[0-9a-f]+ demo\.elf`main", said)
    expect(r"0x00 0x01 0x02 0x03 0x04 0x05 0x06 0x07", said)
    equal(len(re.findall(r"^[* ] thread #\d+: tid", said, re.M)), t.cpus, said)
    expect(r"\(bool\) \$\d = true", said)
    expect("Process 1 detached", said)
    client = t.client(vm)
    section = t.elf(vm).section(".text")
    equal(client.read_all(section.address, len(section.data)) == section.data, True, ".text")


@case("swbreak", cpus=(1, 2))
def steps(t):
    """lldb steps by instruction and by line, in and out, and writes registers and memory"""
    vm = t.vm()
    reg = "rax" if t.host.arch == "x86" else "x0"
    said = t.lldb(vm, attach(t, vm), "breakpoint set --name tick", "continue", "breakpoint disable 1",
                  "thread step-inst", "thread step-over", "thread step-in", "thread step-in",
                  "thread step-out", "thread info", f"register write {reg} 0x1234",
                  f"register read {reg}", "memory write -s 8 &last 0x4242", "expression -- last",
                  "detach")
    expect("stop reason = instruction step into", said)
    expect("stop reason = step over|stop reason = step in", said)
    expect("stop reason = step out", said)
    expect(rf"^ +{reg} = 0x0000000000001234", said)
    expect(r"= 16962", said)
    check("error:" not in said, said)


@case("hwbreak")
def hardware(t):
    """lldb's hardware breakpoints"""
    vm = t.vm()
    said = t.lldb(vm, attach(t, vm), "breakpoint set --hardware --name leaf", "continue", "continue",
                  "detach")
    equal(len(re.findall(r"stop reason = breakpoint 1\.1", said)), 2, said)


@case("watch")
def watchpoint(t):
    """lldb's watchpoints"""
    vm = t.vm()
    said = t.lldb(vm, attach(t, vm), "watchpoint set variable counter", "continue", "continue",
                  "detach")
    expect("Watchpoint created", said)
    check(len(re.findall("stop reason = watchpoint 1", said)) == 2, said)
