#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds with flags that packagers and debuggers of the library use: a result line for each.

Each build goes to a folder of its own. It is right if vmgdb-run links and runs, and if the static
library defines no names for others but the public ones.
"""

import os
from pathlib import Path
import shutil
import subprocess
import sys
import tempfile

ROOT = Path(__file__).resolve().parents[1]
BOTH = ("-O0 -g", "-O2 -flto")
FLAGS = {"gcc": (*BOTH, "-O2 -flto=auto -ffat-lto-objects"), "clang": (*BOTH, "-O2 -flto=auto")}
COMPILERS = {"gcc": [], "clang": ["CC=clang"]}
INHERITED = ("MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "CFLAGS", "LDFLAGS", "CC", "O", "ARCH")


def run(*argv):
    """What it printed; CalledProcessError if it failed."""
    environment = {k: v for k, v in os.environ.items() if k not in INHERITED}
    return subprocess.run(argv, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=True).stdout


def exported(library):
    """The names that a static library defines for others."""
    lines = run("nm", "-g", "--defined-only", library).splitlines()
    return [line.split()[2] for line in lines if len(line.split()) == 3]


def why_wrong(settings, folder):
    """Builds; returns what is wrong with what came out, or an empty string."""
    library, program = f"{folder}/libvmgdb.a", f"{folder}/vmgdb-run"
    try:
        run("make", f"-j{len(os.sched_getaffinity(0))}", f"O={folder}", *settings, library, program,
            f"{folder}/libvmgdb.so.0")
        run(program, "--help")
        names = exported(library)
    except subprocess.CalledProcessError as e:
        return " / ".join(e.stdout.splitlines()[-6:])
    private = [name for name in names if not name.startswith("vmgdb_")]
    return f"{library} exports {private[:5] or 'nothing'}" if private or not names else ""


def main():
    failed = False
    for compiler, settings in COMPILERS.items():
        for flags in FLAGS[compiler]:
            name = f"builds, {compiler} {flags}"
            if not shutil.which(compiler):
                print(f"na {name}: {compiler} is not installed")
                continue
            with tempfile.TemporaryDirectory(prefix="vmgdb-build-") as folder:
                why = why_wrong([*settings, f"CFLAGS={flags}", f"LDFLAGS={flags}"], folder)
            failed |= bool(why)
            print(f"not ok {name}: {why}" if why else f"ok {name}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
