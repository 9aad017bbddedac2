# SPDX-License-Identifier: MIT
"""Tests of every link: whole sessions, debuggers that vanish, no debugger."""

from pathlib import Path
import random
import re
import time

from cases import ALL, case, check, equal, expect, line_of
from drive import run_until, text_is_right
from links.bench import CONNECT, eventually, probe_here
from links.clients import Gone, Vanishing, greet
from rsp import SUPPORTED, Closed, Timeout

SEED = 20
# How often a debugger vanishes; each time takes a second over a pty, and on vtx
TIMES = {("arm64", "vsock"): 200, ("arm64", "virtio"): 200, ("arm64", "virtio-pty"): 20,
         ("svm", "virtio-pty"): 5, ("vtx", "serial"): 15}
DATA = "".join(rf"\s0x{n:02x}" for n in range(8))


# Links over which bytes for the last debugger may reach the next one
LATE = ("serial", "virtio", "virtio-pty")


def new_client(t, vm):
    """A raw client that attaches after another has vanished; the guest is stopped."""
    client = t.rsp(vm)
    come(t, client)
    return client


def come(t, client):
    if t.link in LATE:
        greet(client)
    else:
        client.hello()
    expect("^[TS]0[25]", client.ask("?"))


def goes_on(t, vm, client):
    counter = t.elf(vm)["counter"]
    before = client.long(counter)
    run_until(t, client, lambda: client.long(counter) > before, "the guest does not go on",
              seconds=2, pause=0.2)


def look_again(t, vm):
    """The next debugger gets a fresh session, the guest's code is intact, and the guest runs on."""
    client = new_client(t, vm)
    text_is_right(t, vm, client)
    goes_on(t, vm, client)
    equal(client.ask("D"), "OK")
    client.close()


@case("swbreak watch", links=ALL, cpus=(2,))
def whole_session(t):
    """gdb outside, a whole session with break, backtrace, watch, step, memory, threads, detach"""
    vm = t.vm()
    said = t.gdb(vm, "break leaf", "continue", "bt", "stepi", "p $pc == (unsigned long)&leaf",
                 "next", "watch last", "continue", "info breakpoints", "x/8xb &test_data",
                 "set var test_data[1] = 0x77", "x/2xb &test_data", "set var test_data[1] = 1",
                 "info threads", "delete", "detach")
    expect(rf"Breakpoint 1, leaf \(n=\d+\) at .*demo\.c:{line_of('twice = n + n')}", said[1])
    expect(r"#0  .*leaf .*\n#1  .*tick .*\n#2  .*main ", said[2])
    expect(r"= 0", said[4])
    expect(r"Hardware watchpoint 2: last", said[6])
    expect(r"Old value = \d+\nNew value = \d+", said[7])
    expect(r"already hit 1 time", said[8])
    expect(rf"<test_data>:{DATA}", said[9])
    expect(r"0x00\s0x77", said[11])
    equal(len(re.findall(r"CPU \d+", said[13])), t.cpus, said[13])
    expect("detached", said[15])
    look_again(t, vm)


@case(links=ALL, cpus=(2,))
def short_session(t):
    """gdb outside, a session without breakpoints but with registers, memory, steps and detach"""
    vm = t.vm()
    said = t.gdb(vm, "info registers", "x/8xb &test_data", "set var test_data[1] = 0x77",
                 "x/2xb &test_data", "set var test_data[1] = 1", *["stepi"] * 5, "info threads",
                 "x/i $pc", "detach")
    expect(rf"^{t.pc} +0x", said[0])
    expect(rf"<test_data>:{DATA}", said[1])
    expect(r"0x00\s0x77", said[3])
    equal(len(re.findall(r"CPU \d+", said[10])), t.cpus, said[10])
    expect("=> 0x", said[11])
    expect("detached", said[12])
    look_again(t, vm)


def whole_script(t, vm, client):
    """What a debugger sends in a session, as far as the host supports it."""
    elf = t.elf(vm)
    leaf = elf["leaf"]
    come(t, client)
    if "swbreak" in t.host.traits:
        equal(client.ask(f"Z0,{leaf:x},{t.kind}"), "OK")
        expect("^T05", client.resume())
        equal(client.ask(f"z0,{leaf:x},{t.kind}"), "OK")
        equal(client.ask(f"Z0,{leaf:x},{t.kind}"), "OK")
    client.ask("g")
    client.read(elf["test_data"], 64)
    client.step()
    client.go()
    client.interrupt()


def open_files(t):
    """How many open descriptors vmgdb-run has."""
    return int(t.host.run("ls /proc/$(pidof vmgdb-run)/fd | wc -l").out)


def vanishing(t, vm, budget):
    return Vanishing(vm.target, 5 * t.host.slow, t.host.PAUSE.get(t.link, 0), budget)


@case(links=ALL)
def vanish(t):
    """debuggers that vanish at any byte of a session; the next one has a fresh session"""
    vm = t.vm()
    times = TIMES.get((t.host.kind, t.link), 50)
    chance = random.Random(SEED)
    with vanishing(t, vm, 1 << 40) as client:
        whole_script(t, vm, client)
        total = client.used
    look_again(t, vm)
    files = open_files(t)
    gone = 0
    for i in range(times):
        budget = chance.randrange(1, total)
        try:
            with vanishing(t, vm, budget) as client:
                whole_script(t, vm, client)
        except Gone:
            gone += 1
        except (AssertionError, Closed, Timeout) as e:
            raise AssertionError(f"debugger {i} of {times}, {budget} of {total} bytes: {e}") from e
        if i % 10 == 9:
            with new_client(t, vm) as client:
                text_is_right(t, vm, client)
    check(gone > times * 0.9, f"only {gone} of {times} have vanished")
    look_again(t, vm)
    eventually(lambda: open_files(t) == files, "all descriptors are closed")


@case(links=ALL)
def killed(t):
    """gdb is killed by SIGKILL at any moment; the next one has a fresh session"""
    vm = t.vm()
    chance = random.Random(SEED)
    for i in range({"serial": 4, "virtio-pty": 3}.get(t.link, 10)):
        mi = t.mi(vm)
        mi.console("set breakpoint always-inserted on")
        if "swbreak" in t.host.traits:
            mi.console("break leaf")
            mi.console("break tick")
            mi.send("-exec-continue")
        mi.send("-exec-step-instruction")
        mi.send("-data-read-memory-bytes &test_data 128")
        mi.send("-data-list-register-values x")
        time.sleep(chance.random() * 0.2)
        mi.kill()
        time.sleep(t.host.PAUSE.get(t.link, 0))
        client = new_client(t, vm)
        text_is_right(t, vm, client)
        if i % 2:
            equal(client.ask("D"), "OK")
        client.close()
    look_again(t, vm)


def stub_work(t):
    """Processor time of the stub's thread, in 1/100 s, and how often it was woken.

    The stub's thread is neither the main thread nor a vCPU thread.
    """
    said = t.host.run("cd /proc/$(pidof vmgdb-run)/task && for t in *; do "
                      "case $(cat $t/comm)$t in vcpu*|*$(pidof vmgdb-run)) ;; "
                      "*) cut -d ')' -f 2 $t/stat; grep ^voluntary $t/status;; esac; done").out
    stat, status = said.splitlines()
    return int(stat.split()[11]) + int(stat.split()[12]), int(status.split()[1])


def rests(t, when):
    """The stub comes to rest: in one of some periods of 1.5 s it does next to nothing."""
    found = []
    for _ in range(5):
        before = stub_work(t)
        time.sleep(1.5)
        ticks, woken = (a - b for a, b in zip(stub_work(t), before))
        if ticks <= 2 and woken <= 2:
            return
        found.append(f"{ticks} ticks of 10 ms, woken {woken} times")
    check(False, f"{when}: {'; '.join(found)}")


@case(links=ALL)
def nobody(t):
    """while no debugger is attached the stub sleeps, also after one has detached or vanished"""
    vm = t.vm()
    rests(t, "before the first debugger")
    look_again(t, vm)
    rests(t, "after a debugger")
    client = new_client(t, vm)
    client.raw(b"$m0,1")
    client.close()
    rests(t, "after a debugger that vanished")


def spec_of(target):
    """The endpoint for what gdb takes after `target remote`."""
    if not target.startswith("/"):
        return f"tcp:{target}"
    return f"{'unix' if Path(target).is_socket() else 'serial'}:{target}"


@case(links=ALL)
def pipe(t):
    """gdb -ex 'target remote | vmgdb-connect ...', and --probe, outside"""
    vm = t.vm()
    spec = spec_of(vm.target)
    for _ in range(2):
        first, data, bye = t.gdb(vm, f"target remote | {CONNECT} {spec}", "x/8xb &test_data",
                                 "detach", attach=False)
        expect(rf"<test_data>:{DATA}", data, first)
        expect("detached", bye)
        probe_here(t, spec)


@case("virtio vsock")
def all_at_once(t):
    """several endpoints at once; one debugger holds the VM, others get an error and are disconnected"""
    line = "line" in t.host.traits
    vm = t.vm(links=["virtio", "vsock", "tcp"] + ["serial"] * line)
    port = re.search(r"vsock:\d+:(\d+)", vm.messages)[1]
    first = t.client(vm)
    for _ in range(3):
        said = t.host.connect(f"--probe vsock:1:{port}", status=3)
        expect("another debugger holds the VM", said)
    if line:
        with vm.rsp(3) as second:
            equal(second.ask(SUPPORTED), "E.another debugger holds the VM", "on a serial line")
    expect("is refused", vm.messages)
    equal(first.one("qC"), "QCp1.1", "the first one's session")
    text_is_right(t, vm, first)
    equal(first.ask("D"), "OK")
    first.close()
    for link in (1, 2, 3, 0) if line else (1, 2, 0):
        eventually(lambda: "holds" not in t.gdb(vm, "info threads", link=link)[0], "the next one")
