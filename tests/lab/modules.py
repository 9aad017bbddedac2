# SPDX-License-Identifier: MIT
"""Kernel modules by name, with their dependencies, in the order in which insmod needs them.

Debian's package has no modules.dep (depmod writes it when the package is installed), so the
dependencies come from the modules themselves: their .modinfo section has "depends=a,b".
"""

import re

from errors import LabError
import packages


def canonical(name):
    return name.replace("-", "_")


def available(root):
    """The modules and the built-in ones below root, an unpacked kernel package."""
    tree = next((root / "lib" / "modules").iterdir())
    files = {canonical(path.stem): path for path in tree.glob("kernel/**/*.ko")}
    built_in = {canonical(line.rsplit("/", 1)[-1].removesuffix(".ko"))
                for line in (tree / "modules.builtin").read_text().split()}
    return files, built_in


def depends(path):
    found = re.search(rb"\0depends=([^\0]*)\0", path.read_bytes())
    return found.group(1).decode().split(",") if found and found.group(1) else []


def in_order(root, names):
    """Paths of the modules to load for names; what is built into the kernel needs none."""
    files, built_in = available(root)
    order = []

    def add(name):
        name = canonical(name)
        if name in built_in or files.get(name) in order:
            return
        if name not in files:
            raise LabError(f"Debian's kernel in {root} has no module {name}")
        for other in depends(files[name]):
            add(other)
        order.append(files[name])

    for name in names:
        add(name)
    return order


def lean(root, strip, paths):
    """The same modules, stripped once of what makes loading them slow in emulation.

    Stripped are the signature (a hash over the whole module), and the list of ftrace's call sites, each of
    which the kernel looks up by walking all symbols: 7 of the 8 s that kvm takes on vtx.
    """
    folder = root / "lean"
    with packages.locked(f"{root.name}-lean"):
        folder.mkdir(exist_ok=True)
        for path in paths:
            target = folder / path.name
            if not target.exists():
                with packages.new_file(target) as new:
                    packages.command([strip, "--strip-unneeded", "--remove-section=__mcount_loc",
                                      "-o", new.name, str(path)], f"stripping {path.name}")
    return [folder / path.name for path in paths]
