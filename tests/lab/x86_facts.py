#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What arch/x86 relies on, shown on a host's KVM: x86_facts.py HOST:CPU, or local

Runs the probe (x86/probe/) there and passes its lines on.
"""

import os
from pathlib import Path
import platform
import subprocess
import sys

import lab

BUILD = Path(__file__).resolve().parents[2] / os.environ.get("O", "build")
NATIVE = platform.machine() == "x86_64"
PROBE = BUILD / ("" if NATIVE else "x86") / "static/x86-kvm-probe"
RESULTS = ("ok ", "not ok ", "na ")


def run(target):
    """Status, output and errors of the probe."""
    if target == "local":
        done = subprocess.run([PROBE], capture_output=True, text=True, timeout=300)
        return done.returncode, done.stdout, done.stderr
    with lab.boot(target, smp=1, files=[PROBE]) as host:
        done = host.run(["x86-kvm-probe"], timeout=300)
        return done.status, done.out, done.err


def main(target):
    if target.startswith("arm64") or target == "local" and not NATIVE:
        print("na x86, the facts of its KVM: not an x86 host")
        return 0
    status, out, err = run(target)
    for line in out.splitlines():
        kind = next((k for k in RESULTS if line.startswith(k)), "")
        print(f"{kind}x86, {line[len(kind):]}" if kind else line)
    if status and "not ok" not in out:
        print(f"not ok x86, the probe: exit status {status} {err.strip()[-300:]}")
    return int(status != 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
