# SPDX-License-Identifier: MIT
"""The control channel into a lab host: commands inside, their output and their end.

agent.c is the other end and documents the format.  Frames to it are numbered and sent again until
they are acknowledged, one at a time: a serial line into a busy host loses bytes.
"""

import binascii
import contextlib
import re
import signal
import socket
import struct
import threading
import time
from typing import NamedTuple

from errors import LabError, LabTimeout

MARK = b"\xa5\x4c"
HEAD = struct.Struct("<2sBxHHH")
PAYLOAD = 2048
START, INPUT, KILL, RESIZE = 1, 2, 3, 4
ACK, HELLO, OUT, ERR, EXIT = 16, 17, 18, 19, 20
RESEND = 1.0  # seconds, at first
SLOWEST = 1000  # bytes a second, a serial line into a busy host


def crc16(data):
    return struct.pack("<H", binascii.crc_hqx(data, 0))


def frame(kind, job, seq, data):
    head = HEAD.pack(MARK, kind, job, seq, len(data)) + data
    return head + crc16(head)


def parse(buffer):
    """Takes the whole frames off buffer, a bytearray, and yields (kind, job, seq, data)."""
    while True:
        start = buffer.find(MARK[:1])
        del buffer[:start if start >= 0 else len(buffer)]
        if len(buffer) < HEAD.size:
            return
        mark, kind, job, seq, size = HEAD.unpack_from(buffer)
        end = HEAD.size + size
        if mark != MARK or size > PAYLOAD:
            del buffer[:1]
        elif len(buffer) < end + 2:
            return
        elif crc16(buffer[:end]) != buffer[end:end + 2]:
            del buffer[:1]
        else:
            data = bytes(buffer[HEAD.size:end])
            del buffer[:end + 2]
            yield kind, job, seq, data


class Result(NamedTuple):
    """A command's result: its exit status (128 + the signal that ended it) and what it printed."""
    status: int
    out: str
    err: str


class Job:
    """A command that runs inside."""

    def __init__(self, channel, number, command):
        self._channel = channel
        self._number = number
        self.command = command
        self._raw = {OUT: bytearray(), ERR: bytearray()}
        self.status = None
        self.on_output = None  # called with each piece of output, in the channel's thread

    @property
    def out(self):
        return self._raw[OUT].decode(errors="replace")

    @property
    def err(self):
        return self._raw[ERR].decode(errors="replace")

    def _said(self):
        return f"{self.command!r} said:\n{self.out[-2000:]}{self.err[-2000:]}"

    def _take(self, kind, data):
        if kind == EXIT:
            code, number = data
            self.status = 128 + number if number else code
            return
        self._raw[kind] += data
        if self.on_output:
            self.on_output(data)

    def send(self, data):
        """Bytes for the command's standard input; b"" is the end of file."""
        for at in range(0, len(data) or 1, PAYLOAD):
            self._channel.send(INPUT, self._number, data[at:at + PAYLOAD])

    def kill(self, number=signal.SIGKILL):
        """Signals the command and its children."""
        if self.status is None:
            self._channel.send(KILL, self._number, bytes([number]))

    def resize(self, rows, columns):
        self._channel.send(RESIZE, self._number, struct.pack("<HH", rows, columns))

    def wait(self, timeout=60):
        """Waits for the command to end, returns its status; kills one that takes longer: LabTimeout."""
        if not self._channel.wait_until(lambda: self.status is not None, timeout):
            self.kill()
            self._channel.wait_until(lambda: self.status is not None, 10)
            raise LabTimeout(f"not ended within {timeout} s: {self._said()}")
        return self.status

    def wait_for(self, pattern, timeout=60):
        """Waits for output that matches a regular expression; returns the match."""
        def found():
            return re.search(pattern, self.out, re.M) or re.search(pattern, self.err, re.M)
        self._channel.wait_until(lambda: found() or self.status is not None, timeout)
        if not found():
            how = "still running" if self.status is None else f"ended with status {self.status}"
            raise LabTimeout(f"no {pattern!r} within {timeout} s, {how}: {self._said()}")
        return found()


class Channel:
    """stream: a connected socket; the agent says HELLO later, when the host is up.

    why_lost: called when the other end has closed it, returns the reason for people.
    """

    def __init__(self, stream, why_lost):
        self._stream = stream
        self._why_lost = why_lost
        self._jobs = {}
        self._seq = 0
        self._acked = 0
        self._number = 0
        self.up = False
        self.lost = None  # why the channel is closed
        self._sending = threading.Lock()
        self._changed = threading.Condition()
        threading.Thread(target=self._receive, daemon=True).start()

    def _receive(self):
        buffer = bytearray()
        try:
            while data := self._stream.recv(65536):
                buffer += data
                for message in parse(buffer):
                    self._take(*message)
        except OSError:
            pass
        if not self.lost:
            self.lose(self._why_lost())

    def lose(self, why):
        """The agent is gone: ends every wait with an error."""
        with self._changed:
            self.lost = self.lost or why
            self._changed.notify_all()

    def _take(self, kind, number, seq, data):
        with self._changed:
            if kind == ACK:
                self._acked = seq
            elif kind == HELLO:
                self.up = True
            elif number in self._jobs:
                self._jobs[number]._take(kind, data)
                if kind == EXIT:
                    del self._jobs[number]
            self._changed.notify_all()

    def wait_until(self, done, timeout):
        """Returns what done() returns: true, or false when the time is up."""
        with self._changed:
            self._changed.wait_for(lambda: done() or self.lost, timeout)
            result = done()
            if not result and self.lost:
                raise LabError(self.lost)
            return result

    def send(self, kind, number, data, timeout=60):
        with self._sending:
            seq = self._seq = (self._seq + 1) & 0xffff
            end = time.monotonic() + timeout
            resend = RESEND + len(data) / SLOWEST
            while time.monotonic() < end:
                with contextlib.suppress(OSError):  # _receive sees the end too, and reports why
                    self._stream.sendall(frame(kind, number, seq, data))
                if self.wait_until(lambda: self._acked == seq, resend):
                    return
                resend *= 2
        raise LabTimeout(f"the agent inside has not answered for {timeout} s")

    def start(self, command, mode="-", on_output=None):
        """Starts a command; mode as the agent's START: p on a pty, i with input, - without."""
        data = mode.encode() + command.encode()
        if len(data) > PAYLOAD:
            raise LabError(f"a command of {len(data)} bytes is too long: put it into a script")
        with self._changed:
            self._number += 1
            number = self._number & 0xffff
            job = self._jobs[number] = Job(self, number, command)
            job.on_output = on_output
        self.send(START, number, data)
        return job

    def close(self):
        self.lose("the lab host was closed")
        try:
            self._stream.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._stream.close()
