#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What arch/arm64 relies on, shown on a lab host's KVM: arm64_facts.py HOST:CPU

Runs the probe (arm64/probe/) inside and passes its lines on.
"""

import os
from pathlib import Path
import platform
import sys

import lab

BUILD = Path(__file__).resolve().parents[2] / os.environ.get("O", "build")
NATIVE = platform.machine() == "aarch64"
PROBE = BUILD / ("" if NATIVE else "arm64") / "static/arm64-kvm-probe"
RESULTS = ("ok ", "not ok ", "na ")


def main(target):
    if not target.startswith("arm64"):
        print("na arm64, the facts of its KVM: not an arm64 host")
        return 0
    with lab.boot(target, smp=2, files=[PROBE]) as host:
        done = host.run(["arm64-kvm-probe"], timeout=300)
    for line in done.out.splitlines():
        kind = next((k for k in RESULTS if line.startswith(k)), "")
        print(f"{kind}arm64, {line[len(kind):]}" if kind else line)
    if done.status and "not ok" not in done.out:
        print(f"not ok arm64, the probe: exit status {done.status} {done.err.strip()[-300:]}")
    return int(done.status != 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
