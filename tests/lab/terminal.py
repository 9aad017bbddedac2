# SPDX-License-Identifier: MIT
"""A shell in a lab host on this terminal."""

import os
import sys
import termios
import threading
import tty

from errors import LabError

EOT = b"\x04"  # a terminal turns it into an end of file


def forward(job, terminal):
    """Sends what the user types, and the terminal's size first where that has changed."""
    size = None
    try:
        while True:
            data = os.read(terminal, 1024)
            if os.isatty(terminal) and os.get_terminal_size(terminal) != size:
                size = os.get_terminal_size(terminal)
                job.resize(size.lines, size.columns)
            job.send(data or EOT)
            if not data:
                return
    except LabError:
        pass  # job.wait() reports why


def interact(channel):
    """Returns the shell's exit status."""
    terminal = sys.stdin.fileno()
    saved = termios.tcgetattr(terminal) if os.isatty(terminal) else None
    if saved:
        tty.setraw(terminal)
    try:
        job = channel.start("exec sh -i", "p", lambda data: os.write(sys.stdout.fileno(), data))
        threading.Thread(target=forward, args=(job, terminal), daemon=True).start()
        return job.wait(timeout=None)
    finally:
        if saved:
            termios.tcsetattr(terminal, termios.TCSADRAIN, saved)
