# SPDX-License-Identifier: MIT
"""A GDB stub with two threads, one page of memory and no processor: enough to attach to."""

import threading
import time

SIZE_OF_G = 560  # bytes, as gdb takes them for plain i386:x86-64
XML = b"""<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd">
<target version="1.0"><architecture>i386:x86-64</architecture></target>"""
MEMORY = bytes(range(256)) * 16


def checksum(data):
    return sum(data) & 0xFF


def escape(data):
    out = bytearray()
    for byte in data:
        if byte in b"#$}*":
            out += bytes([ord("}"), byte ^ 0x20])
        else:
            out.append(byte)
    return bytes(out)


class Stub:
    """Serves the connections that accept() gives, one at a time, in a thread.

    replies: what it says instead, by how the question starts; delay: seconds before each reply;
    upper: checksums in upper case."""

    def __init__(self, accept, replies=None, delay=0, upper=False):
        self.accept = accept
        self.delay = delay
        self.checksum = b"#%02X" if upper else b"#%02x"
        self.replies = replies or {}
        self.seen = []
        self.resumed = threading.Event()
        self.interrupted = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                sock = self.accept()
            except (OSError, AssertionError, StopIteration):  # the test is over
                return
            try:
                self._serve(sock)
            except OSError:
                pass
            sock.close()

    def _packets(self, sock):
        data = b""
        while piece := sock.recv(4096):
            data += piece
            while data:
                if data[:1] == b"\x03":
                    data = data[1:]
                    yield "\x03"
                elif data[:1] != b"$":
                    data = data[1:]
                elif b"#" in data and len(data) >= data.index(b"#") + 3:
                    end = data.index(b"#")
                    packet, data = data[1:end], data[end + 3:]
                    yield packet.decode("latin-1")
                else:
                    break

    def _serve(self, sock):
        for packet in self._packets(sock):
            self.seen.append(packet)
            if packet == "\x03":
                self.interrupted.set()
                self._send(sock, b"T02thread:1;", ack=b"")
                continue
            reply = self._reply(packet)
            if reply is None:
                sock.sendall(b"+")
                self.resumed.set()
                continue
            self._send(sock, reply)
            if packet.startswith(("D", "k")):
                return

    def _send(self, sock, reply, ack=b"+"):
        time.sleep(self.delay)
        sock.sendall(ack + b"$" + reply + self.checksum % checksum(reply.rpartition(b"$")[2]))

    def _reply(self, packet):
        for start, reply in self.replies.items():
            if packet.startswith(start):
                return reply
        name, _, args = packet.partition(":")
        if packet.startswith("qXfer:features:read:target.xml:"):
            offset, length = (int(n, 16) for n in packet.rpartition(":")[2].split(","))
            piece = XML[offset:offset + length]
            return (b"m" if offset + length < len(XML) else b"l") + escape(piece)
        if packet[0] == "m":
            addr, length = (int(n, 16) for n in packet[1:].split(","))
            return MEMORY[addr % 256:][:length].hex().encode()
        if packet[0] in "cs" or packet.startswith("vCont;"):
            return None
        return {
            "qSupported": b"PacketSize=1000;qXfer:features:read+;vContSupported+",
            "?": b"T05thread:1;",
            "g": b"00" * SIZE_OF_G,
            "qC": b"QC1",
            "qfThreadInfo": b"m1,2",
            "qsThreadInfo": b"l",
            "qAttached": b"1",
            "D": b"OK",
            "vCont?": b"vCont;c;C;s;S",
        }.get(name, b"OK" if packet[0] in "HT" else
              b"43505520" + b"%02x" % (ord(packet[-1]) - 1)
              if packet.startswith("qThreadExtraInfo") else b"")
