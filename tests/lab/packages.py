# SPDX-License-Identifier: MIT
"""Debian packages of any architecture, fetched once into a cache and unpacked there.

apt runs with folders of its own: it installs nothing, adds no architecture to dpkg, and needs no
privileges.  It uses the archives and keys of this machine's apt.
"""

import contextlib
import fcntl
import os
from pathlib import Path
import re
import shutil
import subprocess
import tempfile

from errors import LabError

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / "build" / "lab"


def cache():
    """The folder of what is fetched and prepared; $VMGDB_LAB_CACHE keeps it out of build/."""
    path = Path(os.environ.get("VMGDB_LAB_CACHE") or LAB / "cache").resolve()
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def locked(name):
    """One run at a time prepares an item of the cache; another run waits, then finds it."""
    with open(cache() / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def new_folder(target):
    """A folder to fill; it is renamed to target when complete."""
    work = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
    try:
        yield work
        work.chmod(0o755)
        work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextlib.contextmanager
def new_file(target):
    """A file to write; it is renamed to target when complete."""
    work = target.with_name(target.name + ".new")
    try:
        with open(work, "wb") as file:
            yield file
        work.rename(target)
    finally:
        work.unlink(missing_ok=True)


def command(argv, what, **kwargs):
    """Runs argv and returns what it printed; a failure is an error that names `what`."""
    try:
        return subprocess.run(argv, check=True, text=True, stdin=subprocess.DEVNULL,
                              capture_output=True, **kwargs).stdout
    except FileNotFoundError:
        raise LabError(f"{what}: {argv[0]} is not installed") from None
    except subprocess.CalledProcessError as e:
        said = (e.stderr or e.stdout).strip()[-2000:]
        raise LabError(f"{what}: {argv[0]} failed with status {e.returncode}\n{said}") from None


def apt_options(arch, state):
    """apt.conf(5) settings for an apt of another architecture that keeps all it writes in state."""
    for folder in ("lists/partial", "archives/partial"):
        (state / folder).mkdir(parents=True)
    (state / "status").touch()
    settings = {
        "APT::Architecture": arch,
        "APT::Architectures": arch,
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
        "Dir::State": state,
        "Dir::State::Lists": state / "lists",
        "Dir::State::status": state / "status",
        "Dir::Cache": state,
        "Dir::Cache::archives": state / "archives",
    }
    return [f"-o{key}={value}" for key, value in settings.items()]


def kernel_package(arch, options):
    """The package that Debian's linux-image-ARCH stands for today."""
    depends = command(["apt-cache", *options, "depends", f"linux-image-{arch}"], "finding the kernel")
    found = re.search(r"Depends: (linux-image-\S+)", depends)
    if not found:
        raise LabError(f"finding the kernel: apt knows no linux-image-{arch}")
    return found.group(1)


def system(arch):
    """The folder in the cache with Debian's kernel and static busybox for arch, unpacked."""
    root = cache() / f"debian-{arch}"
    with locked(root.name):
        if not root.exists():
            with new_folder(root) as work, tempfile.TemporaryDirectory(dir=cache()) as state:
                options = apt_options(arch, Path(state))
                command(["apt-get", "-qq", *options, "update"], f"listing {arch} packages")
                names = [kernel_package(arch, options), "busybox-static"]
                command(["apt-get", "-qq", *options, "download", *names],
                        f"fetching {' and '.join(names)}", cwd=state)
                for deb in sorted(Path(state).glob("*.deb")):
                    command(["dpkg-deb", "-x", str(deb), str(work)], f"unpacking {deb.name}")
    return root


def kernel(root):
    images = sorted((root / "boot").glob("vmlinuz-*"))
    if len(images) != 1:
        raise LabError(f"{root}/boot: {len(images)} kernels where one was expected: remove {root}")
    return images[0]


def missing(packages):
    """The Debian packages among these that are not installed on this machine."""
    def installed(package):
        query = ["dpkg-query", "-W", "-f", "${db:Status-Status}", package]
        said = subprocess.run(query, capture_output=True, text=True, check=False)
        return said.stdout == "installed"
    if not shutil.which("dpkg-query"):
        raise LabError("the labs need Debian packages, and this machine has no dpkg")
    return [p for p in packages if not installed(p)]
