# SPDX-License-Identifier: MIT
"""Steps over instructions that are hard to step: what they do is what they do when run free."""

import struct
import time

from cases import case, check, equal, expect, pc_of
from test_run import step_to

VECTORS = {"arm64": ("vectors", 0x800), "x86": ("trap_stubs", 0x1000)}  # where interrupts go


def run_to(t, client, address):
    """By a breakpoint, where one reaches KVM."""
    kind = "1" if "hwbreak" in t.host.traits else "0" if "swbreak" in t.host.traits else None
    if not kind:
        return step_to(t, client, address, 100_000)
    equal(client.ask(f"Z{kind},{address:x},{t.kind}"), "OK")
    expect("break", client.resume(timeout=10 * t.host.slow))
    equal(client.ask(f"z{kind},{address:x},{t.kind}"), "OK")
    return 0


def results(t, vm, client):
    elf = t.elf(vm)
    count = client.long(elf["step_results_count"])
    return list(struct.unpack(f"<{count}Q", client.read_all(elf["step_results"], 8 * count)))


def snippets(t, vm, client):
    """What the snippets have left: their results, the buffer, the cell, a hash of exceptions."""
    elf = t.elf(vm)
    return [*results(t, vm, client), client.read_all(elf["step_buffer"], 128).hex(),
            client.long(elf["step_cell"]), client.long(elf["step_traps"])]


def free_round(t, vm, client):
    """What the snippets leave when no debugger steps them."""
    elf = t.elf(vm)
    if "hwbreak" in t.host.traits:
        run_to(t, client, elf["step_done"])
        return snippets(t, vm, client)
    for n in range(1000):
        if elf["state"] <= client.reg(t.pc) < elf["compare"]:  # where it sums them up
            return snippets(t, vm, client)
        client.go()
        time.sleep(0.0003 * (n % 50))
        client.interrupt()
    raise AssertionError("the guest was never found after the list")


def one_interrupt(client, elf):
    """What the list has sent is held while it is stepped: the next one that it sends is the same."""
    held = client.long(elf["irqs_sent"]) - client.long(elf["irqs_taken"])
    check(held in (0, 1), f"{held} interrupts are held")
    equal(client.write(elf["irqs_sent"], struct.pack("<Q", client.long(elf["irqs_sent"]) - held)),
          "OK")


@case("int-n")
def hard_instructions(t):
    """step_list, stepped instruction by instruction, leaves the state of a free run"""
    vm = t.vm(guest="step")
    client = t.client(vm)
    elf = t.elf(vm)
    free = free_round(t, vm, client)
    run_to(t, client, elf["step_list"])
    equal(client.long(elf["step_bad"]), 0, "rounds that went wrong before")
    if "hwbreak" in t.host.traits:
        count = step_to(t, client, elf["step_irq"])
        one_interrupt(client, elf)
        count += step_to(t, client, elf["step_done"])
        stepped = snippets(t, vm, client)
    else:  # a step into an exception needs a hardware slot: those run free
        count = step_to(t, client, elf["step_ud2"])
        stepped = results(t, vm, client)
        stepped = stepped[:max(i for i, result in enumerate(stepped) if result) + 1]
    check(count > 100, f"only {count} steps")
    for i, (got, expected) in enumerate(zip(stepped, free)):
        equal(got, expected, f"result {i} after {count} steps")
    rounds = client.long(elf["step_rounds"])
    end = time.monotonic() + 10 * t.host.slow
    while client.long(elf["step_rounds"]) < rounds + 2:
        check(time.monotonic() < end, "the guest does not go on")
        client.go()
        time.sleep(0.05)
        client.interrupt()
    equal(client.long(elf["step_bad"]), 0, f"rounds that went wrong, after {count} steps")
    check("lost" not in vm.console, vm.console)


@case("irq", cpus=(1, 2))
def interrupts_held(t):
    """steps stay in the program while the guest's timer ticks, its interrupts come later"""
    vm = t.vm()
    client = t.client(vm)
    elf = t.elf(vm)
    name, size = VECTORS[t.host.arch]
    vectors = range(elf[name], elf[name] + size)
    ticks = interrupts_come(t, client, elf["irq_count"])
    for n in range(300):
        pc = pc_of(t, client, client.step())
        check(pc not in vectors, f"step {n} went to {pc:#x}")
    now = client.long(elf["irq_count"])
    equal(now, ticks, "timer interrupts that were taken during steps")
    interrupts_come(t, client, elf["irq_count"])


def in_handler(t, client):
    """Interrupts are masked: the one that is being taken may not be counted yet."""
    if t.host.arch == "arm64":
        return client.reg("cpsr") & 1 << 7
    return not client.reg("eflags") & 1 << 9


def interrupts_come(t, client, address):
    """Runs until there are more of them than there were, and none is under way; how many."""
    before = client.long(address)
    end = time.monotonic() + 5 * t.host.slow
    while (count := client.long(address)) == before or in_handler(t, client):
        check(time.monotonic() < end, "no timer interrupt comes")
        client.go()
        time.sleep(0.05)
        client.interrupt()
    return count
