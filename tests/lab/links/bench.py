# SPDX-License-Identifier: MIT
"""A lab host with vmgdb-run and vmgdb-connect inside, for the tests of tests/gdb/cases.py's kind.

The links, each from a debugger outside to the stub inside (tests/gdb/run has tcp):

    vsock       a forwarded port, and vmgdb-connect inside that relays it to AF_VSOCK's loopback CID
    virtio      a virtio-serial port that is a unix socket outside
    virtio-pty  a virtio-serial port that is a pty outside
    serial      /dev/ttyS1, a pty outside (vtx) or a unix socket (svm)
"""

import contextlib
from pathlib import Path
import platform
import re
import sys
import time

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests/gdb"), str(ROOT / "tests/lab")]

from cases import check, equal, expect  # noqa: E402
from hosts import BUILD, TRAITS, LabHost, Process  # noqa: E402
import lab  # noqa: E402
from links.guest import Guest  # noqa: E402

CONNECT = BUILD / "static/vmgdb-connect"  # of this machine
OUTSIDE = {"virtio": "org.vmgdb.0", "virtio-pty": "org.vmgdb.1"}
TRAITS.update({
    "vsock": "the host has no AF_VSOCK",
    "no-vsock": "the host has AF_VSOCK",
    "virtio": "the host has no virtio-serial ports",
    "line": "the host has no serial line",
    "vhost": "the QEMU for a guest of the lab's host is this machine's: for x86",
    "break": "the emulator's line is a socket, which carries no BREAK",
})


class Bench(LabHost):
    jobs = 1
    PAUSE = {"virtio-pty": 0.2}
    LINKS = {"arm64": ("vsock", *OUTSIDE), "svm": (*OUTSIDE, "serial"), "vtx": ("serial",)}
    WAYS = {"arm64": {"vsock", "virtio"}, "svm": {"vsock", "virtio", "line", "break"},
            "vtx": {"line", "no-vsock"}}
    LINE = {"svm": "unix", "vtx": "pty"}

    def __init__(self, target):
        self.name = target
        self.kind = name = target.partition(":")[0]
        kind = self.KINDS[name]
        self.arch = kind["arch"]
        self.links = self.LINKS[name]
        self.slow = kind["slow"]
        native = platform.machine() == {"x86": "x86_64", "arm64": "aarch64"}[self.arch]
        self.gdb = "gdb" if native else "gdb-multiarch"
        self.build = BUILD if native else BUILD / self.arch
        self.traits = {self.arch} | kind["traits"] | self.WAYS[name]
        if native and name == "svm":
            self.traits.add("vhost")
        self._bridges = []
        self._guest = None
        self._programs = [self.build / "static/vmgdb-run", self.build / "static/vmgdb-connect"]
        self._lab = lab.boot(target, smp=2, files=self._programs)

    # What tests/gdb/vm.py uses of a host

    def start(self, arguments, folder):
        while self._bridges:
            self._bridges.pop().kill()
        return self._lab.spawn(["vmgdb-run", *arguments])

    def spec(self, link, folder, number):
        if link == "vsock":
            return "vsock:0"
        if link in OUTSIDE:
            return f"virtio:{OUTSIDE[link]}"
        return super().spec(link, folder, number)

    def reach(self, link, said):
        if link == "vsock":
            return self.listen_for(re.search(r"vsock:\d+:\d+", said)[0])
        if link in OUTSIDE:
            return self.port(OUTSIDE[link])
        return self._lab.serial(self.LINE[self.kind]) if link == "serial" else super().reach(link, said)

    # Only for the tests in links/

    def guest(self):
        """A guest with its own CID, on another host of this kind."""
        self._guest = self._guest or Guest(self._programs)
        return self._guest

    def close(self):
        if self._guest:
            self._guest.close()
        super().close()

    def port(self, name):
        return self._lab.port(name)

    def line(self):
        """The serial line as a unix socket."""
        return self._lab.serial("unix")

    def send_break(self):
        self._lab.send_break()

    def spawn(self, command, **options):
        return self._lab.spawn(command, **options)

    def run(self, command, timeout=60):
        return self._lab.run(command, timeout)

    def listen_for(self, *arguments):
        """vmgdb-connect --listen tcp inside, with arguments: what gdb outside connects to.""" 
        job = self.spawn(["vmgdb-connect", "--listen", f"tcp:{self._lab.address}:0", *arguments])
        self._bridges.append(job)
        port = int(job.wait_for(r"target remote [\d.]+:(\d+)")[1])
        return f"127.0.0.1:{self._lab.tcp(port)}"

    def connect(self, arguments, status=0, timeout=60):
        """Runs vmgdb-connect inside to its end; returns what it printed."""
        done = self.run(f"vmgdb-connect {arguments}", timeout)
        equal(done.status, status, f"status of vmgdb-connect {arguments}: {done.out}{done.err}")
        return done.out + done.err

    def probe(self, spec, options=""):
        check_probe(self.connect(f"--probe {options} {spec}"))


class FakeVm:
    """The part of a Vm that Test.gdb() uses."""

    def __init__(self, elf, target):
        self.elf = elf
        self.targets = [target]


def exchange_files(host, one, other):
    """1 MiB each way between two vmgdb-connect on a host, the first of which accepts. Each keeps its
    input open until both files have arrived."""
    done = host.run(
        "cd /tmp; for f in a b; do dd if=/dev/urandom of=$f bs=1k count=1024 2>/dev/null; done;"
        "arrived() { until [ $(cat a2 b2 | wc -c) -ge 2097152 ]; do sleep 0.1; done; }; >a2; >b2;"
        f"(cat a; arrived) | vmgdb-connect {one} >b2 2>err &"
        f"(cat b; arrived) | vmgdb-connect --reconnect {other} >a2; wait;"
        "cmp a a2 && cmp b b2 && echo same; cat err; rm -f a b a2 b2 err", 60)
    expect("^same$", done.out, done.err)


def check_probe(text):
    for word in ("a GDB stub answers", "vmgdb", "vCPUs", "round trip"):
        check(word in text, f"no {word!r} in {text!r}")


@contextlib.contextmanager
def inside(t, *specs, arguments=()):
    """vmgdb-run with these endpoints, by their specs inside: its job."""
    options = [word for spec in specs for word in ("--gdb", spec)]
    job = t.host.start(["--guest", "demo", *options, *arguments], t.folder)
    try:
        job.wait_for(rf"(?:^(?:gdb -ex |.*a debugger can attach at ).*\n){{{len(specs)}}}", 60)
        yield job
    finally:
        job.kill()
        job.wait(20)


def port_of(job, number=0):
    """The AF_VSOCK port that vmgdb-run has printed."""
    return re.findall(r"vmgdb-connect vsock:\d+:(\d+)", job.err + job.out)[number]


def bridge(t, *arguments):
    """Starts vmgdb-connect on this machine, in the background."""
    process = Process([CONNECT, *arguments], t.new_folder())
    t.defer(process.kill)
    return process


def probe_here(t, spec):
    """vmgdb-connect --probe on this machine finds a stub."""
    process = bridge(t, "--probe", spec)
    equal(process.wait(60), 0, process.err)
    check_probe(process.out)


def eventually(condition, what, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < end, f"{what}, not within {seconds} s")
        time.sleep(0.02)
