# SPDX-License-Identifier: MIT
"""A real serial line: acks, noise, one debugger after the other without a hang-up."""

import random
import time

from cases import case, check, equal, expect
from links.clients import Noise
from links.every import DATA, look_again, new_client, text_is_right
from rsp import INTERRUPT, frame

LINE = ("serial",)
RATE = 1000  # one byte in so many is spoilt


@case("line", links=LINE)
def never_no_ack(t):
    """serial, no-ack mode is neither offered nor granted"""
    vm = t.vm()
    client = new_client(t, vm)
    check("QStartNoAckMode" not in client.features, client.features)
    equal(client.ask("QStartNoAckMode"), "")
    check(client.ack, "no-ack mode is on")
    equal(client.one("qC")[:2], "QC")
    equal(client.ask("D"), "OK")


@case("line", links=LINE)
def acks(t):
    """serial, a reply is retransmitted when no ack arrives, and after a NAK"""
    vm = t.vm()
    client = new_client(t, vm)
    client.raw(frame("qC"))
    first = [client.event(), client.event()]
    equal(first[0], "+")
    expect(r"^\$QC", first[1])
    equal(client.event(10), first[1], "without an ack")
    client.raw(b"-")
    equal(client.event(10), first[1], "after a NAK")
    client.raw(b"+" + frame("qC")[:-1] + b"z")
    equal(client.event(), "-", "a packet with a wrong checksum")
    equal(client.one("qC"), first[1][1:])
    equal(client.ask("D"), "OK")


@case("line", links=LINE)
def comes_while_running(t):
    """serial, a debugger that attaches while the last one's continue runs gets a fresh session"""
    vm = t.vm()
    for _ in range(3):
        client = new_client(t, vm)
        client.go()
        equal(client.event(10), "+", "the resume was acknowledged")
        client.close()
        look_again(t, vm)


@case("line swbreak", links=LINE)
def noise_gdb(t):
    """serial, gdb over a noisy line"""
    vm = t.vm()
    noise = Noise(t.host.line(), RATE, 1)
    t.defer(noise.close)
    vm.targets[0] = noise.path
    said = t.gdb(vm, "set remotetimeout 3", f"target remote {noise.path}", "break leaf", "continue",
                 "bt", *["x/8xb &test_data"] * 10, "info registers", "detach", attach=False,
                 timeout=60)
    expect("Breakpoint 1, leaf", said[3])
    expect("#2  .*main", said[4])
    for text in said[5:15]:
        expect(rf"<test_data>:{DATA}", text)
    check(noise.spoilt >= 3, f"only {noise.spoilt} bytes were spoilt")


@case("line", links=LINE)
def noise_between(t):
    """serial, noise while no debugger is attached stops nothing"""
    vm = t.vm()
    counter = t.elf(vm)["counter"]
    with new_client(t, vm) as client:
        before = client.long(counter)
        equal(client.ask("D"), "OK")
    chance = random.Random(2)
    with vm.rsp() as line:
        for _ in range(40):
            data = bytes(chance.randrange(256) for _ in range(25))
            line.raw(data.replace(INTERRUPT, b"").replace(b"$", b"%"))
            time.sleep(0.02)
    client = new_client(t, vm)
    check(client.long(counter) > before, "the guest was stopped")
    text_is_right(t, vm, client)
    equal(client.ask("D"), "OK")


@case("line", links=LINE)
def line_errors(t):
    """serial, what can't be opened is named"""
    with_text = (("serial:/dev/nothing", "can't open '/dev/nothing': No such file"),
                 ("serial:/dev/null", "'/dev/null' is not a serial line"),
                 ("serial:/dev/ttyS1,baud=123", "no usual speed"))
    for spec, text in with_text:
        done = t.host.run(f"vmgdb-run --gdb {spec}")
        equal(done.status, 1, done.err)
        expect(text, done.err)
    t.vm()
    done = t.host.run("vmgdb-run --gdb serial:/dev/ttyS1")
    equal(done.status, 1, done.err)
    expect("'/dev/ttyS1' is in use by another process", done.err)


def interrupt_by_break(t, client):
    """The stop that follows. A UART whose driver reads the line's state at that moment loses a BREAK."""
    for _ in range(5):
        t.host.send_break()
        if not client.quiet(5):
            break
    return client.stop()


@case("line break", links=LINE)
def line_break(t):
    """serial, BREAK interrupts"""
    vm = t.vm()
    client = new_client(t, vm)
    for _ in range(3):
        client.go()
        check(client.quiet(0.3), "it runs")
        expect("^T02", interrupt_by_break(t, client))
    equal(client.one("qC")[:2], "QC", "the stub got nothing but the interrupt")
    equal(client.ask("D"), "OK")
