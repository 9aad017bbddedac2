#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the commands in the fenced blocks `sh` and `console` of README.md and docs/, as they stand.

Each block is one shell, in a folder that looks like the source tree; every command must succeed. In
`console` blocks the commands stand after "$ ", what follows is what they print ("..." is anything).
What is put in the place of names that a test may not use: /tmp/ is a folder of the test's own,
/dev/pts/N what the vmgdb-run before it has printed, and port 1234 is a free one.
"""

import os
from pathlib import Path
import re
import shlex
import socket
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/gdb"))

from hosts import BUILD  # noqa: E402

LIMIT = 60  # seconds a block
TIMED_OUT = 124  # timeout(1)'s exit status
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
PRELUDE = r"""
exec 2>messages
hints() { grep -c "^gdb -ex" messages || :; }
hinted() { for i in $(seq 500); do [ "$(hints)" -gt "$1" ] && return; sleep 0.02; done; return 1; }
tty() { sed -n "s/^gdb -ex 'target remote \(\/dev\/pts\/[0-9]*\)'.*/\1/p" messages | tail -n 1; }
trap 'kill $(jobs -p) 2>/dev/null; wait; cat messages' EXIT
set -e
"""


def blocks():
    """(name, language, text) of each block that has commands."""
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = path.read_text()
        for found in FENCE.finditer(text):
            language, body = found.groups()
            if language in ("sh", "console"):
                line = text.count("\n", 0, found.start()) + 1
                yield f"{path.relative_to(ROOT)}, line {line}", language, body


def commands(language, body):
    """[command, expected output or None], continued lines joined."""
    body = body.replace("\\\n", " ")
    if language == "sh":
        return [[line, None] for line in body.splitlines() if line.strip()]
    found = []
    for line in body.splitlines():
        if line.startswith("$ "):
            found.append([line[2:], ""])
        elif found:
            found[-1][1] += line + "\n"
    return found


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


def script(steps, folder):
    port = free_port()
    yield PRELUDE
    for n, (command, _) in enumerate(steps):
        command = command.replace("/tmp/", f"{folder}/tmp/")
        command = re.sub(r"\b1234\b", port, command)
        command = re.sub(r"/dev/pts/\d+", "'$(tty)'", command)
        yield f"echo '@@@ {n}'"
        if "vmgdb-run" in command and command.rstrip().endswith("&"):
            yield f"before=$(hints)\n{command}\nhinted $before"
        else:
            yield command


def make_tree(folder):
    """The source tree with our build folder in it, made of links."""
    for path in ROOT.iterdir():
        if path.name != "build":
            (folder / path.name).symlink_to(path)
    (folder / "build").symlink_to(BUILD)
    (folder / "tmp").mkdir()


def run(text, folder):
    """Returns exit status and output of a script; what it leaves running is ended."""
    env = {**os.environ, "HOME": str(folder), "LC_ALL": "C", "MAKEFLAGS": ""}
    env.pop("O", None)
    # timeout(1) ends what the script has started, too
    done = subprocess.run(["timeout", "-k", "2", str(LIMIT), "bash", "-c", text], cwd=folder,
                          env=env, text=True, errors="replace", stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout


def matches(expected, said):
    pattern = ".*".join(re.escape(part) for part in expected.strip().split("..."))
    return re.search(pattern, said, re.S)


def judge(steps, status, said):
    """Why a block has failed, or an empty string."""
    parts = re.split(r"^@@@ (\d+)\n", said, flags=re.M)
    last = int(parts[-2]) if len(parts) > 1 else 0
    if status != 0:
        how = f"not done within {LIMIT} s" if status == TIMED_OUT else f"exit status {status}"
        return f"{steps[last][0]}: {how}: {said[-600:]}"
    for n, (command, expected) in enumerate(steps):
        if expected and not matches(expected, parts[2 * n + 2]):
            return f"{command}: printed {parts[2 * n + 2]!r}, not {expected!r}"
        if "The program is not being run" in parts[2 * n + 2]:
            return f"{command}: gdb had no target: {parts[2 * n + 2]!r}"
    return ""


def main():
    failed = count = 0
    for name, language, body in blocks():
        steps = commands(language, body)
        with tempfile.TemporaryDirectory(prefix="vmgdb-docs-") as folder:
            make_tree(Path(folder))
            status, said = run("\n".join(script(steps, shlex.quote(folder))), Path(folder))
        count += 1
        why = judge(steps, status, said)
        failed += bool(why)
        print(f"not ok {name}: {' / '.join(why.splitlines())}" if why else f"ok {name}", flush=True)
    return 1 if failed or not count else 0


if __name__ == "__main__":
    sys.exit(main())
