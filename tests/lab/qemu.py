# SPDX-License-Identifier: MIT
"""A lab host in QEMU: network, virtio-serial ports and a monitor are the same for all CPUs."""

import contextlib
import json
import re
import socket
import time

from errors import LabError
from host import Host
import packages

CONTROL = "org.vmgdb.lab"
# virtio-serial ports for tests, by name: their type outside
PORTS = {"org.vmgdb.0": "unix", "org.vmgdb.1": "pty"}


class Monitor:
    """QEMU's machine protocol (QMP): one command, one answer."""

    def __init__(self, path):
        self._stream = connect(path).makefile("rw")
        self._stream.readline()  # the greeting
        self.command("qmp_capabilities")

    def command(self, name, **arguments):
        self._stream.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self._stream.flush()
        while line := self._stream.readline():
            answer = json.loads(line)
            if "error" in answer:
                raise LabError(f"QEMU's monitor, {name}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]
        raise LabError("QEMU closed the connection to its monitor")

    def human(self, line):
        return self.command("human-monitor-command", **{"command-line": line})

    def close(self):
        self._stream.close()


def connect(path):
    stream = socket.socket(socket.AF_UNIX)
    stream.connect(str(path))
    return stream


class QemuHost(Host):
    """A subclass adds binary, bus (pci or device: what virtio sits on), machine() and append."""

    binary = None
    bus = None
    append = ""
    has_line = False  # /dev/ttyS1
    address = "10.0.2.15"  # QEMU's user network gives it to its first guest

    def machine(self):
        """The arguments for its machine and CPU."""
        raise NotImplementedError

    def _chardev(self, name, kind):
        if kind == "pty":
            return f"pty,id={name}"
        return f"socket,id={name},path={self.folder}/{name},server=on,wait=off"

    def kernel(self):
        """The file for -kernel."""
        return packages.kernel(self.root)

    def _arguments(self):
        yield from (self.binary, "-nodefaults", "-no-user-config", "-no-reboot")
        yield from ("-display", "none", "-accel", "tcg,thread=multi", *self.machine())
        yield from ("-smp", str(self.smp), "-m", str(self.memory))
        yield from ("-kernel", str(self.kernel()), "-initrd", str(self.initramfs))
        yield from ("-append",
                    self.command_line(CONTROL, f"lab_address={self.address}", self.append))
        yield from ("-chardev", f"file,id=console,path={self.folder}/console")
        yield from ("-serial", "chardev:console")
        if self.has_line:
            yield from ("-chardev", self._chardev("line", "unix"), "-serial", "chardev:line")
        yield from ("-chardev", self._chardev("monitor", "unix"))
        yield from ("-mon", "chardev=monitor,mode=control")
        # restrict: nothing but the forwarded ports goes in or out
        yield from ("-netdev", "user,id=net,restrict=on")
        yield from ("-device", f"virtio-net-{self.bus},netdev=net")
        yield from ("-device", f"virtio-serial-{self.bus}")
        for name, kind in {CONTROL: "unix", **PORTS}.items():
            yield from ("-chardev", self._chardev(name, kind))
            yield from ("-device", f"virtserialport,chardev={name},name={name}")

    def _launch(self):
        self._forwarded = {}  # ports inside: ports outside
        self._start_emulator(list(self._arguments()))
        end = time.monotonic() + 20
        while not self._emulator.why and time.monotonic() < end:
            try:
                return connect(self.folder / CONTROL)
            except (FileNotFoundError, ConnectionRefusedError):
                time.sleep(0.01)
        raise LabError(f"{self.binary} did not start: {self._emulator.why}\n{self.tail()}")

    @contextlib.contextmanager
    def _monitor(self):
        monitor = Monitor(self.folder / "monitor")
        try:
            yield monitor
        finally:
            monitor.close()

    def tcp(self, port):
        """A port of 127.0.0.1 outside that is forwarded to this port inside.

        What listens inside must do so on self.address (or 0.0.0.0): connections to its loopback
        are not forwarded.
        """
        if port in self._forwarded:
            return self._forwarded[port]
        with self._monitor() as monitor:
            said = monitor.human(f"hostfwd_add net tcp:127.0.0.1:0-{self.address}:{port}")
            table = monitor.human("info usernet")
        found = re.findall(rf"HOST_FORWARD\S*\s+\d+\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+{port}\s", table)
        if not found:
            raise LabError(f"QEMU does not forward a port to {port}: {said.strip()}")
        self._forwarded[port] = int(found[0])
        return self._forwarded[port]

    def port(self, name):
        """The path outside of a virtio-serial port: of a unix socket or of a pty (see PORTS)."""
        if name not in PORTS:
            raise LabError(f"no virtio-serial port {name}: one of {', '.join(PORTS)}")
        if PORTS[name] == "unix":
            return str(self.folder / name)
        with self._monitor() as monitor:
            chardevs = monitor.command("query-chardev")
        filename = next(c["filename"] for c in chardevs if c["label"] == name)
        return filename.removeprefix("pty:")

    def serial(self, kind="unix"):
        """The path outside of the line that is /dev/ttyS1 inside: of a unix socket."""
        if not self.has_line:
            return super().serial(kind)
        if kind != "unix":
            raise LabError(f"the serial line of {self.name} is no {kind}, but a unix socket")
        return str(self.folder / "line")

    def send_break(self):
        """Sends a BREAK into that line."""
        with self._monitor() as monitor:
            monitor.command("chardev-send-break", id="line")
