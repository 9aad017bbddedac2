# SPDX-License-Identifier: MIT
"""Command lines, messages, exit statuses, signals, and that nothing is left behind."""

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time

from harness import (CONNECT, RUN, case, check, equal, eventually, expect_gone, open_line, open_tty,
                     pass_through, receive)


def refused_as_usage(name, argv, text):
    @case(f"usage, {name}")
    def test(bench):
        program = bench.connect(*argv)
        equal(program.status(), 1, "exit status")
        check(text in program.said(), program.said())
        equal(len(program.said().splitlines()), 1, "lines")


for _name, _argv, _text in (
        ("no VM", [], "where is the VM?"),
        ("two VMs", ["unix:a", "unix:b"], "unix:b: one VM at a time"),
        ("unknown option", ["--frobnicate", "unix:a"], "--frobnicate: no such option"),
        ("option without its value", ["--listen"], "--listen: needs a value"),
        ("value for an option that has none", ["--probe=1", "unix:a"], "--probe=1: no such option"),
        ("unknown kind", ["vsok:1:2"], "unknown kind 'vsok'"),
        ("bad port", ["tcp:99999"], "port '99999' is not a number from 0 to 65535"),
        ("bad listener", ["--listen", "tcp:x", "unix:a"], "port 'x' is not a number"),
        ("two listeners", ["--listen", "tcp:0", "--pty", "x", "unix:a"], "only one of"),
        ("probe and listen", ["--probe", "--pty", "x", "unix:a"], "--probe goes with none of"),
        ("no debugger", ["unix:a", "--"], "no debugger after '--'"),
        ("the VMM's option", ["unix:a,ro"], "option 'ro' is for the VMM's side"),
        ("the VMM's option on the listener", ["--listen", "tcp:0,ro", "unix:a"],
         "option 'ro' is for the VMM's side"),
        ("takeover on the listener", ["--listen", "unix:x,takeover", "unix:a"],
         "option 'takeover' is for the VMM's side"),
        ("on-disconnect on the listener", ["--listen", "unix:x,on-disconnect=stay", "unix:a"],
         "option 'on-disconnect' is for the VMM's side"),
        ("a pty dialled", ["pty"], "'pty' can't be dialled"),
        ("uds-vsock can't wait", ["--accept", "uds-vsock:/a:1"], "can only be dialled"),
        ("a long link", ["--pty", "/" + "x" * 300, "unix:a"], "is longer than")):
    refused_as_usage(_name, _argv, _text)


@case("--help is on stdout, and complete")
def show_help(bench):
    out = subprocess.run([CONNECT, "--help"], capture_output=True, text=True, check=True)
    equal(out.stderr, "")
    for text in ("--listen SPEC", "--pty LINK", "--accept", "--probe", "--reconnect", "--verbose",
                 "vsock:[CID:]PORT", "uds-vsock:PATH:PORT", "allow=", "Exit status"):
        check(text in out.stdout, f"no {text!r}")


def endpoint_options(program):
    """The options of endpoints in a program's help."""
    out = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^  ([a-z-]+)(?==| {3})", out.partition("  uds-vsock:")[2], re.M))


@case("--help has an option of endpoints if it is taken, and only then")
def help_options(bench):
    every = endpoint_options(RUN)
    shown = endpoint_options(CONNECT)
    check({"wait", "takeover", "dial", "allow"} <= every, every)
    values = {"log": "=x", "on-disconnect": "=stay", "allow": "=any", "baud": "=9600",
              "flow": "=hw"}
    for option in every:
        program = bench.connect(f"unix:{bench.path('none')},{option}{values.get(option, '')}")
        program.status()
        refused = "is for the VMM's side" in program.said()
        equal(option in shown, not refused, f"{option}: {program.said()}")


@case("-h is --help, and --version is one line")
def short_help(bench):
    found = [subprocess.run([CONNECT, option], capture_output=True, text=True, check=True).stdout
             for option in ("-h", "--help", "--version")]
    equal(found[0], found[1])
    check(re.fullmatch(r"vmgdb-connect \S+\n", found[2]), found[2])


@case("--help states the CID that is meant without one")
def help_cid(bench):
    out = subprocess.run([CONNECT, "--help"], capture_output=True, text=True, check=True)
    check("Without a CID" in out.stdout)


@case("exit 4 when the debugger's socket or pty can't be made")
def local_failure(bench):
    missing = bench.path("missing")
    for argv in (["--listen", f"unix:{missing}/gdb.sock"], ["--pty", f"{missing}/tty"],
                 ["--listen", f"unix:{bench.folder}"]):
        program = bench.connect(*argv, f"unix:{missing}/vm.sock")
        equal(program.status(), 4, argv)
    taken, spec = bench.listen()
    program = bench.connect("--listen", spec, f"unix:{missing}/vm.sock")
    equal(program.status(), 4, "a socket that another process has")


@case("exit 4 when the socket that a VM is to dial can't be made")
def local_accept_failure(bench):
    program, _ = bench.bridge("--accept", f"unix:{bench.path('missing')}/vm.sock")
    equal(program.status(), 4)
    taken, spec = bench.listen()
    program, _ = bench.bridge("--accept", spec)
    equal(program.status(), 4, "a socket that another process has")


@case("a path in a message never passes for another file's")
def cut_path(bench):
    folder = bench.path("d" * (90 - len(bench.folder)))
    os.mkdir(folder)
    path = f"{folder}/{'s' * 15}"
    for argv in ([f"unix:{path}"], ["--listen", f"unix:{folder}/no/{'s' * 12}", "unix:a"],
                 [f"uds-vsock:{path}:1234"]):
        program, _ = bench.bridge(*argv)
        check(program.status() in (2, 4), argv)
        shown = re.search(r"[^ ']*d{20}[^ ':]*", program.said())[0]
        check(shown.endswith(("s", "...")), f"{argv}: {program.said()}")
        check(shown.endswith("...") or shown.rpartition(":")[2] in argv[-2:][0] + argv[-1], shown)


@case("a long path in a message is whole")
def long_path(bench):
    path = bench.path("/".join(["d" * 200] * 4)) + "/gdb"
    listener, spec = bench.listen()
    program = bench.connect(spec, "--", path)
    equal(program.status(), 1)
    check(f"can't run '{path}': No such file" in program.said(), program.said())


@case("exit 0 when the debugger leaves")
def debugger_leaves(bench):
    listener, spec = bench.listen()
    program, gdb = bench.bridge(spec)
    vm = bench.accept(listener)
    pass_through(gdb, vm)
    gdb.close()
    equal(program.status(), 0)
    expect_gone(vm)
    equal(program.said(), "", "messages")


@case("what the debugger sent last is delivered")
def last_words(bench):
    """Also when the VM's side is slow to read: stdin ends long before all has gone out."""
    listener, spec = bench.listen()
    data = os.urandom(300000)
    program = bench.connect(spec, stdin=subprocess.PIPE)
    vm = bench.accept(listener)
    program.process.stdin.write(data)
    program.process.stdin.close()
    found = b""
    while piece := vm.recv(20000):
        found += piece
    check(found == data, f"{len(found)} of {len(data)} bytes")
    equal(program.status(), 0)


@case("what the VM sent last is delivered, then exit 2")
def vm_leaves(bench):
    listener, spec = bench.listen()
    program, gdb = bench.bridge(spec)
    vm = bench.accept(listener)
    data = os.urandom(100000)
    vm.sendall(data)
    vm.close()
    check(receive(gdb, len(data)) == data)
    expect_gone(gdb)
    equal(program.status(), 2)
    check("has closed the connection" in program.said(), program.said())


@case("exit 0 when the debugger detaches, though the stub hangs up first")
def detach(bench):
    listener, spec = bench.listen()
    program, gdb = bench.bridge(spec)
    vm = bench.accept(listener)
    gdb.sendall(b"$D#44")
    equal(receive(vm, 5), b"$D#44")
    vm.sendall(b"+$OK#9a")
    vm.close()
    equal(receive(gdb, 7), b"+$OK#9a")
    gdb.close()
    equal(program.status(), 0)
    equal(program.said(), "")


@case("exit 2 when nobody is there")
def unreachable(bench):
    listener, spec = bench.listen()
    listener.close()
    program, _ = bench.bridge(spec)
    equal(program.status(), 2)
    check("Connection refused" in program.said(), program.said())
    program, _ = bench.bridge(f"unix:{bench.path('none')}")
    equal(program.status(), 2)
    check("No such file or directory" in program.said(), program.said())
    program, _ = bench.bridge("serial:/dev/nonexistent")
    equal(program.status(), 2)
    program, _ = bench.bridge("virtio:org.vmgdb.none")
    equal(program.status(), 2)
    check("virtio-serial" in program.said(), program.said())


@case("exit 3 when it refuses")
def refused(bench):
    listener, spec = bench.listen()
    program, _ = bench.bridge(f"uds-vsock:{spec.removeprefix('unix:')}:7")
    vm = bench.accept(listener)
    vm.sendall(b"FAIL no such port\n")
    equal(program.status(), 3)
    check("it answered 'FAIL no such port'" in program.said(), program.said())


@case("a uid that is not allowed is refused, with a message")
def not_allowed(bench):
    listener, spec = bench.listen()
    path = bench.path("gdb.sock")
    program = bench.connect("--listen", f"unix:{path},allow=12345", spec)
    expect_gone(bench.dial(path))
    program.says(f"refused: uid {os.getuid()} pid")


@case("a VM that is not allowed to dial here is refused, with a message")
def vm_not_allowed(bench):
    path = bench.path("vm.sock")
    program, _ = bench.bridge("--accept", f"unix:{path},allow=12345")
    program.says("waiting for a VM that dials unix:")
    expect_gone(bench.dial(path))
    program.says(f"refused: uid {os.getuid()} pid")
    check(not program.ended(), "it waits for the next one")


@case("without --reconnect a listener disconnects its debugger, and goes on")
def listener_goes_on(bench):
    listener, spec = bench.listen()
    listener.close()
    path = bench.path("gdb.sock")
    program = bench.connect("--listen", f"unix:{path}", spec)
    for _ in range(2):
        expect_gone(bench.dial(path))
    program.says("Connection refused")
    listener, _ = bench.listen()
    gdb = bench.dial(path)
    pass_through(gdb, bench.accept(listener))


@case("a debugger on a line is disconnected once, not once a byte that it has sent")
def line_turned_away(bench):
    line, device = open_line()
    bench.keep(line)
    program = bench.connect("--listen", f"serial:{device}", f"unix:{bench.path('none')}")
    program.says(f"waiting for a debugger at serial:{device}")
    for n in (1, 2):
        line.sendall(b"+$qSupported:multiprocess+#c6" * 20)
        eventually("the message", lambda: program.said().count("can't reach") >= n)
        program.rests()
        equal(program.said().count("can't reach"), n, program.said())


@case("--reconnect waits for a VM that is not there yet")
def reconnect_first(bench):
    spec = f"unix:{bench.path('vm.sock')}"
    program, gdb = bench.bridge("--reconnect", spec)
    gdb.sendall(b"+$early#")
    program.says("trying again")
    time.sleep(0.5)
    check(program.cpu() < 0.1)
    listener, _ = bench.listen()
    vm = bench.accept(listener)
    equal(receive(vm, 8), b"+$early#")
    pass_through(gdb, vm)
    equal(program.said().count("trying again"), 1, "reported once")
    program.says("reached unix:")


@case("--reconnect rides out the VMM's restart")
def reconnect(bench):
    path = bench.path("gdb.sock")
    listener, spec = bench.listen()
    program = bench.connect("--reconnect", "--listen", f"unix:{path}", spec)
    for _ in range(3):
        gdb = bench.dial(path)
        vm = bench.accept(listener)
        pass_through(gdb, vm)
        listener.close()
        vm.close()
        expect_gone(gdb)
        gdb = bench.dial(path)
        gdb.sendall(b"early")
        program.says("trying again")
        listener, _ = bench.listen()
        vm = bench.accept(listener)
        equal(receive(vm, 5), b"early")
        pass_through(gdb, vm)
        gdb.close()
        expect_gone(vm)
    check(not program.ended())


@case("--reconnect waits for a serial device that is not there yet")
def reconnect_serial(bench):
    device = bench.path("ttyUSB0")
    program, gdb = bench.bridge("--reconnect", f"serial:{device}")
    program.says("No such file or directory")
    line, path = open_line()
    bench.keep(line)
    os.symlink(path, device)
    gdb.sendall(b"+")
    equal(receive(line, 1), b"+")


@case("a debugger that leaves while the VM is dialled is disconnected")
def gives_up(bench):
    path = bench.path("gdb.sock")
    program = bench.connect("--reconnect", "--listen", f"unix:{path}",
                            f"unix:{bench.path('vm.sock')}")
    gdb = bench.dial(path)
    program.says("trying again")
    gdb.close()
    program.says("the debugger has left")
    listener, _ = bench.listen()
    pass_through(bench.dial(path), bench.accept(listener))  # a dial before that would be accepted here


REFUSAL = b"+$E.another debugger is connected#"


@case("a second debugger is refused at once, and the first is not disturbed")
def second(bench):
    listener, spec = bench.listen()
    path = bench.path("gdb.sock")
    program = bench.connect("--listen", f"unix:{path}", spec)
    first = bench.dial(path)
    vm = bench.accept(listener)
    for packet in (b"+$qSupported#37", b"+$QStartNoAckMode#b0"):
        pass_through(first, vm)
        other = bench.dial(path)
        other.sendall(packet)
        found = receive(other, len(REFUSAL) + 2)
        equal(found[:-2], REFUSAL)
        equal(int(found[-2:], 16), sum(found[2:-3]) & 0xff, "checksum")
        expect_gone(other)
        other.sendall(b"+")  # the bridge still reads
        pass_through(first, vm)
        other.close()
        program.says("refused: uid")
    silent = [bench.dial(path) for _ in range(5)]
    other = bench.dial(path)
    other.sendall(b"+$qSupported#37")
    equal(receive(other, len(REFUSAL)), REFUSAL, "while others have sent nothing yet")
    for each in silent:
        equal(receive(each, len(REFUSAL)), REFUSAL, "one that sends nothing")
    pass_through(first, vm)
    first.close()
    expect_gone(vm)
    pass_through(bench.dial(path), bench.accept(listener))


@case("a debugger that connects as the first one leaves is not refused")
def successor(bench):
    listener, spec = bench.listen()
    path = bench.path("gdb.sock")
    program = bench.connect("--listen", f"unix:{path}", spec)
    first = bench.dial(path)
    for _ in range(50):
        vm = bench.accept(listener)
        first.sendall(b"me")
        equal(receive(vm, 2), b"me")
        first.shutdown(socket.SHUT_RDWR)  # a program that another test just starts has a copy of it
        first.close()
        first = bench.dial(path)
        expect_gone(vm)
    check("refused" not in program.said(), program.said())


@case("a pty's debugger sees that the VM has gone, and its link stays good")
def pty_hang_up(bench):
    listener, spec = bench.listen()
    link = bench.path("tty")
    program = bench.connect("--pty", link, spec)
    eventually("the link", lambda: os.path.exists(link))
    for _ in range(3):
        gdb = open_tty(link)
        gdb.sendall(b"+")
        vm = bench.accept(listener)
        equal(receive(vm, 1), b"+")
        pass_through(gdb, vm)
        vm.sendall(b"last")
        vm.close()
        equal(receive(gdb, 4), b"last")
        expect_gone(gdb)
        gdb.close()
        eventually("the link", lambda: os.path.exists(link))
    equal(program.stop(), 0)
    check(not os.path.lexists(link), "the link is left behind")


@case("Ctrl-C is the debugger's, not the bridge's")
def interrupt(bench):
    listener, spec = bench.listen()
    program, gdb = bench.bridge(spec)
    vm = bench.accept(listener)
    for _ in range(3):
        program.interrupt()
        pass_through(gdb, vm)
    check(not program.ended())


def ended_by(sig):
    @case(f"{sig.name} ends a listener, and nothing is left")
    def test(bench):
        path = bench.path("gdb.sock")
        program = bench.connect("--listen", f"unix:{path}", "unix:x")
        program.says("waiting for a debugger")
        check(stat.S_ISSOCK(os.stat(path).st_mode))
        equal(os.stat(path).st_mode & 0o777, 0o600, "mode")
        equal(program.stop(sig), 0)
        check(not os.path.lexists(path), "the socket is left behind")


ended_by(signal.SIGINT)
ended_by(signal.SIGTERM)
ended_by(signal.SIGHUP)


def ended_while_waiting(name, sig, *options):
    @case(f"{sig.name} ends the wait of {name}")
    def test(bench):
        path, out = fake_debugger(bench, "gdb")
        program = bench.connect(*options, f"unix:{bench.path('vm.sock')}", "--", path)
        program.says("trying again" if "--reconnect" in options else "waiting for a VM")
        equal(program.stop(sig), 128 + sig)
        check(not os.path.exists(out), "the debugger was started")


for _sig in (signal.SIGINT, signal.SIGTERM):
    ended_while_waiting("--reconnect -- gdb", _sig, "--reconnect")
    ended_while_waiting("--accept -- gdb", _sig, "--accept")


def starts_ignoring(*signals):
    def ignore():
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
    return ignore


@case("a signal that was ignored at the start does not end a listener")
def stays_ignored(bench):
    ignored = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
    listener, spec = bench.listen()
    path = bench.path("gdb.sock")
    program = bench.connect("--listen", f"unix:{path}", spec, preexec_fn=starts_ignoring(*ignored))
    gdb = bench.dial(path)
    vm = bench.accept(listener)
    for each in ignored:
        program.process.send_signal(each)
        pass_through(gdb, vm)
    check(not program.ended())
    equal(program.stop(signal.SIGTERM), 0)


@case("a signal that was ignored at the start is ignored in the debugger too")
def ignored_in_debugger(bench):
    listener, spec = bench.listen()
    path = bench.path("gdb")
    with open(path, "w") as f:
        f.write("#!/bin/sh\nexec grep SigIgn /proc/self/status >&2\n")
    os.chmod(path, 0o755)
    program = bench.connect(spec, "--", path,
                            preexec_fn=starts_ignoring(signal.SIGHUP, signal.SIGCHLD))
    equal(program.status(), 0)
    ignored = int(program.said().split("SigIgn:")[1].split()[0], 16)
    check(ignored & 1 << signal.SIGHUP - 1, program.said())
    check(not ignored & 1 << signal.SIGPIPE - 1, program.said())


@case("at a terminal a pty is made, and named")
def at_terminal(bench):
    listener, spec = bench.listen()
    master, slave = os.openpty()
    program = bench.connect(spec, stdin=slave)
    program.says("target remote /dev/pts/")
    os.close(slave)
    gdb = open_tty(program.said().split("target remote ")[1].split()[0])
    gdb.sendall(b"+")
    vm = bench.accept(listener)
    equal(receive(vm, 1), b"+")
    pass_through(gdb, vm)
    gdb.close()
    os.close(master)


@case("a VM that dials a listener is kept for the debugger")
def accept_and_listen(bench):
    vm_path, gdb_path = bench.path("vm.sock"), bench.path("gdb.sock")
    program = bench.connect("--accept", "--listen", f"unix:{gdb_path}", f"unix:{vm_path}")
    vm = bench.dial(vm_path)
    program.says("a VM has dialled unix:")
    vm.sendall(b"early")
    gdb = bench.dial(gdb_path)
    equal(receive(gdb, 5), b"early")
    pass_through(gdb, vm)
    vm.close()
    expect_gone(gdb)
    vm = bench.dial(vm_path)
    gdb = bench.dial(gdb_path)
    pass_through(gdb, vm)


# A debugger: writes down its arguments, connects, sends and receives a word, and exits with 7.
FAKE = """#!{python}
import os, signal, socket, sys
assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
assert not signal.pthread_sigmask(signal.SIG_BLOCK, [])
path = [a for a in sys.argv if a.startswith(("target remote ", "process connect "))][0].split()[-1]
path = path.removeprefix("unix-connect://")
assert os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o700
open({out!r}, "w").write(repr((sys.argv[1:], os.path.dirname(path))))
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
s.connect(path)
s.sendall(b"hello")
assert s.recv(5) == b"olleh"
sys.exit(7)
"""


def fake_debugger(bench, name):
    path, out = bench.path(name), bench.path("argv")
    with open(path, "w") as f:
        f.write(FAKE.format(python=sys.executable, out=out))
    os.chmod(path, 0o755)
    return path, out


def starts(name, option, command):
    @case(f"-- {name} is started, attached, and its exit status is passed on")
    def test(bench):
        listener, spec = bench.listen()
        path, out = fake_debugger(bench, name)
        program = bench.connect(spec, "--", path, "-x", "vmlinux")
        vm = bench.accept(listener)
        equal(receive(vm, 5), b"hello")
        vm.sendall(b"olleh")
        equal(program.status(), 7)
        argv, folder = eval(open(out).read())
        equal(argv[0], option)
        check(argv[1].startswith(command), argv[1])
        equal(argv[2:], ["-x", "vmlinux"])
        check(not os.path.exists(folder), "the folder is left behind")


starts("gdb", "-ex", "target remote /")
starts("gdb-multiarch", "-ex", "target remote /")
starts("lldb-14", "-o", "process connect --plugin gdb-remote unix-connect:///")


@case("-- is not started when the VM can't be reached")
def not_started(bench):
    path, out = fake_debugger(bench, "gdb")
    program = bench.connect(f"unix:{bench.path('none')}", "--", path)
    equal(program.status(), 2)
    check(not os.path.exists(out), "it was started")


@case("-- that can't be run is a usage error")
def no_such_debugger(bench):
    listener, spec = bench.listen()
    program = bench.connect(spec, "--", "/nonexistent/gdb")
    equal(program.status(), 1)
    check("can't run '/nonexistent/gdb': No such file" in program.said(), program.said())
    expect_gone(bench.accept(listener))


@case("SIGTERM ends the bridge and the debugger that it started, exit 128 + 15")
def terminated(bench):
    listener, spec = bench.listen()
    path, _ = fake_debugger(bench, "gdb")
    program = bench.connect(spec, "--", path)
    vm = bench.accept(listener)
    equal(receive(vm, 5), b"hello")
    equal(program.stop(), 128 + signal.SIGTERM)
    expect_gone(vm)


@case("-- survives Ctrl-C at its terminal")
def terminal_interrupt(bench):
    listener, spec = bench.listen()
    path, _ = fake_debugger(bench, "gdb")
    program = bench.connect(spec, "--", path)
    vm = bench.accept(listener)
    equal(receive(vm, 5), b"hello")
    program.interrupt()
    vm.sendall(b"olleh")
    equal(program.status(), 7)
