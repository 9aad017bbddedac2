# SPDX-License-Identifier: MIT
"""What the tests share: the bench, on which processes and sockets are, and gone after each test."""

import os
from pathlib import Path
import random
import selectors
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import tty

ROOT = Path(__file__).resolve().parents[2]
OUT = Path(os.environ.get("O") or ROOT / "build").resolve()
CONNECT = OUT / "vmgdb-connect"
RUN = OUT / "vmgdb-run"
DEMO = OUT / "guests/demo.elf"
PATIENCE = 10.0
CASES = {}


class NotApplicable(Exception):
    """The test can't be run here; why."""


def case(name):
    """Make a function of a bench a test."""
    def add(function):
        assert name not in CASES and ": " not in name
        CASES[name] = function
        return function
    return add


def check(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(w) for w in what) or "it is not so")


def equal(found, expected, what=""):
    check(found == expected, what, f"{found!r} instead of {expected!r}")


def eventually(what, condition, patience=PATIENCE):
    """Wait until condition() is true, and return what it gave."""
    end = time.monotonic() + patience
    while not (found := condition()):
        check(time.monotonic() < end, f"{what}: not within {patience} s")
        time.sleep(0.01)
    return found


def need(program):
    path = shutil.which(program)
    if not path:
        raise NotApplicable(f"{program} is not installed")
    return path


def need_kvm():
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise NotApplicable("/dev/kvm can't be used")


class Program:
    """A process, and what it has said on stderr."""

    def __init__(self, bench, argv, **options):
        self.argv = [str(a) for a in argv]
        self.log = open(bench.path(f"stderr-{len(bench.programs)}"), "w+b")
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.DEVNULL)
        # as gdb starts what follows "target remote |"
        options.setdefault("start_new_session", True)
        self.process = subprocess.Popen(self.argv, stderr=self.log, **options)
        bench.programs.append(self)

    @property
    def pid(self):
        return self.process.pid

    def said(self):
        self.log.flush()
        return Path(self.log.name).read_text(errors="replace")

    def says(self, text):
        """Wait until stderr has text."""
        eventually(f"stderr has {text!r}", lambda: text in self.said() or self.ended())
        check(text in self.said(), f"{text!r} is not in {self.said()!r}")

    def ended(self):
        return self.process.poll() is not None

    def status(self, patience=PATIENCE):
        return self.process.wait(patience)

    def stop(self, sig=signal.SIGTERM):
        self.process.send_signal(sig)
        return self.status()

    def _stat(self):
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()

    def rests(self):
        """Wait until the process sleeps: whatever there was to do is done."""
        eventually("it sleeps", lambda: self._stat()[0] == "S")

    def interrupt(self, sig=signal.SIGINT):
        """Send a signal, and wait until the process has taken it."""
        self.process.send_signal(sig)
        eventually(f"{sig.name} is taken",
                   lambda: self.ended() or not self.status_of("ShdPnd", 16) >> sig - 1 & 1)

    def cpu(self):
        """Seconds of processor time so far."""
        fields = self._stat()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def status_of(self, key, base=10):
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{key}:"):
                return int(line.split()[1], base)
        raise KeyError(key)

    def fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class Bench:
    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="vmgdb-")
        self.programs = []
        self.sockets = []
        return self

    def __exit__(self, kind, *_):
        for program in self.programs:
            if not program.ended():
                program.process.kill()
            program.status()
        self.last_story = "".join(f"{' '.join(p.argv)}\n{p.said()}" for p in self.programs)
        for program in self.programs:
            program.log.close()
        for each in self.sockets:
            each.close()
        shutil.rmtree(self.folder)

    def story(self):
        return self.last_story

    def path(self, name):
        return os.path.join(self.folder, name)

    def keep(self, sock):
        """Close it at the end, unless that is done."""
        self.sockets.append(sock)
        return sock

    def run(self, *argv, **options):
        return Program(self, argv, **options)

    def connect(self, *argv, **options):
        """vmgdb-connect."""
        check(CONNECT.exists(), f"{CONNECT} is not built")
        return self.run(CONNECT, *argv, **options)

    def bridge(self, *argv):
        """vmgdb-connect with a socket as stdin and stdout, as gdb has it: (program, socket)."""
        mine, theirs = socket.socketpair()
        program = self.connect(*argv, stdin=theirs, stdout=theirs)
        theirs.close()
        mine.settimeout(PATIENCE)
        return program, self.keep(mine)

    def listen(self, family=socket.AF_UNIX, name="vm.sock", backlog=8):
        """A listening socket, and its endpoint."""
        sock = self.keep(socket.socket(family, socket.SOCK_STREAM))
        sock.settimeout(PATIENCE)
        if family == socket.AF_UNIX:
            path = self.path(name)
            if os.path.exists(path):
                os.unlink(path)
            sock.bind(path)
            spec = f"unix:{path}"
        else:
            sock.bind(("127.0.0.1", 0))
            spec = f"tcp:127.0.0.1:{sock.getsockname()[1]}"
        sock.listen(backlog)
        return sock, spec

    def accept(self, listener):
        sock = self.keep(listener.accept()[0])
        sock.settimeout(PATIENCE)
        return sock

    def dial(self, path):
        """Connect to a unix socket as soon as it is there."""
        sock = self.keep(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        sock.settimeout(PATIENCE)
        eventually(path, lambda: sock.connect_ex(path) == 0)
        return sock


class Tty:
    """A terminal device, with the ways of a socket."""

    def __init__(self, fd, *others):
        self.fd = fd
        self.others = others
        os.set_blocking(fd, False)

    def fileno(self):
        return self.fd

    def setblocking(self, _):
        pass

    def send(self, data):
        return os.write(self.fd, data)

    def sendall(self, data):
        while data:
            data = data[os.write(self.fd, data):]

    def recv(self, size):
        with selectors.DefaultSelector() as selector:
            selector.register(self.fd, selectors.EVENT_READ)
            check(selector.select(PATIENCE), "nothing to read")
        try:
            return os.read(self.fd, size)
        except OSError:  # EIO: the other end is closed
            return b""

    def close(self):
        for fd in (self.fd, *self.others):
            os.close(fd)


def open_tty(path):
    """A terminal as a debugger opens it."""
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(fd)
    return Tty(fd)


def open_line():
    """A serial line: this end of it, and the device at the other end."""
    master, slave = os.openpty()
    tty.setraw(slave)
    return Tty(master, slave), os.ttyname(slave)


def receive(sock, size):
    """Exactly size bytes."""
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        check(piece, f"it hung up after {data!r}")
        data += piece
    return data


def pass_through(a, b, text=b"+$qSupported#37"):
    """A few bytes each way."""
    a.sendall(text)
    equal(receive(b, len(text)), text)
    b.sendall(text[::-1])
    equal(receive(a, len(text)), text[::-1])


class _Half:
    def __init__(self, seed, size):
        self.random = random.Random(seed)
        self.data = self.random.randbytes(size)
        self.sent = self.received = 0

    def chunk(self):
        return self.random.randrange(1, 5000)


def exchange(a, b, size=1 << 20, patience=60):
    """Random bytes in odd chunks, both ways at once; what is sent must arrive, and in order."""
    halves = {(a, b): _Half(1, size), (b, a): _Half(2, size)}
    end = time.monotonic() + patience
    for sock in (a, b):
        sock.setblocking(False)
    with selectors.DefaultSelector() as selector:
        for sock in (a, b):
            selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while any(h.received < size for h in halves.values()):
            check(time.monotonic() < end, [(h.sent, h.received) for h in halves.values()])
            for key, events in selector.select(1):
                other = b if key.fileobj is a else a
                if events & selectors.EVENT_WRITE:
                    _send(key.fileobj, halves[key.fileobj, other], selector)
                if events & selectors.EVENT_READ:
                    _receive(key.fileobj, halves[other, key.fileobj])
    for sock in (a, b):
        if isinstance(sock, socket.socket):
            sock.settimeout(PATIENCE)


def _send(sock, half, selector):
    if half.sent == len(half.data):
        selector.modify(sock, selectors.EVENT_READ)
        return
    try:
        half.sent += sock.send(half.data[half.sent:half.sent + half.chunk()])
    except BlockingIOError:
        pass


def _receive(sock, half):
    try:
        piece = sock.recv(half.chunk())
    except BlockingIOError:
        return
    check(piece, f"it hung up after {half.received} bytes")
    expected = half.data[half.received:half.received + len(piece)]
    check(piece == expected, f"other bytes after {half.received}")
    half.received += len(piece)


def expect_gone(sock):
    try:
        equal(sock.recv(1), b"", "read")
    except ConnectionResetError:
        pass
