# SPDX-License-Identifier: MIT
"""A guest in vmgdb-run, with debuggers' ways in."""

import re
import signal
from pathlib import Path

from rsp import Rsp

PASTE = re.compile(r"^gdb -ex 'target remote ([^']+)' (\S+)$", re.M)
STILL = re.compile(r"a debugger can attach at (.+)$", re.M)


class Vm:
    """links: kinds that the host has, each with options after a comma ("unix,ro").

    wait: the guest is held before its first instruction. up: it is waited for until the guest has
    said its first line.
    """

    def __init__(self, host, folder, guest="demo", cpus=1, links=None, wait=False, up=True,
                 arguments=()):
        self.host = host
        self.folder = folder
        self.guest = guest
        self.links = list(links or host.links[:1])
        argv = ["--guest", guest, "--cpus", str(cpus)]
        for i, link in enumerate(self.links):
            kind, comma, options = link.partition(",")
            log = f",log={folder}/log" if host.transcripts else ""
            argv += ["--gdb", host.spec(kind, folder, i) + comma + options + log]
        self.argv = argv + ["--gdb-wait"] * wait + list(arguments)
        self.process = host.start(self.argv, folder)
        self.targets = []
        self.debuggers = []  # that have come to it
        try:
            self._reach()
            if up and not wait:
                self.process.wait_for(rf"^{guest}: ", 20 * host.slow)
        except BaseException:
            self.process.kill()
            raise

    def _reach(self):
        """One line for each link, in their order."""
        n = len(self.links)
        ways = rf"(?:.*\n)*?((?:(?:gdb -ex |.*a debugger can attach at ).*\n){{{n}}})"
        lines = self.process.wait_for(rf"\A{ways}", 20).group(1).splitlines()
        for link, line in zip(self.links, lines):
            found = PASTE.search(line) or STILL.search(line)
            self.targets.append(self.host.reach(link.partition(",")[0], found.group(1)))

    @property
    def kinds(self):
        """The kinds of its links."""
        return {link.partition(",")[0] for link in self.links}

    @property
    def target(self):
        """What gdb's `target remote` takes, for the first link."""
        return self.targets[0]

    @property
    def elf(self):
        return self.host.build / "guests" / f"{self.guest}.elf"

    @property
    def console(self):
        return self.process.out

    @property
    def messages(self):
        return self.process.err

    def rsp(self, link=0):
        """A raw client that has said nothing yet."""
        kind = self.links[link].partition(",")[0]
        return Rsp(self.targets[link], 5 * self.host.slow, self.host.PAUSE.get(kind, 0),
                   kind == "serial")

    def files(self):
        """Socket files and links that are left in its folder."""
        return [p.name for p in Path(self.folder).iterdir() if p.is_socket() or p.is_symlink()]

    def leave(self):
        """Its debuggers go."""
        for debugger in self.debuggers:
            debugger.close()

    def end(self, timeout=10):
        """Ends it as Ctrl-C does; returns why that was not clean, or an empty string."""
        if self.process.status is not None:
            status = self.process.status
        else:
            self.process.kill(signal.SIGINT)
            status = self.process.wait(timeout * self.host.slow)
            if status != 128 + signal.SIGINT:
                return f"SIGINT ended vmgdb-run with status {status}: {self.messages[-500:]}"
        if status > 128 + 32 or status in (128 + signal.SIGSEGV, 128 + signal.SIGABRT):
            return f"vmgdb-run crashed, status {status}: {self.messages[-500:]}"
        return f"left behind: {self.files()}" if self.files() else ""
