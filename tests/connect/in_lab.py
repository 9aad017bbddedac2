#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Transports that need a kernel of their own, on a lab host: in_lab.py HOST:CPU [REGEX]

AF_VSOCK over the loopback CID, virtio-serial ports with a unix socket and a pty outside, and on vtx
a serial line. What answers is vmgdb-run inside, with a nested guest; $O is the build folder.
"""

import contextlib
import os
from pathlib import Path
import re
import select
import socket
import subprocess
import sys
import time
import tty

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/lab"))

import lab  # noqa: E402

OUT = (ROOT / os.environ.get("O", "build")).resolve()
CONNECT = OUT / "vmgdb-connect"
GREETING = b"+$qSupported:multiprocess+;swbreak+;hwbreak+;vContSupported+#a4+$QStartNoAckMode#b0+"
TIMES = 200
TESTS = {}


class NotApplicable(Exception):
    pass


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def test(name):
    def add(function):
        TESTS[name] = function
        return function
    return add


# Inside

@contextlib.contextmanager
def vmm(host, *specs):
    """vmgdb-run with these endpoints; yields the job."""
    check(not host.vtx or len(specs) == 1, "one line")
    options = " ".join(f"--gdb {spec}" for spec in specs)
    job = host.spawn(f"vmgdb-run --guest demo {options} </dev/null")
    try:
        job.wait_for("demo: 1 ticks", 60)
        yield job
    finally:
        job.kill()
        job.wait(20)


def vsock_ports(job):
    return [int(port) for port in re.findall(r"vmgdb-connect vsock:\d+:(\d+)", job.out + job.err)]


def inside(host, arguments, status=0, timeout=60):
    """vmgdb-connect inside: what it said."""
    done = host.run(f"vmgdb-connect {arguments}", timeout)
    check(done.status == status, f"vmgdb-connect {arguments}: {done.status} instead of {status}: "
                                 f"{done.out}{done.err}")
    return done.out + done.err


def check_probe(text):
    for word in ("a GDB stub answers", "vmgdb", "vCPUs", "round trip"):
        check(word in text, f"no {word!r} in {text!r}")


def need_vsock(host):
    if host.vtx:
        raise NotApplicable("the vtx host has no AF_VSOCK")


def need_virtio(host):
    if host.vtx:
        raise NotApplicable("the vtx host has no virtio-serial ports")


def switches(host, seconds):
    """How often vmgdb-connect, which has one thread, is woken in so many seconds."""
    count = "awk '/^voluntary/ {print $2}' /proc/$(pidof vmgdb-connect)/status"
    before, after = host.run(f"{count}; sleep {seconds}; {count}").out.split()
    return int(after) - int(before)


@test("vsock, a probe by the loopback CID")
def vsock_probe(host):
    need_vsock(host)
    with vmm(host, "vsock:0") as job:
        for _ in range(3):
            check_probe(inside(host, f"--probe vsock:1:{vsock_ports(job)[0]}"))


@test("vsock, the printed line works as it is")
def vsock_printed(host):
    need_vsock(host)
    with vmm(host, "vsock:0") as job:
        found = re.search(r"vmgdb-connect (vsock:\d+:\d+)", job.out + job.err)
        check_probe(inside(host, f"--probe {found[1]}"))


@test("vsock, a VM that dials")
def vsock_dials(host):
    need_vsock(host)
    with vmm(host, "vsock:1:7007,dial"):
        for _ in range(3):
            check_probe(inside(host, "--probe --accept vsock::7007"))


@test("vsock, allow= refuses a CID by name")
def vsock_allow(host):
    need_vsock(host)
    with vmm(host, "vsock:0,allow=77") as job:
        inside(host, f"--probe vsock:1:{vsock_ports(job)[0]}", status=2)
        job.wait_for(r"refused: cid \d+ port \d+ is not allowed", 10)


@test("vsock, errors tell what is missing")
def vsock_errors(host):
    need_vsock(host)
    for spec, text in (("vsock:1:99999", "nobody listens on that port"),
                       ("vsock:42:99999", "No such device")):
        said = inside(host, f"--probe {spec}", status=2)
        check(text in said, said)
    with vmm(host, "vsock:0") as job:
        port = vsock_ports(job)[0]
        said = inside(host, f"--listen vsock:{port} tcp:1", status=2)
        check(f"another process listens on port {port}" in said, said)


@test("vsock, 1 MiB each way")
def vsock_bytes(host):
    need_vsock(host)
    done = host.run(
        "cd /tmp; for f in a b; do dd if=/dev/urandom of=$f bs=1k count=1024 2>/dev/null; done;"
        "(cat a; sleep 5) | vmgdb-connect --accept vsock::7008 >b2 2>/dev/null & sleep 1;"
        "(cat b; sleep 3) | vmgdb-connect vsock:1:7008 >a2; wait;"
        "cmp a a2 && cmp b b2 && echo same; ls -l a a2 b b2", 60)
    check("same" in done.out, done.out + done.err)


@test(f"vsock, {TIMES} debuggers that leave at any byte")
def vsock_times(host):
    need_vsock(host)
    with vmm(host, "vsock:0") as job:
        port = vsock_ports(job)[0]
        fds = "ls /proc/$(pidof vmgdb-run)/fd | wc -l"
        before = host.run(fds).out
        text = GREETING.decode()
        done = host.run(f"i=0; while [ $i -lt {TIMES} ]; do n=$((i % {len(text)}));"
                        f"echo '{text}' | head -c $n | vmgdb-connect vsock:1:{port} >/dev/null"
                        " || exit 1; i=$((i + 1)); done", 300)
        check(done.status == 0, done.err)
        check_probe(inside(host, f"--probe vsock:1:{port}"))
        check(host.run(fds).out == before, "descriptors are left open")


@test("virtio, errors tell what is missing")
def virtio_errors(host):
    need_virtio(host)
    said = inside(host, "--probe virtio:nobody", status=2)
    check("no virtio-serial port is called 'nobody'" in said, said)
    with vmm(host, "virtio:org.vmgdb.0"):
        begin = time.monotonic()
        said = inside(host, "--probe virtio:org.vmgdb.0", status=2)
        check("is in use by another process" in said, said)
        check(time.monotonic() - begin < 10, "it takes too long to say so")


@test("virtio, waiting costs nothing, before and after a debugger")
def virtio_idle(host):
    """The bridge, too, takes debuggers from a port, and with nothing else to do."""
    need_virtio(host)
    job = host.spawn("vmgdb-connect --listen virtio:org.vmgdb.0 unix:/nonexistent")
    try:
        job.wait_for("waiting for a debugger", 10)
        for _ in range(2):
            time.sleep(1)
            found = switches(host, 3)
            check(found <= 1, f"{found} wake-ups in 3 s")
            with opened(host.port("org.vmgdb.0")) as fd:
                os.write(fd, b"+")
                job.wait_for("a debugger has come", 10)
    finally:
        job.kill()


@test("virtio, by the name of its device")
def virtio_device(host):
    need_virtio(host)
    found = host.run("grep -l '^org.vmgdb.0$' /sys/class/virtio-ports/*/name").out.split("/")[-2]
    with vmm(host, f"virtio:/dev/{found}"):
        check_probe(outside(f"unix:{host.port('org.vmgdb.0')}"))


@test("virtio, the bridge is inside and the stub outside")
def virtio_bridge(host):
    """What the bridge sends comes out, and what is answered comes in; the other end comes late."""
    need_virtio(host)
    job = host.spawn("(printf '+$qC#b4'; sleep 8) | vmgdb-connect virtio:org.vmgdb.0")
    try:
        time.sleep(1)
        with opened(host.port("org.vmgdb.0")) as fd:
            check(receive(fd, 7) == b"+$qC#b4", "the packet")
            os.write(fd, b"+$QC1#c5")
            job.wait_for(r"\+\$QC1#c5", 10)
        job.wait_for("has closed the connection", 10)
        check(job.wait(20) == 2, job.err)
    finally:
        job.kill()


# Outside

@contextlib.contextmanager
def opened(path):
    """A descriptor of a unix socket or of a pty."""
    if Path(path).is_socket():
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)
            yield s.fileno()
        return
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        tty.setraw(fd)
        yield fd
    finally:
        os.close(fd)


def receive(fd, size, timeout=20):
    data, end = b"", time.monotonic() + timeout
    while len(data) < size and select.select([fd], [], [], max(0, end - time.monotonic()))[0]:
        piece = os.read(fd, size - len(data))
        if not piece:
            break
        data += piece
    return data


def outside(spec, status=0):
    """A probe from here."""
    done = subprocess.run([CONNECT, "--probe", spec], capture_output=True, text=True, timeout=60)
    check(done.returncode == status, f"{done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def gdb_session(host, spec):
    """A stock gdb through the bridge: looks, steps, lets go."""
    gdb = "gdb" if host.native else "gdb-multiarch"
    command = [gdb, "-nx", "-batch", "-ex", "set confirm off",
               "-ex", f"target remote | {CONNECT} {spec}",
               "-ex", "x/16xb test_data", "-ex", "info threads", "-ex", "stepi", "-ex", "stepi",
               "-ex", "detach", str(host.demo)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    text = done.stdout + done.stderr
    for word in ("0x0d\t0x0e\t0x0f", "CPU 0", "detached"):
        check(word in text, text[-800:])


def times(host, path, spec, count):
    """Debuggers that leave at any byte; some of them, and one at the end, are served."""
    for i in range(count):
        with opened(path) as fd:
            if i % 20 == 0:  # it takes QEMU up to a second to see that a pty is open
                os.write(fd, GREETING)
                check(receive(fd, 1), f"no answer to debugger {i}")
                continue
            os.write(fd, GREETING[:1 + i % len(GREETING)])
            if i % 3 == 0:
                select.select([fd], [], [], 0.05)
    check_probe(outside(spec))


def links(host):
    """The ways from here to an endpoint inside, as (name, endpoint, path, spec)."""
    if host.vtx:
        path = host.serial("pty")
        return [("serial", "serial:/dev/ttyS1", path, f"serial:{path}")]
    sock, terminal = host.port("org.vmgdb.0"), host.port("org.vmgdb.1")
    return [("virtio, a unix socket outside", "virtio:org.vmgdb.0", sock, f"unix:{sock}"),
            ("virtio, a pty outside", "virtio:org.vmgdb.1", terminal, f"serial:{terminal}")]


def link_tests(host):
    """The same tests for each way; a pty takes QEMU up to a second to see."""
    for name, endpoint, path, spec in links(host):
        def probe(host, endpoint=endpoint, spec=spec):
            with vmm(host, endpoint):
                for _ in range(3):
                    check_probe(outside(spec))

        def gdb(host, endpoint=endpoint, spec=spec):
            with vmm(host, endpoint):
                for _ in range(3):
                    gdb_session(host, spec)

        def leave(host, endpoint=endpoint, path=path, spec=spec):
            with vmm(host, endpoint):
                times(host, path, spec, TIMES)

        yield f"{name}, a probe from outside", probe
        yield f"{name}, gdb from outside through the bridge", gdb
        yield f"{name}, {TIMES} debuggers that leave at any byte", leave


def result(name, function, host):
    try:
        function(host)
    except NotApplicable as e:
        return f"na {name}: {e}"
    except Exception as e:  # whatever a test raises is its failure
        return f"not ok {name}: {' '.join(str(e).split()) or type(e).__name__}"
    return f"ok {name}"


def main(target, pattern=""):
    kind, _, cpu = target.partition(":")
    if kind == "arm64" and cpu and cpu != "vhe":
        print("na transports: they are the same on each arm64 CPU; shown on vhe")
        return 0
    arch = "arm64" if kind == "arm64" else "x86"
    native = os.uname().machine == {"x86": "x86_64", "arm64": "aarch64"}[arch]
    build = OUT if native else OUT / arch
    files = [build / "static/vmgdb-run", build / "static/vmgdb-connect"]
    with lab.boot(target, smp=2, files=files) as host:
        host.vtx, host.native, host.demo = kind == "vtx", native, build / "guests/demo.elf"
        for name, function in [*TESTS.items(), *link_tests(host)]:
            if re.search(pattern, name):
                print(result(name, function, host), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
