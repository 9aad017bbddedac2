# SPDX-License-Identifier: MIT
"""Coming, looking around, leaving, and what becomes of the guest when a debugger has gone."""

import re
import signal
import time

from cases import ALL, case, check, equal, expect
from drive import goes_on, text_is_right
from rsp import frame

FRAMES = r"#0  .*leaf \(n=\d+\) at .*demo\.c:\d+\n#1  .*tick \(n=\d+\) at .*\n#2  .*main \(\) at .*\n"
BYTES = "".join(rf"\s0x{n:02x}" for n in range(8)), "".join(rf"\s0x{n:02x}" for n in range(8, 16))


def text(t, vm):
    """The guest's code as it must be."""
    return t.elf(vm).section(".text")


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


@case(cpus=(1, 2))
def attach_while_booting(t):
    """a debugger that comes at any moment of the guest's start sees all vCPUs"""
    for _ in range(10 if t.host.slow == 1 else 3):
        vm = t.vm(up=False)
        threads, regs = t.gdb(vm, "info threads", "thread apply all -q p $pc")
        equal(len(re.findall(r"CPU \d+, ", threads)), t.cpus, threads)
        equal(len(re.findall(r"^\$\d+ = ", regs, re.M)), t.cpus, regs)


@case(cpus=(1, 2))
def hold_for_debugger(t):
    """--gdb-wait stops the guest at its first instruction"""
    vm = t.vm(wait=True)
    entry, first, _ = t.gdb(vm, "p $pc == &_start", "x/i $pc", "detach")
    expect("= 1", entry)
    expect(r"=> 0x[0-9a-f]+ <_start>:", first)
    vm.process.wait_for("^demo: ", 10 * t.host.slow)


@case("swbreak", cpus=(1, 2))
def break_from_the_start(t):
    """with --gdb-wait a breakpoint set before the first instruction is hit at its first time"""
    vm = t.vm(wait=True)
    _, hit, count = t.gdb(vm, "break leaf", "continue", "p counter")
    expect(r"Breakpoint 1, leaf \(n=0\)", hit)
    expect(r"\$1 = 1$", count)


@case(links=ALL)
def wait_option(t):
    """the endpoint option wait holds the guest as --gdb-wait does"""
    vm = t.vm(links=[f"{t.link},wait"], up=False)
    entry, _ = t.gdb(vm, "p $pc == &_start", "detach")
    expect("= 1", entry)


@case("swbreak", links=ALL, cpus=(1, 2))
def reattach(t):
    """many debuggers one after the other, each with a breakpoint"""
    vm = t.vm()
    leaf = t.elf(vm)["leaf"]
    counts = []
    for i in range(50 // t.host.slow):
        with vm.rsp() as client:
            client.hello()
            equal(client.ask("?")[:3], "T05", f"debugger {i}")
            equal(client.ask(f"Z0,{leaf:x},{t.kind}"), "OK")
            expect("^T05.*swbreak", client.resume(), f"debugger {i}")
            equal(client.reg(t.pc), leaf)
            counts.append(client.long(t.elf(vm)["counter"]))
            equal(client.ask(f"z0,{leaf:x},{t.kind}"), "OK")
            equal(client.ask("D"), "OK", f"debugger {i}")
    # two may come so soon one after the other that the guest is at the same place
    check(counts == sorted(counts) and counts[-1] > counts[0], counts)
    with t.client(vm) as client:
        text_is_right(t, vm, client)


@case("swbreak", links=ALL)
def reattach_gdb(t):
    """gdbs one after the other"""
    vm = t.vm(cpus=2)
    for i in range(10 if t.host.slow < 8 else 3):
        _, hit, bye = t.gdb(vm, "break leaf", "continue", "detach")
        expect("Breakpoint 1, leaf", hit, f"gdb {i}")
        expect("detached", bye)


@case("swbreak", links=ALL, cpus=(1, 2))
def detach_leaves_text(t):
    """after detach the guest's code is what it was, and the guest goes on"""
    vm = t.vm()
    t.gdb(vm, "set breakpoint always-inserted on", "break leaf", "break tick", "break main",
          "continue", "detach")
    client = t.client(vm)
    text_is_right(t, vm, client)
    goes_on(t, client, t.elf(vm)["counter"])


@case("swbreak local hangup")
def detach_leaves_memory(t):
    """after detach, kill -9 or a lost line no breakpoint is in the guest's own memory"""
    for how in ("detach", "kill", "lost"):
        vm = t.vm()
        unused = t.elf(vm)["platform_power_off"]
        client = t.client(vm)
        for i in range(8):  # more than there are execution slots
            equal(client.ask(f"Z0,{unused + i * t.kind:x},{t.kind}"), "OK")
        client.go()
        check(becomes(lambda: guest_text(t, vm) != text(t, vm).data), "inserted while it runs")
        if how == "detach":
            client.interrupt()
            check(guest_text(t, vm) == text(t, vm).data, "guest memory is clean while it is stopped")
            equal(client.ask("D"), "OK")
        elif how == "lost":
            client.raw(frame("vCont;c")[:4])
        client.close()
        check(becomes(lambda: guest_text(t, vm) == text(t, vm).data), f"{how}: memory is clean")


def becomes(condition, seconds=5):
    """Whether it becomes true in time."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def guest_text(t, vm):
    """The guest's code by way of the VMM's own memory, with no word from the stub."""
    section = text(t, vm)
    with open(f"/proc/{vm.process.pid}/maps") as maps:
        for line in maps:
            low, high = (int(a, 16) for a in line.split()[0].split("-"))
            if high - low == 64 << 20:
                break
        else:
            raise AssertionError("no mapping of the guest's 64 MiB")
    with open(f"/proc/{vm.process.pid}/mem", "rb") as memory:
        memory.seek(low + section.address)
        return memory.read(len(section.data))


@case("swbreak hangup", links=ALL, cpus=(1, 2))
def gdb_killed(t):
    """kill -9 of gdb leaves no breakpoint, the guest goes on and the next gdb comes"""
    vm = t.vm()
    for running in (False, True):
        mi = t.mi(vm)
        mi.console("set breakpoint always-inserted on")
        mi.console("break leaf" if not running else "break tick if n == -1")
        mi.command("-exec-continue")
        if not running:
            expect("breakpoint-hit", mi.stopped())
        mi.kill()
        client = t.client(vm)
        text_is_right(t, vm, client)
        goes_on(t, client, t.elf(vm)["counter"])
        equal(client.ask("D"), "OK")
        client.close()


@case("swbreak hangup", links=ALL)
def lost_in_a_packet(t):
    """a line lost at any byte of a packet, the guest goes on, the next debugger is served"""
    vm = t.vm()
    leaf = t.elf(vm)["leaf"]
    packet = frame(f"Z0,{leaf:x},{t.kind}") + frame("vCont;c")
    for cut in range(1, len(packet), 3):
        with vm.rsp() as client:
            client.hello()
            client.ask("?")
            client.raw(packet[:cut])
    client = t.client(vm)
    text_is_right(t, vm, client)
    goes_on(t, client, t.elf(vm)["counter"])


@case(links=ALL)
def lost_before_a_word(t):
    """debuggers that come and say nothing, or half a packet, change nothing"""
    vm = t.vm()
    for said in (b"", b"+", b"$", b"$qSuppo", b"\x03", b"garbage", b"$#00"):
        with vm.rsp() as client:
            client.raw(said)
    client = t.client(vm)
    goes_on(t, client, t.elf(vm)["counter"])


@case("connects")
def second_debugger(t):
    """a second debugger is refused, the first does not notice"""
    vm = t.vm(links=["unix", "tcp"] if "local" in t.host.traits else None)
    first = t.client(vm)
    for link in range(len(vm.links)):
        with vm.rsp(link) as second:
            second.raw(b"+" + frame("qSupported:multiprocess+"))
            check(second.hung_up(3 * t.host.slow), f"the second one, by {vm.links[link]}, stays")
    said = t.gdb(vm, "p 1", attach=True, timeout=30)
    expect(r"= 1", said[0])
    goes_on(t, first, t.elf(vm)["counter"])
    equal(first.ask("D"), "OK")
    first.close()
    goes_on(t, t.client(vm, len(vm.links) - 1), t.elf(vm)["counter"])


@case("hangup", links=ALL)
def disconnect_policies(t):
    """on-disconnect=resume lets the guest run, stay keeps it stopped, kill ends it"""
    for policy in ("resume", "stay"):
        vm = t.vm(links=[f"{t.link},on-disconnect={policy}"])
        counter = t.elf(vm)["counter"]
        with t.client(vm) as client:
            before = client.long(counter)

        def has_grown():
            with t.client(vm) as client:
                return client.long(counter) > before

        if policy == "resume":
            check(becomes(has_grown, 20 * t.host.slow), "resume: the guest did not go on")
        else:
            time.sleep(0.2 * t.host.slow)
            check(not has_grown(), "stay: the guest went on")
        goes_on(t, t.client(vm), counter)
    vm = t.vm(links=[f"{t.link},on-disconnect=kill"])
    t.client(vm).close()
    equal(vm.process.wait(5 * t.host.slow), 128 + signal.SIGKILL, "kill: exit status")


@case(links=ALL)
def read_only(t):
    """ro refuses all writes and all run control but continue"""
    vm = t.vm(links=[f"{t.link},ro"])
    client = t.client(vm)
    elf = t.elf(vm)
    data, leaf = elf["test_data"], elf["leaf"]
    before = client.read(data, 16)
    for packet in (f"M{data:x},1:ff", f"X{data:x},1:x", f"Z0,{leaf:x},{t.kind}", f"Z1,{leaf:x},{t.kind}",
                   "vCont;s:p1.1", "s", "G" + client.ask("g"), "k", "vKill;1",
                   f"P{client.registers[t.pc].number:x}=0000000000000000"):
        expect("^E", client.ask(packet), packet)
    equal(client.read(data, 16), before, "memory")
    goes_on(t, client, elf["counter"])
    _, data_shown, bye = t.gdb(t.vm(links=[f"{t.link},ro"]), "info threads", "x/2xb &test_data",
                               "detach")
    expect("0x00\t0x01", data_shown)
    expect("detached", bye)


@case(links=ALL)
def killed_by_debugger(t):
    """gdb's kill ends the VM, vmgdb-run says so by its status"""
    for packet in ("k", "vKill;1"):
        vm = t.vm()
        client = t.client(vm)
        client.send(packet)
        equal(vm.process.wait(5 * t.host.slow), 128 + signal.SIGKILL, f"{packet}: exit status")
    vm = t.vm()
    t.gdb(vm, "kill")
    equal(vm.process.wait(5 * t.host.slow), 128 + signal.SIGKILL, "gdb: exit status")


@case("connects")
def ended_by_a_signal(t):
    """Ctrl-C and SIGTERM end vmgdb-run with a debugger attached, who sees it, and no file is left"""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        vm = t.vm()
        client = t.client(vm)
        client.go()
        vm.process.kill(number)
        equal(vm.process.wait(10 * t.host.slow), 128 + number, "exit status")
        equal(vm.files(), [], "left behind")
        check(not t.connects or client.hung_up(), "the debugger's line is still open")
