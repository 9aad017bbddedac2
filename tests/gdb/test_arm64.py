# SPDX-License-Identifier: MIT
"""What is arm64's own: its registers, exception levels, translation, BRK and exclusives."""

import re

from cases import ALL, case, check, equal, expect
from drive import goes_on, hit, run_until, runs, step

GENERAL = [f"x{n}" for n in range(31)] + ["sp", "pc", "cpsr"]
SYSTEM = ("SCTLR_EL1", "TCR_EL1", "TTBR0_EL1", "TTBR1_EL1", "VBAR_EL1", "ESR_EL1", "ELR_EL1",
          "SPSR_EL1", "SP_EL0", "SP_EL1", "MIDR_EL1", "MPIDR_EL1")
MODE = 0xf
EL0T, EL1T, EL1H = 0, 4, 5
PAR_F = 1
PAR_PA = 0x0000_ffff_ffff_f000
NO_GRANULE_STATUS = 77
NOT_MAPPED = 0x1_2345_6000
RAM = range(0x4000_0000, 0x4400_0000)


# Registers


@case("arm64", links=ALL, cpus=(1, 2))
def all_groups(t):
    """arm64 registers by name and by group, info registers stays short"""
    vm = t.vm()
    said = t.gdb(vm, "info registers", "info registers system", "info registers float",
                 "info registers vector", "info registers general",
                 *(f"print/x ${name}" for name in GENERAL + list(SYSTEM)), "detach")
    equal(re.findall(r"^(\w+) ", said[0], re.M)[:34], GENERAL, "info registers")
    check(len(said[0].splitlines()) < 45, said[0])
    for name in SYSTEM:
        expect(rf"^{name} +\{{0x", said[1])
        check(name not in said[0], name)
    expect("^fpsr ", said[2] + said[3])
    expect("^v31 ", said[3])
    for name, text in zip(GENERAL + list(SYSTEM), said[5:]):
        expect(r"= (0x[0-9a-f]+|\{0x[0-9a-f]+\})$", text, name)


@case("arm64")
def written_and_read_back(t):
    """all arm64 general and vector registers, FPSR and FPCR, are written, kept over a step, read"""
    vm = t.vm(guest="brk")
    client = t.client(vm)
    before = client.all()
    values = {f"x{n}": 0x1122334455667700 + n for n in range(31)}
    values |= {name: (0x55 << 120) + (0x0102030405060708 << 8 * n)
               for n in range(8) for name in (f"v{n}", f"v{n + 24}") if name in client.registers}
    values |= {"fpsr": 0x0800009f, "fpcr": 0x01c00000}
    place = client.reg("pc")
    equal(client.set_reg("pc", t.elf(vm)["main"] - 4), "OK")
    code = client.read(t.elf(vm)["main"] - 4, 4)
    equal(client.write(t.elf(vm)["main"] - 4, bytes.fromhex("1f2003d5")), "OK", "a nop")
    for name, value in values.items():
        equal(client.set_reg(name, value), "OK", name)
    expect("^T05", client.step())
    equal(client.reg("pc"), t.elf(vm)["main"], "pc after the nop")
    for name, value in values.items():
        equal(client.reg(name), value, name)
    equal(client.write(t.elf(vm)["main"] - 4, code), "OK")
    for name in [*values, "cpsr"]:
        equal(client.ask(f"P{client.registers[name].number:x}={before[name]}"), "OK", name)
    equal(client.set_reg("pc", place), "OK")
    equal(client.all(), before, "all as before")
    runs(client)


@case("arm64", links=ALL)
def whole_block(t):
    """G writes what g has read, and arm64's p agrees with it"""
    client = t.client(t.vm(cpus=2))
    text = client.ask("g")
    values = client.all()
    for name, register in client.registers.items():
        if values[name]:
            equal(client.ask(f"p{register.number:x}"), values[name], name)
    equal(client.ask(f"G{text}"), "OK")
    equal(client.ask("g"), text)
    for packet in ("G", "G12", f"G{text[:-2]}", f"G{text}00", "Pffff=00", "P20=12",
                   f"P{client.registers['cpsr'].number:x}=0d000000"):  # EL3
        expect("^E", client.one(packet), packet[:40])
    equal(client.ask("g"), text, "registers after it")


@case("arm64")
def system_registers(t):
    """arm64 system registers are read and written by p and P, identification registers refuse it"""
    vm = t.vm()
    client = t.client(vm)
    for name, value in (("TPIDR_EL0", 0x123456789abc), ("TPIDR_EL1", 0xffff800012345678),
                        ("ELR_EL1", 0x40001234), ("SP_EL0", 0x41230000), ("FAR_EL1", 0xdead0000)):
        before = client.reg(name)
        equal(client.set_reg(name, value), "OK", name)
        equal(client.reg(name), value, name)
        equal(client.set_reg(name, before), "OK", name)
    equal(client.reg("VBAR_EL1"), t.elf(vm)["vectors"])
    equal(client.reg("MPIDR_EL1") & 0xff, 0)
    before = client.reg("MIDR_EL1")
    client.set_reg("MIDR_EL1", before ^ 0xf)
    equal(client.reg("MIDR_EL1"), before, "MIDR_EL1 was written")


@case("arm64")
def stack_pointer(t):
    """sp is the one that arm64's PSTATE selects"""
    vm = t.vm(guest="step", wait=True)
    client = t.client(vm)
    elf = t.elf(vm)
    equal(client.ask(f"Z1,{elf['step_spsel']:x},4"), "OK")
    expect("hwbreak", client.resume())
    equal(client.set_reg("SP_EL0", 0x41230000), "OK")
    equal(client.reg("cpsr") & MODE, EL1H)
    high = client.reg("sp")
    equal(client.reg("SP_EL1"), high)
    expect("^T05", client.step())  # msr spsel, #0
    equal(client.reg("cpsr") & MODE, EL1T)
    equal(client.reg("sp"), 0x41230000)
    equal(client.set_reg("sp", 0x41230010), "OK")
    equal(client.reg("SP_EL0"), 0x41230010, "SP_EL0 after a write of sp")
    equal(client.reg("SP_EL1"), high, "SP_EL1 after it")


@case("arm64")
def write_general(t):
    """an arm64 function runs with the argument that was written, and its result is seen"""
    vm = t.vm()
    client = t.client(vm)
    hit(t, client, t.elf(vm)["leaf"])
    equal(client.set_reg("x0", 123), "OK")
    hit(t, client, client.reg("x30"))
    equal(client.reg("x0"), 247, "leaf(123)")


@case("arm64 sve")
def scalable_vectors(t):
    """gdb shows and sets SVE's z, p, ffr and vg, and v is the low part of z"""
    said = t.gdb(t.vm(), "print $vg", "print sizeof($z0)", "set scheduler-locking on",
                 "set var $z3.d.u[1] = 0x1122334455667788", "set var $z3.d.u[0] = 5",
                 "set var $p2[0] = 0x5a", "set var $z31.b.u[sizeof($z31) - 1] = 0x77", "stepi",
                 "print/x $z3.d.u[1]", "print/x $v3.d.u[1]", "print $v3.d.u[0]", "print/x $p2[0]",
                 "print/x $z31.b.u[sizeof($z31) - 1]", "set var $v3.d.u[0] = 9",
                 "print $z3.d.u[0]", "info registers ffr", "detach")
    vg = int(expect(r"= (\d+)", said[0]).group(1))
    check(vg >= 2, said[0])
    equal(int(expect(r"= (\d+)", said[1]).group(1)), 8 * vg, "size of z0")
    for n, value in ((8, "0x1122334455667788"), (9, "0x1122334455667788"), (10, "5"), (11, "0x5a"),
                     (12, "0x77"), (14, "9")):
        expect(rf"= {value}$", said[n], n)
    expect("^ffr ", said[15])


@case("arm64 sve")
def scalable_vectors_raw(t):
    """SVE registers have the sizes that vg says, and all their bits are kept over a step"""
    vm = t.vm()
    client = t.client(vm)
    vg = client.reg("vg")
    registers = client.registers
    for n in range(32):
        equal(registers[f"z{n}"].size, 8 * vg)
    for n in range(16):
        equal(registers[f"p{n}"].size, vg)
    written = {f"z{n}": bytes((n + i) % 251 for i in range(8 * vg)).hex() for n in (0, 7, 16, 31)}
    written |= {f"p{n}": bytes((n + i) % 251 for i in range(vg)).hex() for n in (0, 7, 15)}
    before = {name: client.ask(f"p{registers[name].number:x}") for name in written}
    for name, value in written.items():
        equal(client.ask(f"P{registers[name].number:x}={value}"), "OK", name)
    expect("^T05", client.step())
    for name, value in written.items():
        equal(client.ask(f"p{registers[name].number:x}"), value, name)
    for name, value in before.items():
        equal(client.ask(f"P{registers[name].number:x}={value}"), "OK", name)


@case("arm64 pauth")
def pointer_authentication(t):
    """masks of pointer authentication cover the bits above the addresses, by TCR_EL1"""
    client = t.client(t.vm())
    tcr = client.reg("TCR_EL1")
    for name, size, ignored in (("pauth_dmask", tcr & 63, tcr >> 37 & 1),
                                ("pauth_dmask_high", tcr >> 16 & 63, tcr >> 38 & 1)):
        top = 55 if ignored else 64
        expected = (1 << top) - (1 << 64 - size) & ~(1 << 55)
        equal(client.reg(name), expected, f"{name}, TCR_EL1 {tcr:#x}")


# Exception levels


@case("arm64", cpus=(1, 2))
def thread_extra_info(t):
    """info threads tells what each arm64 vCPU is doing"""
    said = t.gdb(t.vm(), "info threads", "detach")[0]
    equal(len(re.findall(r"\(CPU \d", said)), t.cpus, said)


@case("arm64")
def system_call(t):
    """a breakpoint in an arm64 kernel that a user program calls by svc"""
    said = t.gdb(t.vm(guest="user"), "break do_syscall", "continue", "print $cpsr & 0xf",
                 "print n", "finish", "detach")
    expect("Breakpoint 1, do_syscall", said[1])
    expect("= 5", said[2])
    expect("Value returned is", said[4])


@case("arm64", links=ALL)
def user_mode(t):
    """a breakpoint in an arm64 user program, its backtrace, and the way into the kernel and back"""
    said = t.gdb(t.vm(guest="user"), "break user_loop", "continue", "print $cpsr & 0xf", "bt",
                 "print $was = n", "continue", "print n - $was", "delete", "break do_syscall",
                 "continue", "hbreak user_loop", "continue", "print $cpsr & 0xf", "detach")
    expect("Breakpoint 1, user_loop", said[1])
    expect("= 0", said[2])
    expect(r"#0  user_loop .*\n#1  .*user_main", said[3])
    expect("= 1", said[6])
    expect("Breakpoint 2, do_syscall", said[9])
    expect("Breakpoint 3, user_loop", said[11])
    expect("= 0", said[12])


@case("arm64")
def user_mode_steps(t):
    """steps in an arm64 user program, into its system calls and out of them, miss nothing"""
    vm = t.vm(guest="user")
    client = t.client(vm)
    elf = t.elf(vm)
    start, end = elf["user_text_start"], elf["user_text_end"]
    hit(t, client, elf["user_loop"])
    count = client.long(elf["user_count"])
    levels = [True]
    for _ in range(20000):
        pc = step(t, client)
        user = start <= pc < end
        if levels[-1] != user:
            levels.append(user)
            equal(client.reg("cpsr") & MODE, EL0T if user else EL1H, hex(pc))
        if len(levels) == 3:  # in the program, in the kernel, in the program again
            break
    equal(levels, [True, False, True], "the program's and the kernel's turns")
    check(count < client.long(elf["user_count"]) < count + 10, "the program's rounds")
    goes_on(t, client, elf["user_count"])


@case("arm64")
def user_stack(t):
    """the sp of an arm64 user program is SP_EL0"""
    vm = t.vm(guest="user")
    client = t.client(vm)
    elf = t.elf(vm)
    hit(t, client, elf["user_loop"])
    sp = client.reg("sp")
    check(elf["user_stack"] <= sp <= elf["user_stack"] + 4096, hex(sp))
    equal(client.reg("SP_EL0"), sp)
    check(client.reg("SP_EL1") >> 48 == 0xffff, hex(client.reg("SP_EL1")))


@case("arm64")
def step_after_cut_step(t):
    """the step after one that was interrupted among endless exceptions runs its instruction"""
    vm = t.vm()
    client = t.client(vm)
    leaf = t.elf(vm)["leaf"]
    vector = NOT_MAPPED + 0x200
    equal(client.set_reg("VBAR_EL1", NOT_MAPPED), "OK")
    for _ in range(3):
        equal(client.set_reg("pc", NOT_MAPPED), "OK")
        run_until(t, client, lambda: client.reg("ELR_EL1") == vector, "no exception was taken",
                  action="vCont;s:p1.1")
        equal(client.reg("pc"), vector, "the step has not ended")
        equal(client.set_reg("pc", leaf), "OK")
        equal(step(t, client), leaf + 4, "the step after it")
        equal(client.set_reg("ELR_EL1", 0), "OK")


# The guest's own BRK


@case("arm64", links=ALL)
def own_brk(t):
    """an arm64 guest's own BRK stays the guest's, with a debugger attached and breakpoints set"""
    vm = t.vm(guest="brk")
    said = t.gdb(vm, "break own_breakpoint if n % 50 == 0", "continue", "print $r = rounds",
                 "continue", "print rounds - $r", "print own_brk_count - rounds",
                 "print/x own_brk_esr & 0xffff", "detach")
    expect("Breakpoint 1, own_breakpoint", said[1])
    expect("Breakpoint 1, own_breakpoint", said[3])
    expect("= 50", said[4])
    expect("= 0", said[5])
    expect("= 0x1234", said[6])
    with t.client(vm) as client:
        runs(client, "the guest's BRK was reported as a stop")
    equal(vm.process.status, None, vm.messages)


@case("arm64")
def own_brk_and_ours(t):
    """a breakpoint on an arm64 guest's own BRK is ours first, and the guest's when it goes on"""
    vm = t.vm(guest="brk")
    client = t.client(vm)
    elf = t.elf(vm)
    place = elf["own_brk"]
    code = client.read(place, 4)
    equal(client.ask(f"Z0,{place:x},4"), "OK")
    for _ in range(5):
        expect("swbreak", client.resume())
        equal(client.reg("pc"), place)
        count, rounds = client.long(elf["own_brk_count"]), client.long(elf["rounds"])
        equal(count, rounds - 1, "the guest's handler has run for each but this one")
    step(t, client)
    equal(client.reg("pc"), client.reg("VBAR_EL1") + 0x200, "a step over it ends at its vector")
    equal(client.ask(f"z0,{place:x},4"), "OK")
    equal(client.read(place, 4), code, "the guest's own BRK is there")
    goes_on(t, client, elf["rounds"], "the guest's BRK was reported as a stop")
    equal(vm.process.status, None, vm.messages)


# Exclusives


@case("arm64", cpus=(1,))
def exclusives(t):
    """an ldxr/stxr sequence is stepped as one, and is done once"""
    vm = t.vm(guest="ldxr")
    client = t.client(vm)
    elf = t.elf(vm)
    equal(client.ask(f"Z0,{elf['exclusive_loop']:x},4"), "OK")
    for _ in range(5):
        expect("swbreak", client.resume())
        count = client.long(elf["exclusive_count"])
        step(t, client)
        equal(client.reg("pc"), elf["exclusive_done"], "a step from ldxr ends behind the loop")
        equal(client.long(elf["exclusive_count"]), count + 1)


@case("arm64")
def exclusives_gdb(t):
    """gdb's next and stepi get through an ldxr/stxr sequence"""
    said = t.gdb(t.vm(guest="ldxr"), "break exclusive_add", "continue", "delete",
                 "print $was = exclusive_count", "next", "next", "next",
                 "print exclusive_count - $was", "break *exclusive_loop", "continue", "stepi",
                 "print (long) $pc - (long) &exclusive_loop", "detach")
    expect("Breakpoint 1, exclusive_add", said[1])
    expect("= 1", said[7])
    expect("= 1[26]$", said[11])  # gdb itself stops behind the stxr


# Translation


def last_byte(client, address):
    data = client.read(address, 1)
    return None if not data else data[0]


def same_byte(client, va, pa):
    """Whether a byte at va is that at pa, which is mapped one to one; both are left as they were."""
    before = last_byte(client, va)
    if before is None:
        return False
    equal(client.write(pa, bytes([before ^ 0xff])), "OK", f"write at {pa:#x}")
    after = last_byte(client, va)
    equal(client.write(pa, bytes([before])), "OK", f"write at {pa:#x}")
    return after == before ^ 0xff


@case("arm64")
def translation(t):
    """addresses translate as the guest's own AT S1E1R says, in 4, 16 and 64 KiB granules"""
    done = 0
    for guest in ("walk4k", "walk16k", "walk64k"):
        vm = t.vm(guest=guest, up=False)
        try:
            vm.process.wait_for(rf"^{guest}: (\d+ addresses|.*no such granule)", 20 * t.host.slow)
        except Exception:
            if vm.process.status == NO_GRANULE_STATUS:
                continue
            raise
        if "no such granule" in vm.console:
            continue
        done += compare_with_par(t, vm)
    check(done > 60, f"{done} addresses in all")


def compare_with_par(t, vm):
    client = t.client(vm)
    elf = t.elf(vm)
    count = client.long(elf["va_count"])
    table = {name: client.read_all(elf[name], 8 * count) for name in ("va", "par")}
    faults = 0
    for i in range(count):
        va, par = (int.from_bytes(table[name][8 * i:8 * i + 8], "little") for name in table)
        pa = par & PAR_PA | va & 0xfff
        what = f"{vm.guest}: {va:#x}, PAR_EL1 {par:#x}"
        if par & PAR_F or pa not in RAM:
            equal(last_byte(client, va), None, what)
            faults += 1
        else:
            check(same_byte(client, va, pa), what)
    check(3 < faults < count, f"{faults} of {count} are holes")
    equal(client.long(client.long(elf["walk_count"])), client.long(elf["walk_page"]), "by alias")
    return count
