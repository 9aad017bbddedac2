# SPDX-License-Identifier: MIT
"""Few descriptors, and peers that send for ever: the bridge ends with a reason, or goes on, and never spins."""

import os
import resource
import signal
import subprocess
import sys

from harness import CONNECT, case, check, equal, eventually, expect_gone, need, pass_through

POLLED = 14  # the slots of the bridge's poll()


def limited(bench, number, *argv, **options):
    """vmgdb-connect under a limit of descriptors."""
    return bench.run("sh", "-c", 'ulimit -n "$0" && exec "$@"', number, CONNECT, *argv, **options)


def set_limit(program, number):
    resource.prlimit(program.pid, resource.RLIMIT_NOFILE, (number, POLLED * 4))


def highest(program):
    return max(int(fd) for fd in os.listdir(f"/proc/{program.pid}/fd"))


FILL = f"""import os, resource, sys
for fd in range(3, 3 + {POLLED}):
    os.dup2(2, fd)
limit = 3 + {POLLED} + int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, {POLLED * 4}))
os.execv(sys.argv[2], sys.argv[2:])
"""


def with_room_for(bench, number, *argv, **options):
    """vmgdb-connect, which can open so many descriptors, while what it polls fits the limit."""
    return bench.run(sys.executable, "-c", FILL, number, CONNECT, *argv, **options)


def too_few(name, *options):
    @case(f"exit 4 and a reason when there are too few descriptors, {name}")
    def test(bench):
        taken, spec = bench.listen()
        path = bench.path("gdb.sock")
        for number in (4, 5, 6, 8, POLLED - 2, POLLED - 1):
            argv = [o.replace("PATH", path) for o in options]
            program = limited(bench, number, *argv, spec, stdin=subprocess.PIPE)
            equal(program.status(), 4, f"exit status with {number}: {program.said()}")
            check("Too many open files" in program.said() or
                  "descriptors" in program.said(), f"{number}: {program.said()!r}")


too_few("--listen", "--listen", "unix:PATH")
too_few("--pty", "--pty", "PATH")
too_few("stdin and stdout")


@case("exit 4 and a reason when the limit of descriptors is lowered during a session")
def lowered(bench):
    listener, spec = bench.listen()
    path = bench.path("gdb.sock")
    program = bench.connect("--listen", f"unix:{path}", spec)
    gdb = bench.dial(path)
    vm = bench.accept(listener)
    pass_through(gdb, vm)
    set_limit(program, POLLED - 1)
    gdb.sendall(b"+")
    equal(program.status(), 4)
    check("descriptors" in program.said(), program.said())
    expect_gone(gdb)


@case("a debugger that can't be accepted for want of descriptors is reported once, and comes in later")
def shortage(bench):
    listener, spec = bench.listen()
    path = bench.path("gdb.sock")
    program = with_room_for(bench, 4, "--listen", f"unix:{path}", spec)
    program.says("waiting for a debugger")
    set_limit(program, highest(program) + 1)
    gdb = bench.dial(path)
    program.says("Too many open files")
    tried = program.status_of("voluntary_ctxt_switches")
    eventually("tried again",
               lambda: program.status_of("voluntary_ctxt_switches") > tried + 2)
    equal(program.said().count("Too many open files"), 1, program.said())
    set_limit(program, POLLED * 4)
    pass_through(gdb, bench.accept(listener))


@case("exit 4 when there is no descriptor for the connection to the VM")
def no_descriptor_to_dial(bench):
    listener, spec = bench.listen()
    program = with_room_for(bench, 3, spec, stdin=subprocess.PIPE)  # signals, stdin, stdout
    equal(program.status(), 4, program.said())
    check("Too many open files" in program.said(), program.said())


@case("a debugger that sends for ever does not keep the bridge from ending")
def endless_input(bench):
    yes = bench.run(need("yes"), stdout=subprocess.PIPE)
    program = bench.connect(f"unix:{bench.path('none')}", stdin=yes.process.stdout)
    yes.process.stdout.close()
    equal(program.status(), 2)
    yes.stop(signal.SIGKILL)
