#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""No private language in the product's C files: identifiers, comments and messages use the terms of the
GDB, KVM and processor manuals. Here are words that had a meaning of vmgdb's own, and have no other.

    tests/words.py [--all] [DIR]      tests/words.py --self-check

--all lists every place, not the first of each folder. One line a folder:

    ok words, FOLDER
    not ok words, FOLDER: COUNT: FILE:LINE: WORD; ...
"""

from collections import Counter
from pathlib import Path
import re
import sys
import tempfile

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("core", "transport", "arch", "host-tools")
SHOWN = 5

# word: what to write instead. A blank in a word stands for blanks or an underscore.
WORDS = {
    "told": "reported", "untold": "pending", "tell of": "report", "tells of": "reports",
    "afresh": "unchecked, again", "look at pc": "check the PC",
    "wish": "request, debug control", "wishes": "requests", "wished": "requested",
    "vcpu meet": "vcpu_debug", "come by": "attach, connect, vcpu_before_run",
    "comes by": "attaches, connects", "comes to": "hits, reaches", "is early": "waiting client",
    "newcomer": "new client", "newcomers": "new clients", "patience": "timeout",
    "last words": "final flush", "leavings": "stale input", "blur stop": "forget stop details",
    "give back": "reinject", "gives back": "reinjects", "given back": "reinjected",
    "let go": "resume, enter the guest, detach, free", "lets go": "resumes, detaches, frees",
    "plant": "insert", "planted": "inserted", "replant": "insert again", "hop": "step off a slot",
    "own hit": "guest debug register hit", "dear to read": "costs an ioctl each",
    "unmark": "PARMRK decoding", "paste line": "attach hint",
}


def pattern():
    """Matches a word, also as a part of an identifier that underscores set off."""
    words = sorted((word.replace(" ", r"(?:\s+|_)") for word in WORDS), key=len, reverse=True)
    return re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(words)})(?![A-Za-z0-9])", re.I)


PATTERN = pattern()


def uses(tree, folder):
    """Yields (file, line, word). A word may run over the end of a comment's line."""
    for path in sorted((tree / folder).rglob("*.[ch]")):
        text = re.sub(r"(?m)^[ \t]*\*(?!/)", lambda m: " " * len(m.group()), path.read_text())
        for found in PATTERN.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            yield path.relative_to(tree), line, " ".join(found.group().lower().split())


def judge(tree, every=False):
    """Yields a result line for each folder."""
    for folder in FOLDERS:
        found = list(uses(tree, folder))
        if not found:
            yield f"ok words, {folder}"
            continue
        shown = found if every else found[:SHOWN]
        counts = ", ".join(f"{word} {n}" for word, n in Counter(w for *_, w in found).most_common())
        places = "; ".join(f"{path}:{line}: {word}" for path, line, word in shown)
        yield f"not ok words, {folder}: {len(found)} ({counts}): {places}"


def in_tree(text):
    """What is said of a tree with that text in one file."""
    with tempfile.TemporaryDirectory(prefix="vmgdb-words-") as folder:
        path = Path(folder) / "core/engine/a.c"
        path.parent.mkdir(parents=True)
        path.write_text(text)
        return [line for line in judge(Path(folder)) if line.startswith("not ok")]


# text: the word that is found in it, or None
SAMPLES = {
    "bool is_told(const struct vcpu *v);": "told",
    "/* The vCPU is UNTOLD. */": "untold",
    "\tvcpu_meet(v);": "vcpu_meet",
    "/*\n * Whoever may come\n * by.\n */": "come by",
    "\tlast_words(c);": "last_words",
    'log("the newcomer");': "newcomer",
    "// breakpoints that were planted": "planted",
    "int hop;": "hop",
    "int hopeful, wishbone, implant, metal, soldered, toldo;": None,
    "/* The debugger is held; the vCPU reports its stop. */": None,
}


def self_check():
    failed = False
    for n, (text, word) in enumerate(SAMPLES.items(), 1):
        said = in_tree(text)
        right = not said if word is None else len(said) == 1 and said[0].endswith(f": {word}")
        failed |= not right
        what = f"words, self-check {n}, {word or 'plain words pass'}"
        print(f"ok {what}" if right else f"not ok {what}: {text!r}: said {said}")
    return failed


def main(arguments):
    if arguments == ["--self-check"]:
        return self_check()
    every = "--all" in arguments
    trees = [a for a in arguments if a != "--all"]
    lines = list(judge(Path(trees[0]) if trees else ROOT, every))
    print("\n".join(lines))
    return any(line.startswith("not ok") for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
