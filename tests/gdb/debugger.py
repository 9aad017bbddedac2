# SPDX-License-Identifier: MIT
"""Real debuggers: gdb in batch mode, gdb over its machine interface, lldb."""

import os
import re
import select
import signal
import subprocess
import time

from hosts import ROOT, TestTimeout

# What a person's settings, terminal or home could change is pinned.
SETTINGS = ("set width 0", "set height 0", "set style enabled off", "set debuginfod enabled off",
            "set auto-load off", "set remotetimeout 20", "set tcp auto-retry off")
MARK = "@@@ {} @@@"


def environment(folder):
    return {**os.environ, "HOME": str(folder), "LC_ALL": "C", "TERM": "dumb"}


def gdb_argv(gdb, elf, *arguments):
    argv = [gdb, "-nx", "-q", *arguments]
    for setting in SETTINGS:
        argv += ["-ex", setting]
    return argv + ([str(elf)] if elf else [])


def run(argv, folder, timeout):
    """Runs a debugger to its end; returns what it printed."""
    with subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *argv], cwd=ROOT, text=True,
                          errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env=environment(folder),
                          start_new_session=True) as process:
        try:
            return process.communicate(timeout=timeout)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said = process.communicate()[0]
            raise TestTimeout(f"{argv[0]} was not done within {timeout} s; it said: "
                              f"{said[-1500:]}") from None
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise


def batch(gdb, elf, commands, folder, timeout):
    """Runs gdb with these commands; returns what each of them printed."""
    argv = gdb_argv(gdb, elf, "-batch")
    for i, command in enumerate(commands):
        argv += ["-ex", f"echo {MARK.format(i)}\\n", "-ex", command]
    argv += ["-ex", f"echo {MARK.format(len(commands))}\\n"]
    said = run(argv, folder, timeout)
    pieces = re.split(r"^@@@ \d+ @@@\n", said, flags=re.M)
    if len(pieces) != len(commands) + 2:
        raise AssertionError(f"gdb ended early (after {len(pieces) - 1} of {len(commands)} "
                             f"commands): {said[-1500:]}")
    return pieces[1:-1]


def lldb(elf, commands, folder, timeout):
    """Runs lldb with these commands; returns all that it printed."""
    argv = ["lldb-14", "--no-lldbinit", "--batch", "--no-use-colors"]
    for command in commands:
        argv += ["-o", command]
    return run([*argv, str(elf)], folder, timeout)


class Mi:
    """gdb as a program drives it: GDB manual, chapter "GDB/MI"."""

    def __init__(self, gdb, elf, folder, timeout=20):
        self.timeout = timeout
        self._token = 0
        self._lines = []
        self._in = b""
        self.log = []
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *gdb_argv(gdb, elf, "-i=mi")], cwd=ROOT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=environment(folder), start_new_session=True, bufsize=0)

    @property
    def pid(self):
        return self._process.pid

    def _line(self, end):
        """The next line that it says."""
        while b"\n" not in self._in:
            left = max(0, end - time.monotonic())
            if not select.select([self._process.stdout], [], [], left)[0]:
                raise TestTimeout(f"gdb: nothing came in time after: {self.log[-12:]}")
            data = os.read(self._process.stdout.fileno(), 65536)
            if not data:
                raise AssertionError(f"gdb has ended after: {self.log[-12:]}")
            self._in += data
        line, _, self._in = self._in.partition(b"\n")
        self.log.append(line.decode(errors="replace"))
        return self.log[-1]

    def _next(self, end):
        return self._lines.pop(0) if self._lines else self._line(end)

    def send(self, command):
        self._token += 1
        self.log.append(f"> {self._token}{command}")
        self._process.stdin.write(f"{self._token}{command}\n".encode())
        return self._token

    def command(self, command, timeout=None):
        """Runs a command; returns its result record and what came on the console before it."""
        token = self.send(command)
        end = time.monotonic() + (timeout or self.timeout)
        said, kept = "", []
        while not (line := self._line(end)).startswith(f"{token}^"):
            if line.startswith(("~", "@", "&")):
                said += unquote(line[1:])
            elif line.startswith("*"):
                kept.append(line)
        self._lines += kept
        result = line[len(f"{token}^"):]
        if result.startswith("error"):
            raise AssertionError(f"{command}: {result}")
        return result, said

    def console(self, command, timeout=None):
        """Runs a command of gdb's command line; returns what it printed."""
        quoted = command.replace("\\", "\\\\").replace('"', '\\"')
        return self.command(f'-interpreter-exec console "{quoted}"', timeout)[1]

    def stopped(self, timeout=None):
        """Waits for the next stop; returns its record."""
        end = time.monotonic() + (timeout or self.timeout)
        while True:
            line = self._next(end)
            if line.startswith("*stopped"):
                return line

    def process_signal(self, number):
        self._process.send_signal(number)

    def kill(self):
        """kill -9."""
        self._process.kill()
        self._process.wait()

    def close(self):
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


def unquote(text):
    """The text of an MI C string."""
    return re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m.group(1), m.group(1)),
                  text.strip().strip('"'))
