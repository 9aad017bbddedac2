# SPDX-License-Identifier: MIT
"""What a test is, and how it is run.

    @case(needs="swbreak", links=ALL, cpus=(1, 2))
    def break_in_leaf(t):
        \"\"\"a breakpoint in leaf\"\"\"
        vm = t.vm()
        ...

The first line of the docstring is the test's name. It runs once for each kind of link (ALL: those
that the host has; default: the host's usual one) and number of vCPUs; t.link and t.cpus say which.
On a slow host the other links have one number of vCPUs only.
A host that lacks a trait that the test needs: the test does not apply there.
"""

from concurrent.futures import ThreadPoolExecutor
import contextlib
import itertools
from pathlib import Path
import re
import tempfile
import threading
import time
import traceback
from typing import NamedTuple

import debugger
from elf import Elf
from hosts import ROOT, TRAITS
from rsp import number
from vm import Vm

ALL = "all"
CASES = []


class NotApplicable(Exception):
    """The test can't say anything here; the text tells why."""


class Case(NamedTuple):
    name: str
    function: object
    needs: tuple
    links: object
    cpus: tuple
    alone: bool
    shares: bool


def case(needs="", links=None, cpus=(1,), alone=False, shares=False):
    """alone: it measures time, so nothing else runs beside it. shares: what it looks at is made once
    for several tests."""
    def add(function):
        name = function.__doc__.strip().splitlines()[0]
        needed = tuple(needs.split())
        assert ": " not in name and " (" not in name, name
        assert set(needed) <= set(TRAITS), needs
        assert name not in [c.name for c in CASES], name
        CASES.append(Case(name, function, needed, links, cpus, alone, shares))
        return function
    return add


class Variant(NamedTuple):
    case: Case
    link: str
    cpus: int

    @property
    def name(self):
        parts = [self.link] if self.case.links == ALL else []
        if len(self.case.cpus) > 1:
            parts.append(f"{self.cpus} vCPU{'s' * (self.cpus > 1)}")
        return self.case.name + (f" ({', '.join(parts)})" if parts else "")


def variants(host):
    for c in CASES:
        links = host.links if c.links == ALL else (c.links or host.links[:1])
        for link, cpus in itertools.product(links, c.cpus):
            if host.slow == 1 or link == host.links[0] or cpus == c.cpus[0]:
                yield Variant(c, link, cpus)


def part(chosen, k, n):
    """The k-th of n parts; tests that share something are in one, the last."""
    shared = [v for v in chosen if v.case.shares]
    others = [v for v in chosen if not v.case.shares]
    return others[k - 1::n] + (shared if k == n else [])


def why_not(host, variant):
    """Why the test does not apply to the host or the link, or None."""
    traits = host.traits | ({"hangup", "bulk"} if variant.link != "serial" else set())
    traits |= {"connects"} if variant.link not in host.single else set()
    lacking = [trait for trait in variant.case.needs if trait not in traits]
    return TRAITS[lacking[0]] if lacking else None


def check(condition, *what):
    """what: shown when it does not hold."""
    if not condition:
        raise AssertionError(" | ".join(str(w) for w in what))


def equal(got, expected, what=""):
    check(got == expected, f"{what}: got {shown(got)}, expected {shown(expected)}")


def shown(value):
    return f"{value:#x}" if isinstance(value, int) and abs(value) > 9 else repr(value)


def expect(pattern, text, what=""):
    """text has what matches the pattern; returns the match."""
    found = re.search(pattern, text, re.M)
    check(found, f"{what} no {pattern!r} in {text!r}")
    return found


def pc_of(t, client, reply):
    """The program counter, which a stop reply has."""
    n = client.registers[t.pc].number
    return number(expect(rf";{n:02x}:([0-9a-f]+);", reply, "pc in the stop reply,").group(1))


def old_and_new(text):
    """The two values that gdb tells when a watchpoint is hit."""
    return tuple(map(int, expect(r"Old value = (\d+)\nNew value = (\d+)", text).groups()))


def line_of(text, file="host-tools/vmgdb-run/guests/demo.c"):
    """The number of the line of a source file that has this text."""
    lines = (ROOT / file).read_text().splitlines()
    found = [n for n, line in enumerate(lines, 1) if text in line]
    check(len(found) == 1, f"{text!r} is on {len(found)} lines of {file}")
    return found[0]


class Test:
    """One run of a test: what it has started is ended with it."""

    def __init__(self, host, variant, folder):
        self.host = host
        self.link = variant.link
        self.cpus = variant.cpus
        self.folder = folder
        self.vms = []
        self._stack = contextlib.ExitStack()
        self._elfs = {}
        self._wrong = []

    @property
    def pc(self):
        """The program counter's name."""
        return "rip" if self.host.arch == "x86" else "pc"

    @property
    def connects(self):
        """Whether the link has connections, which end with the VMM."""
        return self.link not in self.host.single

    @property
    def sp(self):
        return "rsp" if self.host.arch == "x86" else "sp"

    @property
    def kind(self):
        """The kind of a breakpoint in Z0 and Z1: the size of the instruction."""
        return 1 if self.host.arch == "x86" else 4

    def new_folder(self):
        return Path(tempfile.mkdtemp(dir=self.folder))

    def vm(self, guest="demo", links=None, cpus=None, **options):
        """Starts a guest that a debugger can reach by this variant's link."""
        cpus = cpus or self.cpus
        links = links or [self.link]
        self._free(links)
        vm = Vm(self.host, self.new_folder(), guest, cpus, links, **options)
        self.vms.append(vm)
        if guest == "demo" and cpus > 1 and options.get("up", True) and not options.get("wait"):
            self._workers_up(vm, cpus)
        return vm

    def _free(self, links):
        """A link of which the host has only one is taken from the VM that has it: that one ends."""
        for vm in self.vms:
            if self.host.single & vm.kinds & {link.partition(",")[0] for link in links}:
                self._end(vm)

    def _end(self, vm):
        """Ends a VM; again is no error."""
        try:
            vm.leave()
            self._wrong.append(vm.end())
        except Exception as e:  # noqa: BLE001
            vm.process.kill()
            self._wrong.append(str(e))

    def _workers_up(self, vm, cpus):
        """Waits until all vCPUs of the demo guest have counted."""
        counters = self.elf(vm)["worker_counter"]
        end = time.monotonic() + 10 * self.host.slow
        while True:
            with vm.rsp() as client:
                client.hello()
                up = all(client.long(counters + 8 * i) for i in range(1, cpus))
                equal(client.ask("D"), "OK", "D")
            if up:
                return
            check(time.monotonic() < end, "not all vCPUs of the demo guest have started")
            time.sleep(0.01)

    def rsp(self, vm, link=0):
        """A raw client that has said nothing yet."""
        client = vm.rsp(link)
        vm.debuggers.append(client)
        return client

    def client(self, vm, link=0):
        """A raw client that has said hello, and what gdb asks first; the guest is stopped."""
        client = self.rsp(vm, link).hello()
        reply = client.ask("?")
        check(reply.startswith(("T05", "T02", "S05", "S02")), f"? says {reply!r}")
        return client

    def gdb(self, vm, *commands, link=0, attach=True, timeout=20, elf=True):
        """gdb -batch: attaches, runs the commands, ends; returns what each of them printed."""
        first = [f"target remote {vm.targets[link]}"] if attach else []
        said = debugger.batch(self.host.gdb, vm.elf if elf else None, first + list(commands),
                              self.folder, timeout * self.host.slow)
        return said[len(first):]

    def mi(self, vm=None, elf=True, before=()):
        """gdb over MI, attached if vm is given, after these commands."""
        mi = debugger.Mi(self.host.gdb, vm.elf if vm and elf else None, self.folder,
                         20 * self.host.slow)
        self._stack.callback(mi.close)
        for command in before:
            mi.console(command)
        if vm:
            vm.debuggers.append(mi)
            mi.command(f"-target-select remote {vm.target}")
            mi.stopped()
        return mi

    def lldb(self, vm, *commands, timeout=60):
        return debugger.lldb(vm.elf, commands, self.folder, timeout * self.host.slow)

    def elf(self, vm):
        return self._elfs.setdefault(vm.elf, Elf(vm.elf))

    def defer(self, function, *arguments):
        """Calls it when the test ends."""
        self._stack.callback(function, *arguments)

    def close(self):
        """Ends all; returns what was not clean."""
        self._stack.close()
        for vm in self.vms:
            self._end(vm)
        return [w for w in self._wrong if w]

    def story(self):
        """What the VMMs said, for people."""
        for vm in self.vms:
            yield f"$ vmgdb-run {' '.join(vm.argv)}"
            for text in (vm.messages, vm.console):
                yield from (f"    {line}" for line in text.splitlines()[-8:])
            log = vm.folder / "log"
            if log.exists():
                yield from (f"    {line[:200]}" for line in
                            log.read_text(errors="replace").splitlines()[-40:])


def one_line(text, limit=1200):
    line = " / ".join(part.strip() for part in str(text).splitlines() if part.strip())
    return line if len(line) <= limit else line[:limit // 2] + " ... " + line[-limit // 2:]


def run_variant(host, variant, folder):
    """Returns the result line, and more for people if it failed."""
    reason = why_not(host, variant)
    if reason:
        return f"na {variant.name}: {reason}", []
    test = Test(host, variant, folder)
    story, wrong = [], None
    try:
        variant.case.function(test)
    except NotApplicable as e:
        test.close()
        return f"na {variant.name}: {e}", []
    except Exception as e:  # noqa: BLE001 (whatever it is, the test has failed by it)
        wrong = f"{type(e).__name__} {e}"
        story = [line for part in traceback.format_exception(e)[1:-1]
                 for line in part.splitlines()]
    unclean = test.close()
    wrong = wrong or "; ".join(unclean)
    if not wrong:
        return f"ok {variant.name}", []
    return f"not ok {variant.name}: {one_line(wrong)}", [*story, *test.story()]


class Run:
    def __init__(self, host, folder, show):
        self.host = host
        self.folder = folder
        self.show = show
        self.lock = threading.Lock()
        self.failed = 0
        self.count = 0

    def one(self, variant):
        begin = time.monotonic()
        line, story = run_variant(self.host, variant, Path(tempfile.mkdtemp(dir=self.folder)))
        with self.lock:
            self.count += 1
            self.failed += line.startswith("not ok")
            self.show(line, story, time.monotonic() - begin)

    def all(self, chosen, jobs):
        together = [v for v in chosen if not v.case.alone]
        queue = [v for v in together if v.link in self.host.single]  # one after the other
        with ThreadPoolExecutor(jobs) as pool:
            pending = [pool.submit(lambda: [self.one(v) for v in queue])]
            pending += [pool.submit(self.one, v) for v in together if v not in queue]
            for done in pending:
                done.result()
        for variant in chosen:
            if variant.case.alone:
                self.one(variant)
