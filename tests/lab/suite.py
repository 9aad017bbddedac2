# SPDX-License-Identifier: MIT
"""Test scripts for several hosts, some hosts at a time, and a table of their results.

A script is called with HOST:CPU as its argument, boots what it needs (lab.boot) and prints result
lines (report.py).
"""

from concurrent.futures import ThreadPoolExecutor
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
import time

import packages
from report import Report


class Suite:
    def __init__(self, scripts, timeout):
        self.scripts = scripts
        self.timeout = timeout
        self.report = Report()
        self.running = set()
        self.stopped = False
        self.lock = threading.Lock()

    def _say(self, target, line):
        with self.lock:
            print(f"{target}: {line}", flush=True)

    def _run(self, target, script, log):
        """Runs one script; returns its lines, with a failed one for a bad end."""
        with self.lock:
            if self.stopped:
                return []
            process = subprocess.Popen([script, target], stdin=subprocess.DEVNULL, text=True,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                       errors="replace", start_new_session=True)
            self.running.add(process)
        timer = threading.Timer(self.timeout, kill, [process])
        timer.start()
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip())
            log.write(line)
            self._say(target, lines[-1])
        status = process.wait()
        timer.cancel()
        with self.lock:
            self.running.discard(process)
        return lines + list(self._judge(script, lines, status))

    def _judge(self, script, lines, status):
        name = Path(script).name
        report = Report()
        count = report.add(name, lines)
        if status < 0:
            yield f"not ok {name}: ended by signal {-status} (the limit is {self.timeout:.0f} s)"
        elif not count:
            yield f"not ok {name}: ran no test (exit status {status})"
        elif status and not report.failed():
            yield f"not ok {name}: exit status {status}, though no test of it failed"

    def host(self, target):
        begin = time.monotonic()
        with open(packages.LAB / f"{target.replace(':', '-')}.log", "w") as log:
            for script in self.scripts:
                lines = self._run(target, script, log)
                with self.lock:
                    self.report.add(target, lines)
        self._say(target, f"done in {time.monotonic() - begin:.0f} s")

    def stop(self):
        """Ends the scripts; what they have started ends with them."""
        with self.lock:
            self.stopped = True
            for process in self.running:
                kill(process)


def kill(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run_suite(targets, scripts, jobs, timeout):
    packages.LAB.mkdir(parents=True, exist_ok=True)
    suite = Suite(scripts, timeout)
    suite.report.hosts = list(targets)
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for done in [pool.submit(suite.host, target) for target in targets]:
                done.result()
        except BaseException:
            suite.stop()
            raise
    print(suite.report.text())
    return 1 if suite.report.failed() else 0
