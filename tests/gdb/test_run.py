# SPDX-License-Identifier: MIT
"""Run control: continue, interrupt, steps, threads that stay, calls into the guest."""

import os
import pty
import re
import select
import signal
import time

import debugger
from cases import ALL, case, check, equal, expect, line_of
from drive import goes_on, hit, steps_to
from rsp import INTERRUPT


def counters(t, client):
    """What the guest counts: on the first vCPU, and on the others."""
    elf = t.elf(t.vms[-1])
    return [client.long(elf["counter"])] + [client.long(elf["worker_counter"] + 8 * i)
                                            for i in range(1, t.cpus)]


# Interrupting


@case(links=ALL, cpus=(1, 2))
def interrupt_spinning(t):
    """Ctrl-C stops all vCPUs while they spin, and none of them runs on"""
    client = t.client(t.vm())
    for _ in range(10):
        equal(who_moves(t, client, "vCont;c", (True,) * t.cpus), (True,) * t.cpus, "who moved")
        after = counters(t, client)
        time.sleep(0.02)
        equal(counters(t, client), after, "a vCPU runs on")


@case(links=ALL)
def interrupt_while_stopped(t):
    """an interrupt that comes while stopped is not answered, and stops the next resume

    GDB manual, "Interrupts".
    """
    client = t.client(t.vm(cpus=2))
    client.go()
    expect("^T02", client.interrupt())
    check(client.quiet(0.1), "something came after the stop")
    client.raw(INTERRUPT + INTERRUPT)
    check(client.quiet(0.1), "a stop was reported while stopped")
    expect("^T02", client.resume())
    client.go()
    check(client.quiet(0.3), "the guest did not go on")
    expect("^T02", client.interrupt())


@case(links=ALL)
def noise_while_running(t):
    """bytes that mean nothing do not stop a guest that runs"""
    client = t.client(t.vm())
    client.go()
    client.raw(b"+-xyz\x00\xff\x04 ")
    check(client.quiet(0.3), "an answer to noise")
    expect("^T02", client.interrupt())


@case(links=ALL, cpus=(1, 2))
def interrupt_from_gdb(t):
    """gdb's interrupt stops the guest"""
    vm = t.vm()
    log = t.folder / "remote.log"
    mi = t.mi(vm, before=[f"set remotelogfile {log}"])
    for n in range(1, 6):
        mi.command("-exec-continue")
        resumes(t, log, n)
        mi.process_signal(signal.SIGINT)
        expect('signal-name="SIGINT"', mi.stopped(5 * t.host.slow))
        equal(mi.console("info threads").count("CPU "), t.cpus)


def resumes(t, log, count):
    """Waits until gdb has sent so many resumes, by its own log of the protocol."""
    end = time.monotonic() + 10 * t.host.slow
    while log.read_text(errors="replace").count("$vCont;c") < count:
        check(time.monotonic() < end, f"gdb did not resume {count} times")
        time.sleep(0.01)


@case()
def interrupt_from_terminal(t):
    """Ctrl-C typed at gdb's terminal"""
    vm = t.vm(cpus=2)
    log = t.folder / "remote.log"
    argv = debugger.gdb_argv(t.host.gdb, vm.elf, "-ex", f"set remotelogfile {log}",
                             "-ex", f"target remote {vm.target}")
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe("setpriv", ["setpriv", "--pdeathsig", "KILL", *argv],
                   debugger.environment(t.folder))
    t.defer(os.close, terminal)
    t.defer(os.waitpid, pid, 0)
    t.defer(os.kill, pid, signal.SIGKILL)
    said = typed(terminal, "", r"\(gdb\) $")
    said = typed(terminal, "continue\n", "Continuing")
    resumes(t, log, 1)
    said = typed(terminal, "\x03", r"\(gdb\) $")
    expect("received signal SIGINT", said)
    said = typed(terminal, "info threads\n", r"\(gdb\) $")
    equal(said.count("CPU "), 2, said)


def typed(terminal, text, until, timeout=20):
    """Types text; returns what comes up to what matches."""
    os.write(terminal, text.encode())
    said, end = "", time.monotonic() + timeout
    while not re.search(until, said):
        ready = select.select([terminal], [], [], max(0, end - time.monotonic()))[0]
        check(ready, f"no {until!r} in {said!r}")
        said += os.read(terminal, 65536).decode(errors="replace")
    return said


# Steps


@case("swbreak", cpus=(1, 2))
def stepi(t):
    """stepi goes one instruction on, through calls and returns, and gets back where it was"""
    vm = t.vm()
    mi = t.mi(vm)
    mi.console("break tick")
    mi.command("-exec-continue")
    mi.stopped()
    mi.console("delete")
    mi.console("set scheduler-locking on")
    seen = []
    for _ in range(120 if t.host.slow < 8 else 60):
        mi.command("-exec-step-instruction")
        stop = mi.stopped()
        expect('reason="end-stepping-range"', stop)
        seen.append(expect(r'func="(\w+)"', stop).group(1))
    check({"main", "tick", "leaf"} <= set(seen), f"in {len(seen)} steps only {set(seen)}")
    order = [a for a, b in zip(seen, [None] + seen) if a != b]
    for caller, callee in zip(order, order[1:]):
        if callee == "leaf":
            equal(caller, "tick")


@case(links=ALL, cpus=(1, 2))
def step_exact(t):
    """single steps take the same way each round, and nothing is done twice or left out"""
    vm = t.vm()
    client = t.client(vm)
    leaf = t.elf(vm)["leaf"]
    if "hwbreak" in t.host.traits:
        hit(t, client, leaf, point=1)
    else:
        steps_to(t, client, leaf, limit=20000)
    count = client.long(t.elf(vm)["counter"])
    rounds = []
    # a round in which the guest prints is longer
    while len(set(rounds)) == len(rounds) and len(rounds) < 8:
        rounds.append(len(steps_to(t, client, leaf, limit=20000)))
        equal(client.long(t.elf(vm)["counter"]), count + len(rounds), "counter")
    check(min(rounds) > 10, rounds)
    check(len(set(rounds)) < len(rounds), f"instructions a round {rounds}")


@case("swbreak", cpus=(1, 2))
def step_next_finish(t):
    """step enters leaf, next does not, finish gives its value, until and advance get on"""
    vm = t.vm()
    said = t.gdb(vm, "break tick", "continue", "next", "step", "finish",
                 "print $ == 2 * (counter - 1) + 1", "next", "next", "info symbol $pc", "delete",
                 "advance tick", f"until demo.c:{line_of('last = leaf(n)')}", "advance leaf", "next",
                 "detach")
    expect("Breakpoint 1, tick", said[1])
    expect(r"last = leaf\(n\)", said[2])
    expect(r"^leaf \(n=\d+\)", said[3])
    expect(r"tick \(n=\d+\)(.|\n)*Value returned is \$\d+ = \d+", said[4])
    expect("= 1", said[5])
    expect(r"^main ", said[8])
    expect(r"^tick \(n=\d+\)", said[10])
    expect(r"last = leaf\(n\)", said[11])
    expect(r"^leaf \(n=\d+\)", said[12])
    expect(r"^\d+\t", said[13])


@case("swbreak")
def step_at_breakpoint(t):
    """a step from a breakpoint, onto one, and from one onto the next"""
    vm = t.vm()
    client = t.client(vm)
    leaf = t.elf(vm)["leaf"]
    client.ask(f"Z0,{leaf:x},{t.kind}")
    expect("swbreak", client.resume())
    places = [leaf]
    for _ in range(3):
        client.step()
        places.append(client.reg(t.pc))
    check(len(set(places)) == 4, places)
    for place in places[1:]:
        equal(client.ask(f"Z0,{place:x},{t.kind}"), "OK")
    expect("swbreak", client.resume())  # at leaf again, or at the next of them
    while client.reg(t.pc) != leaf:
        client.resume()
    for place in places[1:]:
        client.step()
        equal(client.reg(t.pc), place, "a step onto a breakpoint")
    counter = client.long(t.elf(vm)["counter"])
    while client.reg(t.pc) != leaf:
        client.resume()
    equal(client.long(t.elf(vm)["counter"]), counter + 1, "counter after a round of breakpoints")


@case("swbreak", cpus=(2,))
def scheduler_locking(t):
    """scheduler-locking on and step hold the other vCPU, off lets it run"""
    vm = t.vm()
    mi = t.mi(vm)
    mi.console("break leaf")
    mi.command("-exec-continue")
    expect('thread-id="1"', mi.stopped())

    def moved(*commands):
        before = mi.console("output worker_counter[1]")
        for command in commands:
            if command == "-exec-continue":
                mi.console(f"ignore 1 {300 if t.host.slow == 1 else 30}")
            mi.command(command)
            mi.stopped()
        return mi.console("output worker_counter[1]") != before

    def moves():
        """Whether the other moves in the end: on a busy machine its thread may get no time for long."""
        end = time.monotonic() + 20 * t.host.slow
        while not moved("-exec-continue"):
            if time.monotonic() > end:
                return False
        return True

    mi.console("set scheduler-locking on")
    equal(moved(*["-exec-step-instruction"] * 20), False, "on, stepping: the other moved")
    equal(moved("-exec-continue"), False, "on, continuing: the other moved")
    mi.console("set scheduler-locking step")
    equal(moved(*["-exec-step-instruction"] * 20), False, "step, stepping: the other moved")
    equal(moves(), True, "step, continuing: the other moved")
    mi.console("set scheduler-locking off")
    equal(moves(), True, "off: the other moved")


@case(links=ALL, cpus=(2,))
def vcont_by_thread(t):
    """vCont runs just the vCPUs that it names"""
    vm = t.vm()
    client = t.client(vm)
    equal(client.threads(), ["p1.1", "p1.2"])
    for action, runs in (("vCont;c:p1.1", (True, False)), ("vCont;c:p1.2", (False, True)),
                         ("vCont;c", (True, True)), ("vCont;c:p1.-1", (True, True)),
                         ("vCont;c:p1.2;c:p1.1", (True, True)), ("vCont;t:p1.2;c", (True, False)),
                         ("vCont;c:p-1.-1", (True, True)), ("vCont;C05:p1.2", (False, True)),
                         ("c", (True, True)), ("C05", (True, True))):
        equal(client.ask("Hc-1"), "OK")
        equal(who_moves(t, client, action, runs), runs, f"{action}: who moved")


def who_moves(t, client, action, runs):
    """Which vCPUs count in some runs: as many as those that should take, on a busy machine."""
    before, pause = counters(t, client), 0.05
    while True:
        client.go(action)
        time.sleep(pause)
        expect("^T02thread:p1.", client.interrupt())
        moved = tuple(a > b for a, b in zip(counters(t, client), before))
        pause *= 2
        if pause > 3 * t.host.slow or all(m for m, r in zip(moved, runs) if r):
            return moved


@case(links=ALL, cpus=(2,))
def vcont_step_and_continue(t):
    """vCont steps one vCPU while the other runs, and reports the one that was stepped"""
    vm = t.vm()
    client = t.client(vm)
    for thread, other in ((1, 2), (2, 1)):
        before = counters(t, client)
        for n in range(2000 if t.host.slow == 1 else 50):
            reply = client.resume(f"vCont;s:p1.{thread};c")
            expect(rf"^T05thread:p1\.0?{thread};", reply)
            after = counters(t, client)
            if n > 50 and after[other - 1] > before[other - 1]:
                break
        # On a slow host one step may be over each time before the other vCPU executes anything; a range
        # that never ends is steps as well.
        check(t.host.slow > 1 or after[other - 1] > before[other - 1],
              f"vCPU {other} did not run: {before}, {after}")
        runs = tuple(n + 1 == other for n in range(2))
        moved = who_moves(t, client, f"vCont;r0,ffffffffffffffff:p1.{thread};c", runs)
        check(moved[other - 1], f"vCPU {other} did not run while vCPU {thread} stepped")
    before = counters(t, client)
    for _ in range(50):
        client.resume("vCont;s:p1.1")
    equal(counters(t, client)[1], before[1], "the vCPU that is not named ran")


@case(links=ALL)
def old_run_packets(t):
    """s, S, c and C without vCont, with Hc and with an address"""
    vm = t.vm(cpus=2)
    client = t.client(vm)
    leaf = t.elf(vm)["leaf"]
    equal(client.ask("Hcp1.1"), "OK")
    equal(client.ask("Hgp1.1"), "OK")
    place = client.reg(t.pc)
    expect("^T05thread:p1.1;", client.resume("s"))
    check(client.reg(t.pc) != place or t.host.arch == "x86", "s did not move")
    expect("^T05thread:p1.1;", client.resume("S05"))
    before = client.ask("g")
    client.resume(f"s{leaf:x}")
    check(0 < client.reg(t.pc) - leaf < 16, f"sADDR went to {client.reg(t.pc):#x}")
    equal(client.ask(f"G{before}"), "OK")


# Calls


@case("swbreak", cpus=(1, 2))
def call_function(t):
    """gdb calls functions of the guest, and all is as before"""
    vm = t.vm()
    said = t.gdb(vm, "break leaf", "continue", "delete", "print leaf(5)", "call leaf(1000)",
                 "print leaf(leaf(1))", "bt", "info registers", "detach")
    expect("= 11", said[3])
    expect("= 2001", said[4])
    expect("= 7", said[5])
    check(re.match(r"#0  leaf .*\n#1  .*tick .*\n#2  .*main ", said[6]), said[6])
    with t.client(vm) as client:
        goes_on(t, client, t.elf(vm)["counter"])


@case("swbreak")
def call_stops_at_breakpoint(t):
    """a call that runs into a breakpoint stops there, its frame below is gdb's"""
    vm = t.vm()
    said = t.gdb(vm, "break main", "break tick", "continue", "break leaf", "print leaf(5)", "bt",
                 "finish", "detach")
    expect(r"being debugged stopped while in a function called from GDB", said[4])
    expect(r"#0  leaf \(n=5\)", said[5])
    expect(r"<function called from gdb>", said[5])


@case("swbreak")
def jump_and_return(t):
    """jump, return and a changed pc are obeyed"""
    vm = t.vm()
    said = t.gdb(vm, "break leaf", "continue", "delete", "set confirm off", "return (long)7",
                 "frame", "next", "print last", "break leaf", "continue", "delete", "set var n = 500",
                 "finish", "detach")
    expect("^#0  .*tick", said[5])
    expect(r"= 7", said[7])
    expect(r"Breakpoint 2, leaf", said[9])
    expect(r"= 1001", said[12])
