# SPDX-License-Identifier: MIT
"""--probe of stubs that are usual, odd and hostile, and of what is no stub."""

import os
from pathlib import Path
import re
import socket
import subprocess
import threading

from harness import CONNECT, RUN, case, check, equal, eventually, need, need_kvm
from stub import Stub, checksum


def probe(spec, *options):
    return subprocess.run([CONNECT, "--probe", *options, spec], capture_output=True, text=True,
                          timeout=30)


def probe_stub(bench, replies=None, delay=0, upper=False):
    listener, spec = bench.listen()
    stub = Stub(lambda: bench.accept(listener), replies, delay, upper)
    return probe(spec), stub


@case("probe shows stub, architecture, vCPUs, stop, round trip")
def good(bench):
    out, stub = probe_stub(bench, {"qGDBServerVersion": b"name:fake;version:1;",
                                   "?": b"T05thread:1;swbreak:;"})
    equal(out.returncode, 0, out.stderr)
    words = " ".join(out.stdout.split())
    for text in ("a GDB stub answers", "stub fake", "architecture i386:x86-64", "vCPUs 2",
                 "1 CPU 0", "2 CPU 1", "stopped trapped (SIGTRAP), swbreak", "round trip"):
        check(text in words, f"no {text!r} in {words!r}")
    equal(out.stderr, "")
    equal(stub.seen[-1], "D", "the last packet")
    changing = [p for p in stub.seen if p[0] in "cCsSGPMXZzk" or p.startswith("vCont;")]
    equal(changing, [], "and changes nothing")


@case("probe withdraws from a stub that knows how, which is no detach")
def withdraws(bench):
    out, stub = probe_stub(bench, {"qSupported": b"PacketSize=1000;QVmgdb.Withdraw+",
                                   "QVmgdb.Withdraw": b"OK"})
    equal(out.returncode, 0, out.stderr)
    equal(stub.seen[-1], "QVmgdb.Withdraw")
    check("D" not in stub.seen, stub.seen)


@case("probe names the stub by its monitor command where it has no other name")
def by_monitor(bench):
    out, _ = probe_stub(bench, {"qRcmd,": b"some stub 1.0\n".hex().encode()})
    check("some stub 1.0" in out.stdout, out.stdout)


@case("probe of a stub that knows next to nothing")
def bare(bench):
    out, _ = probe_stub(bench, {"q": b"", "?": b"S02"})
    equal(out.returncode, 0, out.stderr)
    check("interrupted (SIGINT)" in out.stdout, out.stdout)
    check("does not say its name" in out.stdout, out.stdout)


@case("probe understands run-length encoding and escapes")
def encodings(bench):
    out, _ = probe_stub(bench, {"qGDBServerVersion": b"name:0* }\x03x;"})
    check("stub           0000#x" in out.stdout, out.stdout)


@case("probe takes long and malformed replies for what they are")
def hostile(bench):
    for reply in (b"m" + b"1," * 40000, b"m" * 100, b"*" * 100, b"}" * 3, b"T", b"Tzz;", b"O",
                  b"name:" + b"x" * 5000, b"0*" + bytes([126]) + b"*~" * 300):
        out, _ = probe_stub(bench, {"qSupported": b"x", "": reply})
        check(out.returncode in (0, 2), f"{reply[:20]!r}: exit status {out.returncode}")


def bounded(name, replies, delay=0):
    @case(f"probe ends, {name}")
    def test(bench):
        out, stub = probe_stub(bench, replies, delay)
        equal(out.returncode, 0, out.stderr)
        check("a GDB stub answers" in out.stdout, out.stdout)
        check(len(stub.seen) < 3000, len(stub.seen))


bounded("bare m for ever", {"qXfer": b"m", "qfThreadInfo": b"m", "qsThreadInfo": b"m"})
bounded("one byte of a document at a time for ever", {"qXfer": b"mx"})
bounded("a list of threads for ever", {"qsThreadInfo": b"m1"})
bounded("large pieces for ever", {"qXfer": b"m" + b"x" * 0x400, "qsThreadInfo": b"m" + b"1," * 500})
bounded("slow pieces for ever", {"qXfer": b"mx"}, 0.1)
bounded("console output for ever", {"qRcmd": b"O41#b6$O41#b6$O41"})


@case("probe of a stub that sends bytes for ever")
def flood(bench):
    listener, spec = bench.listen()

    def serve():
        sock = bench.accept(listener)
        try:
            while True:
                sock.sendall(b"\x00noise" * 1000)
        except OSError:
            pass
    thread = threading.Thread(target=serve)
    thread.start()
    out = probe(spec)
    thread.join()
    equal(out.returncode, 2, out.stdout)
    check("does not speak GDB's remote protocol" in out.stderr, out.stderr)


@case("probe prints no control characters of a stub")
def filtered(bench):
    evil = b"\x1b]0;evil\x07\x9b2J\r\n\x7f"
    digits = evil.hex().encode()
    for replies in ({"qGDBServerVersion": b"name:" + evil + b";"},
                    {"qRcmd": digits},
                    {"qRcmd": b"O" + digits},
                    {"qXfer": b"l<architecture>" + evil + b"</architecture>"},
                    {"qfThreadInfo": b"m" + evil + b",2"},
                    {"qThreadExtraInfo": digits},
                    {"?": b"T05" + evil + b";"},
                    {"qSupported": b"E." + evil}):
        out, _ = probe_stub(bench, replies)
        check(out.returncode in (0, 3), out.stderr)
        for char in (out.stdout + out.stderr).replace("\n", ""):
            check(" " <= char <= "~", f"{replies}: {char!r} in {out.stdout!r} {out.stderr!r}")


@case("probe does not take an error message for the stub's name")
def complaint(bench):
    for text in (b"unknown command: 'version'\r\n", b"Unknown monitor command", b"invalid\n",
                 b"Undefined command: \"version\".\n", b"ERROR\n", b"\r\n"):
        out, _ = probe_stub(bench, {"qRcmd": text.hex().encode()})
        check("does not say its name" in out.stdout, out.stdout)


@case("probe describes in words what it does not know")
def words(bench):
    for replies, text in (({"?": b"S0b"}, "memory fault (SIGSEGV)"),
                          ({"?": b"T63thread:1;"}, "signal 99 of GDB's numbers"),
                          ({"?": b"T05library:watch:;thread:1;"}, "trapped (SIGTRAP)\n"),
                          ({"?": b"X09"}, "the VM has ended, signal 9"),
                          ({"?": b""}, "stopped        it does not say why"),
                          ({"?": b"N"}, "stopped        it does not say why"),
                          ({"qXfer": b"E00"}, "architecture   not described"),
                          ({"qXfer": b"l<target/>"}, "architecture   not described"),
                          ({"qfThreadInfo": b""}, "vCPUs          not listed")):
        out, _ = probe_stub(bench, replies)
        equal(out.returncode, 0, out.stderr)
        check(text in out.stdout, f"no {text!r} in {out.stdout}")


class LeavingStub(Stub):
    def _reply(self, packet):
        if packet == "qfThreadInfo":
            raise OSError("it hangs up")
        return super()._reply(packet)


@case("probe of a stub that hangs up among the questions")
def hangs_up(bench):
    listener, spec = bench.listen()
    LeavingStub(lambda: bench.accept(listener))
    out = probe(spec)
    equal(out.returncode, 2, out.stdout)
    check("a GDB stub answers" in out.stdout, out.stdout)
    check("it hung up before all was asked" in out.stderr, out.stderr)


@case("probe of a hypervisor's socket that never answers")
def never_reached(bench):
    listener, spec = bench.listen()
    out = probe(f"uds-vsock:{spec.removeprefix('unix:')}:1234")
    equal(out.returncode, 2)
    check("no answer within" in out.stderr, out.stderr)


@case("probe of QEMU")
def real_qemu(bench):
    qemu = need("qemu-system-x86_64")
    path = bench.path("qemu.sock")
    bench.run(qemu, "-display", "none", "-nodefaults", "-S", "-gdb", "chardev:gdb",
              "-chardev", f"socket,id=gdb,path={path},server=on,wait=off")
    bench.dial(path).close()
    out = probe(f"unix:{path}")
    equal(out.returncode, 0, out.stderr)
    words = " ".join(out.stdout.split())
    for text in ("stub QEMU", "architecture i386:x86-64", "vCPUs 1", "stopped trapped"):
        check(text in words, f"no {text!r} in {words!r}")


@case("probe knows QEMU, whose monitor has no version command")
def qemu(bench):
    out, _ = probe_stub(bench, {"qqemu.sstepbits": b"ENABLE=1,NOIRQ=2,NOTIMER=4",
                                "qRcmd": b"unknown command: 'version'\r\n".hex().encode()})
    check("stub           QEMU\n" in out.stdout, out.stdout)


@case("probe takes console output for one reply, up to the OK behind it")
def console_output(bench):
    digits = b"a stub\n".hex().encode()
    output = b"O" + digits
    two = output + b"#%02x$OK" % (sum(output) & 0xff)
    out, stub = probe_stub(bench, {"qRcmd": two})
    check("stub           a stub\n" in out.stdout, out.stdout)
    check("architecture   i386:x86-64\n" in out.stdout, "the next reply is the next question's")


@case("probe understands checksums in upper case")
def upper_case(bench):
    out, _ = probe_stub(bench, {"qGDBServerVersion": b"name:upper;version:3;x:J"}, upper=True)
    equal(out.returncode, 0, out.stderr)
    check("stub           upper\n" in out.stdout, out.stdout)


@case("probe of a stub that refuses it")
def refused(bench):
    out, _ = probe_stub(bench, {"qSupported": b"E.another debugger holds the VM"})
    equal(out.returncode, 3)
    check("refused: another debugger holds the VM" in out.stderr, out.stderr)
    equal(out.stdout, "")


@case("probe of a stub that refuses it and does not wait for the ack")
def refused_and_gone(bench):
    listener, spec = bench.listen()

    def serve():
        sock = bench.accept(listener)
        sock.recv(100)
        sock.shutdown(socket.SHUT_RD)  # what is sent to it fails from now on, as on AF_VSOCK
        sock.sendall(b"+$E.busy#36")
    thread = threading.Thread(target=serve)
    thread.start()
    out = probe(spec)
    thread.join()
    equal(out.returncode, 3, out.stderr)
    check("refused: busy" in out.stderr, out.stderr)


@case("probe of something that does not answer")
def silent(bench):
    _, spec = bench.listen()
    out = probe(spec)
    equal(out.returncode, 2)
    check("it does not answer" in out.stderr, out.stderr)


def speaks(bench, text):
    listener, spec = bench.listen()

    def serve():
        sock = bench.accept(listener)
        sock.sendall(text)
        sock.close()
    thread = threading.Thread(target=serve)
    thread.start()
    out = probe(spec)
    thread.join()
    return out


@case("probe of something else")
def something_else(bench):
    out = speaks(bench, b"SSH-2.0-OpenSSH_9.2\r\n")
    equal(out.returncode, 2)
    check("hung up without an answer; does its allow= list your uid?" in out.stderr, out.stderr)


@case("probe of nobody")
def nobody(bench):
    out = probe(f"unix:{bench.path('none')}")
    equal(out.returncode, 2)
    check("No such file" in out.stderr, out.stderr)


@case("probe of a VM that dials")
def accept(bench):
    path = bench.path("vm.sock")
    program = bench.connect("--probe", "--accept", f"unix:{path}")
    vm = bench.dial(path)
    Stub(iter([vm]).__next__)
    equal(program.status(), 0)


class Vm:
    """vmgdb-run with the demo guest, at a unix socket."""

    def __init__(self, bench, options=""):
        need_kvm()
        path = bench.path("vm.sock")
        self.console = bench.path("console")
        self.spec = f"unix:{path}"
        with open(self.console, "wb") as console:
            bench.run(RUN, "--guest", "demo", "--cpus", "2", "--gdb", self.spec + options,
                      stdout=console)
        eventually("the socket", lambda: os.path.exists(path))

    def ticks(self):
        return Path(self.console).read_bytes().count(b"ticks")

    def goes_on(self):
        before = self.ticks()
        eventually("the guest goes on", lambda: self.ticks() > before, 20)


@case("probe leaves a running VM running, for each on-disconnect")
def real(bench):
    for policy in ("resume", "stay", "kill"):
        vm = Vm(bench, f",on-disconnect={policy}")
        for _ in range(2):
            out = probe(vm.spec)
            equal(out.returncode, 0, out.stderr)
            check("vmgdb" in out.stdout and "vCPUs          2" in out.stdout, out.stdout)
            vm.goes_on()
        bench.programs[-1].stop()


def ask(sock, packet):
    """The data of the reply."""
    sock.sendall(b"+$" + packet + b"#%02x" % checksum(packet))
    found = b""
    while not re.search(rb"\$([^#]*)#..$", found):
        piece = sock.recv(4096)
        check(piece, f"it hung up after {found!r}")
        found += piece
    return found[found.index(b"$") + 1:-3]


def registers(bench, vm, last):
    with bench.dial(vm.spec.removeprefix("unix:")) as debugger:
        found = ask(debugger, b"g")
        equal(ask(debugger, last), b"OK")
    return found


@case("probe leaves a VM that waits for its first debugger waiting")
def real_wait(bench):
    for policy in ("resume", "kill"):
        vm = Vm(bench, f",wait,on-disconnect={policy}")
        reset = registers(bench, vm, b"QVmgdb.Withdraw")
        for _ in range(3):
            out = probe(vm.spec)
            equal(out.returncode, 0, out.stderr)
            check("a GDB stub answers" in out.stdout, out.stdout)
        equal(registers(bench, vm, b"D"), reset, "the guest has not begun")
        vm.goes_on()
        bench.programs[-1].stop()
