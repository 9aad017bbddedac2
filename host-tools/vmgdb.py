# SPDX-License-Identifier: MIT
"""GDB commands for virtual machines: load with "source host-tools/vmgdb.py".

    vmgdb connect SPEC    attach to the VM at an endpoint, as vmgdb-connect --help lists them
    vmgdb status          what gdb is attached to, and the state of its vCPUs
"""

import os
import re
import shutil

import gdb


# gdb defines __file__ only while it reads this file
BUILD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "build")


def find_bridge():
    """vmgdb-connect: on the PATH, or where the build leaves it."""
    found = shutil.which("vmgdb-connect") or shutil.which("vmgdb-connect", path=BUILD)
    if not found:
        raise gdb.GdbError(f"vmgdb-connect is neither on the PATH nor in {BUILD}")
    return found


def target(spec):
    """The argument of "target remote". gdb itself connects to TCP ports and unix sockets."""
    port = re.fullmatch(r"(?:tcp:)?(\d+)", spec)
    if port:
        return f"127.0.0.1:{port[1]}"
    address = re.fullmatch(r"tcp:([^,]+:\d+)", spec)
    if address:
        return address[1]
    path = re.fullmatch(r"unix:([^,\s]+)", spec)
    if path and os.path.exists(path[1]):
        return path[1]
    quoted = "'" + spec.replace("'", "'\\''") + "'"
    return f"| {find_bridge()} {quoted}"


def first_line(command):
    """The first line that a gdb command prints, or an empty string."""
    try:
        lines = gdb.execute(command, to_string=True).splitlines()
    except gdb.error:
        return ""
    return lines[0].strip() if lines else ""


class Vmgdb(gdb.Command):
    """Debug virtual machines; see "help vmgdb connect" and "help vmgdb status"."""

    def __init__(self):
        super().__init__("vmgdb", gdb.COMMAND_RUNNING, prefix=True)

    def invoke(self, argument, from_tty):
        if argument:
            raise gdb.GdbError(f'Undefined vmgdb command: "{argument}".  Try "help vmgdb".')
        gdb.execute("help vmgdb", from_tty)


class Connect(gdb.Command):
    """Attach to a virtual machine: vmgdb connect SPEC

SPEC is an endpoint: tcp:[HOST:]PORT, unix:PATH, vsock:CID:PORT, virtio:NAME, serial:DEVICE,
uds-vsock:PATH:PORT; "vmgdb-connect --help" explains each."""

    def __init__(self):
        super().__init__("vmgdb connect", gdb.COMMAND_RUNNING)

    def invoke(self, argument, from_tty):
        spec = argument.strip()
        if not spec:
            raise gdb.GdbError("vmgdb connect SPEC: where is the VM?")
        try:
            gdb.execute(f"target remote {target(spec)}", from_tty)
        except gdb.error as e:  # gdb shows any other class as a Python exception
            raise gdb.GdbError(str(e)) from None


class Status(gdb.Command):
    """Say what gdb is attached to, and the state of each vCPU: vmgdb status"""

    def __init__(self):
        super().__init__("vmgdb status", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        inferior = gdb.selected_inferior()
        connection = inferior.connection
        if not connection or connection.type not in ("remote", "extended-remote"):
            print("not connected to a VM")
            return
        print(f"connection    {connection.type} {connection.details or ''}".rstrip())
        stub = first_line("monitor version")
        if stub:
            print(f"stub          {stub}")
        print(f"architecture  {inferior.architecture().name()}")
        threads = sorted(inferior.threads(), key=lambda t: t.num)
        print(f"vCPUs         {len(threads)}")
        for thread in threads:
            state = "running" if thread.is_running() else "stopped"
            mark = "*" if thread == gdb.selected_thread() else " "
            print(f"  {mark} {thread.num}  {state}  {thread.details or thread.name or ''}".rstrip())


Vmgdb()
Connect()
Status()
