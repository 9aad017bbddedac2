# SPDX-License-Identifier: MIT
"""arm64: QEMU's virt machine with EL2, in which Linux has its KVM."""

from qemu import QemuHost


class Arm64(QemuHost):
    name = "arm64"
    arch = "arm64"
    emulator_packages = ("qemu-system-arm",)
    binary = "qemu-system-aarch64"
    bus = "device"  # virtio-mmio
    append = "console=ttyAMA0"

    # Named after KVM's mode on the CPU.  pauth-impdef: the architected pointer authentication
    # algorithm is several times slower to emulate.
    cpus = {
        "nvhe": "cortex-a72",
        "vhe": "neoverse-n1",
        "sve": "max,pauth-impdef=on",
    }

    # KVM is built into Debian's kernel
    modules = ("virtio_mmio", "virtio_console", "virtio_net", "vsock_loopback", "vhost_vsock")

    def machine(self):
        return ("-machine", "virt,virtualization=on,gic-version=3", "-cpu", self.cpu)


HOST = Arm64
