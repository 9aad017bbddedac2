# SPDX-License-Identifier: MIT
"""An initial RAM file system: a cpio archive in the "newc" format.

Format: Linux Documentation/driver-api/early-userspace/buffer-format.rst.
"""

import stat

MAGIC = "070701"


def pad(data):
    return data + bytes(-len(data) % 4)


class Initramfs:
    """Files are added by the path they have inside; the folders above them come along."""

    def __init__(self):
        self.archive = bytearray()
        self.names = set()

    def _entry(self, name, mode, data=b""):
        self.names.add(name)
        # ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor,
        # namesize (with its NUL), check
        fields = (len(self.names), mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = MAGIC + "".join(f"{field:08x}" for field in fields) + name + "\0"
        self.archive += pad(head.encode()) + pad(data)

    def folder(self, name):
        if name and name not in self.names:
            self.folder(name.rpartition("/")[0])
            self._entry(name, stat.S_IFDIR | 0o755)

    def file(self, name, data, mode=0o644):
        self.folder(name.rpartition("/")[0])
        self._entry(name, stat.S_IFREG | mode, data)

    def copy(self, name, path):
        self.file(name, path.read_bytes(), stat.S_IMODE(path.stat().st_mode))

    def write(self, path):
        self._entry("TRAILER!!!", 0)
        path.write_bytes(self.archive)
