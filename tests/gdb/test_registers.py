# SPDX-License-Identifier: MIT
"""Registers as the debugger reads and writes them."""

import re

from cases import ALL, case, check, equal, expect
from drive import hit, runs
from rsp import little

GENERAL = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip eflags cs ss ds es fs gs"
SYSTEM = "fs_base gs_base k_gs_base cr0 cr2 cr3 cr4 cr8 efer"


@case("x86", links=ALL, cpus=(1, 2))
def all_groups(t):
    """info registers and info all-registers of all groups, each register by name"""
    vm = t.vm()
    names = f"{GENERAL} {SYSTEM}".split()
    said = t.gdb(vm, "info registers", "info all-registers", "info registers float",
                 "info registers vector", "info registers system", "info registers general",
                 *(f"print ${name}" for name in names), "detach")
    for name in names:
        expect(rf"^{name} +0x", said[1])
    for name in GENERAL.split():
        expect(rf"^{name} +0x", said[0])
    for name in ("st0", "st7", "[xyz]mm0", "[xyz]mm15", "mxcsr"):
        expect(rf"^{name} ", said[1])
    for text in said[2:6]:
        check("Invalid register" not in text, text)
    for text in said[2], said[3], said[5]:
        check(text.count("\n") > 7, text)
    for name, text in zip(names, said[6:]):
        check("= void" not in text and "Value can't" not in text, f"{name}: {text}")
    expect(r"^cr0 +0x[0-9a-f]+ +\[.*PG.*\]", said[1])
    expect(r"^efer +0x[0-9a-f]+ +\[.*LMA.*\]", said[1])


@case("x86")
def description_is_sound(t):
    """the target description has each register once, g is as long as it says, p agrees with g"""
    vm = t.vm()
    client = t.client(vm)
    registers = client.description().values()
    names = [r.name for r in registers]
    equal(len(names), len(set(names)), "names")
    equal(len({r.number for r in registers}), len(names), "numbers")
    text = client.ask("g")
    equal(len(text), 2 * sum(r.size for r in registers), "length of g")
    values = client.all()
    for r in registers:
        equal(client.ask(f"p{r.number:x}"), values[r.name], f"p of {r.name}")
    end = max(r.number for r in registers) + 1
    expect("^E", client.one(f"p{end:x}"), "one past the last")
    for name in SYSTEM.split() + ["mxcsr", "fctrl"]:
        check("x" not in values[name], f"{name} is {values[name]}")


@case("swbreak x86", links=ALL)
def write_general(t):
    """G and P of general registers are read back, and the guest runs with them"""
    vm = t.vm()
    client = t.client(vm)
    before = client.ask("g")
    for name in ("rax", "rbx", "r8", "r15"):
        equal(client.set_reg(name, 0x1122334455667788), "OK")
        equal(client.reg(name), 0x1122334455667788, name)
    equal(client.ask(f"G{before}"), "OK")
    equal(client.ask("g"), before, "g after G")
    hit(t, client, t.elf(vm)["leaf"])
    equal(client.set_reg("rdi", 123), "OK")
    hit(t, client, client.long(client.reg("rsp")))
    equal(client.reg("rax"), 247, "leaf(123)")


@case("x86")
def write_vector(t):
    """xmm, x87, mxcsr and their controls keep what was written, over a step too"""
    vm = t.vm()
    said = t.gdb(vm, "set scheduler-locking on", "set var $xmm3.v4_int32[2] = 0x12345678",
                 "set var $xmm15.v2_double[1] = 1.5", "set var $st0 = 2.5",
                 "set var $mxcsr = 0x1f00", "set var $fctrl = 0x27f", "stepi",
                 "print/x $xmm3.v4_int32", "print $xmm15.v2_double[1]", "print $st0",
                 "print/x $mxcsr", "print/x $fctrl", "detach")
    expect(r"\{0x0, 0x0, 0x12345678, 0x0\}", said[7])
    expect(r"= 1\.5", said[8])
    expect(r"= 2\.5", said[9])
    expect(r"= 0x1f00", said[10])
    expect(r"= 0x27f", said[11])


@case("x86")
def write_system(t):
    """fs_base, gs_base, cr2, eflags and rip are written"""
    vm = t.vm()
    client = t.client(vm)
    for name, value in (("fs_base", 0x123456789000), ("gs_base", 0x7fff12345000),
                        ("k_gs_base", 0xffff800000001000), ("cr2", 0xdeadbeef000)):
        before = client.reg(name)
        equal(client.set_reg(name, value), "OK", name)
        equal(client.reg(name), value, name)
        equal(client.set_reg(name, before), "OK", name)
    flags = client.reg("eflags")
    equal(client.set_reg("eflags", flags ^ 1), "OK")
    equal(client.reg("eflags"), flags ^ 1, "eflags with the carry changed")
    equal(client.set_reg("eflags", flags), "OK")
    rip = client.reg("rip")
    equal(client.set_reg("rip", t.elf(vm)["leaf"]), "OK")
    equal(client.reg("rip"), t.elf(vm)["leaf"])
    equal(client.set_reg("rip", rip), "OK")


@case("x86")
def write_segments(t):
    """a segment selector is loaded with its hidden parts, or refused; never half of it"""
    vm = t.vm()
    client = t.client(vm)
    before = client.ask("g")
    # ds := the kernel's data segment, of the guest's own GDT: loaded or refused
    for name in ("ds", "es", "fs"):
        reply = client.set_reg(name, 0x10)
        check(reply == "OK" or reply.startswith("E"), reply)
    # a selector beyond the table, and data in cs, can't be right
    for name, selector in (("cs", 0x10), ("ss", 0xfff8), ("ds", 0xfff8), ("cs", 0)):
        value = client.reg(name)
        expect("^E", client.set_reg(name, selector), f"{name} := {selector:#x}")
        equal(client.reg(name), value, name)
    equal(client.ask(f"G{before}"), "OK")
    check(client.step().startswith("T05"), "a step after it")
    runs(client)
    equal(vm.process.status, None, vm.messages)


@case("x86")
def bad_writes(t):
    """values of a wrong length or form, and values that the CPU does not take, are refused"""
    vm = t.vm()
    client = t.client(vm)
    before = client.ask("g")
    n = client.registers["rax"].number
    for packet in (f"P{n:x}", f"P{n:x}=", f"P{n:x}=12", f"P{n:x}={'0' * 18}", f"P{n:x}={'0' * 8000}",
                   f"P{n:x}=zz00000000000000", "P=00", "Pffff=00", "G", "G12", f"G{before[:-2]}",
                   f"G{before}00", f"P{client.registers['efer'].number:x}={little(2**63)}",
                   f"P{client.registers['cr0'].number:x}={little(0x80000000)}"):
        expect("^E", client.one(packet), packet[:40])
    equal(client.ask("g"), before, "registers after it")


@case(links=ALL, cpus=(2,))
def each_vcpu_its_own(t):
    """H selects whose registers are read and written"""
    vm = t.vm()
    client = t.client(vm)
    values = {}
    for thread in ("p1.1", "p1.2"):
        equal(client.ask(f"Hg{thread}"), "OK")
        values[thread] = client.reg(t.pc), client.reg(t.sp)
    check(values["p1.1"] != values["p1.2"], values)
    for thread in ("p1.2", "1", "p1.1", "2"):
        equal(client.ask(f"Hg{thread}"), "OK")
        full = thread if "p" in thread else f"p1.{thread}"
        equal((client.reg(t.pc), client.reg(t.sp)), values[full], thread)
    for bad in ("Hg3", "Hgp1.3", "Hgp2.1", "Hgzz", "Hg"):
        expect("^E", client.one(bad), bad)
    said = t.gdb(t.vm(), "thread 2", "info registers", "thread 1", "thread apply all bt", "detach")
    expect(r"\[Switching to thread 2", said[0])
    expect(r"#\d +.*worker \(cpu=1\)", said[3])
    expect(r"#\d +.*main \(\)", said[3])


@case("x86")
def thread_extra_info(t):
    """info threads tells the mode of each vCPU"""
    said = t.gdb(t.vm(cpus=2), "info threads", "detach")[0]
    equal(len(re.findall(r"\(CPU \d, 64-bit kernel\)", said)), 2, said)
