# SPDX-License-Identifier: MIT
"""Steps over instructions that are hard to step: what they do is what they do when run free."""

import struct
import threading
from typing import NamedTuple

from cases import case, check, equal, expect, old_and_new
from drive import run_to, run_until, step, steps_to

VECTORS = {"arm64": ("vectors", 0x800), "x86": ("trap_stubs", 0x1000)}  # where interrupts go


class Insn(NamedTuple):
    """An instruction, or a way of it, with its snippets in step_list."""

    name: str
    snippets: str
    needs: str = ""
    vector: int = None  # a step ends at the first instruction of the handler for it
    own: int = 0  # debug exceptions that the guest has made for itself
    steps: tuple = ()  # how many they take, by snippet, where nothing else comes between


SYNC = 0x200  # arm64, of EL1 itself
TF = 1 << 8

INSNS = {
    "x86": (
        Insn("cli", "cli", steps=(5,)),
        Insn("sti and its shadow", "sti sti_cli", steps=(6, 6)),
        Insn("mov ss", "mov_ss mov_ss_pushf mov_ss_memory", steps=(4, 6, 5)),
        Insn("pushf", "pushf", steps=(4,)),
        Insn("popf", "popf popf_sti", steps=(5, 5)),
        Insn("iret", "iretq iretq_cli", steps=(14, 14)),
        Insn("syscall", "syscall", steps=(6,)),
        Insn("sysret", "sysret", "int-n", steps=(22,)),
        Insn("int n", "int", vector=0x81),
        Insn("the guest's own int3", "int3", vector=3),
        Insn("rep prefixes", "rep_stosb rep_movsb rep_movsq repne_scasb rep_cmpsb rep_none"),
        Insn("hlt with an interrupt pending", "hlt", "irq"),
        Insn("ud2", "ud2", "hwbreak", vector=6),
        Insn("a load that faults", "fault", "hwbreak", vector=13),
        Insn("a load from an unmapped page", "page_fault", "hwbreak", vector=14),
        Insn("a division by zero", "divide", "hwbreak", vector=0),
        Insn("a guest that steps itself", "own_steps own_steps_int", vector=1, own=8),
        Insn("a guest's own watchpoint", "own_watch", "watch", vector=1, own=1),
        Insn("a guest's own hardware breakpoint", "own_break", "hwbreak", vector=1, own=1),
        Insn("in, out and MMIO", "out mmio mmio_apic", steps=(6, 4, 3)),
        Insn("cpuid, rdmsr and control registers", "cpuid rdmsr cr"),
        Insn("calls, jumps, loops and far returns", "lretq call loop"),
        Insn("atomics", "xadd"),
        Insn("std", "std"),
        Insn("an interrupt between two instructions", "irq", "irq"),
    ),
    "arm64": (
        Insn("svc", "svc", vector=SYNC),
        Insn("eret", "eret eret_mask", steps=(9, 11)),
        Insn("msr daif", "daifset daifclr daif", steps=(3, 3, 9)),
        Insn("ldxr and stxr", "ldxr ldaxr ldxp clrex"),
        Insn("wfi with an interrupt pending", "wfi", "irq"),
        Insn("wfi without one", "wfi_idle", steps=(7,)),
        Insn("wfe", "wfe wfe_idle", steps=(4, 9)),
        Insn("a load that faults", "fault", vector=SYNC),
        Insn("a store that faults", "store_fault", vector=SYNC),
        Insn("the guest's own brk", "brk", vector=SYNC),
        Insn("udf", "udf", vector=SYNC),
        Insn("a guest that steps itself", "own_steps", vector=SYNC, own=3),
        Insn("a guest's own watchpoint", "own_watch", vector=SYNC, own=1),
        Insn("a guest's own hardware breakpoint", "own_break", vector=SYNC, own=1),
        Insn("msr nzcv and spsel", "nzcv spsel"),
        Insn("branches", "bl br cbz tbz csel"),
        Insn("pairs and dc zva", "pair dc_zva"),
        Insn("MMIO", "mmio mmio_gic", steps=(6, 3)),
        Insn("hvc and system registers", "hvc sysreg"),
        Insn("hints and barriers", "yield"),
        Insn("an interrupt between two instructions", "irq", "irq"),
    ),
}


WITHIN = {"step_idle", "step_idle_done", "step_syscall_entry"}  # labels within snippets


class Shot(NamedTuple):
    """All that can be seen of a guest at the end of a snippet."""

    registers: dict
    memory: dict
    own: int


class Pass(NamedTuple):
    shots: dict  # by snippet
    traces: dict  # where its steps ended, if it was stepped
    results: list


def shot(t, vm, client):
    elf = t.elf(vm)
    memory = {name: client.read_all(elf[name], size).hex()
              for name, size in (("step_buffer", 128), ("step_cell", 8), ("step_traps", 8))}
    return Shot(client.all(), memory, client.long(elf["step_own_traps"]))


def rounds_go_on(t, vm, client, elf):
    """Two more rounds, and none so far went wrong."""
    rounds = client.long(elf["step_rounds"])
    run_until(t, client, lambda: client.long(elf["step_rounds"]) >= rounds + 2,
              "the guest does not go on")
    equal(client.long(elf["step_bad"]), 0, "rounds that went wrong")
    check("lost" not in vm.console, vm.console)


class Stepping:
    """The guest `step`, once round free and once by steps, on one host: all that the tests below
    look at."""

    _lock = threading.Lock()
    _of = {}

    @classmethod
    def on(cls, t):
        with cls._lock:
            if t.host not in cls._of:
                try:
                    cls._of[t.host] = cls(t)
                except Exception as e:  # noqa: BLE001 (of all the tests that look at it)
                    cls._of[t.host] = e
        if isinstance(cls._of[t.host], Exception):
            raise cls._of[t.host]
        return cls._of[t.host]

    def __init__(self, t):
        vm = t.vm(guest="step", wait=True)
        self.elf = elf = t.elf(vm)
        labels = sorted((address, name[5:]) for name, address in elf.symbols.items()
                        if elf["step_list"] < address <= elf["step_done"]
                        and name not in WITHIN)
        self.first = labels[0][0]
        self.snippets = {name: (address, after[0]) for (address, name), after
                         in zip(labels, labels[1:])}
        self.stepped = {name for insn in INSNS[t.host.arch] for name in insn.snippets.split()
                        if set(insn.needs.split()) <= t.host.traits}
        client = t.client(vm)
        if t.host.arch == "x86" and "hwbreak" in t.host.traits:
            equal(client.write(elf["step_own_slots"], b"\1\0\0\0"), "OK")
        # the guest has breakpoints of its own, which those in debug registers would keep from firing
        equal(client.ask("qRcmd," + b"set guest-slots on".hex()), "OK")
        run_to(t, client, elf["step_done"])  # the first round is like no other
        if "irq" not in t.host.traits:
            for name in ("step_has_irqs", "step_may_halt"):
                equal(client.write(elf[name], bytes(4)), "OK")
        self.free = self.round(t, vm, client, stepping=False)
        self.steps = self.round(t, vm, client, stepping=True)
        try:
            rounds_go_on(t, vm, client, elf)
            self.lost = None
        except Exception as e:  # noqa: BLE001 (of the test that looks at all of them)
            self.lost = e

    def round(self, t, vm, client, stepping):
        run_to(t, client, self.first)
        shots, traces = {}, {}
        for name, (_, end) in self.snippets.items():
            if stepping and name in self.stepped:
                traces[name] = steps_to(t, client, end)
            else:
                run_to(t, client, end)
            shots[name] = shot(t, vm, client)
        count = client.long(self.elf["step_results_count"])
        data = client.read_all(self.elf["step_results"], 8 * count)
        return Pass(shots, traces, list(struct.unpack(f"<{count}Q", data)))

    def own(self, name):
        """How many debug exceptions the guest has of its own in a snippet, when free."""
        names = list(self.snippets)
        before = names[:names.index(name)][-1:]
        return self.free.shots[name].own - sum(self.free.shots[n].own for n in before)


def same_shot(name, got, free):
    for register in free.registers:
        equal(got.registers[register], free.registers[register], f"{name}: {register}")
    for place in free.memory:
        equal(got.memory[place], free.memory[place], f"{name}: {place}")
    equal(got.own, free.own, f"{name}: debug exceptions of its own")


def check_insn(t, insn):
    s = Stepping.on(t)
    own = []
    for name in insn.snippets.split():
        same_shot(name, s.steps.shots[name], s.free.shots[name])
        own.append(s.own(name))
        if insn.vector is not None:
            table, _ = VECTORS[t.host.arch]
            handler = s.elf[table] + insn.vector * (16 if t.host.arch == "x86" else 1)
            check(handler in s.steps.traces[name], f"{name}: no step ended at {handler:#x}")
    counts = tuple(len(s.steps.traces[name]) for name in insn.snippets.split())
    check(insn.steps in ((), counts), f"it took {counts} steps, not {insn.steps}")
    equal(sum(own), insn.own, "debug exceptions of its own when free")


def add_insn(arch, insn):
    def test(t):
        check_insn(t, insn)

    test.__doc__ = f"{insn.name} on {arch}, stepped, leaves what it leaves when run free"
    case(f"{arch} {insn.needs}", shares=True)(test)


for _arch, _insns in INSNS.items():
    for _insn in _insns:
        add_insn(_arch, _insn)


@case(shares=True)
def hard_instructions(t):
    """step_list, stepped instruction by instruction, leaves the state of a free run"""
    s = Stepping.on(t)
    covered = {name for insn in INSNS[t.host.arch] for name in insn.snippets.split()}
    free = {name for name in s.snippets if name.startswith("free_")}
    equal(sorted(s.snippets), sorted(covered | free), "snippets")
    check(sum(len(trace) for trace in s.steps.traces.values()) > 100, "too few steps")
    for i, (got, expected) in enumerate(zip(s.steps.results, s.free.results)):
        equal(got, expected, f"result {i}")
    if s.lost:
        raise s.lost


@case("arm64")
def exclusive_watched(t):
    """a word that ldxr and stxr change is watched by stepping, each change once

    By a watchpoint register it can't be: the exception before the store ends the exclusive access.
    """
    vm = t.vm(guest="ldxr")
    said = t.gdb(vm, "monitor set software-watch on", "watch exclusive_count", "continue",
                 "continue", "continue", "info symbol $pc", "delete", "detach")
    values = [old_and_new(text) for text in said[2:5]]
    check(all(new == old + 1 for old, new in values), values)
    equal([old for old, _ in values[1:]], [new for _, new in values[:-1]], "each once")
    expect("^exclusive_add", said[5])


@case("x86 irq")
def idle_hlt(t):
    """a step over hlt with no interrupt pending ends behind it, halted, the next one waits for it"""
    vm = t.vm(guest="step")
    client = t.client(vm)
    elf = t.elf(vm)
    equal(client.write(elf["step_may_idle"], b"\1\0\0\0"), "OK")
    run_to(t, client, elf["step_idle"])
    ticks = client.long(elf["step_ticks"])
    equal(steps_to(t, client, elf["step_idle"] + 1), [elf["step_idle"] + 1])
    expect("halted", bytes.fromhex(client.ask("qThreadExtraInfo,p1.1")).decode())
    equal(client.long(elf["step_ticks"]), ticks)
    equal(client.write(elf["step_may_idle"], bytes(4)), "OK")
    steps_to(t, client, elf["step_done"])
    check(client.long(elf["step_ticks"]) > ticks, "the timer's interrupt has not come")
    equal(client.reg("eflags") & TF, 0, "TF")
    rounds_go_on(t, vm, client, elf)


@case("x86")
def whole_rep(t):
    """with monitor set whole-rep on a rep instruction is one step, else one for each iteration"""
    vm = t.vm(guest="step")
    client = t.client(vm)
    elf = t.elf(vm)
    ends = []
    for option in ("off", "on"):
        equal(client.ask("qRcmd," + f"set whole-rep {option}".encode().hex()), "OK")
        run_to(t, client, elf["step_rep_stosb"])
        trace = steps_to(t, client, elf["step_rep_movsb"])
        rep = trace[2]
        count = trace.count(rep)
        if option == "off" and "int-n" not in t.host.traits:  # KVM's emulator does some at a time
            check(count > 1, f"{option}: {count} steps at {rep:#x}")
        else:
            equal(count, 40 if option == "off" else 1, f"{option}: steps at {rep:#x}")
        ends.append(shot(t, vm, client))
    same_shot("rep stosb", *ends)


@case("irq", cpus=(1, 2))
def interrupts_held(t):
    """steps stay in the program while the guest's timer ticks, its interrupts come later"""
    vm = t.vm()
    client = t.client(vm)
    elf = t.elf(vm)
    name, size = VECTORS[t.host.arch]
    vectors = range(elf[name], elf[name] + size)
    ticks = between_interrupts(t, client, elf["irq_count"])
    for n in range(300):
        pc = step(t, client)
        check(pc not in vectors, f"step {n} went to {pc:#x}")
    now = client.long(elf["irq_count"])
    equal(now, ticks, "timer interrupts that were taken during steps")
    interrupts_come(t, client, elf["irq_count"])


def in_handler(t, client):
    """Interrupts are masked: the one that is being taken may not be counted yet."""
    if t.host.arch == "arm64":
        return client.reg("cpsr") & 1 << 7
    return not client.reg("eflags") & 1 << 9


def between_interrupts(t, client, address):
    """Stops where no interrupt is being taken, nor delivered, which is done by the first step."""
    while True:
        interrupts_come(t, client, address)
        client.step()
        if not in_handler(t, client):
            return client.long(address)


def interrupts_come(t, client, address):
    """Runs until there are more of them than there were, and none is under way."""
    before = client.long(address)
    run_until(t, client, lambda: client.long(address) > before and not in_handler(t, client),
              "no timer interrupt comes", seconds=5)
