# SPDX-License-Identifier: MIT
"""vtx: Bochs, an emulator of PCs with VT-x, in which Linux has kvm_intel.

Breakpoints and watchpoints are exact here.  It has serial lines only: the first is the control
channel, the second is for tests, the kernel's console goes to the third.
"""

import os
import socket

from errors import LabError
from host import Host
from vtx import image
from vtx.line import KINDS, Line

# Turns off what Debian's kernel does at boot that takes seconds in this emulation and no test needs
FAST = ("nokaslr mitigations=off cryptomgr.notests rodata=off "
        "initcall_blacklist=load_system_certificate_list,init_kprobe_trace,trace_eval_init,"
        "cubictcp_register,crypto_kdf108_init,slab_sysfs_init")

# Debian's build is a debugger, which waits for the command to go on.  "slowdown" keeps the time
# inside from running ahead of the time outside, however fast an idle guest is, and lets an idle
# guest sleep.
BOCHSRC = """\
config_interface: textconfig
display_library: term
cpu: model={cpu}, count={smp}, ips=60000000, quantum=16, reset_on_triple_fault=0
megs: {memory}
romimage: file=/usr/share/bochs/BIOS-bochs-latest, options=fastboot
vgaromimage: file=/usr/share/vgabios/vgabios.bin
optromimage1: file={rom}, address={image.ROM:#x}
optramimage1: file={folder}/parameters, address={image.PARAMS:#x}
optramimage2: file={kernel}, address={image.KERNEL:#x}
optramimage3: file={initramfs}, address={image.INITRD:#x}
vga: extension=none, update_freq=1
sound: driver=dummy
clock: sync=slowdown
log: {folder}/log
panic: action=fatal
error: action=ignore
info: action=ignore
com1: enabled=1, mode=socket-client, dev=127.0.0.1:{control}
com2: enabled=1, mode=socket-client, dev=127.0.0.1:{line}
com3: enabled=1, mode=file, dev={folder}/console
"""


def listener():
    """A socket for Bochs to connect to: it then needs no port of its own."""
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen(1)
    s.settimeout(1)
    return s


class Vtx(Host):
    name = "vtx"
    arch = "amd64"
    emulator_packages = ("bochs", "bochs-term", "bochsbios", "vgabios")
    cpus = {"haswell": "corei7_haswell_4770"}  # later models have a wrong clock (Bochs 2.7)
    modules = ("kvm_intel",)
    memory = 512
    boot_timeout = 240
    _line = None

    @classmethod
    def packages(cls):
        return list(dict.fromkeys([*super().packages(), "gcc", "libc6-dev"]))

    def _kernel_command_line(self):
        # mwait is flaky with several CPUs
        cpus = "nosmp" if self.smp == 1 else "idle=halt"
        # When the last process closes a line while a byte arrives, Bochs keeps the FIFO's interrupt raised
        # and no process can clear it: the line does not work for the next process that opens it.
        return self.command_line("ttyS0", "console=ttyS2,115200", cpus, FAST, "lab_line=ttyS1")

    def _prepare(self, control, line):
        """Writes all files that Bochs reads."""
        parameters = image.parameters(self.root, self.initramfs.stat().st_size, self.memory,
                                      self._kernel_command_line())
        (self.folder / "parameters").write_bytes(parameters)
        (self.folder / "debugger").write_text("c\nq\n")  # continue; when that returns, quit
        (self.folder / "bochsrc").write_text(BOCHSRC.format(
            cpu=self.cpu, smp=self.smp, memory=self.memory, rom=image.option_rom(self.folder),
            image=image, folder=self.folder, kernel=image.flat_kernel(self.root),
            initramfs=self.initramfs, control=control.getsockname()[1],
            line=line.getsockname()[1]))

    def _accept(self, listening):
        for _ in range(30):
            try:
                return listening.accept()[0]
            except TimeoutError:
                if self._emulator.why:
                    break
        raise LabError(f"Bochs did not start: {self._emulator.why}\n{self.tail()}")

    def _launch(self):
        with listener() as control, listener() as line:
            self._prepare(control, line)
            preload = [str(image.preload()), os.environ.get("LD_PRELOAD", "")]
            self._start_emulator(["bochs-bin", "-q", "-f", "bochsrc", "-rc", "debugger"],
                                 {"TERM": "xterm", "LD_PRELOAD": ":".join(filter(None, preload))})
            stream = self._accept(control)
            self._line = Line(self._accept(line), self.folder)
        stream.settimeout(None)
        return stream

    def serial(self, kind="pty"):
        """The path outside of the line that is /dev/ttyS1 inside: of a pty or a unix socket."""
        if kind not in KINDS:
            raise LabError(f"no {kind} for a serial line: one of {', '.join(KINDS)}")
        return self._line.attach(kind)

    def close(self):
        if self._line:
            self._line.close()
            self._line = None
        super().close()


HOST = Vtx
