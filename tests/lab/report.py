# SPDX-License-Identifier: MIT
"""The results of tests: lines that tests print, counted, and a table of them by host.

    ok NAME
    not ok NAME: why
    na NAME: why it does not apply here

A name has no ": " in it.  All other lines are ignored.
"""

import re

LINE = re.compile(r"(ok|not ok|na) (.+)")
CELLS = {"ok": "ok", "not ok": "FAIL", "na": "n/a"}


def parse(lines):
    """Yields (verdict, name, why) for each line that is a result."""
    for line in lines:
        found = LINE.fullmatch(line.rstrip())
        if found:
            verdict, rest = found.groups()
            name, _, why = rest.partition(": ")
            yield verdict, name, why


class Report:
    """Results of several hosts.  A test that has failed once on a host has failed there."""

    def __init__(self):
        self.hosts = []
        self.results = {}  # (name, host): (verdict, why)

    def add(self, host, lines):
        """Returns how many results the lines had."""
        if host not in self.hosts:
            self.hosts.append(host)
        count = 0
        for verdict, name, why in parse(lines):
            count += 1
            if self.results.get((name, host), ("ok",))[0] != "not ok":
                self.results[name, host] = verdict, why
        return count

    def count(self, verdict):
        return sum(v == verdict for v, _ in self.results.values())

    def failed(self):
        return self.count("not ok") or not self.results

    def table(self):
        names = list(dict.fromkeys(name for name, _ in self.results))
        width = max(map(len, names), default=0)
        yield "  ".join(["test".ljust(width), *self.hosts])
        for name in names:
            cells = [CELLS[self.results[name, host][0]] if (name, host) in self.results else "-"
                     for host in self.hosts]
            yield "  ".join([name.ljust(width),
                             *(c.ljust(len(h)) for c, h in zip(cells, self.hosts))]).rstrip()

    def reasons(self, verdict):
        """A line for each reason, with the hosts it was given on."""
        hosts = {}
        for (name, host), (v, why) in self.results.items():
            if v == verdict:
                hosts.setdefault((name, why), []).append(host)
        for (name, why), where in hosts.items():
            yield f"{CELLS[verdict]} {name} ({', '.join(where)}): {why}"

    def summary(self):
        return (f"{self.count('ok')} passed, {self.count('not ok')} failed, "
                f"{self.count('na')} skipped")

    def text(self):
        """The whole: the table, why what does not apply does not, what failed, the counts."""
        return "\n".join(["", *self.table(), "", *self.reasons("na"), *self.reasons("not ok"),
                          self.summary()])
