# SPDX-License-Identifier: MIT
"""What Bochs loads into memory to start a kernel: see optrom.S.

    0x000d0000  option ROM: from the BIOS to the kernel
    0x00100000  boot parameters and command line
    0x01000000  the kernel, as its ELF segments lie in memory
    0x10000000  the initial RAM file system
"""

from pathlib import Path
import struct

from errors import LabError
import packages
from vmlinux import vmlinux

HERE = Path(__file__).resolve().parent
ROM, PARAMS, KERNEL, INITRD = 0xd0000, 0x100000, 0x1000000, 0x10000000
ACPI = 0x10000  # Bochs' BIOS keeps its ACPI tables at the end of memory
PT_LOAD = 1
RAM, RESERVED, ACPI_DATA = 1, 2, 3  # e820 types


def segments(elf):
    """Yields (physical address, bytes) of an ELF file's loadable segments: elf(5)."""
    table, = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    for at in range(table, table + size * count, size):
        kind, _, offset, _, physical, filled = struct.unpack_from("<IIQQQQ", elf, at)
        if kind == PT_LOAD:
            yield physical, elf[offset:offset + filled]


def flatten(elf):
    """The kernel as it lies in memory from KERNEL on; what would be zero at its end is left out."""
    entry, = struct.unpack_from("<Q", elf, 24)
    if entry != KERNEL:
        raise LabError(f"the kernel's entry is at {entry:#x}, the lab's option ROM knows {KERNEL:#x}")
    flat = bytearray()
    for physical, data in segments(elf):
        begin = physical - KERNEL
        flat.extend(bytes(max(0, begin + len(data) - len(flat))))
        flat[begin:begin + len(data)] = data
    return bytes(flat).rstrip(b"\0")


def flat_kernel(root):
    """The path of the flat kernel of the Debian system in root; made once."""
    elf = vmlinux(root)
    flat = root / "flat"
    with packages.locked(f"{root.name}-flat"):
        if not flat.exists():
            with packages.new_file(flat) as new:
                new.write(flatten(elf.read_bytes()))
    return flat


def built(name, source, argv):
    """The path of what a compiler makes of source by argv + ["-o", path].

    It is built again when the source changes."""
    product = packages.cache() / name
    newest = max(path.stat().st_mtime for path in (source, Path(__file__)))
    with packages.locked(name):
        if not product.exists() or product.stat().st_mtime <= newest:
            new = product.with_name(name + ".new")
            packages.command([*argv, str(source), "-o", str(new)], f"building {source.name}")
            new.rename(product)
    return product


def option_rom(folder):
    """The option ROM's path, in folder: its bytes add up to 0, or the BIOS would not call it."""
    symbols = [f"-D{name}={value:#x}" for name, value in
               (("ROM", ROM), ("PARAMS", PARAMS), ("KERNEL", KERNEL))]
    linked = built("optrom", HERE / "optrom.S",
                   ["x86_64-linux-gnu-gcc", "-nostdlib", "-static", "-Wl,-Ttext=0",
                    "-Wl,--oformat=binary", "-Wl,--build-id=none", *symbols])
    rom = bytearray(linked.read_bytes())
    rom[-1] = -sum(rom[:-1]) & 0xff
    path = folder / "optrom"
    path.write_bytes(rom)
    return path


def preload():
    """The path of preload.c as a shared object, for the machine that Bochs runs on."""
    return built("preload.so", HERE / "preload.c", ["gcc", "-O2", "-Wall", "-Wextra", "-Werror",
                                                "-shared", "-fPIC"])


def memory_map(size):
    """e820 entries (address, size, type) for so many bytes of memory under Bochs' BIOS."""
    return ((0, 0x9f000, RAM), (0x9f000, 0x1000, RESERVED), (0xe8000, 0x18000, RESERVED),
            (0x100000, size - ACPI - 0x100000, RAM), (size - ACPI, ACPI, ACPI_DATA),
            (0xfffc0000, 0x40000, RESERVED))


def parameters(root, initrd_size, memory, command_line):
    """Boot parameters ("zero page", Linux Documentation/arch/x86/zero-page.rst) for memory MiB."""
    image = packages.kernel(root).read_bytes()
    page = bytearray(4096)
    end = 0x202 + image[0x201]                       # of the setup header
    page[0x1f1:end] = image[0x1f1:end]
    page[0x210] = 0xff                               # type_of_loader: one without a number
    page[0x211] |= 1                                 # loadflags: LOADED_HIGH
    struct.pack_into("<II", page, 0x218, INITRD, initrd_size)
    struct.pack_into("<I", page, 0x228, PARAMS + len(page))  # cmd_line_ptr
    entries = memory_map(memory << 20)
    page[0x1e8] = len(entries)
    for at, entry in enumerate(entries):
        struct.pack_into("<QQI", page, 0x2d0 + 20 * at, *entry)
    return bytes(page) + command_line.encode() + b"\0"
