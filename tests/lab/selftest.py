#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The labs' own test: selftest.py HOST[:CPU]...  It uses no other part of the project."""

import contextlib
import hashlib
import os
from pathlib import Path
import select
import signal
import socket
import subprocess
import sys
import time
import tty

import host as lab_host
import lab
from lab import LabError, LabTimeout
from report import Report

HERE = Path(__file__).resolve().parent
BYTES = bytes(range(256))
# What KVM must report on each arm64 CPU
ARM64_KVM = {
    "nvhe": ("Hyp mode initialized", 0),
    "vhe": ("VHE mode initialized", 0),
    "sve": ("VHE mode initialized", 1),
}


class NotApplicable(Exception):
    pass


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def facts(text):
    return dict(line.split(" ", 1) for line in text.splitlines() if " " in line)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def gone(pid, within=3):
    end = time.monotonic() + within
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not alive(pid)


@contextlib.contextmanager
def opened(path):
    """A descriptor of a unix socket, a TCP port of 127.0.0.1 (a number) or a pty."""
    if isinstance(path, int) or Path(path).is_socket():
        family = socket.AF_INET if isinstance(path, int) else socket.AF_UNIX
        with socket.socket(family) as s:
            s.connect(("127.0.0.1", path) if isinstance(path, int) else path)
            yield s.fileno()
        return
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        tty.setraw(fd)
        yield fd
    finally:
        os.close(fd)


def echoed(path, data, timeout=20):
    """Sends data and returns what came back within the time."""
    with opened(path) as fd:
        back = b""
        os.write(fd, data)
        end = time.monotonic() + timeout
        while len(back) < len(data) and select.select([fd], [], [], end - time.monotonic())[0]:
            back += os.read(fd, 65536)
        return back


def check_echo(path, times=3):
    """The echo returns all byte values, and again for a second client after the first has closed."""
    for n in range(times):
        data = BYTES[n:] + BYTES
        back = echoed(path, data)
        if back != data:
            at = len(os.path.commonprefix([back, data]))
            check(False, f"time {n + 1}: sent {len(data)} bytes, got {len(back)}; from {at} on "
                         f"{back[at:at + 16].hex()}, not {data[at:at + 16].hex()}")


@contextlib.contextmanager
def echo_inside(host, device):
    job = host.spawn(["probe", "echo", device])
    try:
        job.wait_for("ready")
        yield
    finally:
        job.kill()


# The tests.  Each gets a host that is up, and its CPU's short name.

def commands(host, _):
    result = host.run("cat; echo err >&2; exit 3", input=BYTES * 40)
    check((result.status, result.err) == (3, "err\n"), f"{result.status}, {result.err!r}")
    digest = host.run("sha256sum", input=BYTES * 40).out.split()[0]
    check(digest == hashlib.sha256(BYTES * 40).hexdigest(), "input was changed on its way")
    check(host.run("kill -9 $$").status == 137, "the signal that ended a command")
    check(host.run("seq 1 3000").out.splitlines()[-1] == "3000", "a long output")


def jobs(host, _):
    first, second = (host.spawn(f"echo {n}; sleep 30; echo never") for n in "12")
    first.wait_for("1")
    second.wait_for("2")
    check(first.status is None, "a background command still runs")
    first.kill(signal.SIGTERM)
    check(first.wait(10) == 128 + signal.SIGTERM, f"killed: {first.status}")
    check(second.status is None, "the other one still runs")
    second.kill()
    second.wait(10)
    check("never" not in first.out + second.out, "killed commands went on")


def command_timeout(host, _):
    begin = time.monotonic()
    try:
        host.run("echo here; sleep 1000 & sleep 1000", timeout=1)
        check(False, "a command with no end has ended")
    except LabTimeout as e:
        check("here" in str(e), f"the error shows no output: {e}")
    check(time.monotonic() - begin < 10, "the limit of 1 s was not kept")
    check("sleep 1000" not in host.run("ps").out, "the command is still there")


def kvm(host, cpu):
    said = host.run(["probe", "kvm"])
    check(said.status == 0, said.err)
    got = facts(said.out)
    check(got["api"] == "12" and got["guest"] == "ran", said.out)
    check(got["guest-debug"] != "0", "no KVM_SET_GUEST_DEBUG")
    if host.name == "arm64":
        mode, sve = ARM64_KVM[cpu]
        check(mode in host.run("dmesg").out, f"the kernel does not say: {mode}")
        check((int(got["sve"]), int(got["pauth"])) == (sve, sve), f"SVE and PAC: {said.out}")


def smp(host, _):
    count = host.run("grep -c ^processor /proc/cpuinfo").out
    check(int(count) == host.smp, f"{count.strip()} CPUs of {host.smp}")


def needs_network(host):
    if not host.address:
        raise NotApplicable(f"{host.name} has no devices but serial lines")


def vsock(host, _):
    needs_network(host)
    said = host.run(["probe", "vsock"])
    check(said.status == 0 and "vsock echoed" in said.out, said.err or said.out)


def vhost_vsock(host, _):
    needs_network(host)
    said = host.run("exec 3<>/dev/vhost-vsock")
    check(said.status == 0, said.err)


def virtio_port(name):
    def test(host, _):
        needs_network(host)
        device = host.run(f"grep -l '^{name}$' /sys/class/virtio-ports/*/name").out.split("/")[-2]
        with echo_inside(host, f"/dev/{device}"):
            check_echo(host.port(name))
    return test


def tcp(host, _):
    needs_network(host)
    server = host.spawn("nc -ll -p 4321 -e cat")
    try:
        host.run("until netstat -ltn | grep -q :4321; do sleep 0.1; done", timeout=10)
        check_echo(host.tcp(4321))
    finally:
        server.kill()


SERIAL = {"vtx": ("pty", "unix"), "svm": ("unix",)}


def serial(kind):
    def test(host, _):
        if kind not in SERIAL.get(host.name, ()):
            raise NotApplicable(f"{host.name} has no serial line that is a {kind} outside")
        with echo_inside(host, "/dev/ttyS1"):
            check_echo(host.serial(kind))
    return test


def two_at_once(host, cpu):
    with lab.boot(host.name, cpu) as other:
        check(other.pid != host.pid, "one emulator for two hosts")
        other.run("touch /tmp/other")
        check(host.run("ls /tmp/other").status != 0, "two hosts have one file system")
    check(gone(other.pid), "the emulator outlives the host")
    check(not other.folder.exists(), "the work folder outlives the host")
    check(host.run("true").status == 0, "the first host is gone with the second")


def lifetime(host, cpu):
    """On a busy machine the lifetime may be over before the host is up: then a longer one is tried."""
    try:
        lifetime_of(host, cpu, 2 * host.boot_time + 2)
    except LabError as e:
        check("lifetime" in str(e), str(e))
        lifetime_of(host, cpu, 12 * host.boot_time + 30)


def lifetime_of(host, cpu, limit):
    begin = time.monotonic()
    with lab.boot(host.name, cpu, lifetime=limit) as other:
        try:
            other.run("sleep 100000", timeout=1000)
            check(False, "the command ended by itself")
        except LabError as e:
            check("lifetime" in str(e), str(e))
        took = time.monotonic() - begin
        check(took < 2 * limit + 60, f"a lifetime of {limit:.0f} s took {took:.0f} s")
        check(gone(other.pid), "the emulator outlives its lifetime")


def boot_timeout(host, cpu):
    class Slow(lab.kind(host.name)):
        boot_timeout = 0.3

    begin = time.monotonic()
    try:
        Slow(cpu)
        check(False, "up within 0.3 s")
    except LabTimeout as e:
        check("not up within" in str(e), str(e))
    check(time.monotonic() - begin < 15, "the limit of 0.3 s was not kept")


def runner_killed(host, cpu):
    script = (f"import sys, time; sys.path.insert(0, {str(HERE)!r}); import lab; "
              f"h = lab.boot({host.name!r}, {cpu!r}); print(h.pid, flush=True); time.sleep(100)")
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as runner:
        pid = int(runner.stdout.readline())
        check(alive(pid), "no emulator")
        runner.kill()
    check(gone(pid), "the emulator outlives a runner that was killed")


def bad_input(host, cpu):
    for options, text in (({"files": ["/nonexistent"]}, "no such file"),
                          ({"files": [sys.executable]}, "not"),
                          ({"cpu": "z80"}, "no CPU")):
        try:
            lab.boot(host.name, **{"cpu": cpu, **options}).close()
            check(False, f"{options} was taken")
        except LabError as e:
            check(text in str(e), str(e))


HOST_TESTS = {
    "commands with status, outputs and input": commands,
    "commands side by side, signals": jobs,
    "a command's limit is kept": command_timeout,
    "KVM runs a guest": kvm,
    "CPUs": smp,
    "AF_VSOCK to CID 1": vsock,
    "/dev/vhost-vsock": vhost_vsock,
    "virtio-serial, a unix socket outside": virtio_port("org.vmgdb.0"),
    "virtio-serial, a pty outside": virtio_port("org.vmgdb.1"),
    "TCP from outside": tcp,
    "serial line, a pty outside": serial("pty"),
    "serial line, a unix socket outside": serial("unix"),
}

# Tests of the runner: each boots hosts of its own, so they run on one CPU of each kind
RUNNER_TESTS = {
    "two hosts at once, nothing is left behind": two_at_once,
    "a host's lifetime is kept": lifetime,
    "the limit of the boot is kept": boot_timeout,
    "a killed runner leaves nothing running": runner_killed,
    "bad input is reported": bad_input,
}


def run_test(name, test, host, cpu):
    """Returns the test's result line."""
    try:
        test(host, cpu)
        return f"ok lab, {name}"
    except NotApplicable as e:
        return f"na lab, {name}: {e}"
    except Exception as e:  # noqa: BLE001 (any exception fails the test)
        return f"not ok lab, {name}: {type(e).__name__} {' / '.join(str(e).splitlines())}"


def selftest(target):
    name, _, cpu = target.partition(":")
    kind = lab.kind(name)
    tests = {**HOST_TESTS, **(RUNNER_TESTS if cpu == next(iter(kind.cpus)) else {})}
    probe = lab_host.compile_static(kind.arch, HERE / "probe.c")
    lines = []
    with lab.boot(target, smp=2, files=[probe]) as host:
        print(f"up in {host.boot_time:.1f} s", flush=True)
        for name, test in tests.items():
            begin = time.monotonic()
            lines.append(run_test(name, test, host, cpu))
            print(lines[-1], flush=True)
            print(f"  {time.monotonic() - begin:.2f} s", flush=True)
    return lines


def main(names):
    report = Report()
    for target in [t for name in names for t in lab.targets(name)]:
        try:
            report.add(target, selftest(target))
        except LabError as e:
            line = f"not ok lab, the host starts: {' / '.join(str(e).splitlines())}"
            report.add(target, [line])
            print(line)
    print(report.text() if len(report.hosts) > 1 else report.summary())
    return 1 if report.failed() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or lab.HOSTS))
