# SPDX-License-Identifier: MIT
"""svm: QEMU's PC with an AMD processor, in which Linux has kvm_amd.

This emulation does not deliver the intercepts of #BP and of debug registers (QEMU 7.2): software
and hardware breakpoints of a guest do not reach KVM here.  Everything else does.
"""

from qemu import QemuHost
from vmlinux import vmlinux


class Svm(QemuHost):
    name = "svm"
    arch = "amd64"
    emulator_packages = ("qemu-system-x86",)
    binary = "qemu-system-x86_64"
    bus = "pci"
    append = "console=ttyS0"
    has_line = True
    cpus = {"max": "max"}
    modules = ("kvm_amd", "virtio_pci", "virtio_console", "virtio_net", "vsock_loopback",
               "vhost_vsock")

    def machine(self):
        return ("-machine", "pc", "-cpu", self.cpu)

    def kernel(self):
        # The ELF file is started by its PVH entry; to unpack a bzImage takes 3 s in emulation.
        return vmlinux(self.root)


HOST = Svm
