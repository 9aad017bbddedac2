# SPDX-License-Identifier: MIT
"""What is particular to one way of coming, and vmgdb-run's own words about it."""

import os
from pathlib import Path
import re
import signal
import socket
import stat
import subprocess

import debugger
from cases import case, check, equal, expect
from drive import goes_on
from elf import Elf
from hosts import BUILD, Process
from rsp import Rsp

RUN = BUILD / "vmgdb-run"


def refused(*arguments):
    """vmgdb-run with arguments that it does not take; returns what it says."""
    said = subprocess.run([RUN, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=20, check=False)
    equal(said.returncode, 1, f"exit status of {arguments}: {said.stderr}")
    equal(said.stderr.count("\n"), 1, said.stderr)
    return said.stderr


def shell(script):
    """bash runs it; timeout(1) ends what does not end."""
    return subprocess.run(["timeout", "20", "bash", "-c", script], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=30, check=False)


@case("ports", links=("virtio-pty",), cpus=(1, 2))
def virtio_pty(t):
    """target remote /dev/pts/N, which is a virtio-serial port where the VMM is"""
    vm = t.vm()
    expect("^/dev/pts/", vm.target)
    for _ in range(3):
        data, threads, bye = t.gdb(vm, "x/4xb &test_data", "info threads", "detach")
        expect("0x00\t0x01\t0x02\t0x03", data)
        equal(threads.count("CPU "), t.cpus)
        expect(r"detached", bye)


@case("ports swbreak", links=("virtio-pty",), cpus=(1, 2))
def virtio_pty_breakpoint(t):
    """a breakpoint by way of a virtio-serial port that is a pty outside"""
    _, hit, frames, _ = t.gdb(t.vm(), "break leaf", "continue", "bt", "detach")
    expect(r"Breakpoint 1, leaf", hit)
    expect(r"#0  leaf .*\n#1  .*tick .*\n#2  .*main ", frames)


@case("local")
def unix_socket(t):
    """a unix socket is its owner's alone, gone at the end, and never put in place of another file"""
    vm = t.vm(links=["unix"])
    mode = Path(vm.target).stat().st_mode
    check(stat.S_ISSOCK(mode), oct(mode))
    equal(stat.S_IMODE(mode), 0o600, "mode")
    equal(vm.end(), "", "the end")
    check(not Path(vm.target).exists(), "the socket is still there")
    other = t.folder / "file"
    other.write_text("precious")
    expect("unix:.*file", refused("--gdb", f"unix:{other}"), "a file is in the way")
    equal(other.read_text(), "precious")
    vm = t.vm(links=["unix"])
    refused("--gdb", f"unix:{vm.target}")
    equal(t.client(vm).one("qC"), "QCp1.1", "the first one's socket still works")


@case("local")
def stale_socket(t):
    """a socket that a killed VMM has left is no obstacle"""
    vm = t.vm(links=["unix"])
    path = vm.target
    vm.process.kill()
    vm.process.wait()
    check(Path(path).exists(), "nothing was left: the test shows nothing")
    other = Process([RUN, "--gdb", f"unix:{path}"], t.new_folder())
    t.defer(other.kill)
    other.wait_for("^gdb ")
    with Rsp(path) as client:
        client.hello()
    other.kill(signal.SIGINT)
    equal(other.wait(), 130)
    check(not Path(path).exists(), "the socket is still there")


@case("local")
def pty_link(t):
    """pty:LINK makes a link with a stable name, raw mode, and takes it away at the end"""
    link = t.folder / "tty"
    process = Process([RUN, "--gdb", f"pty:{link}"], t.new_folder())
    t.defer(process.kill)
    said = process.wait_for(r"^gdb -ex 'target remote ([^']+)'").group(1)
    check(link.is_symlink(), "no link")
    expect("^/dev/pts/", os.readlink(link))
    check(said in (str(link), os.readlink(link)), said)
    out = debugger.batch("gdb", BUILD / "guests/demo.elf",
                         [f"target remote {link}", "x/4xb &test_data", "detach"], t.folder, 20)
    expect("0x00\t0x01\t0x02\t0x03", out[1])
    process.kill(signal.SIGINT)
    equal(process.wait(), 130)
    check(not link.is_symlink(), "the link is still there")
    link.write_text("precious")
    expect("tty", refused("--gdb", f"pty:{link}"), "a file is in the way")
    equal(link.read_text(), "precious")


@case("local")
def tcp_is_local(t):
    """tcp listens on loopback alone, unless a host is named; a bare port is tcp"""
    for spec in ("tcp:0", "0"):
        process = Process([RUN, "--gdb", spec], t.new_folder())
        t.defer(process.kill)
        target = process.wait_for(r"^gdb -ex 'target remote ([^']+)'").group(1)
        port = int(expect(r"^(?:127\.0\.0\.1|localhost)?:(\d+)$", target).group(1))
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        listening = [row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")]
        equal(listening, [f"0100007F:{port:04X}"], "what listens")
        expect(f":{port}:|{port}.*in use", refused("--gdb", f"tcp:{port}"), "the port is taken")


@case("local swbreak")
def stdio(t):
    """target remote | vmgdb-run --gdb stdio"""
    out = debugger.batch("gdb", BUILD / "guests/demo.elf",
                         [f"target remote | {RUN} --guest demo --cpus 2 --gdb stdio --gdb-wait",
                          "break leaf", "continue", "bt", "info threads", "detach"], t.folder, 20)
    expect("Breakpoint 1, leaf", out[2])
    expect(r"#2  .*main", out[3])
    equal(out[4].count("CPU "), 2)
    expect("detached", out[5])


@case("local swbreak")
def stdio_raw(t):
    """stdio speaks nothing but the protocol, the guest's console is on stderr, its end is seen"""
    with open(t.folder / "err", "w+") as err:
        ours, theirs = socket.socketpair()
        process = subprocess.Popen([RUN, "--guest", "demo", "--gdb", "stdio"], stdin=theirs,
                                   stdout=theirs, stderr=err)
        t.defer(process.kill)
        theirs.close()
        with Rsp(ours.detach()) as client:
            client.hello()
            expect("^T05", client.ask("?"))
            client.go()
            check(client.quiet(0.3), "something came while the guest ran")
            expect("^T02", client.interrupt())
            equal(client.ask("D"), "OK")
        process.send_signal(signal.SIGINT)
        equal(process.wait(10), 130)
        err.seek(0)
        # a message of vmgdb-run's own may come in the middle of the guest's line
        expect("demo: 1 ticks", re.sub("vmgdb-run: .*\n", "", err.read()))


@case("local")
def stdio_detach(t):
    """a VM that gdb started as a pipe goes on after detach with on-disconnect=resume, for the next one"""
    path = str(t.new_folder() / "gdb")
    command = f"{RUN} --guest demo --gdb stdio,on-disconnect=resume,wait --gdb unix:{path}"
    said = debugger.batch("gdb", BUILD / "guests/demo.elf",
                          [f"target remote | {command}", "print counter", "detach"], t.folder, 20)
    expect(r"detached", said[2])
    with Rsp(path) as client:
        client.hello()
        expect("^T05", client.ask("?"))
        goes_on(t, client, Elf(BUILD / "guests/demo.elf")["counter"])
        client.send("k")
        check(client.hung_up(), "the VM is still there")


@case("local")
def stdio_stands_for_vm(t):
    """the process that gdb started passes signals on, and ends with the status of the VM"""
    for arguments, number, status in ((["--guest", "demo"], signal.SIGTERM, 128 + signal.SIGTERM),
                                      (["--guest", "exit"], None, 3)):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            process = Process([RUN, *arguments, "--gdb", "stdio,on-disconnect=stay"],
                              t.new_folder(), stdin=theirs)
            t.defer(process.kill, signal.SIGTERM)
            if number:
                process.wait_for("^demo: ")
                process.kill(number)
            equal(process.wait(), status, f"exit status of {arguments}")


@case("local")
def stdio_without_debugger(t):
    """stdio that ends before a packet has come ends the VM, or lets it run, as on-disconnect says"""
    for options in ("", ",wait"):
        process = Process([RUN, "--guest", "demo", "--gdb", f"stdio{options}"], t.new_folder(),
                          stdin=subprocess.DEVNULL)
        t.defer(process.kill)
        equal(process.wait(), 128 + signal.SIGKILL, f"exit status with stdio{options}")
    process = Process([RUN, "--guest", "demo", "--gdb", "stdio,wait,on-disconnect=resume"],
                      t.new_folder(), stdin=subprocess.DEVNULL)
    t.defer(process.kill, signal.SIGTERM)
    process.wait_for("^demo: ")


@case("local")
def messages(t):
    """stderr says that the VM is held, who came, left and was refused; --verbose when vCPUs stop"""
    vm = t.vm(links=["unix"], wait=True, arguments=["--verbose"])
    vm.process.wait_for("held until a debugger attaches")
    with t.client(vm) as client:
        vm.process.wait_for("the debugger is attached")
        with vm.rsp() as other:
            other.send("qSupported:")
            vm.process.wait_for("refused: another debugger holds the VM")
        equal(client.ask("D"), "OK")
        vm.process.wait_for("the debugger has detached")
        vm.process.wait_for("the vCPUs run")
    with t.client(vm):
        vm.process.wait_for("all vCPUs have stopped")
    vm.process.wait_for("the debugger has left")


@case("local")
def file_descriptor(t):
    """fd:N, a connected socket and a listening one"""
    ours, theirs = socket.socketpair()
    process = Process([RUN, "--gdb", f"fd:{theirs.fileno()}"], t.new_folder(),
                      pass_fds=[theirs.fileno()])
    t.defer(process.kill)
    theirs.close()
    with Rsp(ours.detach()) as client:
        client.hello()
        expect("^T05", client.ask("?"))
        equal(client.ask("D"), "OK")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        process = Process([RUN, "--gdb", f"fd:{server.fileno()}"], t.new_folder(),
                          pass_fds=[server.fileno()])
        t.defer(process.kill)
    for _ in range(3):
        with Rsp(f"127.0.0.1:{port}") as client:
            client.hello()
            expect("^T05", client.ask("?"))
            equal(client.ask("D"), "OK")
    expect("fd:", refused("--gdb", "fd:77"), "nothing is open there")


@case("local")
def all_at_once(t):
    """several endpoints at a time, each serves a debugger after the other"""
    vm = t.vm(links=["unix", "tcp", "pty", "tcp"], cpus=2)
    equal(len(vm.targets), 4)
    for link in range(4):
        with t.client(vm, link) as client:
            equal(client.threads(), ["p1.1", "p1.2"])
            equal(client.ask("D"), "OK")


@case("local")
def transcript(t):
    """log=FILE has every byte of both sides, and nobody else may read it"""
    log = t.folder / "log"
    vm = t.vm(links=[f"unix,log={log}"])
    with t.client(vm) as client:
        equal(client.ask("bogus"), "")
        client.ask(f"m{t.elf(vm)['test_data']:x},4")
        client.ask("D")
    vm.end()
    text = log.read_text()
    expect(r"< .*\$qSupported:", text)
    expect(r"> .*PacketSize=", text)
    expect(r"< .*\$bogus#", text)
    expect(r"> .*\$00010203#", text)
    equal(stat.S_IMODE(log.stat().st_mode), 0o600, "mode")


@case("local")
def bad_specs(t):
    """a spec that is wrong is refused with one line that names the part at fault"""
    for spec, part in (("bogus:1", "bogus"), ("tcp", "tcp"), ("tcp:", "tcp|port"),
                       ("tcp:99999", "99999"), ("tcp:1:2:3", "tcp|1:2:3"), ("unix:", "unix|path"),
                       ("tcp:0,bogus", "bogus"), ("tcp:0,on-disconnect=never", "never"),
                       ("fd:x", "fd|x"), ("fd:", "fd"), ("", ""), ("tcp:0,,", ""),
                       ("pty:/nonexistent/folder/x", "nonexistent"),
                       ("unix:/nonexistent/folder/x", "nonexistent"),
                       ("unix:" + "x" * 200, "long|x{9}"), ("tcp:0,log=", "log"),
                       ("tcp:no.such.host.invalid:1", "no.such.host")):
        expect(part, refused("--gdb", spec), spec)


@case("local")
def all_or_none(t):
    """where one endpoint can't be opened nothing is said of the others, and none is left behind"""
    path = t.folder / "gdb"
    expect("bogus", refused("--gdb", "tcp:0", "--gdb", f"unix:{path}", "--gdb", "bogus:1"))
    check(not path.exists(), "the socket is still there")


@case("local")
def standard_descriptors(t):
    """stdio with standard input or output closed is refused; a VM runs without them otherwise"""
    for closed, name in (("<&-", "standard input"), (">&-", "standard output")):
        for arguments, status in (("--gdb stdio", 1), ("--guest exit", 3)):
            said = shell(f"exec {RUN} {arguments} {closed}")
            equal(said.returncode, status, said.stderr)
            if status == 1:
                expect(f"--gdb stdio: {name}: Bad file descriptor", said.stderr)


@case("local")
def no_endpoint(t):
    """without --gdb vmgdb-run says so and how to end it, and ends when nobody reads its output"""
    said = shell(f"{RUN} | head -n 1; echo ${{PIPESTATUS[0]}}")
    equal(said.stdout.splitlines()[1:], [str(128 + signal.SIGPIPE)], said.stdout)
    expect("no debugger can attach: .*--gdb.*Ctrl-C ends the VM", said.stderr)
    vm = t.vm(links=["unix"])
    equal(vm.end(), "", "the end")
    check("no debugger" not in vm.messages, vm.messages)


@case("local")
def bad_options(t):
    """options that are wrong are refused with one line that names them"""
    for arguments, part in ((["--bogus"], "--bogus"), (["--cpus", "0"], "--cpus"),
                            (["--cpus", "x"], "x"), (["--mem", "1"], "--mem"),
                            (["--guest", "nobody"], "nobody"), (["--kernel", "/nonexistent"], "/non"),
                            (["--gdb"], "--gdb"), (["--gdb-wait"], "--gdb-wait"),
                            (["stray"], "stray"), (["--kernel", str(t.folder)], ""),
                            (["--guest", "demo", "--kernel", "x"], "only one")):
        expect(part, refused(*arguments), arguments)


@case("local")
def help_text(t):
    """--help names every option, guest and endpoint"""
    said = subprocess.run([RUN, "--help"], capture_output=True, text=True, check=True).stdout
    for word in ("--guest", "--kernel", "--cpus", "--mem", "--gdb", "--gdb-wait", "--help", "demo",
                 "tcp:", "vsock:", "unix:", "pty", "serial:", "virtio:", "fd:", "stdio", "wait",
                 "on-disconnect=", "ro", "ack", "log=", "allow=", "dial"):
        check(word in said, f"{word} is not in --help")
    guests = {p.stem for p in (BUILD / "guests").glob("*.elf")}
    listed = set(re.findall(r"^  (\w+) ", said[said.index("Guests"):said.index("Where a")], re.M))
    equal(listed, guests, "guests in --help, and ELF files")


@case("local")
def other_kernels(t):
    """--kernel runs an ELF file and a flat image, the attach hint names the file"""
    elf = BUILD / "guests/exit.elf"
    process = Process([RUN, "--kernel", elf, "--gdb", "tcp:0"], t.new_folder())
    equal(process.wait(), 3)
    expect(rf"^gdb -ex 'target remote .*' {re.escape(str(elf))}$", process.err)
    if t.host.arch == "x86":
        process = Process([RUN, "--kernel", BUILD / "guests/realmode.bin"], t.new_folder())
        t.defer(process.kill)
        process.wait_for("realmode: running")
