# SPDX-License-Identifier: MIT
"""A client of the remote serial protocol that sends exactly what the test asks for, and hides nothing.

GDB manual, appendix "Remote Protocol". Data is bytes outside and str (latin-1) in packets.
"""

import os
from pathlib import Path
import re
import select
import socket
import stat
import time
import tty
import xml.etree.ElementTree as ElementTree

INTERRUPT = b"\x03"
SUPPORTED = "qSupported:multiprocess+;swbreak+;hwbreak+;vContSupported+;error-message+"


class Closed(Exception):
    """The other end has hung up."""


class Timeout(Exception):
    """Nothing came in time."""


def frame(data):
    """The packet with this data: escapes, checksum."""
    if isinstance(data, str):
        data = data.encode("latin-1")
    data = re.sub(rb"[#$}*]", lambda m: b"}" + bytes([m.group()[0] ^ 0x20]), data)
    return b"$" + data + b"#%02x" % (sum(data) % 256)


def unframe(data):
    """The data of a packet, escapes and runs undone."""
    out = bytearray()
    it = iter(data)
    for c in it:
        if c == ord("}"):
            out.append(next(it) ^ 0x20)
        elif c == ord("*"):
            out += out[-1:] * (next(it) - 29)
        else:
            out.append(c)
    return out.decode("latin-1")


def little(number, size=8):
    """How the protocol writes a register: hexadecimal bytes, the lowest first."""
    return number.to_bytes(size, "little").hex()


def number(text):
    return int.from_bytes(bytes.fromhex(text), "little")


def open_target(target, timeout=5):
    """A descriptor for what gdb's `target remote` takes: HOST:PORT, a device, a unix socket."""
    if not target.startswith("/"):
        host, _, port = target.rpartition(":")
        return socket.create_connection((host or "127.0.0.1", int(port)), timeout).detach()
    if stat.S_ISCHR(Path(target).stat().st_mode):
        fd = os.open(target, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(fd)
        return fd
    s = socket.socket(socket.AF_UNIX)
    s.connect(target)
    return s.detach()


class Register:
    def __init__(self, name, bits, number, offset):
        self.name, self.size, self.number, self.offset = name, bits // 8, number, offset


class Rsp:
    def __init__(self, target, timeout=5, pause=0, slow=False):
        """pause: seconds to wait after the end before another client may open this target. slow: an ack of
        ours may take so long that a reply is sent again."""
        self.pause = pause
        self.slow = slow
        self._repeats = False  # what comes before the next ack was sent before
        self._asked_again = 0
        self.fd = open_target(target) if isinstance(target, str) else target
        os.set_blocking(self.fd, False)
        self.timeout = timeout
        self.ack = True
        self.features = {}
        self._in = bytearray()
        self._registers = {}

    # Bytes

    def raw(self, data):
        """Sends these bytes as they are."""
        end = time.monotonic() + self.timeout
        while data:
            if not select.select([], [self.fd], [], max(0, end - time.monotonic()))[1]:
                raise Timeout(f"{len(data)} bytes could not be sent")
            try:
                data = data[os.write(self.fd, data):]
            except BlockingIOError:
                continue
            except OSError as e:
                raise Closed(str(e)) from None

    def _more(self, end):
        if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
            raise Timeout(f"in time came only {bytes(self._in)!r}")
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return
        except OSError as e:  # EIO of a pty, ECONNRESET
            raise Closed(str(e)) from None
        if not data:
            raise Closed("end of file")
        self._in += data

    def event(self, timeout=None):
        """The next thing that comes: "+", "-", or a packet's data after "$"."""
        end = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            if self._in[:1] in (b"+", b"-"):
                self._repeats = False
                return chr(self._in.pop(0))
            if found := re.match(rb"\$([^#]*)#([0-9a-fA-F]{2})", self._in, re.S):
                data, checksum = found.groups()
                if sum(data) % 256 != int(checksum, 16):
                    raise AssertionError(f"a packet with a wrong checksum: {bytes(found.group())!r}")
                del self._in[:found.end()]
                return "$" + unframe(data)
            if self._in[:1] not in (b"", b"$"):
                raise AssertionError(f"bytes outside a packet: {bytes(self._in)!r}")
            self._more(end)

    def hung_up(self, timeout=5):
        """Whether the other end hangs up in time; what it still says is dropped."""
        try:
            while True:
                self.event(timeout)
        except Closed:
            return True
        except Timeout:
            return False

    def quiet(self, seconds):
        """Whether nothing comes for so long, but for what acknowledges our last packet."""
        end = time.monotonic() + seconds
        try:
            while not self._in.strip(b"+" if self.ack else b""):
                self._repeats = self._repeats and not self._in
                self._in.clear()
                self._more(end)
        except Timeout:
            return True
        return False

    # Packets

    def send(self, data):
        self.raw(frame(data))
        self._repeats = self.slow and self.ack

    def _pass_repeats(self, timeout):
        """The next event; as gdb does, a packet where an ack is due is acknowledged and dropped."""
        event = self.event(timeout)
        while self._repeats and event[0] == "$":
            self.raw(b"+")
            event = self.event(timeout)
        return event

    def packet(self, timeout=None):
        """The data of the next packet, acknowledged. In ack mode nothing may be wrong before it."""
        event = self._pass_repeats(timeout)
        while event == "+":
            event = self.event(timeout)
        if event == "-":
            raise AssertionError("a NAK came")
        if self.ack:
            self.raw(b"+")
        return event[1:]

    def ask(self, data, timeout=None):
        """Sends a packet and returns the reply."""
        self.send(data)
        return self.packet(timeout)

    def one(self, data):
        """As ask; and it is the only reply: the next one is that of the next question."""
        reply = self.ask(data)
        after = self.ask("qC")
        if not after.startswith("QC"):
            raise AssertionError(f"{data!r} was answered by {reply!r} and then by {after!r}")
        return reply

    def hello(self, supported=SUPPORTED):
        """Begins as gdb does, and leaves acks behind where that is offered. Returns self."""
        reply = self._first(supported)
        # QEMU keeps what was written for a peer that has just left a virtio-serial port, and hands
        # it to the next
        if "PacketSize=" not in reply and self.pause:
            reply = self.packet()
        if "PacketSize=" not in reply:
            raise AssertionError(f"qSupported was answered by {reply!r}")
        self.features = dict(f.split("=", 1) if "=" in f else (f[:-1], f[-1])
                             for f in reply.split(";"))
        if self.features.get("QStartNoAckMode") == "+":
            self.no_ack()
        return self

    def _first(self, data):
        """Asks as gdb does while there are acks: again, if nothing comes. A kernel can report that the
        last debugger has left when the next one is served already, which then loses a reply."""
        for timeout in (self.timeout / 4, self.timeout / 2) if self.pause else ():
            try:
                return self.ask(data, timeout)
            except Timeout:
                if self._in:
                    raise
                self._asked_again += 1
        return self.ask(data)

    def no_ack(self):
        reply = self._first("QStartNoAckMode")
        while self._asked_again and "PacketSize=" in reply:  # both qSupported were answered, late
            self._asked_again -= 1
            reply = self.packet()
        if reply != "OK":
            raise AssertionError(f"QStartNoAckMode: {reply}")
        self.ack = False

    # Run control

    def go(self, action="vCont;c"):
        """Lets it run; no reply comes until it stops."""
        self.send(action)

    def stop(self, timeout=None):
        """The stop reply that is due; console output before it is passed over."""
        while (reply := self.packet(timeout)).startswith("O") and reply != "OK":
            pass
        if reply[:1] not in "TSWX":
            raise AssertionError(f"not a stop reply: {reply!r}")
        return reply

    def interrupt(self, timeout=None):
        self.raw(INTERRUPT)
        return self.stop(timeout)

    def resume(self, action="vCont;c", timeout=None):
        """Lets it run until it stops by itself: the stop reply."""
        self.go(action)
        return self.stop(timeout)

    def step(self, thread="p1.1"):
        return self.resume(f"vCont;s:{thread}")

    def threads(self):
        ids = []
        reply = self.ask("qfThreadInfo")
        while reply.startswith("m"):
            ids += reply[1:].split(",")
            reply = self.ask("qsThreadInfo")
        if reply != "l":
            raise AssertionError(f"the list of threads ended with {reply!r}")
        return ids

    # Memory

    def read(self, address, length):
        """As many bytes as could be read; an error reply gives None."""
        reply = self.ask(f"m{address:x},{length:x}")
        return None if reply.startswith("E") else bytes.fromhex(reply)

    def read_all(self, address, length, piece=16384):
        out = b""
        while len(out) < length:
            part = self.read(address + len(out), min(piece, length - len(out)))
            if not part:
                raise AssertionError(f"memory at {address + len(out):#x} can't be read")
            out += part
        return out

    def long(self, address):
        return int.from_bytes(self.read_all(address, 8), "little")

    def write(self, address, data):
        return self.ask(f"M{address:x},{len(data):x}:{data.hex()}")

    # Registers

    def xfer(self, what, annex, piece=0xfff):
        out = ""
        while True:
            reply = self.ask(f"qXfer:{what}:read:{annex}:{len(out):x},{piece:x}")
            if reply[:1] not in ("l", "m"):
                raise AssertionError(f"qXfer:{what} {annex}: {reply!r}")
            out += reply[1:]
            if reply[0] == "l":
                return out

    def description(self):
        """The registers by name, from target.xml and what it includes."""
        root = ElementTree.fromstring(self.xfer("features", "target.xml"))
        features = []
        for element in root:
            if element.tag.endswith("include"):
                features.append(ElementTree.fromstring(self.xfer("features", element.get("href"))))
            elif element.tag == "feature":
                features.append(element)
        self._registers = {}
        next_number = offset = 0
        for reg in (reg for feature in features for reg in feature.iter("reg")):
            next_number = int(reg.get("regnum", next_number))
            self._registers[reg.get("name")] = Register(reg.get("name"), int(reg.get("bitsize")),
                                                        next_number, offset)
            offset += int(reg.get("bitsize")) // 8
            next_number += 1
        return self._registers

    @property
    def registers(self):
        return self._registers or self.description()

    def all(self):
        """The values that `g` has, by name, as hexadecimal text."""
        text = self.ask("g")
        return {r.name: text[2 * r.offset:2 * (r.offset + r.size)]
                for r in self.registers.values()}

    def reg(self, name):
        return number(self.ask(f"p{self.registers[name].number:x}"))

    def set_reg(self, name, value):
        r = self.registers[name]
        return self.ask(f"P{r.number:x}={little(value, r.size)}")

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
            time.sleep(self.pause)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
