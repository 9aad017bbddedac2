# SPDX-License-Identifier: MIT
"""As much of an ELF file as the tests need: symbols, and the bytes of a section. elf(5)."""

import struct
from typing import NamedTuple


class Section(NamedTuple):
    address: int
    data: bytes


class Elf:
    def __init__(self, path):
        self.path = str(path)
        self._file = self._read(path)
        self.wide = self._file[4] == 2
        self._headers = self._section_headers()
        self._names = self._bytes(self._headers[self._index])
        self.symbols = self._symbols()

    @staticmethod
    def _read(path):
        with open(path, "rb") as file:
            return file.read()

    def _section_headers(self):
        """(name, type, address, offset, size, link) of each section."""
        at, = struct.unpack_from("<Q" if self.wide else "<I", self._file, 40 if self.wide else 32)
        size, count, self._index = struct.unpack_from("<HHH", self._file, 58 if self.wide else 46)
        form = "<IIQQQQI" if self.wide else "<IIIIIII"
        return [(h[0], h[1], h[3], h[4], h[5], h[6]) for h in
                (struct.unpack_from(form, self._file, at + i * size) for i in range(count))]

    def _bytes(self, header):
        return self._file[header[3]:header[3] + header[4]]

    @staticmethod
    def _string(table, at):
        return table[at:table.index(b"\0", at)].decode()

    def _symbols(self):
        symbols = {}
        form = struct.Struct("<IBBHQQ" if self.wide else "<IIIBBH")
        for header in self._headers:
            if header[1] == 2:  # SHT_SYMTAB
                strings = self._bytes(self._headers[header[5]])
                for s in form.iter_unpack(self._bytes(header)):
                    symbols[self._string(strings, s[0])] = s[4] if self.wide else s[1]
        return symbols

    def __getitem__(self, name):
        """The address of a symbol."""
        return self.symbols[name]

    def section(self, name):
        for header in self._headers:
            if self._string(self._names, header[0]) == name:
                return Section(header[2], self._bytes(header))
        raise KeyError(f"{self.path} has no section {name}")
