# SPDX-License-Identifier: MIT
"""Special cases of virtio-serial ports: names, a second process, the bridge inside."""

import socket
import time

from cases import case, check, equal, expect
from links.bench import OUTSIDE, inside, probe_here
from rsp import SUPPORTED
from stub import Stub

PORT = OUTSIDE["virtio"]


@case("virtio")
def no_such_port(t):
    """virtio, a port that does not exist is named"""
    expect("no virtio-serial port is called 'nobody'",
           t.host.connect("--probe virtio:nobody", status=2))
    done = t.host.run("vmgdb-run --gdb virtio:nobody")
    equal(done.status, 1, done.err)
    expect("no virtio-serial port is called 'nobody'", done.err)


@case("virtio")
def busy(t):
    """virtio, a port that another process has open is reported"""
    with inside(t, f"virtio:{PORT}") as job:
        expect("is in use by another process",
               t.host.connect(f"--probe virtio:{PORT}", status=2))
        done = t.host.run(f"vmgdb-run --gdb virtio:{PORT}")
        equal(done.status, 1, done.err)
        expect("is in use by another process", done.err)
        check(job.status is None, "the process that has the port goes on")
        probe_here(t, f"unix:{t.host.port(PORT)}")


@case("virtio")
def device(t):
    """virtio, a port by the name of its device"""
    found = t.host.run(f"grep -l '^{PORT}$' /sys/class/virtio-ports/*/name").out.split("/")[-2]
    with inside(t, f"virtio:/dev/{found}"):
        probe_here(t, f"unix:{t.host.port(PORT)}")


def stub_outside(t):
    """A stub on this machine that has connected to the port's outer end."""
    s = socket.socket(socket.AF_UNIX)
    s.connect(t.host.port(PORT))
    t.defer(s.close)
    return Stub(iter([s]).__next__)


@case("virtio")
def pty_inside(t):
    """virtio, the VM outside, vmgdb-connect --pty LINK virtio:NAME and a debugger inside"""
    job = t.host.spawn(f"vmgdb-connect --pty /tmp/vm0 virtio:{PORT}")
    t.defer(job.kill)
    job.wait_for("target remote /tmp/vm0")
    stub = stub_outside(t)
    said = t.host.connect("--probe serial:/tmp/vm0")
    expect("a GDB stub answers", said)
    expect("i386:x86-64", said)
    check("D" in stub.seen, f"the stub got {stub.seen}")
    job.kill(15)
    equal(job.wait(20), 0, job.err)
    check(t.host.run("test -L /tmp/vm0").status != 0, "the link was not removed")


@case("virtio")
def pipe_inside(t):
    """virtio, the VM outside connects late, vmgdb-connect virtio:NAME inside carries every byte"""
    job = t.host.spawn(f"vmgdb-connect virtio:{PORT}", input=True)
    t.defer(job.kill)
    data = bytes(range(256)) * 8
    job.send(data)
    time.sleep(1)
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(t.host.port(PORT))
        s.settimeout(20)
        found = b""
        while len(found) < len(data):
            found += s.recv(4096)
        check(found == data, f"{len(found)} bytes came out, not the same")
        s.sendall(b"+$QC1#c5")
        job.wait_for(r"\+\$QC1#c5", 20)
    job.wait_for("has closed the connection", 20)
    equal(job.wait(20), 2, job.err)


def switches(t, seconds):
    """How often vmgdb-connect, which has one thread, is woken in so many seconds."""
    count = "awk '/^voluntary/ {print $2}' /proc/$(pidof vmgdb-connect)/status"
    before, after = t.host.run(f"{count}; sleep {seconds}; {count}").out.split()
    return int(after) - int(before)


@case("virtio")
def listen_inside(t):
    """virtio, vmgdb-connect --listen virtio:NAME sleeps while no peer is connected"""
    job = t.host.spawn(f"vmgdb-connect --verbose --listen virtio:{PORT} unix:/nonexistent")
    t.defer(job.kill)
    job.wait_for("waiting for a debugger", 20)
    for _ in range(2):
        found = []
        while not found or found[-1] > 1:
            check(len(found) < 10, f"wake-ups in periods of 2 s: {found}")
            found.append(switches(t, 2))
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(t.host.port(PORT))
            s.sendall(b"+")
            job.wait_for("can't reach unix:/nonexistent", 20)


@case("virtio arm64")
def at_last(t):
    """virtio, a debugger that connects while the last one's bytes are discarded is answered"""
    vm = t.vm(links=["virtio"])
    for i in range(30):
        with vm.rsp() as client:
            client.raw(b"+")
            client.send(SUPPORTED)
            expect("PacketSize=", client.packet(1.5), f"debugger {i}")
        time.sleep(0.49 + i * 0.001)
