# SPDX-License-Identifier: MIT
"""The outer end of a serial line: ptys and unix sockets that tests attach to it.

Like a real line, it drops bytes that arrive while nothing is attached.
"""

import contextlib
import os
import pty
import select
import socket
import termios
import threading
import tty

RETRY = 0.02  # seconds between checks of a pty that no process has open


class Pty:
    """A pty whose other end tests may open and close at any time; it stays raw."""

    def __init__(self, path):
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        os.set_blocking(self.master, False)
        self.path = os.ttyname(slave)
        os.close(slave)
        self._open = False

    def _poll(self):
        """Can the pty be read, is it open?  Discards what a process that has closed it had not read."""
        poll = select.poll()
        poll.register(self.master, select.POLLIN)
        events = dict(poll.poll(0)).get(self.master, 0)
        was_open, self._open = self._open, not events & select.POLLHUP
        if was_open and not self._open:
            termios.tcflush(self.master, termios.TCOFLUSH)
        return events & select.POLLIN, self._open

    def inputs(self):
        return [self.master] if any(self._poll()) else []

    def receive(self, _):
        try:
            return os.read(self.master, 4096)
        except OSError:  # EIO: closed just now
            return b""

    def send(self, data):
        if self._poll()[1]:
            with contextlib.suppress(BlockingIOError):  # not read: lost, as on a line
                os.write(self.master, data)

    def close(self):
        os.close(self.master)


class Unix:
    """A unix socket; one client at a time."""

    def __init__(self, path):
        self.path = str(path)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(8)
        self._client = None

    def inputs(self):
        return [self._client or self._listener]

    def receive(self, ready):
        if ready is self._listener:
            self._client = ready.accept()[0]
            return b""
        try:
            data = self._client.recv(4096)
        except ConnectionError:
            data = b""
        if not data:
            self._drop()
        return data

    def send(self, data):
        try:
            if self._client:
                self._client.sendall(data)
        except OSError:
            self._drop()

    def _drop(self):
        self._client.close()
        self._client = None

    def close(self):
        if self._client:
            self._drop()
        self._listener.close()


KINDS = {"pty": Pty, "unix": Unix}


class Line:
    """stream: the socket that is the line's inner end."""

    def __init__(self, stream, folder):
        self._stream = stream
        self._folder = folder
        self._ends = {}
        self._wake, self._wake_end = os.pipe()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def attach(self, kind):
        """The path of a pty or a unix socket that is the line; the same one each time."""
        if kind not in self._ends:
            end = KINDS[kind](self._folder / "serial")
            self._ends = {**self._ends, kind: end}
            os.write(self._wake_end, b"x")
        return self._ends[kind].path

    def _serve(self):
        while not self._closed:
            ends = list(self._ends.values())
            owners = {fd: end for end in ends for fd in end.inputs()}
            idle = len(owners) < len(ends)  # there is a pty to check again
            ready = select.select([self._stream, self._wake, *owners], [], [],
                                  RETRY if idle else None)[0]
            if self._wake in ready:
                os.read(self._wake, 64)
            if self._stream in ready and not self._from_inside(ends):
                return
            for fd in ready:
                if fd in owners:
                    self._from_outside(owners[fd].receive(fd))

    def _from_inside(self, ends):
        try:
            data = self._stream.recv(4096)
        except OSError:
            data = b""
        for end in ends:
            end.send(data)
        return bool(data)

    def _from_outside(self, data):
        with contextlib.suppress(OSError):  # ended: the next read of the stream reports it
            self._stream.sendall(data)

    def close(self):
        self._closed = True
        os.write(self._wake_end, b"x")
        self._thread.join()
        for end in self._ends.values():
            end.close()
        self._stream.close()
        os.close(self._wake)
        os.close(self._wake_end)
