# SPDX-License-Identifier: MIT
"""AF_VSOCK across a VM boundary, through /dev/vhost-vsock: guest.py."""

import contextlib
import re

from cases import case, check, equal, expect
from links.bench import FakeVm, check_probe, exchange_files
from links.every import DATA
from links.guest import CID, DIALS, LISTENS, STUB

INTO = f"vsock:{CID}:{LISTENS}"


@contextlib.contextmanager
def stub(t, allow=f",allow={CID}"):
    """vmgdb-run on the guest's host, to which the guest relays: (host, job)."""
    host = t.host.guest().host
    job = host.spawn(f"vmgdb-run --guest demo --gdb vsock:{STUB}{allow}")
    try:
        job.wait_for("demo: ", 60)
        yield host, job
    finally:
        job.kill()
        job.wait(20)


def probe(host, arguments, status=0):
    done = host.run(f"vmgdb-connect --probe {arguments}", 60)
    equal(done.status, status, done.out + done.err)
    return done.out + done.err


@case("vhost")
def into_guest(t):
    """vsock, across a VM boundary, --probe and gdb outside reach a guest by its CID"""
    with stub(t) as (host, _):
        for _ in range(3):
            check_probe(probe(host, INTO))
        bridge = host.spawn(f"vmgdb-connect --listen tcp:{host.address}:0 {INTO}")
        port = int(bridge.wait_for(r"target remote [\d.]+:(\d+)")[1])
        vm = FakeVm(t.host.build / "guests/demo.elf", f"127.0.0.1:{host.tcp(port)}")
        try:
            for _ in range(2):
                said = t.gdb(vm, "x/8xb &test_data", "stepi", "info threads", "detach")
                expect(rf"<test_data>:{DATA}", said[0])
                expect("CPU 0", said[2])
                expect("detached", said[3])
        finally:
            bridge.kill()


@case("vhost")
def out_of_guest(t):
    """vsock, across a VM boundary, --accept vsock::PORT waits for a VMM in a guest that dials out"""
    with stub(t) as (host, _):
        for _ in range(3):
            check_probe(probe(host, f"--accept vsock::{DIALS}"))
        check_probe(probe(host, f"--accept vsock::{DIALS},allow={CID}"))
        job = host.spawn(f"vmgdb-connect --accept vsock::{DIALS},allow=77", input=True)
        job.wait_for(rf"refused: cid {CID} port \d+ is not allowed", 20)
        check(job.status is None, "it no longer waits for the next VM")
        job.kill()
        job = host.spawn(f"vmgdb-connect --accept vsock::{DIALS}", input=True)
        job.wait_for(rf"a VM has dialled vsock:any:{DIALS}: cid {CID} port \d+", 20)
        job.kill()


@case("vhost")
def guest_refused(t):
    """vsock, across a VM boundary, a guest may not connect to its host's stub unless allow= names it"""
    with stub(t, allow="") as (host, job):
        probe(host, INTO, status=2)
        job.wait_for(rf"refused: cid {CID} port \d+ is not allowed", 20)


@case("vhost")
def nobody_there(t):
    """vsock, across a VM boundary, what can't be reached is reported"""
    host = t.host.guest().host
    expect("Connection reset by peer; nobody listens on that port",
           probe(host, f"vsock:{CID}:9", status=2))
    expect(r"No such device; is there a VM with that CID, and vhost_vsock\?",
           probe(host, f"vsock:{CID + 1}:{LISTENS}", status=2))


@case("vhost")
def byte_exact(t):
    """vsock, across a VM boundary, 1 MiB each way, in and out of the guest"""
    exchange_files(t.host.guest().host, f"--accept vsock::{STUB}", INTO)
