# SPDX-License-Identifier: MIT
"""vmgdb-run and the terminal or the shell that it was started from: keys, signals, what it leaves."""

import fcntl
import os
import re
import select
import signal
import subprocess
import termios
import time

from cases import case, check, equal, expect
from hosts import BUILD, Process

RUN = BUILD / "vmgdb-run"
KEYS = termios.ICANON | termios.ECHO | termios.ISIG
ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
OTHERS = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGXCPU)


class Terminal:
    """A terminal, and vmgdb-run as its foreground job."""

    def __init__(self, t, *arguments):
        self.said = ""
        self.master, self.slave = os.openpty()
        self.before = self.modes()
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", RUN, *arguments], stdin=self.slave,
            stdout=self.slave, stderr=self.slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        t.defer(self.close)
        self.wait_for("Ctrl-A x ends")
        self.wait_for("demo: ")
        equal(self.modes()[3] & KEYS, 0, "the modes by which keys are lines, echoed or signals")

    def modes(self):
        return termios.tcgetattr(self.slave)

    def wait_for(self, pattern, seconds=20):
        """Reads up to what matches; that and what was before it is gone then."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.said)):
            ready = select.select([self.master], [], [], max(0, end - time.monotonic()))[0]
            check(ready, f"no {pattern!r} in {self.said!r}")
            self.said += os.read(self.master, 65536).decode(errors="replace")
        self.said = self.said[found.end():]
        return found

    def type(self, text):
        os.write(self.master, text.encode())

    def signal(self, number):
        self._process.send_signal(number)

    def ends(self, status):
        """It ends with this exit status, and the terminal is as it was."""
        code = self._process.wait(20)
        equal(128 - code if code < 0 else code, status, "exit status")
        equal(self.modes(), self.before, "the terminal's modes")

    def close(self):
        self._process.kill()
        self._process.wait()
        os.close(self.master)
        os.close(self.slave)


@case("local")
def terminal_keys(t):
    """at a terminal Ctrl-C and Ctrl-\\ do not end the VM, Ctrl-A h prints help, Ctrl-A x ends it"""
    terminal = Terminal(t)
    terminal.type("\x03\x1c\x01h")
    terminal.wait_for("Ctrl-A Ctrl-A sends a Ctrl-A")
    terminal.type("\x01\x01x\x01\x01\x01?")
    terminal.wait_for("Ctrl-A Ctrl-A sends a Ctrl-A")
    terminal.type("\x01x")
    terminal.ends(0)


@case("local")
def terminal_input_ignored(t):
    """Ctrl-A x ends a VM whose guest does not read its console"""
    terminal = Terminal(t)
    for _ in range(40):
        terminal.type("y" * 250)
    terminal.type("\x01x")
    terminal.ends(0)


@case("local")
def terminal_restored(t):
    """a signal that ends vmgdb-run leaves the terminal as it was"""
    for number in ENDING + OTHERS:
        terminal = Terminal(t)
        terminal.signal(number)
        terminal.ends(128 + number)


@case("local")
def ignored_signals(t):
    """signals that are ignored at the start, as by nohup and in a script's background, stay ignored"""
    folder = t.new_folder()
    program = f"trap '' HUP INT QUIT; exec {RUN} --gdb unix:{folder}/gdb"
    vm = Process(["sh", "-c", program], folder)
    t.defer(vm.kill)
    vm.wait_for("^demo: ")
    for number in ENDING:  # of those that are pending the lowest is taken first
        vm.kill(number)
    equal(vm.wait(), 128 + signal.SIGTERM, "exit status")
    expect("^gdb -ex", vm.err)
