#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""No two files need each other: neither by #include nor by calls.

    tests/circles.py [--includes] [DIR [OBJECTS...]]    tests/circles.py --self-check

DIR is the tree, by default this one. OBJECTS are folders with the object of A/B.c at A/B.o; by default
$O/obj and build/arm64/obj, as far as they are there. An arrow of the call graph goes from the file whose object lacks a symbol to the one whose object defines it. A circle
is a strongly connected component of more than one file. One line a graph:

    ok NAME
    not ok NAME: A <-> B: A -> B by SYMBOL, SYMBOL; B -> A by SYMBOL | ...
"""

import os
from pathlib import Path
import re
import subprocess
import sys
import tempfile

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("core", "transport", "arch", "host-tools")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<(vmgdb/[^>]+)>)', re.M)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
SHOWN = 3  # symbols of an arrow

# A table that is made of a file's handlers needs it, and that file may look things up in the table:
# these arrows are none.
TABLES = {"core/rsp/command_table": "core/rsp/commands/", "transport/transports": "transport/"}


def sources(tree):
    for layer in LAYERS:
        for path in sorted((tree / layer).rglob("*.[ch]")):
            yield path.relative_to(tree)


def unit(path):
    """What a .c and its .h have in common."""
    return str(Path(path).with_suffix(""))


class Graph:
    def __init__(self):
        self.arrows = {}  # from: {to: [why, ...]}

    def add(self, here, there, why):
        if here != there and not there.startswith(TABLES.get(here, "\0")):
            reasons = self.arrows.setdefault(here, {}).setdefault(there, [])
            if why not in reasons:
                reasons.append(why)

    def reached(self, start):
        """All that the arrows lead to from there."""
        seen, left = set(), [start]
        while left:
            for there in self.arrows.get(left.pop(), {}):
                if there not in seen:
                    seen.add(there)
                    left.append(there)
        return seen

    def circles(self):
        """Each as the sorted names of its files."""
        reached = {node: self.reached(node) for node in self.arrows}
        found = {tuple(sorted(other for other in there if node in reached.get(other, ())))
                 for node, there in reached.items() if node in there}
        return sorted(found)

    def text(self, circle):
        ties = [f"{a} -> {b} by {', '.join(why[:SHOWN])}{' ...' * (len(why) > SHOWN)}"
                for a in circle for b, why in sorted(self.arrows[a].items()) if b in circle]
        return f"{' <-> '.join(circle)}: {'; '.join(ties)}"


def includes(tree):
    graph = Graph()
    for path in sources(tree):
        text = COMMENT.sub(" ", (tree / path).read_text())
        for quoted, public in INCLUDE.findall(text):
            name = quoted or f"core/include/{public}"
            if (tree / name).is_file():
                graph.add(str(path), name, f'"{name}"')
    return graph


def symbols(objects):
    """For each object (symbols that it defines for others, symbols that it lacks)."""
    found = {}
    for path in objects:
        lines = subprocess.run(["nm", "-P", path], capture_output=True, text=True,
                               check=True).stdout.splitlines()
        kinds = [line.split()[:2] for line in lines]
        found[path] = ({name for name, kind in kinds if kind in "ABCDGRSTVW"},
                       {name for name, kind in kinds if kind in "Uvw"})
    return found


def linked(a, b):
    """Whether A may need B: a program's files are not another's, nor an architecture's."""
    def owner(path, place):
        return re.findall(place, path)[:1]

    programs = [owner(path, r"^host-tools/[^/]+/") for path in (a, b)]
    archs = [owner(path, r"/(x86|arm64)/") for path in (a, b)]
    return programs[1] in ([], programs[0]) and ([] in archs or archs[0] == archs[1])


def calls(tree, folder):
    """The objects whose sources are there: others are old ones."""
    objects = [folder / path.with_suffix(".o") for path in sources(tree) if path.suffix == ".c"]
    found = {unit(path.relative_to(folder)): what
             for path, what in symbols([o for o in objects if o.is_file()]).items()}
    definers = {}
    for name, (defined, _) in found.items():
        for symbol in defined:
            definers.setdefault(symbol, []).append(name)
    graph = Graph()
    for name, (_, lacking) in found.items():
        for symbol in sorted(lacking):
            for there in definers.get(symbol, []):
                if linked(name, there):
                    graph.add(name, there, symbol)
    return graph, len(found)


def result(name, why):
    print(f"not ok circles, {name}: {why}" if why else f"ok circles, {name}")
    return bool(why)


def default_objects():
    folders = [Path(os.environ.get("O") or "build") / "obj", Path("build/arm64/obj")]
    return [folder for folder in dict.fromkeys(folders) if (folder / "core").is_dir()]


def check(tree, folders):
    graph = includes(tree)
    failed = result("no files include each other",
                    " | ".join(map(graph.text, graph.circles())) if graph.arrows else
                    "no includes were found")
    for folder in folders:
        graph, count = calls(tree, folder)
        failed |= result(f"no files call each other in {folder}",
                         " | ".join(map(graph.text, graph.circles())) if count else
                         "there are no objects")
    return failed


# ---- self-check: what a tree of a few files has in circles of (includes, calls) ----

TWO = ("core/a", "core/b")
FIXTURES = {
    "two headers that include each other": (
        {"core/a.h": '#include "core/b.h"', "core/b.h": '# include "core/a.h"'},
        [("core/a.h", "core/b.h")], []),
    "no circle by two files that include each other's headers": (
        {"core/a.c": '#include "core/b.h"', "core/a.h": "", "core/b.h": "",
         "core/b.c": '#include "core/a.h"'}, [], []),
    "a circle of three": (
        {"arch/a.h": '#include "arch/b.h"', "arch/b.h": '#include "arch/c.h"',
         "arch/c.h": '#include "arch/a.h"'}, [("arch/a.h", "arch/b.h", "arch/c.h")], []),
    "a public header in a circle": (
        {"core/include/vmgdb/v.h": '#include "core/a.h"', "core/a.h": "#include <vmgdb/v.h>"},
        [("core/a.h", "core/include/vmgdb/v.h")], []),
    "two files that call each other": (
        {"core/a.c": "void a(void); void b(void); void a(void) { b(); }",
         "core/b.c": "void a(void); void b(void); void b(void) { a(); }"}, [], [TWO]),
    "a file that needs another's variable, which calls it": (
        {"core/a.c": "extern int b; int a(void); int a(void) { return b; }",
         "core/b.c": "int a(void); int b = 1; int c(void); int c(void) { return a(); }"}, [], [TWO]),
    "a table other than the two that are allowed": (
        {"core/a.c": "void b(void); void (*a[])(void) = { b };",
         "core/b.c": "extern void (*a[])(void); void b(void); void b(void) { a[0](); }"}, [], [TWO]),
    "no circle in layers": (
        {"core/a.c": '#include "core/a.h"\n#include "core/b.h"\nvoid a(void) { b(); }',
         "core/a.h": "void a(void);", "core/b.h": "void b(void);",
         "core/b.c": '/* #include "core/a.h" */\n#include "core/b.h"\nvoid b(void) {}'}, [], []),
    "no circle by a function of the same name that is static": (
        {"core/a.c": "void b(void); static void s(void) {} void a(void); void a(void) { s(); b(); }",
         "core/b.c": "void s(void); void b(void); void b(void) { s(); }"}, [], []),
    "no circle by a function of the same name in another program": (
        {"host-tools/p/a.c": "void f(void); void b(void); void f(void) { b(); }",
         "host-tools/p/b.c": "void b(void); void b(void) {}",
         "host-tools/q/a.c": "void f(void); void b(void); void b(void) { f(); }",
         "host-tools/q/b.c": "void f(void); void f(void) {}"}, [], []),
    "no circle by the table of commands": (
        {"core/rsp/command_table.c": "void f(void); void (*table[])(void) = { f };",
         "core/rsp/commands/f.c": "extern void (*table[])(void); void f(void); "
                                  "void f(void) { table[0](); }"}, [], []),
}


def fixture_circles(files):
    with tempfile.TemporaryDirectory(prefix="vmgdb-circles-") as name:
        tree, folder = Path(name, "tree"), Path(name, "obj")
        for file, text in files.items():
            (tree / file).parent.mkdir(parents=True, exist_ok=True)
            (tree / file).write_text(text + "\n")
        for source in tree.rglob("*.c"):
            made = folder / source.relative_to(tree).with_suffix(".o")
            made.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run([*os.environ.get("CC", "cc").split(), "-I", tree, "-I",
                            tree / "core/include", "-c", "-o", made, source], check=True)
        return includes(tree).circles(), calls(tree, folder)[0].circles()


def self_check():
    failed = False
    for name, (files, by_include, by_call) in FIXTURES.items():
        got = fixture_circles(files)
        failed |= result(f"self-check, {name}",
                         "" if got == (by_include, by_call) else f"found {got}")
    return failed


def main(arguments):
    if arguments == ["--self-check"]:
        return self_check()
    if arguments[:1] == ["--includes"]:
        return check(Path(arguments[1] if len(arguments) > 1 else ROOT), [])
    if arguments:
        return check(Path(arguments[0]), map(Path, arguments[1:]))
    os.chdir(ROOT)
    folders = default_objects()
    if not folders:
        return check(Path("."), []) | result("no files call each other", "there are no objects: make")
    return check(Path("."), folders)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
