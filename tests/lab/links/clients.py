# SPDX-License-Identifier: MIT
"""Faults of a debugger's link: it is cut at any byte, or it is noisy."""

import contextlib
import itertools
import os
import pty
import random
import re
import select
import socket
import threading
import time
import tty

from cases import check
from rsp import SUPPORTED, Rsp, Timeout, unframe


class Gone(Exception):
    """The debugger has vanished."""


class Vanishing(Rsp):
    """A client that raises Gone after so many bytes in both directions; then close it."""

    def __init__(self, target, timeout, pause, budget):
        super().__init__(target, timeout, pause)
        self.budget = self.left = budget

    @property
    def used(self):
        return self.budget - self.left

    def _spend(self, count):
        self.left -= count
        if self.left <= 0:
            raise Gone

    def raw(self, data):
        super().raw(data[:self.left])
        self._spend(len(data))

    def _more(self, end):
        before = len(self._in)
        super()._more(end)
        self._spend(len(self._in) - before)


# Lengths of pieces of target.xml; the client asks for each one in turn
LENGTHS = itertools.cycle(range(16, 400))


def synchronize(client, timeout):
    """Whether the stub answered this client in time; earlier packets answered another client."""
    length = next(LENGTHS)
    client.raw(b"+")
    client.send(SUPPORTED)  # which starts a new session
    client.send(f"qXfer:features:read:target.xml:0,{length:x}")
    end = time.monotonic() + timeout
    with contextlib.suppress(Timeout):
        while True:
            client._more(end)
            for found in re.finditer(rb"\$([^#$]*)#..", client._in):
                data = unframe(found[1])
                if data.startswith("m<?xml") and len(data) == 1 + length:
                    client._in = client._in[found.end():]
                    client.raw(b"+")
                    return True
    client._in.clear()
    return False


def greet(client):
    """Attaches as gdb does to a line on which a hang-up can be missed: sends its packet again."""
    check(any(synchronize(client, timeout) for timeout in (2, 5, 10)), "no answer in 17 s")
    client.hello()


class Noise:
    """Between a line, which is a unix socket, and a pty for a debugger: spoils bytes.

    One of rate bytes is spoilt on average, in both directions: a bit is flipped, or an extra byte
    follows. At most one byte of a packet is spoilt: two errors can cancel out in a checksum, which neither gdb
    nor a stub can detect. No checksum on its way to gdb is spoilt: gdb gives a command up when
    a checksum contains anything but hexadecimal digits.
    """

    def __init__(self, path, rate, seed):
        self.spoilt = 0
        self._whole = {"in": True, "out": True}  # no byte of the current packet was spoilt
        self._checksum = 0  # bytes of a checksum that gdb has not got yet
        self._rate = rate
        self._random = random.Random(seed)
        self._line = socket.socket(socket.AF_UNIX)
        self._line.connect(path)
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._end, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _spares(self, byte, way):
        self._whole[way] |= byte == ord("$")
        checksum = way == "out" and self._checksum
        if way == "out":
            self._checksum = 2 if byte == ord("#") else max(0, checksum - 1)
        return checksum or not self._whole[way]

    def _spoil(self, data, way):
        out = bytearray()
        for byte in data:
            if self._spares(byte, way) or self._random.randrange(self._rate):
                out.append(byte)
                continue
            self.spoilt += 1
            self._whole[way] = False
            if self._random.randrange(2):
                out.append(byte ^ 1 << self._random.randrange(8))
            else:
                out += bytes([byte, self._random.randrange(1, 256)])
        return bytes(out)

    def _serve(self):
        while True:
            ready = select.select([self._line, self._master, self._end], [], [])[0]
            if self._end in ready:
                return
            if self._line in ready:
                data = self._line.recv(4096)
                if not data:
                    return
                os.write(self._master, self._spoil(data, "out"))
            if self._master in ready:
                self._line.sendall(self._spoil(os.read(self._master, 4096), "in"))

    def close(self):
        os.write(self._wake, b"x")
        self._thread.join()
        self._line.close()
        for fd in (self._master, self._slave, self._end, self._wake):
            os.close(fd)

