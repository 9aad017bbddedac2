#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Transports that need a kernel and a host of their own: transports.py HOST:CPU [REGEX]

The debugger runs on this machine, vmgdb-run on the lab's host, the debugged VM nested in it.  $O is
the build folder; what goes inside is linked statically (make static).
"""

import os
from pathlib import Path
import re
import signal
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "gdb"), str(HERE.parent / "connect")]

import cases  # noqa: E402
from links import boundary, every, line, virtio, vsock  # noqa: E402,F401 (they name the tests)
from links.bench import Bench  # noqa: E402


def show(line, story, seconds):
    for text in story:
        print(f"  | {text}")
    print(line, flush=True)
    print(f"  {seconds:.1f} s", flush=True)


def main(target, pattern=""):
    if target in ("arm64:nvhe", "arm64:sve"):
        print("na transports: they do not depend on the processor: tested on arm64:vhe")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    host = Bench(target)
    try:
        chosen = [v for v in cases.variants(host) if re.search(pattern, v.name)]
        with tempfile.TemporaryDirectory(prefix="vmgdb-") as folder:
            run = cases.Run(host, folder, show)
            run.all(chosen, host.jobs)
    finally:
        host.close()
    return 1 if run.failed or not run.count else 0


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main(*sys.argv[1:]))
