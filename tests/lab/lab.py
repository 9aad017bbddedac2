#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Emulated hosts with a working KVM.  README.md here shows how to use them."""

import argparse
import importlib
from pathlib import Path
import signal
import sys

sys.path.insert(0, str(Path(__file__).resolve().parent))

from errors import LabError, LabTimeout  # noqa: E402,F401 (also for those who import lab)
from report import Report  # noqa: E402

HOSTS = ("arm64", "svm", "vtx")


def kind(name):
    """The class of a kind of host."""
    if name not in HOSTS:
        raise LabError(f"no lab host {name}: one of {', '.join(HOSTS)}")
    return importlib.import_module(f"{name}.host").HOST


def targets(name):
    """The list of HOST:CPU that HOST or HOST:CPU stands for: a HOST alone, for each of its CPUs."""
    host, _, cpu = name.partition(":")
    return [f"{host}:{c}" for c in ([cpu] if cpu else kind(host).cpus)]


def boot(target, cpu=None, **options):
    """Boots a host ("arm64", or "arm64:vhe"); returns it when it takes commands.

    options: smp, memory (MiB), files (paths, which land in /lab, or (path, path inside)),
    lifetime (seconds until it is ended, whatever it does).
    """
    host, _, model = target.partition(":")
    return kind(host)(cpu=cpu or model or None, **options)


def do_run(args):
    """Prints what the command prints, counts its results; fails as it does, or if a test did."""
    report = Report()
    with boot(args.target, smp=args.smp, files=args.files) as host:
        result = host.run(" ".join(args.command), timeout=args.timeout)
    print(result.out, end="")
    print(result.err, end="", file=sys.stderr)
    if report.add(args.target, result.out.splitlines()):
        print(report.summary())
        return 1 if report.failed() or result.status else 0
    return result.status


def do_shell(args):
    with boot(args.target, smp=args.smp, files=args.files, lifetime=7 * 24 * 3600) as host:
        print(f"{args.target}, up in {host.boot_time:.1f} s; exit ends it\r")
        return host.interact()


def do_deps(args):
    names = dict.fromkeys(p for h in args.hosts or HOSTS for p in kind(h).packages())
    print(" ".join(names))
    return 0


def arguments(argv):
    """The command is what comes after the first "--"."""
    at = argv.index("--") if "--" in argv else len(argv)
    parser = argparse.ArgumentParser(description="emulated hosts with a working KVM")
    commands = parser.add_subparsers(required=True, metavar="run|shell|deps")

    def add(name, function, about):
        command = commands.add_parser(name, help=about, description=about)
        command.set_defaults(function=function)
        return command

    run = add("run", do_run, "run a command inside, count the results it prints: -- COMMAND")
    shell = add("shell", do_shell, "a shell inside, on this terminal")
    for command in (run, shell):
        command.add_argument("target", help="HOST or HOST:CPU")
        command.add_argument("files", nargs="*", help="files to take inside, into /lab")
        command.add_argument("--smp", type=int, default=1)
    run.add_argument("--timeout", type=float, default=300, help="seconds")

    deps = add("deps", do_deps, "print the Debian packages that hosts need")
    deps.add_argument("hosts", nargs="*")

    args = parser.parse_args(argv[:at])
    args.command = argv[at + 1:]
    if args.function is do_run and not args.command:
        parser.error("nothing to run: add -- and what")
    return args


def main(argv):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends what was started
    try:
        args = arguments(argv)
        return args.function(args)
    except LabError as e:
        print(f"lab: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
