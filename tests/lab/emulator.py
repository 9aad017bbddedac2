# SPDX-License-Identifier: MIT
"""An emulator's process: it ends with this one, whatever ends this one, and after its lifetime."""

import os
import pty
import select
import subprocess
import threading
import time

KEEP = 64 * 1024  # bytes of what it prints


class Emulator:
    """Runs argv on a pseudo-terminal of its own.

    One thread starts it, reads what it prints and ends it.  The kernel sends the parent-death signal
    when the thread that has forked ends, so that thread must stay alive.
    """

    def __init__(self, argv, folder, lifetime, env=None):
        self.pid = None
        self.output = b""
        self.why = None  # why it ended
        self._lifetime = lifetime
        self.ended = threading.Event()
        self._wake, self._wake_end = os.pipe()
        self._started = threading.Event()
        self._error = None
        self._thread = threading.Thread(target=self._live, args=(argv, folder, env), daemon=True)
        self._thread.start()
        self._started.wait()
        if self._error:
            raise self._error

    def _start(self, argv, folder, env):
        terminal, other = pty.openpty()
        try:
            process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *argv], cwd=folder,
                                       stdin=other, stdout=other, stderr=other,
                                       env={**os.environ, **(env or {})}, start_new_session=True)
        except OSError as e:
            self._error = e
            process = None
        os.close(other)
        self.pid = process and process.pid
        self._started.set()
        return process, terminal

    def _read(self, terminal):
        try:
            data = os.read(terminal, 65536)
        except OSError:  # EIO: the last process that had it open is gone
            return False
        self.output = (self.output + data)[-KEEP:]
        return True

    def _live(self, argv, folder, env):
        process, terminal = self._start(argv, folder, env)
        if not process:
            os.close(terminal)
            return
        why = None
        end = time.monotonic() + self._lifetime
        while not why:
            ready = select.select([terminal, self._wake], [], [], max(0, end - time.monotonic()))[0]
            if self._wake in ready:
                why = "it was closed"
            elif not ready:
                why = f"its lifetime of {self._lifetime} s was over"
            elif not self._read(terminal):
                break
        if why:
            process.kill()
        status = process.wait()
        while not why and self._read(terminal):
            pass
        os.close(terminal)
        self.why = why or f"{argv[0]} ended with status {status}"
        self.ended.set()

    def close(self):
        """Ends the emulator; when this returns, its process is gone."""
        if self._wake_end is not None:
            os.write(self._wake_end, b"x")
            self._thread.join()
            os.close(self._wake_end)
            os.close(self._wake)
            self._wake_end = None
