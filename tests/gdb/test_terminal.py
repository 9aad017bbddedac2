# SPDX-License-Identifier: MIT
"""vmgdb-run and the terminal or the shell that it was started from: keys, signals, what it leaves."""

import fcntl
import os
import re
import resource
import select
import signal
import subprocess
import sys
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


# A shell with job control: starts a job, and moves it as its commands say. As bash, it sends no SIGCONT to a job that runs.
SHELL = """
import os, signal, sys
said, commands = int(sys.argv[1]), int(sys.argv[2])
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
job = os.fork()
if job == 0:
    os.setpgid(0, 0)
    if sys.argv[3] == "foreground":
        os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execvp(sys.argv[4], sys.argv[4:])
os.write(said, b"%d\\n" % job)
for word in os.fdopen(commands):
    if word == "wait\\n":
        os.write(said, b"%d\\n" % os.waitpid(job, os.WUNTRACED)[1])
    else:
        os.tcsetpgrp(0, job if word == "foreground\\n" else os.getpid())
        os.write(said, b"0\\n")
"""


class Job(Terminal):
    """A terminal, a shell, and vmgdb-run as a job of the shell."""

    def __init__(self, t, where):
        self.said = ""
        self.master, self.slave = os.openpty()
        self.before = self.modes()
        said, commands = os.pipe(), os.pipe()
        self._said, self._commands = os.fdopen(said[0]), os.fdopen(commands[1], "w")
        self._process = subprocess.Popen(
            [sys.executable, "-c", SHELL, str(said[1]), str(commands[0]), where, "setpriv",
             "--pdeathsig", "KILL", RUN], stdin=self.slave, stdout=self.slave, stderr=self.slave,
            start_new_session=True, pass_fds=(said[1], commands[0]),
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        t.defer(self.close)
        os.close(said[1])
        os.close(commands[0])
        self.pid = int(self._said.readline())
        self.wait_for("demo: ")

    def tell(self, word):
        print(word, file=self._commands, flush=True)
        return int(self._said.readline())

    def signal(self, number):
        os.kill(self.pid, number)

    def stops(self):
        check(os.WIFSTOPPED(self.tell("wait")), "it has ended")

    def ends(self, status):
        code = self.tell("wait")
        equal(os.waitstatus_to_exitcode(code), status, "exit status")

    def ends_by_key(self):
        """Ctrl-A x ends it, and the terminal is as it was."""
        self.type("\x01x")
        self.ends(0)
        equal(self.modes(), self.before, "the terminal's modes")

    def wait_for_keys(self):
        """Waits until the terminal gives each key at once."""
        end = time.monotonic() + 20
        while self.modes()[3] & KEYS:
            check(time.monotonic() < end, "the terminal's modes are not the console's")
            time.sleep(0.01)

    def takes_keys(self):
        self.wait_for_keys()
        self.type("\x03\x1a\x01h")
        self.wait_for("Ctrl-A Ctrl-A sends a Ctrl-A")

    def leaves_terminal_alone(self):
        """What is typed is the shell's while vmgdb-run runs, and prints, in the background."""
        modes = self.modes()
        self.type("ls\n")
        for _ in range(3):
            self.wait_for("ticks")
        equal(self.modes(), modes, "the terminal's modes")
        check(select.select([self.slave], [], [], 0)[0], "what was typed is gone")
        equal(os.read(self.slave, 100), b"ls\n")

    def close(self):
        self._process.kill()  # the terminal hangs up, which ends the job
        self._process.wait()
        for each in (self._said, self._commands):
            each.close()
        os.close(self.master)
        os.close(self.slave)


@case("local")
def job_to_foreground(t):
    """a background job leaves the terminal alone, and takes the keys once it is in the foreground"""
    job = Job(t, "background")
    job.leaves_terminal_alone()
    job.tell("foreground")
    job.wait_for("Ctrl-A x ends")
    job.takes_keys()
    job.ends_by_key()


@case("local")
def job_stopped(t):
    """a job that SIGTSTP stops leaves the terminal as it was, and takes the keys again in the foreground"""
    job = Job(t, "foreground")
    job.takes_keys()
    for _ in range(2):
        job.signal(signal.SIGTSTP)
        job.stops()
        equal(job.modes(), job.before, "the terminal's modes")
        job.tell("background")
        job.signal(signal.SIGCONT)
        job.leaves_terminal_alone()
        job.tell("foreground")
        job.takes_keys()
    job.ends_by_key()


@case("local")
def job_stopped_at_once(t):
    """a job that SIGSTOP stops takes the keys again, and leaves the terminal as it was before"""
    job = Job(t, "foreground")
    job.takes_keys()
    job.signal(signal.SIGSTOP)
    job.stops()
    job.tell("background")
    termios.tcsetattr(job.slave, termios.TCSANOW, job.before)  # as a shell does
    job.tell("foreground")
    job.signal(signal.SIGCONT)
    job.takes_keys()
    job.ends_by_key()


@case("local")
def job_ended_in_background(t):
    """a job that ends in the background leaves the terminal as the shell has it"""
    job = Job(t, "foreground")
    job.takes_keys()
    job.signal(signal.SIGSTOP)
    job.stops()
    job.tell("background")
    modes = job.modes()
    modes[3] = modes[3] & ~termios.ICANON | termios.ECHO
    termios.tcsetattr(job.slave, termios.TCSANOW, modes)
    modes = job.modes()
    job.signal(signal.SIGCONT)
    job.signal(signal.SIGTERM)
    job.ends(128 + signal.SIGTERM)
    equal(job.modes(), modes, "the terminal's modes")


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


@case("local")
def limit_lowered(t):
    """vmgdb-run ends with a reason when the limit of descriptors is lowered below what it polls"""
    folder = t.new_folder()
    vm = Process([RUN], folder)
    t.defer(vm.kill)
    vm.wait_for("^demo: ")
    resource.prlimit(vm.pid, resource.RLIMIT_NOFILE, (3, 3))
    equal(vm.wait(), 1, "exit status")
    expect("poll: Invalid argument", vm.err)
