#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every message that docs/transports.md explains is one that the sources can give.

Messages stand in the first column of the tables that are headed "message", in backquotes; "..." and
what is quoted or a number there is only an example.
"""

import errno
import os
from pathlib import Path
import re
import sys

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs/transports.md"
SOURCES = ("transport/*.c", "core/**/*.c", "host-tools/*.c", "host-tools/vmgdb-connect/*.c")
LITERALS = re.compile(r'"(?:[^"\\\n]|\\.)*"(?:\s*(?:PRI\w+\s*)?"(?:[^"\\\n]|\\.)*")*')
DIRECTIVE = re.compile(r"'?%[-#0-9.*]*(?:hh|h|ll|l|z)?[a-zA-Z]'?")
# What is only an example, and where the system's text or a hint is put behind another
EXAMPLE = re.compile(r"\.\.\.|'[^']*'|/dev/\S+|\b\d+(?:\.\d+)*\b|: |; | \(")
FOREIGN = {"Ignoring packet error, continuing", "Invalid hex digit"}  # gdb's own


def fixed(text, variable):
    """The parts of a message that are always the same."""
    return [part for part in (p.strip(" :;,()[]'") for p in variable.split(text)) if part]


def said():
    """All that the sources can say, in parts, and the system's texts for errors."""
    parts = {os.strerror(number) for number in errno.errorcode}
    for pattern in SOURCES:
        for path in ROOT.glob(pattern):
            for found in LITERALS.finditer(path.read_text()):
                text = re.sub(r'"\s*(?:PRI\w+\s*)?"', "", found[0])[1:-1].replace(r"\"", '"')
                parts.update(fixed(text, DIRECTIVE))
    return parts


def messages(text):
    """(line, message) of each in the tables."""
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        inside = line.startswith("| message ") or (inside and line.startswith("|"))
        if inside:
            for found in re.findall(r"`([^`]+)`", line.replace(r"\|", "\0").split("|")[1]):
                yield number, found


def unknown(message, known):
    """A part of the message that nobody says, or None."""
    for part in fixed(message, EXAMPLE):
        if part not in FOREIGN and not any(part in text for text in known):
            return part
    return None


def main():
    known = said()
    found = list(messages(DOCUMENT.read_text()))
    wrong = [f"line {number}: nobody says {part!r}" for number, message in found
             if (part := unknown(message, known))]
    if len(found) < 30:
        wrong.append(f"only {len(found)} messages were found")
    if unknown("can't reach the moon: No such device", known) != "can't reach the moon":
        wrong.append("a message that nobody says is not noticed")
    name = "docs/transports.md, its messages are those of the sources"
    print(f"not ok {name}: {'; '.join(wrong)}" if wrong else f"ok {name}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
