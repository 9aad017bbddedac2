#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What arch/ relies on, shown on a host's KVM: facts.py HOST:CPU, or local

Runs the probe of the host's architecture (x86/probe/, arm64/probe/) there and passes its lines on.
"""

import os
from pathlib import Path
import platform
import re
import subprocess
import sys

import lab

BUILD = Path(__file__).resolve().parents[2] / os.environ.get("O", "build")
ARCHES = {"x86_64": "x86", "amd64": "x86", "aarch64": "arm64", "arm64": "arm64"}
HERE = ARCHES[platform.machine()]
CPUS = {"x86": 1, "arm64": 2}  # how many the probe needs on a lab host


def arch_of(target):
    return HERE if target == "local" else ARCHES[lab.kind(target.partition(":")[0]).arch]


def run(arch, target):
    """Status, output and errors of the probe."""
    name = f"{arch}-kvm-probe"
    probe = BUILD / ("" if arch == HERE else arch) / "static" / name
    if target == "local":
        done = subprocess.run([probe], capture_output=True, text=True, timeout=300)
        return done.returncode, done.stdout, done.stderr
    with lab.boot(target, smp=CPUS[arch], files=[probe]) as host:
        done = host.run([name], timeout=300)
        return done.status, done.out, done.err


def main(target):
    arch = arch_of(target)
    status, out, err = run(arch, target)
    print(re.sub("^(ok |not ok |na )", rf"\1{arch}, ", out, flags=re.M), end="")
    if status and "not ok" not in out:
        print(f"not ok {arch}, the probe: exit status {status} {err.strip()[-300:]}")
    return int(status != 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
