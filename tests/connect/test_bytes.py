# SPDX-License-Identifier: MIT
"""Byte-exact both ways, over each pair of transports; bounded; no busy loop."""

import os
import socket
import time

from harness import (CONNECT, Bench, case, check, equal, eventually, exchange, expect_gone,
                     open_line, open_tty, pass_through, receive)

SOCKETS = {"unix": socket.AF_UNIX, "tcp": socket.AF_INET}


def handshake(bench, sock):
    """The VMM's half of uds-vsock."""
    equal(receive(sock, 13), b"CONNECT 1234\n")
    sock.sendall(b"OK 1073741824\n")
    return sock


def vm_socket(bench, family):
    listener, spec = bench.listen(SOCKETS[family])
    return spec, lambda: bench.accept(listener)


def vm_uds(bench):
    listener, spec = bench.listen()
    return (f"uds-vsock:{spec.removeprefix('unix:')}:1234",
            lambda: handshake(bench, bench.accept(listener)))


def vm_serial(bench):
    master, path = open_line()
    bench.keep(master)
    return f"serial:{path}", lambda: master


VMS = {"unix": lambda b: vm_socket(b, "unix"), "tcp": lambda b: vm_socket(b, "tcp"),
       "uds-vsock": vm_uds, "serial": vm_serial}


def local_stdio(bench, spec):
    program, sock = bench.bridge(spec)
    return program, lambda: sock


def local_unix(bench, spec):
    path = bench.path("gdb.sock")
    return bench.connect("--listen", f"unix:{path}", spec), lambda: bench.dial(path)


def local_tcp(bench, spec):
    program = bench.connect("--listen", "tcp:0", spec)
    program.says("target remote 127.0.0.1:")
    port = int(program.said().split("127.0.0.1:")[1].split()[0])

    def dial():
        sock = bench.keep(socket.create_connection(("127.0.0.1", port)))
        sock.settimeout(10)
        return sock
    return program, dial


def local_pty(bench, spec):
    link = bench.path("tty")
    program = bench.connect("--pty", link, spec)
    eventually("the link", lambda: os.path.exists(link))

    return program, lambda: bench.keep(open_tty(link))


LOCALS = {"stdio": local_stdio, "unix": local_unix, "tcp": local_tcp, "pty": local_pty}


def ends(bench, local, vm, *options):
    """A program and two functions that come to it, one from each end."""
    spec, vm_comes = VMS[vm](bench)
    program, gdb_comes = LOCALS[local](bench, spec, *options)
    return program, gdb_comes, vm_comes


def meet(gdb_comes, vm_comes):
    """Both ends; the debugger speaks first, without which a pty has no peer."""
    gdb = gdb_comes()
    gdb.sendall(b"+")
    vm = vm_comes()
    equal(receive(vm, 1), b"+")
    return gdb, vm


def byte_exact(local, vm):
    @case(f"1 MiB each way, {local} to {vm}")
    def test(bench: Bench):
        _, *comes = ends(bench, local, vm)
        exchange(*meet(*comes))


for _local in LOCALS:
    for _vm in VMS:
        byte_exact(_local, _vm)


@case("1 MiB each way, a VM that dials")
def accept(bench):
    path = bench.path("vm.sock")
    _, gdb = bench.bridge("--accept", f"unix:{path}")
    exchange(gdb, bench.dial(path))


@case("1 MiB each way, an inherited descriptor")
def inherited(bench):
    mine, theirs = socket.socketpair()
    gdb, gdb_theirs = socket.socketpair()
    for sock in (mine, gdb):
        bench.keep(sock)
    bench.connect(f"fd:{theirs.fileno()}", stdin=gdb_theirs, stdout=gdb_theirs,
                  pass_fds=[theirs.fileno()])
    theirs.close()
    gdb_theirs.close()
    exchange(gdb, mine)


@case("1 MiB each way, two pipes as stdin and stdout")
def pipes(bench):
    listener, spec = bench.listen()
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    program = bench.connect(spec, stdin=to_read, stdout=from_write)
    os.close(to_read)
    os.close(from_write)
    vm = bench.accept(listener)
    data = os.urandom(60000)
    os.write(to_write, data)
    equal(receive(vm, len(data)), data)
    vm.sendall(data[::-1])
    found = b""
    while len(found) < len(data):
        found += os.read(from_read, 65536)
    equal(found, data[::-1])
    os.close(to_write)
    equal(program.status(), 0)
    os.close(from_read)


@case("a serial line that moves a few bytes at a time")
def paced(bench):
    master, path = open_line()
    bench.keep(master)
    _, gdb = bench.bridge(f"serial:{path},baud=115200")
    data = os.urandom(3000)
    gdb.sendall(data)
    found, answer = b"", b""
    while len(found) < len(data):
        piece = master.recv(23)
        found += piece
        answer += piece[::-1]
        master.sendall(piece[::-1])
    equal(found, data)
    equal(receive(gdb, len(data)), answer)


def send_some(sock):
    try:
        return sock.send(bytes(65536))
    except BlockingIOError:
        return 0


def fill(sock, program):
    """Send until nothing more is taken. Returns how much that was."""
    sock.setblocking(False)
    total = 0
    while True:
        while n := send_some(sock):
            total += n
        program.rests()
        n = send_some(sock)
        if not n:
            sock.settimeout(10)
            return total
        total += n


def read_all(sock, size):
    while size > 0:
        piece = sock.recv(min(size, 1 << 16))
        check(piece, f"{size} bytes are missing")
        size -= len(piece)


@case("back-pressure, bounded memory, no spinning while full")
def backpressure(bench):
    program, *comes = ends(bench, "stdio", "unix")
    gdb, vm = meet(*comes)
    up, down = fill(gdb, program), fill(vm, program)
    before = program.cpu()
    time.sleep(1)
    check(program.cpu() - before < 0.05, f"{program.cpu() - before:.2f} s of processor time")
    if b"__asan_init" not in CONNECT.read_bytes():
        anonymous = program.status_of("RssAnon")
        check(anonymous < 1024, f"{anonymous} KiB of memory")
    read_all(vm, up)
    read_all(gdb, down)
    pass_through(gdb, vm)


def idle(local, vm, meeting):
    what = "with both ends there" if meeting else "waiting for a debugger"

    @case(f"idle {what}, {local} to {vm}")
    def test(bench):
        program, *comes = ends(bench, local, vm)
        if meeting:
            meet(*comes)
        program.rests()
        cpu, woken = program.cpu(), program.status_of("voluntary_ctxt_switches")
        time.sleep(1)
        check(program.cpu() - cpu < 0.03, f"{program.cpu() - cpu:.2f} s of processor time")
        woken = program.status_of("voluntary_ctxt_switches") - woken
        check(woken <= 2, f"{woken} wake-ups a second")


for _local in LOCALS:
    idle(_local, "unix", True)
    if _local != "stdio":
        idle(_local, "unix", False)
idle("unix", "serial", True)


@case("idle after a pty's debugger has left")
def idle_after(bench):
    program, *comes = ends(bench, "pty", "unix")
    gdb, vm = meet(*comes)
    bench.sockets.remove(gdb)
    gdb.close()
    expect_gone(vm)
    program.rests()
    woken = program.status_of("voluntary_ctxt_switches")
    time.sleep(1)
    check(program.status_of("voluntary_ctxt_switches") - woken <= 2)


def many(local):
    @case(f"200 debuggers one after the other, {local}")
    def test(bench):
        program, *comes = ends(bench, local, "unix")
        fds = None
        for i in range(200):
            gdb, vm = meet(*comes)
            if i % 2:
                pass_through(gdb, vm)
            if fds is None:
                fds = program.fds()
            bench.sockets.remove(gdb)
            gdb.close()
            expect_gone(vm)
            bench.sockets.remove(vm)
            vm.close()
        gdb, vm = meet(*comes)
        pass_through(gdb, vm)
        equal(program.fds(), fds, "descriptors")


many("unix")
many("tcp")
many("pty")
