# SPDX-License-Identifier: MIT
"""What becomes of a debugger's line: it is cut at any byte, or it is noisy."""

import contextlib
import os
import pty
import random
import select
import socket
import threading
import tty

from rsp import SUPPORTED, Rsp, Timeout


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


def settle(client, silence):
    """Lets by what is still on its way to the last debugger, until nothing has come for so long."""
    client.raw(b"+")
    for _ in range(100):
        client._in.clear()
        if client.quiet(silence):
            return
    raise Timeout("the line does not fall silent")


def greet(client, silence):
    """Comes as gdb does to a line on which a hang-up can be missed: patiently."""
    for patience in (2, 5):
        settle(client, silence)
        client.send(SUPPORTED)
        with contextlib.suppress(Timeout):
            client.packet(patience)
            break
    client.hello()


class Noise:
    """Between a line, which is a unix socket, and a pty for a debugger: spoils bytes.

    Of rate bytes one is spoilt on average, either way: a bit is flipped, or it is followed by a byte
    that nobody has sent.
    """

    def __init__(self, path, rate, seed):
        self.spoilt = 0
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

    def _spoil(self, data):
        out = bytearray()
        for byte in data:
            if self._random.randrange(self._rate):
                out.append(byte)
                continue
            self.spoilt += 1
            if self._random.randrange(2):
                out.append(byte ^ 1 << self._random.randrange(8))
            else:
                out += bytes([byte, self._random.randrange(256)])
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
                os.write(self._master, self._spoil(data))
            if self._master in ready:
                self._line.sendall(self._spoil(os.read(self._master, 4096)))

    def close(self):
        os.write(self._wake, b"x")
        self._thread.join()
        self._line.close()
        for fd in (self._master, self._slave, self._end, self._wake):
            os.close(fd)

