# SPDX-License-Identifier: MIT
"""What many tests do with a guest by a raw client: run it to a place, step it, see it go on."""

import time

from cases import check, equal, expect, pc_of


def hit(t, client, address, point=0, passing=()):
    """Runs to a breakpoint there, software (0) or hardware (1), which is set and removed. Stops whose
    replies begin with passing are gone past."""
    equal(client.ask(f"Z{point},{address:x},{t.kind}"), "OK", f"Z{point}")
    while (reply := client.resume(timeout=20 * t.host.slow)).startswith(passing):
        pass
    expect(("^T05.*swbreak", "^T05.*hwbreak")[point], reply)
    equal(client.ask(f"z{point},{address:x},{t.kind}"), "OK", f"z{point}")
    equal(client.reg(t.pc), address)


def run_to(t, client, address):
    """Without a debugger's feature that the guest could miss: arm64's KVM holds back a guest's own
    steps while there is a breakpoint."""
    if t.host.arch == "arm64" or "swbreak" not in t.host.traits:
        spin_until(t, client, address)
    else:  # where KVM can't run INT n, vmgdb-run mends it
        hit(t, client, address, passing=() if "int-n" in t.host.traits else "T06")


def spin_until(t, client, address):
    """A jump to itself stands there meanwhile. Where KVM is delivering an interrupt, which a step on
    x86 would begin with, it is not over."""
    def there():
        return client.reg(t.pc) == address and (t.host.arch != "x86" or step(t, client) == address)

    jump = {"x86": b"\xeb\xfe", "arm64": b"\0\0\0\x14"}[t.host.arch]
    code = client.read(address, len(jump))
    equal(client.write(address, jump), "OK")
    run_until(t, client, there, f"the guest did not come to {address:#x}", pause=0.01)
    equal(client.write(address, code), "OK")


def run_until(t, client, there, otherwise, seconds=20, pause=0.05, action="vCont;c"):
    """Lets it run, a while at a time, until it is there."""
    end = time.monotonic() + seconds * t.host.slow
    while not there():
        check(time.monotonic() < end, otherwise)
        client.go(action)
        time.sleep(pause)
        client.interrupt()


def step(t, client):
    """One step of the first vCPU, and not a breakpoint: where it ended."""
    reply = client.step()
    expect("^T05(?!.*break)", reply, "a step")
    return pc_of(t, client, reply)


def steps_to(t, client, address, limit=2000):
    """Steps, once at least, until PC is there; returns where each step ended."""
    trace = []
    while not trace or trace[-1] != address:
        check(len(trace) < limit, f"not at {address:#x} after {limit} steps")
        trace.append(step(t, client))
    return trace


def runs(client, otherwise="the guest does not run", seconds=0.3):
    """It runs, and no stop comes until it is interrupted."""
    client.go()
    check(client.quiet(seconds), otherwise)
    client.interrupt()


def goes_on(t, client, counter, otherwise="the guest does not run"):
    """It runs, and what it counts there grows in the end: a busy machine may give it no time for long."""
    before = client.long(counter)
    end = time.monotonic() + 20 * t.host.slow
    while True:
        runs(client, otherwise, max(0.3, 0.1 * t.host.slow))
        after = client.long(counter)
        if after > before:
            return
        check(time.monotonic() < end, f"what the guest counts was {before}, is {after}")


def text_is_right(t, vm, client):
    """The guest's code is what it was."""
    section = t.elf(vm).section(".text")
    code = client.read_all(section.address, len(section.data))
    check(code == section.data, "the guest's code is not what it was")
