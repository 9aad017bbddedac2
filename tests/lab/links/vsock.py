# SPDX-License-Identifier: MIT
"""AF_VSOCK inside a lab host, over its loopback CID 1."""

import re

from cases import NotApplicable, case, check, equal, expect
from links.bench import FakeVm, eventually, exchange_files, inside, port_of
from links.every import DATA
from rsp import frame


@case("vsock")
def ways_to_listen(t):
    """vsock, vmgdb-run listens on a port of any, local or CID 1"""
    specs = ("vsock:0", "vsock:any:0", "vsock:local:0", "vsock:1:0")
    with inside(t, *specs) as job:
        for i in range(len(specs)):
            t.host.probe(f"vsock:1:{port_of(job, i)}")


@case("vsock")
def printed(t):
    """vsock, the command that vmgdb-run prints works as printed"""
    with inside(t, "vsock:0") as job:
        t.host.probe(re.search(r"\| vmgdb-connect (vsock:\d+:\d+)", job.err)[1])


@case("vsock")
def stdio_bridge(t):
    """vsock, vmgdb-connect vsock:1:PORT is a pipe to the stub"""
    hello = b"+" + frame("qSupported:multiprocess+") + frame("?") + frame("D")
    with inside(t, "vsock:0") as job:
        for _ in range(3):
            pipe = t.host.spawn(f"vmgdb-connect vsock:1:{port_of(job)}", input=True)
            pipe.send(hello)
            pipe.wait_for(r"^\+\$PacketSize=.*#..\+?\$T05.*#..\+?\$OK#9a", 20)
            pipe.send(b"")
            equal(pipe.wait(20), 0, pipe.err)


@case("vsock")
def dials(t):
    """vsock, the VM dials out, vmgdb-connect --accept vsock::PORT waits for it"""
    with inside(t, "vsock:1:7007,dial"):
        for _ in range(3):
            t.host.probe("vsock::7007", "--accept")


@case("vsock swbreak")
def dials_gdb(t):
    """vsock, the VM dials out, gdb outside attaches by --accept and --listen"""
    with inside(t, "vsock:1:7011,dial"):
        target = t.host.listen_for("--accept", "vsock::7011")
        elf = t.host.build / "guests/demo.elf"
        for _ in range(2):
            said = t.gdb(FakeVm(elf, target), "break leaf", "continue", "bt", "x/8xb &test_data",
                         "detach")
            expect("Breakpoint 1, leaf", said[1])
            expect(r"#2  .*main", said[2])
            expect(rf"<test_data>:{DATA}", said[3])


@case("vsock")
def allow(t):
    """vsock, allow= refuses other CIDs by name and admits those it lists"""
    with inside(t, "vsock:0,allow=77", "vsock:0,allow=77+1", "vsock:0,allow=any") as job:
        said = t.host.connect(f"--probe vsock:1:{port_of(job)}", status=2)
        expect("hung up", said)
        job.wait_for(r"refused: cid 1 port \d+ is not allowed", 10)
        t.host.probe(f"vsock:1:{port_of(job, 1)}")
        t.host.probe(f"vsock:1:{port_of(job, 2)}")


@case("vsock")
def allow_dialled(t):
    """vsock, --accept with allow= refuses VMs of other CIDs"""
    with inside(t, "vsock:1:7009,dial"):
        job = t.host.spawn("vmgdb-connect --accept vsock::7009,allow=77", input=True)
        t.defer(job.kill)
        job.wait_for(r"refused: cid 1 port \d+ is not allowed", 20)
        check(job.status is None, "it no longer waits for the next VM")


@case("vsock")
def errors(t):
    """vsock, what can't be reached gives exit status 2, and a reason"""
    with inside(t, "vsock:0") as job:
        port = port_of(job)
        for arguments, text in (("--probe vsock:1:99999", "nobody listens on that port"),
                                ("--probe vsock:42:99999", r"No such device; is there a VM with that CID")):
            expect(text, t.host.connect(arguments, status=2))
        expect(f"another process listens on port {port}",
               t.host.connect(f"--listen vsock:{port} tcp:1", status=4))
        for spec, text in ((f"vsock:{port}", f"another process listens on port {port}"),
                           ("vsock:77:0", r"Cannot assign requested address \(is there a vsock")):
            said = t.host.run(f"vmgdb-run --gdb {spec}")
            equal(said.status, 1, said.err)
            expect(text, said.err)


@case("vsock")
def modules(t):
    """vsock, without its kernel modules the error names the missing one"""
    order = ("vsock", "vmw_vsock_virtio_transport_common", "vsock_loopback")

    def remove(*names):  # a closed socket may keep its module in use for 8 s
        for name in names:
            eventually(lambda: t.host.run(f"rmmod {name}").status == 0, f"rmmod {name}")

    if "vsock_loopback" not in t.host.run("cat /proc/modules").out:
        raise NotApplicable("AF_VSOCK is built into this kernel")
    try:
        remove("vsock_loopback")
        expect(r"is the module vsock_loopback loaded\?", t.host.connect("--probe vsock:1:5", status=2))
        remove("vhost_vsock", "vmw_vsock_virtio_transport_common", "vsock")
        for command, status in (("vmgdb-connect --probe vsock:1:5", 2), ("vmgdb-run --gdb vsock:0", 1)):
            done = t.host.run(command)
            equal(done.status, status, done.err)
            expect(r"is the module vsock loaded\?", done.err)
    finally:
        t.host.run("; ".join(f"insmod /modules/{name}.ko" for name in (*order, "vhost_vsock")))
    with inside(t, "vsock:0") as job:
        t.host.probe(f"vsock:1:{port_of(job)}")


@case("no-vsock")
def no_modules(t):
    """on a kernel without vsock and virtio-serial the errors name what is missing"""
    for arguments, text in (("vsock:1:5", "is the module vsock loaded"),
                            ("virtio:org.vmgdb.0", "is the module virtio_console loaded")):
        expect(text, t.host.connect(f"--probe {arguments}", status=2))


@case("vsock")
def byte_exact(t):
    """vsock, 1 MiB each way, through a bridge that dials and one that listens"""
    exchange_files(t.host, "--accept vsock::7008", "vsock:1:7008")
