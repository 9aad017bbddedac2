# SPDX-License-Identifier: MIT
"""What becomes of a debugger's line: it is cut at any byte, or it is noisy."""

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
    """A client that raises Gone when so many bytes have gone either way; then close it."""

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


LENGTHS = itertools.cycle(range(16, 400))  # of pieces of target.xml; each is asked for once in a while


def synchronize(client, patience):
    """Whether a question of our own was answered in time; what came before that was for another."""
    length = next(LENGTHS)
    client.raw(b"+")
    client.send(SUPPORTED)  # which shows that a new one has come
    client.send(f"qXfer:features:read:target.xml:0,{length:x}")
    end = time.monotonic() + patience
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
    """Comes as gdb does to a line on which a hang-up can be missed: it asks again."""
    check(any(synchronize(client, patience) for patience in (2, 5, 10)), "no answer in 17 s")
    client.hello()


class Noise:
    """Between a line, which is a unix socket, and a pty for a debugger: spoils bytes.

    Of rate bytes one is spoilt on average, either way: a bit is flipped, or it is followed by a byte
    that nobody has sent. No more than one of a packet: two can make up for each other in a checksum,
    and neither gdb nor a stub can tell. And no checksum on its way to gdb, which gives a command up when
    one has something else than a hexadecimal digit.
    """

    def __init__(self, path, rate, seed):
        self.spoilt = 0
        self._whole = {"in": True, "out": True}  # nothing of the packet under way was spoilt
        self._checksum = 0  # bytes of one that are still on their way to gdb
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

