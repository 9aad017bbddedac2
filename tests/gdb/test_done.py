# SPDX-License-Identifier: MIT
"""Whole command lines, as a person would paste them into a shell."""

import os
import re
import subprocess

from cases import case, check, equal, expect
from hosts import BUILD, ROOT

SCRIPT = r"""
build/vmgdb-run --guest demo --cpus {cpus} --gdb {spec} --gdb-wait >console 2>messages &
vmm=$!
until grep -q '^gdb ' messages; do sleep 0.01; done
{reach}
gdb -batch -ex 'target remote {target}' -ex 'break leaf' -ex continue -ex bt \
	-ex 'x/16xb test_data' -ex 'info threads' -ex detach build/guests/demo.elf
status=$?
kill $vmm
wait $vmm
echo "gdb $status, vmgdb-run $?"
"""
FROM_HINT = "target=$(sed -n \"s/^gdb -ex 'target remote \\([^']*\\)'.*/\\1/p\" messages)"


def shell(t, script):
    """Runs it with sh in a folder in which build/ is ours."""
    folder = t.new_folder()
    (folder / "build").symlink_to(BUILD)
    (folder / "host-tools").symlink_to(ROOT / "host-tools")
    # timeout(1) ends what the script has started, too
    said = subprocess.run(["timeout", "-k", "2", "50", "sh", "-c", script], cwd=folder, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60, check=False,
                          env={**os.environ, "HOME": str(t.folder), "LC_ALL": "C"})
    return said.stdout, folder


def check_session(t, said, cpus):
    """What issue 1 wants of it."""
    expect(r"^#0  leaf \(n=0\)", said)
    frames = re.findall(r"^#\d+ .*?(\w+) \(.*\) at ", said, re.M)
    equal(frames, ["leaf", "tick", "main"])
    for row in range(2):
        data = "".join(rf"\s0x{8 * row + i:02x}" for i in range(8))
        expect(rf"<test_data(\+8)?>:{data}$", said)
    equal(len(re.findall(r"^[* ] +\d+ +Thread 1\.\d+ ", said, re.M)), cpus, said)
    expect(r"^\[Inferior 1 .* detached\]", said)
    expect("^gdb 0, vmgdb-run 143$", said)


@case("local swbreak", cpus=(1, 2))
def by_unix(t):
    """the command lines of a first session, over a unix socket"""
    path = f"{t.folder}/d.sock"
    said, _ = shell(t, SCRIPT.format(cpus=t.cpus, spec=f"unix:{path}", target=path, reach=""))
    check_session(t, said, t.cpus)
    check(not os.path.exists(path), "the socket is still there")


@case("local swbreak", cpus=(1, 2))
def by_pty(t):
    """the command lines of a first session, over a pty"""
    said, _ = shell(t, SCRIPT.format(cpus=t.cpus, spec="pty", target="'$target'",
                                     reach=FROM_HINT))
    check_session(t, said, t.cpus)


@case("local swbreak", cpus=(1, 2))
def by_tcp(t):
    """the command lines of a first session, over any free TCP port"""
    said, _ = shell(t, SCRIPT.format(cpus=t.cpus, spec="tcp:0", target="'$target'",
                                     reach=FROM_HINT))
    check_session(t, said, t.cpus)


@case("local swbreak")
def attach_hint(t):
    """the line that vmgdb-run prints works as it stands"""
    for spec in ("tcp:0", "pty", "unix:'a b/it'\\''s.sock'"):
        said, _ = shell(t, rf"""
mkdir 'a b'
build/vmgdb-run --gdb {spec} 2>messages >console &
vmm=$!
until grep -q '^gdb ' messages; do sleep 0.01; done
until grep -q '^demo: ' console; do sleep 0.01; done
line=$(grep '^gdb ' messages)
eval "gdb -batch ${{line#gdb}} -ex 'break leaf' -ex continue -ex bt -ex detach"
kill $vmm
wait $vmm
ls 'a b'
""")
        expect(r"^#0  leaf .*\n#1 .*tick .*\n#2 .*main ", said, spec)
        check("it's" not in said.splitlines()[-1], f"left behind: {said}")
