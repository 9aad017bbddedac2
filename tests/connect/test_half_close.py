# SPDX-License-Identifier: MIT
"""A debugger that has sent all, and still reads: what the VM's side replies is delivered to it."""

import socket
import subprocess
import time

from harness import case, check, equal, expect_gone, open_line, pass_through, receive

PACKET = b"+$qSupported#37"
REPLY = b"+$PacketSize=1000#82"


def send_all_of_it(bench, *argv):
    """As `printf PACKET | vmgdb-connect VM`."""
    program = bench.connect(*argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    bench.keep(program.process.stdout)
    program.process.stdin.write(PACKET)
    program.process.stdin.close()
    return program


@case("a reply that comes after the end of stdin is delivered")
def late_reply(bench):
    listener, spec = bench.listen()
    program = send_all_of_it(bench, spec)
    vm = bench.accept(listener)
    equal(receive(vm, len(PACKET)), PACKET)
    equal(vm.recv(1), b"", "the end is passed on")
    program.rests()
    vm.sendall(REPLY)
    vm.close()
    equal(program.process.stdout.read(), REPLY)
    equal(program.status(), 0)
    equal(program.said(), "")


@case("after the end of stdin a VM that falls silent ends the bridge")
def silent(bench):
    listener, spec = bench.listen()
    program = send_all_of_it(bench, spec)
    vm = bench.accept(listener)
    equal(receive(vm, len(PACKET)), PACKET)
    vm.sendall(REPLY)
    equal(program.process.stdout.read(), REPLY)
    equal(program.status(), 0)
    expect_gone(vm)


@case("a serial line replies after the end of stdin")
def serial_line(bench):
    line, device = open_line()
    bench.keep(line)
    program = send_all_of_it(bench, f"serial:{device}")
    equal(receive(line, len(PACKET)), PACKET)
    line.sendall(REPLY)
    equal(program.process.stdout.read(), REPLY)
    equal(program.status(), 0)


@case("after the end of stdin all is delivered for as long as the VM goes on sending")
def goes_on_sending(bench):
    listener, spec = bench.listen()
    program = send_all_of_it(bench, spec)
    vm = bench.accept(listener)
    sent, end = 0, time.monotonic() + 2.5
    while time.monotonic() < end:
        vm.sendall(b"$O41#16")
        sent += 7
        time.sleep(0.02)
    vm.close()
    equal(len(program.process.stdout.read()), sent)
    equal(program.status(), 0)


@case("a VM that dials after the end of stdin gets what was sent, and its reply is delivered")
def before_the_vm(bench):
    path = bench.path("vm.sock")
    program = send_all_of_it(bench, "--accept", f"unix:{path}")
    program.rests()
    cpu = program.cpu()
    time.sleep(1.5)
    check(not program.ended(), "it has not waited for the VM")
    check(program.cpu() - cpu < 0.1, "it spins")
    vm = bench.dial(path)
    equal(receive(vm, len(PACKET)), PACKET)
    vm.sendall(REPLY)
    equal(program.process.stdout.read(), REPLY)
    equal(program.status(), 0)


@case("without a reader at stdout the wait for the VM ends with stdin")
def nobody_reads(bench):
    program = send_all_of_it(bench, "--accept", f"unix:{bench.path('vm.sock')}")
    program.process.stdout.close()
    equal(program.status(), 0)


def tcp_bridge(bench, *argv):
    program = bench.connect("--listen", "tcp:0", *argv)
    program.says("target remote 127.0.0.1:")
    port = int(program.said().split("127.0.0.1:")[1].split()[0])

    def dial():
        sock = bench.keep(socket.create_connection(("127.0.0.1", port)))
        sock.settimeout(10)
        return sock
    return program, dial


@case("a debugger at --listen gets the reply after it has closed its half")
def listener_half(bench):
    listener, spec = bench.listen()
    program, dial = tcp_bridge(bench, spec)
    for _ in range(2):
        gdb = dial()
        gdb.sendall(PACKET)
        gdb.shutdown(socket.SHUT_WR)
        vm = bench.accept(listener)
        equal(receive(vm, len(PACKET)), PACKET)
        equal(vm.recv(1), b"")
        program.rests()
        vm.sendall(REPLY)
        equal(receive(gdb, len(REPLY)), REPLY)
        expect_gone(gdb)
        expect_gone(vm)
    check(not program.ended())


@case("a debugger that has left while the VM can't be reached does not keep the next one out")
def next_debugger(bench):
    program, dial = tcp_bridge(bench, "--reconnect", f"unix:{bench.path('vm.sock')}")
    gdb = dial()
    gdb.sendall(PACKET)
    program.says("trying again")
    gdb.close()
    program.says("the debugger has left")
    gdb = dial()
    listener, _ = bench.listen()
    pass_through(gdb, bench.accept(listener))
