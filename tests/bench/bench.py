#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Times vmgdb beside QEMU's stub, gdbserver and an older vmgdb, by the same raw client.

    bench.py BUILD [BASELINE]   BUILD: where vmgdb-run and bench/ lie; BASELINE: the build folder of
                                an older tree, whose vmgdb-run takes part

Each contestant is started anew for each turn, turns alternate, and all of it is repeated: once with
stub and client on one core, once on a core each. A contestant that can't take part is left out, and
said to be. The exit status is 0, whatever the times are.
"""
from collections import Counter, defaultdict
import os
import platform
import re
import shutil
import signal
from statistics import median
import subprocess
import sys
import tempfile
from typing import NamedTuple

REPEATS = 5
TURN_LIMIT = 60  # seconds
COUNTED = 500  # steps and hits under strace
ONE, TWO = "on one core", "on two cores"
PORT = r"(?:127\.0\.0\.1:|port )(\d+)"
GUEST_MEMORY = "200000"


class Failed(Exception):
    """A contestant can't take part, and why."""


class Contestant(NamedTuple):
    name: str
    argv: list
    endpoint: str        # unix:PATH, or "tcp:": its stderr names the port
    program: str         # what has the symbols of the code that the stub runs
    memory: str          # address of 2 MiB, hexadecimal, or a symbol of the program
    guest: bool = True   # a guest, which sends a newline when it is in its loop
    type: str = "0"      # of the breakpoints that are hit: 0, software, or 1, hardware


class Goal(NamedTuple):
    row: str
    against: str
    limits: dict         # ratio, by placement
    at_least: bool = False


GOALS = [
    Goal("round trip (qC), us", "QEMU", {ONE: 0.25, TWO: 0.6}),
    Goal("step, us", "QEMU", {ONE: 0.15, TWO: 0.3}),
    Goal("hit, us", "baseline", {ONE: 0.6, TWO: 0.6}),
    Goal("read memory (m), MB/s", "QEMU", {ONE: 10, TWO: 10}, at_least=True),
]
SUBJECT = "vmgdb unix"  # whose goals these are
FREERUN_GOAL = 0.03


def contestants(build, baseline, work):
    """All of them, whether they can take part or not."""
    image, program = f"{build}/bench/guest.bin", f"{build}/bench/guest.elf"

    def vmgdb(name, folder, endpoint):
        return Contestant(name, [f"{folder}/vmgdb-run", "--kernel", image, "--gdb", endpoint],
                          "tcp:" if endpoint == "tcp:0" else endpoint, program, GUEST_MEMORY)

    yield vmgdb("vmgdb unix", build, f"unix:{work}/vmgdb")
    yield vmgdb("vmgdb TCP", build, "tcp:0")
    if baseline:
        yield vmgdb("baseline", baseline, f"unix:{work}/baseline")
    yield Contestant("QEMU", qemu(image, f"{work}/qemu"), f"unix:{work}/qemu", program, GUEST_MEMORY)
    spin = f"{build}/bench/spin"
    yield Contestant("gdbserver", ["gdbserver", "--once", "127.0.0.1:0", spin], "tcp:", spin, "room",
                     guest=False)


def has_kvm():
    return os.access("/dev/kvm", os.R_OK | os.W_OK)


def qemu(image, path):
    accel = "kvm" if has_kvm() else "tcg"
    return ["qemu-system-x86_64", "-M", "pc", "-accel", accel, "-m", "64", "-nodefaults", "-display", "none",
            "-serial", "stdio", "-bios", image,
            "-chardev", f"socket,path={path},server=on,wait=off,id=gdb", "-gdb", "chardev:gdb"]


def symbol(program, name):
    symbols = subprocess.run(["nm", program], check=True, capture_output=True, text=True)
    return re.search(rf"(\w+) . {name}$", symbols.stdout, re.M).group(1)


def pin(core):
    return lambda: os.sched_setaffinity(0, {core})


# ---- one turn of one contestant ----------------------------------------------------------------


class Stub:
    """A contestant that runs, on one core."""

    def __init__(self, contestant, core):
        c = self.contestant = contestant
        if not shutil.which(c.argv[0]):
            raise Failed(f"{c.argv[0]} is not installed")
        self.process = subprocess.Popen(c.argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, preexec_fn=pin(core))

    def __enter__(self):
        if self.contestant.guest and not self.process.stdout.readline():
            message = self.process.stderr.read().strip()
            self.__exit__()
            raise Failed(message or "it ended before its guest ran")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
        if self.contestant.endpoint.startswith("unix:"):
            remove(self.contestant.endpoint[len("unix:"):])

    def endpoint(self):
        if self.contestant.endpoint != "tcp:":
            return self.contestant.endpoint
        for line in self.process.stderr:
            match = re.search(PORT, line)
            if match:
                return "tcp:" + match.group(1)
        raise Failed("it names no port")

    def client(self, build):
        c = self.contestant
        memory = c.memory if c.guest else symbol(c.program, c.memory)
        return [f"{build}/bench/rspbench", self.endpoint(), c.type,
                symbol(c.program, "leaf"), symbol(c.program, "other"), memory]


def remove(path):
    if os.path.exists(path):
        os.unlink(path)


def turn(build, contestant, stub_core, client_core):
    """{row: value}, a value of None for what the stub does not have."""
    with Stub(contestant, stub_core) as stub:
        try:
            done = subprocess.run(stub.client(build), capture_output=True, text=True,
                                  timeout=TURN_LIMIT, preexec_fn=pin(client_core))
        except subprocess.TimeoutExpired:
            raise Failed(f"its turn takes longer than {TURN_LIMIT} s") from None
    if done.returncode:
        raise Failed(done.stderr.strip())
    rows = (line.split("\t") for line in done.stdout.splitlines())
    return {row: None if value == "-" else float(value) for row, value in rows}


def breakpoints_that_hit(build, contestant, core):
    """The contestant with breakpoints of a type that works: some hosts' KVM reports no int3 to QEMU."""
    with Stub(contestant, core) as stub:
        hit = subprocess.run([*stub.client(build), "hit", "1"], stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if hit.returncode == 0:
        return contestant
    print(f"{contestant.name}: software breakpoints are not hit on this host; its hits are of "
          "hardware breakpoints.")
    return contestant._replace(type="1")


def can_take_part(build, entrants, core):
    """Those that can be started."""
    for c in entrants:
        try:
            yield breakpoints_that_hit(build, c, core)
        except Failed as why:
            print(f"{c.name}: left out: {why}")


# ---- all turns ---------------------------------------------------------------------------------


def siblings(core):
    """The cores that are threads of one with this."""
    path = f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list"
    try:
        with open(path, encoding="ascii") as f:
            parts = [[int(n) for n in part.split("-")] for part in f.read().strip().split(",")]
    except OSError:
        return {core}
    return {n for part in parts for n in range(part[0], part[-1] + 1)}


def placements():
    """[(name, the stub's core, the client's core)]"""
    cores = sorted(os.sched_getaffinity(0))
    last = cores.pop()
    if not cores:
        print("There is no second core: only what can be measured on one is.")
        return [(ONE, last, last)]
    apart = [core for core in cores if core not in siblings(last)]
    if not apart:
        print("The two cores are threads of one.")
    return [(ONE, last, last), (TWO, last, (apart or cores)[0])]


def all_turns(build, entrants, where):
    """{placement: {contestant's name: [its turns]}}; one that fails takes no further part."""
    results = {name: defaultdict(list) for name, _, _ in where}
    entrants = list(entrants)
    for i in range(REPEATS):
        for name, stub_core, client_core in where:
            for c in list(entrants):
                progress(f"turn {i + 1} of {REPEATS} {name}: {c.name}")
                try:
                    results[name][c.name].append(turn(build, c, stub_core, client_core))
                except Failed as why:
                    print(f"{c.name}: left out: {why}")
                    entrants.remove(c)
        entrants.reverse()
    progress("")
    return results


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


# ---- tables ------------------------------------------------------------------------------------


def number(x):
    return f"{x:,.0f}" if x >= 100 else f"{x:.1f}" if x >= 10 else f"{x:.2f}"


def spread(values):
    """The median (smallest..largest)."""
    values = [v for v in values if v is not None]
    if not values:
        return "-"
    return f"{number(median(values))} ({number(min(values))}..{number(max(values))})"


def show_table(title, order, results):
    names = [name for name in order if results[name]]
    if not names:
        return
    rows = [[title, *names]]
    for row in results[names[0]][0]:
        rows.append([row, *(spread([t[row] for t in results[name]]) for name in names)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    print()
    for first, *cells in rows:
        print("  ".join([first.ljust(widths[0]),
                         *(cell.rjust(width) for cell, width in zip(cells, widths[1:]))]))


def show_goal(goal, placement, results):
    limit = goal.limits[placement]
    want = f"{'at least' if goal.at_least else 'at most'} {limit} of {goal.against}"
    for name in SUBJECT, goal.against:
        if not results[name]:
            print(f"  {goal.row:24} {want}: not compared, {name} did not take part")
            return
    turns = zip(results[SUBJECT], results[goal.against])
    ratios = [ours[goal.row] / theirs[goal.row] for ours, theirs in turns]
    met = median(ratios) >= limit if goal.at_least else median(ratios) <= limit
    print(f"  {goal.row:24} {want}: {spread(ratios)}, {'met' if met else 'missed'}")


def show(order, results):
    for placement, by_name in results.items():
        show_table(f"Stub and client {placement}", order, by_name)
    for placement, by_name in results.items():
        print(f"\nGoals of {SUBJECT} {placement}, ratios of turns that followed one another:")
        for goal in GOALS:
            show_goal(goal, placement, by_name)


# ---- system calls ------------------------------------------------------------------------------


def calls(trace):
    """How many there were of each system call, each ioctl by its request."""
    counts = Counter()
    for line in trace:
        match = re.match(r"\d+ +(\w+)\((?:\d+, (\w+))?", line)
        if match:
            name, request = match.groups()
            counts[request if name == "ioctl" else name, name == "ioctl"] += 1
    return counts


def traced(build, stub, what, work):
    """The system calls of COUNTED samples of a row."""
    client = subprocess.Popen([*stub.client(build), what, str(COUNTED)], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with client:
        if client.stdout.readline() != "ready\n":
            raise Failed("the client did not get ready")
        strace = subprocess.Popen(["strace", "-f", "-o", f"{work}/trace", "-p",
                                   str(stub.process.pid)], stderr=subprocess.PIPE, text=True)
        with strace:
            said = strace.stderr.readline()
            if "attached" in said:
                client.stdin.write("\n")
                client.stdin.flush()
                client.stdout.readline()
            strace.send_signal(signal.SIGINT)
    if "attached" not in said:
        raise Failed(said.strip())
    with open(f"{work}/trace", encoding="ascii", errors="replace") as trace:
        return calls(trace)


def show_calls(name, what, counts):
    total = sum(counts.values()) / COUNTED
    ioctls = sum(n for (_, ioctl), n in counts.items() if ioctl) / COUNTED
    often = [f"{call} {n / COUNTED:.1f}" for (call, _), n in counts.most_common()
             if n >= COUNTED / 20]
    print(f"  {name}, a {what}: {total:.1f}, of which {ioctls:.1f} are ioctls: {', '.join(often)}")


def count_calls(build, entrants, work, core):
    print("\nSystem calls of the stub:")
    if not shutil.which("strace"):
        print("  not counted: no strace")
        return
    for c in entrants:
        for what in ("step", "hit"):
            try:
                with Stub(c, core) as stub:
                    show_calls(c.name, what, traced(build, stub, what, work))
            except Failed as why:
                print(f"  {c.name}, a {what}: not counted: {why}")


# ---- a VM that runs free -----------------------------------------------------------------------


def freerun(build):
    progress("freerun")
    done = subprocess.run([f"{build}/bench/freerun"], capture_output=True, text=True)
    progress("")
    print("\nEight software vCPUs with 100,000 exits a second each (paced), and as many as they can:")
    if done.returncode:
        print(f"  failed: {done.stderr.strip() or done.returncode}")
        return
    turns = defaultdict(list)
    for line in done.stdout.splitlines():
        pace, how, rate, cpu = line.split("\t")
        turns[pace, how].append((float(rate), float(cpu)))
    for (pace, how), values in turns.items():
        rates, cpu = zip(*values)
        print(f"  {pace}, {how} a debugger: {spread(rates)} exits a second, "
              f"{spread(cpu)} ns of CPU time an exit")
    show_freerun_goal(turns)


def show_freerun_goal(turns):
    pairs = zip(turns["paced", "with"], turns["paced", "without"])
    ratios = [with_[0] / without[0] for with_, without in pairs]
    met = abs(1 - median(ratios)) <= FREERUN_GOAL
    print(f"  paced, with and without within {FREERUN_GOAL:.0%} of each other: "
          f"{median(ratios):.3f} ({min(ratios):.3f}..{max(ratios):.3f}), "
          f"{'met' if met else 'missed'}")


# ------------------------------------------------------------------------------------------------


def stubs(build, baseline, work):
    if not has_kvm():
        print("/dev/kvm can't be used: QEMU emulates (TCG), its times say little.")
    where = placements()
    core = where[0][1]
    entrants = list(can_take_part(build, contestants(build, baseline, work), core))
    results = all_turns(build, entrants, where)
    show([c.name for c in entrants], results)
    print("\nA hit of QEMU or gdbserver includes the step over the breakpoint (z0, step, Z0), which "
          "they leave\nto the debugger.")
    count_calls(build, [c for c in entrants if c.name in (SUBJECT, "baseline")], work, core)


def main():
    build, baseline = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
    if platform.machine() == "x86_64":
        with tempfile.TemporaryDirectory(prefix="vmgdb-bench.") as work:
            stubs(build, baseline, work)
    else:
        print("The guest of the bench is for x86-64: no stub is timed.")
    freerun(build)


if __name__ == "__main__":
    main()
