# SPDX-License-Identifier: MIT
"""Real debuggers over the bridge, as the usage lines say; with a stub of ours, and with KVM."""

import os
import socket
import subprocess
import time

from harness import (CONNECT, DEMO, PATIENCE, ROOT, RUN, case, check, equal, eventually, need, need_kvm,
                     receive)
from stub import Stub

SCRIPT = ROOT / "host-tools/vmgdb.py"
ENVIRONMENT = {**os.environ, "PATH": f"{CONNECT.parent}:{os.environ['PATH']}", "LC_ALL": "C"}


def gdb_argv(commands, *files):
    argv = [need("gdb"), "-nx", "-batch", "-ex", "set remotetimeout 20"]
    for command in commands:
        argv += ["-ex", command]
    return argv + [str(f) for f in files]


def run(argv, **options):
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=60,
                          env=ENVIRONMENT, stdin=subprocess.DEVNULL, **options)


def stub_at(bench):
    listener, spec = bench.listen()
    return Stub(lambda: bench.accept(listener)), spec


LOOK = ["x/4xb 0x10", "info threads", "detach"]
SEEN = "0x10:\t0x10\t0x11\t0x12\t0x13"


def check_look(out):
    check(SEEN in out.stdout, out.stdout + out.stderr)
    check("detached" in out.stdout, out.stdout + out.stderr)


@case("target remote | vmgdb-connect")
def pipe(bench):
    stub, spec = stub_at(bench)
    out = run(gdb_argv([f"target remote | vmgdb-connect {spec}", *LOOK]))
    check_look(out)
    check("vmgdb-connect" not in out.stdout + out.stderr, "it has nothing to say")


@case("gdb shows why the bridge could not reach the VM")
def pipe_fails(bench):
    for spec, text in ((f"unix:{bench.path('none')}", "No such file or directory"),
                       ("tpc:1", "unknown kind 'tpc'"), ("--frobnicate", "no such option")):
        out = run(gdb_argv([f"target remote | vmgdb-connect {spec}"]))
        check(text in out.stdout + out.stderr, out.stdout + out.stderr)


@case("--listen tcp, 50 times")
def listen(bench):
    stub, spec = stub_at(bench)
    program = bench.connect("--listen", "tcp:0", spec)
    program.says("target remote 127.0.0.1:")
    port = program.said().split("target remote 127.0.0.1:")[1].split()[0]
    again = [f"target remote :{port}", *LOOK] * 10
    for _ in range(5):
        out = run(gdb_argv(again))
        equal(out.stdout.count(SEEN), 10, out.stdout[-300:] + out.stderr)


@case("--pty, 50 times, in one gdb and in several")
def pty(bench):
    stub, spec = stub_at(bench)
    link = bench.path("vm0")
    bench.connect("--pty", link, spec)
    eventually("the link", lambda: os.path.exists(link))
    for end in ("detach", "disconnect"):
        commands = [f"target remote {link}", "x/4xb 0x10", end]
        for _ in range(5):
            out = run(gdb_argv(commands * 5))
            equal(out.stdout.count(SEEN), 5, f"{end}: {out.stdout[-300:]} {out.stderr}")


@case("gdb shows why --listen refuses a second debugger")
def refused(bench):
    listener, spec = bench.listen()
    path = bench.path("gdb.sock")
    bench.connect("--listen", f"unix:{path}", spec)
    bench.dial(path)
    bench.accept(listener)
    out = run(gdb_argv([f"target remote {path}"]))
    check("another debugger is connected" in out.stdout + out.stderr, out.stdout + out.stderr)


@case("-- gdb")
def starts_gdb(bench):
    stub, spec = stub_at(bench)
    gdb, *rest = gdb_argv(LOOK)
    out = run([CONNECT, spec, "--", gdb, *rest])
    check_look(out)
    equal(out.returncode, 0)


@case("--accept")
def accept(bench):
    path = bench.path("vm.sock")

    def vm():
        sock = bench.dial(path)
        return sock
    stub = Stub(vm)
    out = run(gdb_argv([f"target remote | vmgdb-connect --accept unix:{path}", *LOOK]))
    check_look(out)


@case("uds-vsock, answered in one segment with the first packet's ack")
def uds(bench):
    listener, spec = bench.listen()

    def comes():
        sock = bench.accept(listener)
        sock.recv(13)
        for byte in b"OK 7\n":
            sock.sendall(bytes([byte]))
        return sock
    Stub(comes)
    spec = f"uds-vsock:{spec.removeprefix('unix:')}:1234"
    check_look(run(gdb_argv([f"target remote | vmgdb-connect {spec}", *LOOK])))


@case("uds-vsock:PATH:1234 -- gdb")
def uds_starts_gdb(bench):
    listener, spec = bench.listen()

    def comes():
        sock = bench.accept(listener)
        equal(sock.recv(13), b"CONNECT 1234\n")
        sock.sendall(b"OK 1073741824\n")
        return sock
    Stub(comes)
    gdb, *rest = gdb_argv(LOOK)
    out = run([CONNECT, f"uds-vsock:{spec.removeprefix('unix:')}:1234", "--", gdb, *rest])
    check_look(out)
    equal(out.returncode, 0)


@case("Ctrl-C in gdb stops the VM through the bridge")
def interrupt(bench):
    stub, spec = stub_at(bench)
    program = bench.run(*gdb_argv([f"target remote | vmgdb-connect {spec}", "continue",
                                   "x/4xb 0x10", "detach"]),
                        stdout=open(bench.path("out"), "wb"), env=ENVIRONMENT)
    check(stub.resumed.wait(PATIENCE), "it does not run")
    program.rests()
    os.killpg(program.pid, 2)
    equal(program.status(), 0)
    check(stub.interrupted.is_set(), "no interrupt came")
    check(SEEN in open(bench.path("out")).read())


@case("vmgdb.py, vmgdb connect and vmgdb status")
def script(bench):
    stub, spec = stub_at(bench)
    out = run(gdb_argv([f"source {SCRIPT}", "vmgdb status", f"vmgdb connect {spec}",
                        "x/4xb 0x10", "vmgdb status", "detach", "vmgdb status"]))
    check(SEEN in out.stdout, out.stdout + out.stderr)
    check("i386:x86-64" in out.stdout, out.stdout)
    check("vCPUs" in out.stdout, out.stdout)
    equal(out.stdout.count("not connected"), 2, out.stdout)
    equal(out.returncode, 0, out.stderr)


@case("vmgdb.py goes through the bridge where gdb has no such transport")
def script_bridge(bench):
    listener, spec = bench.listen()

    def comes():
        sock = bench.accept(listener)
        sock.recv(13)
        sock.sendall(b"OK 7\n")
        return sock
    Stub(comes)
    out = run(gdb_argv([f"source {SCRIPT}",
                        f"vmgdb connect uds-vsock:{spec.removeprefix('unix:')}:1234",
                        "x/4xb 0x10", "detach"]))
    check(SEEN in out.stdout, out.stdout + out.stderr)


@case("vmgdb.py, wrong use is a gdb error")
def script_errors(bench):
    for command, text in (("vmgdb connect", "where is the VM?"),
                          ("vmgdb connect tpc:1", "unknown kind 'tpc'"),
                          ("vmgdb frobnicate", "Undefined vmgdb command")):
        out = run(gdb_argv([f"source {SCRIPT}", command]))
        check(text in out.stdout + out.stderr, f"{command}: {out.stdout}{out.stderr}")
        check("Traceback" not in out.stdout + out.stderr, out.stderr)


class Guest:
    """The demo guest on KVM, at a unix socket."""

    def __init__(self, bench, *options):
        need_kvm()
        self.path = bench.path("kvm.sock")
        self.program = bench.run(RUN, "--guest", "demo", "--cpus", "2", "--gdb",
                                 f"unix:{self.path}", *options)
        eventually("the socket", lambda: os.path.exists(self.path))


BREAK = ["break leaf", "continue", "bt", "info threads", "detach"]


def check_break(out):
    text = out.stdout + out.stderr
    for expected in ("#0  leaf", "tick", "main", "detached"):
        check(expected in text, text[-500:])


@case("KVM, gdb over a pipe")
def kvm_pipe(bench):
    guest = Guest(bench)
    check_break(run(gdb_argv([f"target remote | vmgdb-connect unix:{guest.path}", *BREAK], DEMO)))


def on_stdio(bench, options=""):
    """vmgdb-run as gdb starts it: (program, socket). Its debugger has asked for the demo's stop."""
    need_kvm()
    mine, theirs = socket.socketpair()
    with theirs:
        vmm = bench.run(RUN, "--guest", "demo", "--gdb", f"stdio{options}", stdin=theirs,
                        stdout=theirs)
    mine.settimeout(20)
    bench.keep(mine).sendall(b"+$?#3f")
    equal(receive(mine, 4), b"+$T0")
    return vmm, mine


@case("KVM, a VM on stdio ends with its debugger, unless that has detached")
def kvm_stdio(bench):
    for options, last, ends in (("", b"+", True), ("", b"+$D#44", False),
                                (",wait", b"+", True), (",on-disconnect=kill", b"+", True)):
        vmm, debugger = on_stdio(bench, options)
        debugger.sendall(last)
        if last != b"+":
            while not debugger.recv(4096).endswith(b"$OK#9a"):
                pass
        debugger.close()
        if ends:
            vmm.status()
        else:
            before = vmm.said().count("ticks")
            eventually("the guest goes on", lambda: vmm.said().count("ticks") > before, 20)
            check(not vmm.ended(), vmm.said())


@case("KVM, target remote | vmgdb-run --gdb stdio")
def kvm_gdb_starts(bench):
    need_kvm()
    check_break(run(gdb_argv([f"target remote | {RUN} --guest demo --cpus 2 --gdb stdio", *BREAK],
                             DEMO)))


@case("KVM, -- gdb")
def kvm_starts(bench):
    guest = Guest(bench)
    gdb, *rest = gdb_argv(BREAK, DEMO)
    check_break(run([CONNECT, f"unix:{guest.path}", "--", gdb, *rest]))


@case("KVM, -- lldb")
def kvm_lldb(bench):
    lldb = need("lldb-14")
    guest = Guest(bench)
    out = run([CONNECT, f"unix:{guest.path}", "--", lldb, "-b", "-o", "breakpoint set -n leaf",
               "-o", "continue", "-o", "bt", "-o", "detach", DEMO])
    text = out.stdout + out.stderr
    check("leaf" in text and "tick" in text and "stop reason = breakpoint" in text, text[-800:])


@case("KVM, gdb killed at any moment, the bridge and the VM go on")
def kvm_killed(bench):
    guest = Guest(bench)
    link = bench.path("vm0")
    bench.connect("--pty", link, f"unix:{guest.path}")
    eventually("the link", lambda: os.path.exists(link))
    for i in range(10):
        program = bench.run(*gdb_argv([f"target remote {link}", "break leaf"] +
                                      ["continue", "stepi", "info registers"] * 50, DEMO))
        time.sleep(0.15 + 0.05 * i)
        program.process.kill()
        program.status()
    check_break(run(gdb_argv([f"target remote {link}", *BREAK], DEMO)))


@case("KVM, the VM dials the bridge")
def kvm_dials(bench):
    need_kvm()
    path = bench.path("bridge.sock")
    bench.run(RUN, "--guest", "demo", "--gdb", f"unix:{path},dial")
    for _ in range(3):
        check_break(run(gdb_argv([f"target remote | vmgdb-connect --accept unix:{path}", *BREAK],
                                 DEMO)))


@case("KVM, over a serial line made of two ptys")
def kvm_serial(bench):
    need_kvm()
    need("socat")
    ends = [bench.path("a"), bench.path("b")]
    bench.run("socat", *(f"pty,rawer,link={end}" for end in ends))
    eventually("the line", lambda: all(os.path.exists(end) for end in ends))
    bench.run(RUN, "--guest", "demo", "--gdb", f"serial:{ends[0]}")
    for _ in range(3):
        check_break(run(gdb_argv([f"target remote | vmgdb-connect serial:{ends[1]}", *BREAK],
                                 DEMO)))
