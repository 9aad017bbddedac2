#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The runner itself: whatever is wrong with a test program, it counts as failed."""

import contextlib
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
import io
from pathlib import Path
import sys
import tempfile
import time

sys.dont_write_bytecode = True
loader = SourceFileLoader("check", str(Path(__file__).resolve().parent / "check"))
check = module_from_spec(spec_from_loader("check", loader))
loader.exec_module(check)

TAP = "TAP version 13\n1..{plan}\n{results}"
OK = "ok - suite::one it works (0.00s)\n"
SKIP = "ok - suite::two it skips # SKIP no such thing\n"
BAD = "not ok - suite::three it fails (0.00s)\n  ---\n  failures:\n  - a.c:3: |+\n      why\n  ...\n"
CRASH = "not ok - suite::four unexpected signal after a.c:5\n"
WRITE = 'for a; do case $a in --tap=*) cat > "${a#--tap=}" ;; esac; done'

TAPS, LINES = {"tap": True}, {}
ONE = {"one": True}

# name: what the program does (for sh), what it writes, what is counted (ok, not ok, na)
PROGRAMS = {
    "passes": (f"{WRITE} <<'E'\n{TAP.format(plan=2, results=OK + SKIP)}E", TAPS, (1, 0, 1)),
    "fails": (f"{WRITE} <<'E'\n{TAP.format(plan=2, results=OK + BAD)}E\nexit 1", TAPS, (1, 1, 0)),
    "a test crashes": (f"{WRITE} <<'E'\n{TAP.format(plan=1, results=CRASH)}E\nexit 1", TAPS,
                       (0, 1, 0)),
    "fails, exit status 0": (f"{WRITE} <<'E'\n{TAP.format(plan=1, results=BAD)}E", TAPS, (0, 1, 0)),
    "passes, exit status 1": (f"{WRITE} <<'E'\n{TAP.format(plan=1, results=OK)}E\nexit 1", TAPS,
                              (1, 1, 0)),
    "loses a test": (f"{WRITE} <<'E'\n{TAP.format(plan=2, results=OK)}E", TAPS, (1, 1, 0)),
    "has no tests": (f"{WRITE} <<'E'\n{TAP.format(plan=0, results='')}E", TAPS, (0, 1, 0)),
    "writes no TAP": ("true", TAPS, (0, 1, 0)),
    "crashes": ("kill -SEGV $$", TAPS, (0, 1, 0)),
    "is not there": (None, TAPS, (0, 1, 0)),
    "hangs": ("sleep 100", TAPS, (0, 1, 0)),
    "leaves a folder": (f"mktemp -d; {WRITE} <<'E'\n{TAP.format(plan=1, results=OK)}E", TAPS, (1, 1, 0)),
    "leaves a folder and prints lines": ("mktemp; echo ok a", LINES, (1, 1, 0)),
    "prints lines": ("echo ok a; echo not ok b: why; echo talk; echo na c: why; exit 1", LINES,
                     (1, 1, 1)),
    "prints the same twice": ("echo ok a; echo ok a", LINES, (2, 0, 0)),
    "prints nothing": ("true", LINES, (0, 1, 0)),
    "prints ok and crashes": ("echo ok a; kill -SEGV $$", LINES, (1, 1, 0)),
    "prints ok and fails": ("echo ok a; exit 3", LINES, (1, 1, 0)),
    "passes, as one": (f"{WRITE} <<'E'\n{TAP.format(plan=2, results=OK + SKIP)}E", TAPS | ONE,
                       (1, 0, 0)),
    "fails, as one": (f"{WRITE} <<'E'\n{TAP.format(plan=2, results=OK + BAD)}E\nexit 1",
                      TAPS | ONE, (0, 1, 0)),
    "skips all, as one": (f"{WRITE} <<'E'\n{TAP.format(plan=1, results=SKIP)}E", TAPS | ONE,
                          (0, 0, 1)),
    "prints lines, as one": ("echo ok a; echo ok b", ONE, (1, 0, 0)),
    "prints ok and crashes, as one": ("echo ok a; kill -SEGV $$", ONE, (1, 1, 0)),
    "prints nothing, as one": ("true", ONE, (0, 1, 0)),
}


def counts(program, how):
    runner = check.Runner()
    argv = ["sh", "-c", program, "sh"] if program is not None else ["/nonexistent"]
    with contextlib.redirect_stdout(io.StringIO()):
        runner.job(check.Job("fake", argv, limit=2, **how))
    return tuple(runner.report.count(verdict) for verdict in ("ok", "not ok", "na"))


def main():
    failed = False
    with tempfile.TemporaryDirectory(prefix="vmgdb-check-") as folder:
        check.LOGS = Path(folder)
        for name, (program, how, expected) in PROGRAMS.items():
            begin = time.monotonic()
            got = counts(program, how)
            if got == expected and time.monotonic() - begin < 10:
                print(f"ok check, a program that {name}")
            else:
                failed = True
                print(f"not ok check, a program that {name}: counted {got}, not {expected}, "
                      f"in {time.monotonic() - begin:.1f} s")
    return failed


if __name__ == "__main__":
    sys.exit(main())
