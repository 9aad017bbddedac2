# SPDX-License-Identifier: MIT
"""Where vmgdb-run runs: this machine, or an emulated one (tests/lab) that is reached from here.

A host has a name, an architecture, the gdb that debugs its guests, the links by which a debugger
can come (the first is the usual one), how many tests may run at a time, and its traits: what its
KVM can do. A test that needs a trait which the host has not is not applicable there, by name.
"""

import fcntl
import os
from pathlib import Path
import platform
import re
import signal
import subprocess
import sys
import time

ROOT = Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("O", "build")).resolve()

KVM_GET_API_VERSION = 0xAE00

TRAITS = {
    "swbreak": "software breakpoints do not reach KVM",
    "hwbreak": "hardware breakpoints do not fire",
    "real-swbreak": "software breakpoints in real mode do not reach KVM",
    "user-swbreak": "software breakpoints in user mode do not reach KVM",
    "user-hwbreak": "hardware breakpoints in user mode do not fire",
    "watch": "data watchpoints do not fire",
    "paging-32": "guests can't have 32-bit paging",
    "irq": "interrupts do not reach a guest that computes",
    "int-n": "KVM's instruction emulator can't run INT n",
    "shutdown": "AMD's KVM resets a vCPU at a triple fault",
    "bulk": "this line is too slow for so much",
    "ports": "there are no virtio-serial ports",
    "connects": "this line has one debugger, and does not end with the VMM",
    "hangup": "this line does not tell that the debugger has left",
    "sve": "the CPU has no SVE",
    "pauth": "the CPU has no pointer authentication",
    "local": "needs files or processes beside vmgdb-run",
    "x86": "a test of x86",
    "arm64": "a test of arm64",
}
OTHER = {"bulk", "connects", "hangup", "local", "ports", "x86", "arm64"}
FEATURES = {"sve", "pauth"}
HARDWARE = set(TRAITS) - OTHER - FEATURES  # of KVM


def why_no_kvm():
    """Why /dev/kvm can't be used here, or an empty string. KVM API, 4.1."""
    if os.environ.get("VMGDB_KVM") == "none":
        return "/dev/kvm is not used (VMGDB_KVM=none)"
    try:
        with open("/dev/kvm", "r+b", buffering=0) as kvm:
            version = fcntl.ioctl(kvm, KVM_GET_API_VERSION)
            return "" if version == 12 else f"/dev/kvm has API version {version}"
    except OSError as e:
        return f"/dev/kvm can't be used: {e.strerror}"


def default_signals():
    """Gives what is started from here the signals' default actions, also where this program was
    started with some of them ignored, as by nohup or in a script's background: it goes on ignoring
    them itself. vmgdb-run respects what is ignored, and tests end it by SIGINT."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


class TestTimeout(Exception):
    """Something did not come in time."""


class Process:
    """A program on this machine. It ends with the thread that started it, whatever ends that."""

    def __init__(self, argv, folder, **options):
        self.argv = [str(a) for a in argv]
        self._paths = [folder / "out", folder / "err"]
        with open(self._paths[0], "wb") as out, open(self._paths[1], "wb") as err:
            options = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": err, **options}
            self._process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *self.argv],
                                             cwd=ROOT, start_new_session=True, **options)

    @property
    def pid(self):
        return self._process.pid

    @property
    def out(self):
        return self._paths[0].read_text(errors="replace")

    @property
    def err(self):
        return self._paths[1].read_text(errors="replace")

    @property
    def status(self):
        """As a shell has it: 128 + the signal that ended it; None while it runs."""
        status = self._process.poll()
        return 128 - status if status is not None and status < 0 else status

    def wait(self, timeout=10):
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TestTimeout(f"{self.argv[0]} did not end within {timeout} s") from None
        return self.status

    def wait_for(self, pattern, timeout=10):
        """Waits until it has printed what matches; returns the match."""
        end = time.monotonic() + timeout
        while True:
            ended = self.status is not None
            found = re.search(pattern, self.out, re.M) or re.search(pattern, self.err, re.M)
            if found:
                return found
            if ended or time.monotonic() > end:
                how = f"it ended with status {self.status}" if ended else f"within {timeout} s"
                raise TestTimeout(f"{' '.join(self.argv)} did not print {pattern!r}: {how}; "
                                  f"it said: {self.out[-500:]}{self.err[-500:]}")
            time.sleep(0.003)

    def kill(self, number=signal.SIGKILL):
        if self.status is None:
            self._process.send_signal(number)


class LocalHost:
    """This machine and its /dev/kvm."""

    name = "local"
    links = ("unix", "tcp", "pty")
    jobs = 4
    slow = 1  # how many times longer than on a fast machine things may take
    transcripts = False  # each VM writes one, for people
    # Links that show no difference between a debugger that left and one that attaches at once: s to wait
    PAUSE = {"pty": 0.03}
    single = frozenset()  # kinds of links of which there is one

    def __init__(self):
        self.arch = {"x86_64": "x86", "aarch64": "arm64"}[platform.machine()]
        self.gdb = "gdb"
        self.build = BUILD
        self.traits = {"local", self.arch} | self._kvm_traits()

    def _kvm_traits(self):
        if self.arch != "x86":
            return HARDWARE
        found = set(subprocess.run([BUILD / "tests/kvmtraits"], check=True, text=True, timeout=60,
                                   stdout=subprocess.PIPE).stdout.split())
        if "user-hwbreak" in found:  # else instructions are emulated
            found.add("int-n")
        return found if Path("/sys/module/kvm_amd").exists() else found | {"shutdown"}

    def start(self, arguments, folder):
        return Process([BUILD / "vmgdb-run", *arguments], folder)

    def spec(self, link, folder, number):
        """The endpoint for a link of this kind."""
        return {"unix": f"unix:{folder}/gdb{number}", "tcp": "tcp:0", "pty": "pty"}[link]

    def reach(self, link, said):
        """What gdb takes to reach what vmgdb-run says its `target remote` is."""
        return said

    def close(self):
        pass


class LabHost:
    """A machine in tests/lab. vmgdb-run is inside, gdb outside."""

    jobs = 2
    transcripts = False
    PAUSE = {"virtio": 0.05, "virtio-pty": 1.5, "serial": 0.5}
    PORTS = {"virtio": "org.vmgdb.0", "virtio-pty": "org.vmgdb.1"}
    single = frozenset((*PORTS, "serial"))
    KINDS = {
        "arm64": {"arch": "arm64", "links": ("tcp", "virtio"), "traits": HARDWARE, "slow": 4,
                  "smp": 2},
        "svm": {"arch": "x86", "links": ("tcp", "virtio"), "traits": {"irq", "int-n"}, "slow": 4,
                "smp": 2},
        "vtx": {"arch": "x86", "links": ("serial",), "traits": HARDWARE, "slow": 8,
                "smp": 1},  # with two CPUs it is half as fast; guests have two all the same
    }

    def __init__(self, target):
        sys.path.insert(0, str(ROOT / "tests/lab"))
        import lab
        kind = self.KINDS[target.partition(":")[0]]
        self.name = target
        self.arch = kind["arch"]
        self.links = kind["links"]
        self.slow = kind["slow"]
        self.traits = {self.arch} | kind["traits"] | (FEATURES if target == "arm64:sve" else set())
        if "virtio" in self.links:
            self.traits.add("ports")
        if target in ("arm64:nvhe", "arm64:sve"):  # what the processor is, links do not see
            self.links = self.links[:1]
        native = platform.machine() == {"x86": "x86_64", "arm64": "aarch64"}[self.arch]
        self.gdb = "gdb" if native else "gdb-multiarch"
        self.build = BUILD if native else BUILD / self.arch
        self._lab = lab.boot(target, smp=kind["smp"], lifetime=1800,
                             files=[self.build / "static/vmgdb-run"])

    def start(self, arguments, folder):
        return self._lab.spawn(["vmgdb-run", *arguments])

    def spec(self, link, folder, number):
        if link in self.PORTS:
            return f"virtio:{self.PORTS[link]}"
        return {"tcp": f"tcp:{self._lab.address}:0", "serial": "serial:/dev/ttyS1"}[link]

    def reach(self, link, said):
        if link in self.PORTS:
            return self._lab.port(self.PORTS[link])
        if link == "serial":
            return self._lab.serial("pty")
        return f"127.0.0.1:{self._lab.tcp(int(said.rpartition(':')[2]))}"

    def close(self):
        self._lab.close()


def open_host(target):
    if target != "local" and target.partition(":")[0] not in LabHost.KINDS:
        sys.exit(f"no host {target}: local, or one of {', '.join(LabHost.KINDS)} with :CPU")
    return LocalHost() if target == "local" else LabHost(target)
