# SPDX-License-Identifier: MIT
"""What all lab hosts have in common: files inside, start, control channel, end."""

import fcntl
import os
from pathlib import Path
import platform
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import time

from channel import Channel, Result
from emulator import Emulator
from errors import LabError, LabTimeout
from initramfs import Initramfs
import modules
import packages

HERE = Path(__file__).resolve().parent
CFLAGS = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static"]
TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}  # by Debian architecture
ELF_MACHINES = {"amd64": 62, "arm64": 183}  # e_machine, elf(5)
# What a Linux kernel prints when it fails
WRONG = re.compile(r"BUG:|Oops|Kernel panic|general protection|double fault|WARNING:|int3:")


def compiler_packages(arch):
    native = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine()) == arch
    if native:
        return ["gcc", "libc6-dev"]
    return [f"gcc-{TRIPLETS[arch].replace('_', '-')}", f"libc6-dev-{arch}-cross"]


def install(names):
    """Installs Debian packages that this machine has not, or says which line does."""
    absent = packages.missing(names)
    if absent:
        done = subprocess.run([HERE.parent / "deps.sh", *absent], check=False, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode:
            raise LabError(done.stderr.strip())


def compile_static(arch, source, flags=()):
    """Builds one C file for arch, once, into the cache; returns the program's path."""
    program = packages.cache() / f"bin-{arch}" / source.stem
    with packages.locked(program.parent.name):
        program.parent.mkdir(exist_ok=True)
        if not program.exists() or program.stat().st_mtime <= source.stat().st_mtime:
            new = program.with_suffix(".new")
            packages.command([f"{TRIPLETS[arch]}-gcc", *CFLAGS, *flags, "-o", str(new),
                              str(source)], f"building {source.name}")
            new.rename(program)
    return program


def check_program(path, arch):
    """Refuses a dynamic program, or one for another machine: inside, the error would be obscure."""
    with open(path, "rb") as file:
        head = file.read(64)
        if not head.startswith(b"\x7fELF"):
            return
        machine, = struct.unpack_from("<H", head, 18)
        table, = struct.unpack_from("<Q", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        file.seek(table)
        kinds = [struct.unpack_from("<I", file.read(size))[0] for _ in range(count)]
    if machine != ELF_MACHINES[arch]:
        raise LabError(f"{path} is not a program for {arch}")
    if 3 in kinds:  # PT_INTERP
        raise LabError(f"{path} is not linked statically: a lab host has no shared libraries")


def work_folder():
    """build/lab/run.*, or below /tmp where that is too long for the name of a unix socket.

    Returns the folder and its lock.  A folder whose lock is free belonged to a run that was
    killed: it is removed.
    """
    base = packages.LAB if len(str(packages.LAB)) < 70 else Path(tempfile.gettempdir())
    base.mkdir(parents=True, exist_ok=True)
    with packages.locked("run"):
        for old in base.glob("run.*/lock"):
            if lock := try_lock(old):
                shutil.rmtree(old.parent, ignore_errors=True)
                lock.close()
        folder = Path(tempfile.mkdtemp(prefix="run.", dir=base))
        return folder, try_lock(folder / "lock")


def try_lock(path):
    """Returns the locked file, or None when another process has it."""
    file = open(path, "w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return file
    except BlockingIOError:
        file.close()
        return None


class Host:
    """A machine with /dev/kvm in an emulator.  A context manager; boot() makes one.

    A subclass is one kind of host: it says what it needs and how its emulator is started.
    """

    name = None          # of its folder
    arch = None          # Debian's name of the architecture
    emulator_packages = ()
    cpus = {}            # short name: the emulator's name for the model; the first is the default
    modules = ()
    memory = 1024        # MiB
    boot_timeout = 120   # seconds; many times what booting takes on an unused machine
    address = None       # its IP address, where it has a network

    @classmethod
    def packages(cls):
        """The packages that this kind of host needs on this machine."""
        return [*cls.emulator_packages, *compiler_packages(cls.arch)]

    def __init__(self, cpu=None, smp=1, memory=None, files=(), lifetime=900):
        self.cpu = self._model(cpu)
        self.smp = smp
        self.memory = memory or self.memory
        self.lifetime = lifetime
        self.boot_time = None
        self._channel = None
        self._emulator = None
        install(self.packages())
        self.root = packages.system(self.arch)
        self.folder, self._lock = work_folder()
        try:
            self.initramfs = self.folder / "initramfs"
            self._make_initramfs(files)
            self._boot()
        except BaseException:
            self.close()
            raise

    def _model(self, cpu):
        models = {**self.cpus, **{model: model for model in self.cpus.values()}}
        if cpu is None:
            return next(iter(self.cpus.values()))
        if cpu not in models:
            raise LabError(f"{self.name} has no CPU {cpu}: one of {', '.join(self.cpus)}")
        return models[cpu]

    # Inside

    def module_files(self):
        return modules.lean(self.root, f"{TRIPLETS[self.arch]}-strip",
                            modules.in_order(self.root, self.modules))

    def _make_initramfs(self, files):
        fs = Initramfs()
        for folder in ("dev", "proc", "sys", "tmp", "root", "sbin", "usr/bin", "etc"):
            fs.folder(folder)
        busybox = next(path for path in (self.root / "bin/busybox", self.root / "usr/bin/busybox")
                       if path.exists())
        fs.copy("bin/busybox", busybox)
        fs.file("init", (HERE / "init").read_bytes(), 0o755)
        for name in ("agent", "pin"):
            fs.copy(f"sbin/{name}", compile_static(self.arch, HERE / f"{name}.c"))
        order = self.module_files()
        for path in order:
            fs.copy(f"modules/{path.name}", path)
        fs.file("modules/order", "".join(f"{path.name}\n" for path in order).encode())
        for item in files:
            path, name = item if isinstance(item, tuple) else (item, None)
            path = Path(path)
            if not path.is_file():
                raise LabError(f"{path}: no such file to take into the lab")
            if not name:
                check_program(path, self.arch)
            fs.copy((name or f"lab/{path.name}").lstrip("/"), path)
        fs.write(self.initramfs)

    def command_line(self, control, *more):
        """The kernel's; control: what init has the agent listen on."""
        return " ".join(("panic=-1 quiet maxcpus=1", f"lab_control={control}", *more))

    # Start and end

    def _launch(self):
        """Starts the emulator (self._emulator); returns the control channel's socket."""
        raise NotImplementedError

    def _boot(self):
        begin = time.monotonic()
        self._channel = Channel(self._launch(), self._why_lost)
        if not self._channel.wait_until(lambda: self._channel.up, self.boot_timeout):
            raise LabTimeout(f"{self.name}, {self.cpu}: not up within {self.boot_timeout} s\n"
                             f"{self.tail()}")
        self.boot_time = time.monotonic() - begin

    def _start_emulator(self, argv, env=None):
        self._emulator = Emulator(argv, self.folder, self.lifetime, env)

    def _why_lost(self):
        self._emulator.ended.wait(2)
        why = self._emulator.why or "the control channel was closed"
        return f"the {self.name} host is gone: {why}\n{self.tail()}"

    def tail(self, lines=25):
        """The last lines of the kernel's console, the place where the kernel began to fail, and
        what the emulator has printed."""
        console = self.folder / "console"
        text = console.read_text(errors="replace").splitlines() if console.exists() else []
        first = next((i for i, line in enumerate(text) if WRONG.search(line)), len(text))
        shown = [*text[first:first + lines], "[...]"] if first < len(text) - lines else []
        shown += text[-lines:]
        if self._emulator and (said := self._emulator.output.decode(errors="replace").strip()):
            shown += [f"-- {self.name}'s emulator --", *said.splitlines()[-lines:]]
        return "\n".join(shown)

    def close(self):
        """Ends the emulator and removes its folder ($VMGDB_LAB_KEEP keeps it)."""
        if self._channel:
            self._channel.close()
        if self._emulator:
            self._emulator.close()
        if os.environ.get("VMGDB_LAB_KEEP"):
            print(f"kept: {self.folder}", file=sys.stderr)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def pid(self):
        """The emulator's process."""
        return self._emulator.pid

    # Commands

    def spawn(self, command, input=False):
        """Starts a command (sh -c; a list is quoted) inside; returns its Job."""
        if not isinstance(command, str):
            command = shlex.join(command)
        return self._channel.start(command, "i" if input else "-")

    def run(self, command, timeout=60, input=None):
        """Runs a command inside to its end; returns its Result (status, out, err)."""
        job = self.spawn(command, input is not None)
        if input is not None:
            job.send(input)
            job.send(b"")
        return Result(job.wait(timeout), job.out, job.err)

    def interact(self):
        """A shell inside on this terminal; returns its exit status."""
        from terminal import interact
        return interact(self._channel)

    # Connections into the host, where it has them

    def tcp(self, port):
        raise LabError(f"{self.name} has no network")

    def port(self, name):
        raise LabError(f"{self.name} has no virtio-serial ports")

    def serial(self, kind="pty"):
        raise LabError(f"{self.name} has no second serial line")
