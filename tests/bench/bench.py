#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Times vmgdb beside QEMU's stub and gdbserver, in one run, by the same raw client.

    bench.py BUILD      BUILD: where vmgdb-run, guests/ and bench/ lie

Prints one table. A peer that is not installed is left out, and said to be.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

SPIN = """static char room[1 << 21] = { 1 };
void leaf(void) { __asm__ volatile(""); }
int main(void) { for (;;) leaf(); }
"""


class Peer:
    """A stub under test: how it is started, and where it then listens."""

    def __init__(self, argv, stderr_pattern=None, path=None):
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.endpoint = self.find(stderr_pattern) if stderr_pattern else self.wait_for(path)

    def find(self, pattern):
        for line in self.process.stderr:
            match = re.search(pattern, line)
            if match:
                return "tcp:" + match.group(1)
        raise RuntimeError(f"{self.process.args[0]} did not start")

    def wait_for(self, path):
        for _ in range(100):
            if os.path.exists(path):
                return "unix:" + path
            time.sleep(0.05)
        raise RuntimeError(f"{self.process.args[0]} did not start")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()


def peers(build, work):
    """(name, argv, pattern of its port, path of its socket, readable address, code that is run)"""
    hit = symbol(f"{build}/guests/demo.elf", "leaf")
    run = [f"{build}/vmgdb-run", "--guest", "demo"]
    qemu = ["qemu-system-x86_64", "-accel", "kvm", "-m", "256", "-display", "none", "-S"]
    port = r"(?:127\.0\.0\.1:|port )(\d+)"
    yield "vmgdb, unix", run + ["--gdb", f"unix:{work}/v"], None, f"{work}/v", "100000", hit
    yield "vmgdb, TCP", run + ["--gdb", "tcp:0"], port, None, "100000", hit
    yield ("QEMU, unix", qemu + ["-chardev", f"socket,path={work}/q,server=on,wait=off,id=g",
                                 "-gdb", "chardev:g"], None, f"{work}/q", "0", None)
    address, hit = spin(work)
    yield ("gdbserver, TCP", ["gdbserver", "--once", "127.0.0.1:0", f"{work}/spin"], port, None,
           address, hit)


def spin(work):
    """Builds the program that gdbserver debugs: where its 2 MiB of data lie, and its leaf()."""
    with open(f"{work}/spin.c", "w") as source:
        source.write(SPIN)
    subprocess.run(["gcc", "-static", "-no-pie", "-o", f"{work}/spin", f"{work}/spin.c"], check=True)
    return symbol(f"{work}/spin", "room"), symbol(f"{work}/spin", "leaf")


def symbol(program, name):
    symbols = subprocess.run(["nm", program], check=True, capture_output=True, text=True)
    return re.search(rf"(\w+) . {name}$", symbols.stdout, re.M).group(1)


def measure(build, name, endpoint, address, hit):
    argv = [f"{build}/bench/rspbench", name, endpoint, address] + ([hit] if hit else [])
    out = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=300).stdout
    return {what: value for _, what, value in (line.split("\t") for line in out.splitlines())}


def table(results):
    width = max(len(name) for name, _ in results)
    rows = list(results[0][1])
    print(" " * 26 + "  ".join(name.rjust(width) for name, _ in results))
    for row in rows:
        print(row.ljust(26) + "  ".join(r.get(row, "-").rjust(width) for _, r in results))


def main():
    build = sys.argv[1]
    results = []
    with tempfile.TemporaryDirectory(prefix="vmgdb-bench.") as work:
        for name, argv, pattern, path, address, hit in peers(build, work):
            if not shutil.which(argv[0]):
                print(f"{name}: left out, {argv[0]} is not installed")
                continue
            peer = Peer(argv, pattern, path)
            try:
                results.append((name, measure(build, name, peer.endpoint, address, hit)))
            finally:
                peer.stop()
    table(results)


if __name__ == "__main__":
    main()
