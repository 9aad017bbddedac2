# SPDX-License-Identifier: MIT
"""The kernel proper out of a bzImage: to start it unpacked saves an emulator the unpacking.

Format: Linux Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header".
"""

import lzma
import struct
import zlib

from errors import LabError
import packages

SECTOR = 512
SETUP_SECTS = 0x1f1       # u8: sectors of real-mode code after the first
PAYLOAD_OFFSET = 0x248    # u32, from the end of the real-mode code
PAYLOAD_LENGTH = 0x24c    # u32


def payload(image):
    begin = (image[SETUP_SECTS] + 1) * SECTOR + struct.unpack_from("<I", image, PAYLOAD_OFFSET)[0]
    return image[begin:begin + struct.unpack_from("<I", image, PAYLOAD_LENGTH)[0]]


def unpack(data):
    # a decompressor object leaves what follows the stream (the size, u32) alone
    if data.startswith(b"\xfd7zXZ"):
        return lzma.LZMADecompressor(format=lzma.FORMAT_XZ).decompress(data)
    if data.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(wbits=31).decompress(data)
    raise LabError(f"the kernel is compressed in a way not known here ({data[:4].hex()})")


def vmlinux(root):
    """The path of the ELF file in Debian's kernel below root; unpacked once."""
    image = packages.kernel(root)
    elf = root / "vmlinux"
    with packages.locked(f"{root.name}-vmlinux"):
        if not elf.exists():
            with packages.new_file(elf) as new:
                new.write(unpack(payload(image.read_bytes())))
    return elf
