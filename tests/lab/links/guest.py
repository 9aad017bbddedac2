# SPDX-License-Identifier: MIT
"""A Linux guest with its own CID, on a lab host with /dev/vhost-vsock.

gdb, on this machine -> the lab's host, which has the CID 2 for its guest -> the guest, CID 42, in which
vmgdb-connect stands for a VMM: it listens for a debugger on port LISTENS, dials out to port DIALS,
and relays both to port STUB of its host, where a test has a stub. The guest runs in this machine's QEMU,
which is copied into the lab's host with the shared libraries that it needs, on KVM.
"""

from pathlib import Path
import re
import subprocess
import tempfile

from initramfs import Initramfs
import lab
import modules
import packages
from vmlinux import vmlinux

CID, LISTENS, DIALS, STUB = 42, 1234, 7008, 7000
QEMU = Path("/usr/bin/qemu-system-x86_64")
ROMS = ("qboot.rom", "pvh.bin", "kvmvapic.bin")
INIT = f"""#!/bin/busybox sh
export PATH=/bin
busybox mount -t devtmpfs dev /dev
for module in {{modules}}; do busybox insmod /$module; done
vmgdb-connect --verbose --listen vsock:{DIALS},dial vsock:host:{STUB} &
exec vmgdb-connect --verbose --listen vsock:{LISTENS} vsock:host:{STUB}
"""
# Turns off what takes an emulated host seconds when the kernel boots
APPEND = ("console=ttyS0 quiet panic=-1 mitigations=off nokaslr cryptomgr.notests "
          "initcall_blacklist=load_system_certificate_list,init_kprobe_trace,trace_eval_init")


def libraries(program):
    """The shared libraries of a program of this machine, and its loader."""
    said = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    return re.findall(r"(/\S+) \(0x", said)


def write_initramfs(path, root, connect):
    order = modules.lean(root, "strip", modules.in_order(
        root, ("virtio_pci", "vmw_vsock_virtio_transport")))
    fs = Initramfs()
    fs.folder("dev")
    busybox = next(root.glob("**/bin/busybox"))
    for name, source in (("bin/busybox", busybox), ("bin/vmgdb-connect", connect),
                         *((module.name, module) for module in order)):
        fs.copy(name, source)
    names = " ".join(module.name for module in order)
    fs.file("init", INIT.format(modules=names).encode(), 0o755)
    fs.write(path)


class Guest:
    """The guest and its host; a context manager that ends both."""

    def __init__(self, programs):
        """programs: static ones for the host, vmgdb-connect among them."""
        root = packages.system("amd64")
        with tempfile.TemporaryDirectory(prefix="vmgdb-") as folder:
            initramfs = Path(folder) / "guest"
            write_initramfs(initramfs, root,
                            next(p for p in programs if p.name == "vmgdb-connect"))
            files = [*programs, initramfs, (vmlinux(root), "lab/vmlinux"), (QEMU, "lab/qemu")]
            files += [(path, path) for path in libraries(QEMU)]
            files += [(Path("/usr/share/qemu") / rom, f"lab/rom/{rom}") for rom in ROMS]
            self.host = lab.boot("svm", smp=2, files=files)
        try:
            self.vmm = self.host.spawn([
                "qemu", "-L", "/lab/rom", "-bios", "qboot.rom", "-M", "q35,accel=kvm,hpet=off",
                "-cpu", "host", "-m", "256", "-nodefaults", "-no-user-config", "-no-reboot",
                "-display", "none", "-serial", "stdio", "-kernel", "/lab/vmlinux",
                "-initrd", "/lab/guest", "-append", APPEND,
                "-device", f"vhost-vsock-pci,guest-cid={CID}"])
            self.vmm.wait_for(rf"waiting for a debugger.* vsock:{CID}:{LISTENS}", 120)
        except BaseException:
            self.host.close()
            raise

    def close(self):
        self.host.close()
