# SPDX-License-Identifier: MIT
"""How a guest ends, and what is reported to its debugger."""

import time

from cases import ALL, case, check, equal, expect


@case(links=ALL)
def exit_status(t):
    """a guest that exits, gdb says so with its status, vmgdb-run ends with it"""
    vm = t.vm(guest="exit", wait=True)
    said = t.gdb(vm, "continue", "info threads")
    expect(r"\[Inferior 1 \(process 1\) exited with code 03\]", said[0])
    equal(vm.process.wait(10 * t.host.slow), 3, "exit status")
    expect("exit: status 3", vm.console)


@case("connects", links=ALL)
def exit_reply(t):
    """a guest that exits gives the reply W, and the line is closed"""
    vm = t.vm(guest="exit", wait=True)
    client = t.client(vm)
    expect("^W03(;process:1)?$", client.resume())
    check(not t.connects or client.hung_up(), "the line is still open")
    equal(vm.process.wait(10 * t.host.slow), 3, "exit status")


@case("x86", links=ALL)
def triple_fault(t):
    """a triple fault is a stop with a reason, memory can be read, then the VM ends"""
    vm = t.vm(guest="triple", wait=True)
    said = t.gdb(vm, "continue", "info registers rip", "x/2xb &test_data", "continue")
    expect("triple fault", said[0])
    expect("SIG", said[0])
    expect("^rip ", said[1])
    expect(r"exited with code 01", said[3])
    vm.process.wait(10 * t.host.slow)


@case("x86 shutdown")
def triple_fault_registers(t):
    """at a triple fault the registers and the stack are those of the fault"""
    vm = t.vm(guest="triple", wait=True)
    said = t.gdb(vm, "continue", "info registers rip", "bt", "print approaches", "continue")
    expect("fall", said[1])
    expect(r"#0  .*fall", said[2])
    expect(r"= \d{3}", said[3])
    equal(vm.process.wait(10 * t.host.slow), 1, "exit status")


@case(cpus=(1, 2))
def internal_error(t):
    """an instruction that KVM can't emulate is a stop with a reason, registers are readable"""
    vm = t.vm(guest="odd", wait=True)
    said = t.gdb(vm, "continue", "info symbol $pc", "bt", "set scheduler-locking on",
                 "print $pc == $pc", "continue")
    expect("KVM can't emulate this", said[0])
    expect("SIGABRT", said[0])
    expect("^odd", said[1])
    expect(r"#0  .*odd \(round=7\).*(.|\n)*main", said[2])
    expect(r"exited with code 01", said[5])
    equal(vm.process.wait(10 * t.host.slow), 1, "exit status")
    expect("can't emulate", vm.messages)


@case(links=ALL)
def power_off(t):
    """a guest's reset or power-off is a stop with a reason, registers readable, then the VM ends"""
    vm = t.vm(guest="off", wait=True)
    said = t.gdb(vm, "continue", "bt", "continue")
    expect(r"reset|powered off", said[0])
    expect("SIGTRAP", said[0])
    expect(r"platform_power_off", said[1])
    expect(r"exited normally", said[2])
    equal(vm.process.wait(10 * t.host.slow), 0, "exit status")


@case()
def power_off_unreported(t):
    """with monitor set stop-on-reset off a guest's reset or power-off just ends it"""
    vm = t.vm(guest="off", wait=True)
    said = t.gdb(vm, "monitor set stop-on-reset off", "continue")
    expect(r"exited normally", said[1])
    equal(vm.process.wait(10 * t.host.slow), 0, "exit status")


@case("swbreak x86")
def before_the_end(t):
    """a breakpoint shortly before a guest's end, and steps into it"""
    vm = t.vm(guest="triple", wait=True)
    said = t.gdb(vm, "break fall", "continue", "print approaches", "stepi", "detach")
    expect("Breakpoint 1, fall", said[1])
    expect("= 9999", said[2])
    check(vm.process.wait(10 * t.host.slow) in (0, 1), vm.messages)


@case("x86")
def without_debugger(t):
    """guests end as they do without a debugger when none has come"""
    for guest, status in (("exit", 3), ("triple", None)):
        vm = t.vm(guest=guest, up=False)
        got = vm.process.wait(10 * t.host.slow)
        check(status in (None, got), f"{guest}: {got}")
        equal(vm.files(), [], "left behind")


@case("connects", links=ALL)
def ended_while_stopped(t):
    """vmgdb-run ended while the guest is stopped, the debugger sees it at once"""
    vm = t.vm(cpus=2)
    client = t.client(vm)
    begin = time.monotonic()
    equal(vm.end(), "", "the end")
    check(client.hung_up(2 * t.host.slow), "the line is still open")
    check(time.monotonic() - begin < 2 * t.host.slow, "it took too long")
