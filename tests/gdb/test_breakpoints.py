# SPDX-License-Identifier: MIT
"""Breakpoints of all kinds, and what memory looks like with them in it."""

from cases import ALL, case, check, equal, expect, line_of, old_and_new
from drive import goes_on, runs, text_is_right

UNUSED = 1 << 20  # so far after its data nobody uses the demo guest's memory


@case("swbreak", cpus=(1, 2))
def by_line(t):
    """break FILE:LINE, tbreak, break *ADDRESS, ignore, delete"""
    line = line_of("return twice + 1")
    said = t.gdb(t.vm(), f"break demo.c:{line}", "continue", "print twice == 2 * n", "delete",
                 "tbreak tick", "continue", "info breakpoints", "break *leaf", "continue",
                 "info symbol $pc", "ignore 3 10", "print $was = counter", "continue",
                 "print counter - $was",
                 "detach")
    expect(rf"Breakpoint 1, leaf .*demo\.c:{line}", said[1])
    expect("= 1", said[2])
    expect("Temporary breakpoint 2, tick", said[5])
    expect("No breakpoints", said[6])
    expect("^leaf in section", said[9])
    expect(r"= 11$", said[13])


@case("swbreak", links=ALL, cpus=(1, 2))
def conditional(t):
    """a conditional breakpoint stops where the condition holds, and nowhere else"""
    n = 50 if t.host.slow == 1 else 10
    said = t.gdb(t.vm(), f"break leaf if n % {n} == 7", "continue", f"print n % {n}", "continue",
                 f"print n % {n}", "print $was = n", "continue", "print n - $was", "detach")
    for i in (2, 4):
        expect("= 7", said[i])
    expect(f"= {n}", said[7])


@case("hwbreak", links=ALL, cpus=(1, 2))
def hardware(t):
    """hbreak, two and one that is temporary, hit again and again, and no byte in memory is changed"""
    vm = t.vm()
    said = t.gdb(vm, "hbreak leaf", "hbreak tick", "thbreak main", "continue", "continue",
                 "continue", "x/4i tick", "info breakpoints", "detach")
    hits = [expect(r"Breakpoint \d, (\w+)", text).group(1) for text in said[3:6]]
    equal(sorted(set(hits)), ["leaf", "tick"])
    check(all(a != b for a, b in zip(hits, hits[1:])), hits)
    check("int3" not in said[6], said[6])


@case("hwbreak", links=ALL)
def hardware_raw(t):
    """Z1 is reported as hwbreak, with the thread that came to it, and z1 takes it away"""
    vm = t.vm(cpus=2)
    client = t.client(vm)
    leaf = t.elf(vm)["leaf"]
    equal(client.ask(f"Z1,{leaf:x},{t.kind}"), "OK")
    for _ in range(5):
        expect("^T05thread:p1.1;.*hwbreak:;", client.resume())
        equal(client.reg(t.pc), leaf)
    equal(client.ask(f"z1,{leaf:x},{t.kind}"), "OK")
    runs(client, "hit although it was removed")


@case("hwbreak")
def hardware_slots(t):
    """more hardware breakpoints than there are slots are refused, and gdb can tell why"""
    vm = t.vm()
    client = t.client(vm)
    main = t.elf(vm)["main"]
    replies = [client.ask(f"Z1,{main + t.kind * i:x},{t.kind}") for i in range(20)]
    count = replies.count("OK")
    check(count >= (4 if t.host.arch == "x86" else 2), replies)
    check(all(r == "OK" for r in replies[:count]), replies)
    check(all(r.startswith("E") for r in replies[count:]) and count < 20, replies)
    for i in range(20):
        equal(client.ask(f"z1,{main + t.kind * i:x},{t.kind}"), "OK")
    equal(client.ask(f"Z1,{main:x},{t.kind}"), "OK", "after all were removed")


@case("swbreak", links=ALL, cpus=(2,))
def on_another_vcpu(t):
    """a breakpoint in worker is reported for the vCPU that runs it"""
    vm = t.vm()
    line = line_of("worker_counter[cpu]++")
    said = t.gdb(vm, f"break demo.c:{line}", "continue", "thread", "print cpu", "print $_thread",
                 "continue", "detach")
    expect(r"Thread 2 hit Breakpoint 1, worker \(cpu=1\)", said[1])
    expect("= 1", said[3])
    expect("= 2", said[4])
    expect("Thread 2 hit", said[5])


@case("swbreak", links=ALL, cpus=(2,))
def on_both_vcpus(t):
    """both vCPUs run into breakpoints, each is reported, none is lost"""
    vm = t.vm()
    client = t.client(vm)
    elf = t.elf(vm)
    equal(client.ask(f"Z0,{elf['leaf']:x},{t.kind}"), "OK")
    worker = worker_loop(t, vm)
    equal(client.ask(f"Z0,{worker:x},{t.kind}"), "OK")
    seen = {"p1.1": 0, "p1.2": 0}
    for _ in range(200):
        counters = client.long(elf["counter"]), client.long(elf["worker_counter"] + 8)
        reply = client.resume()
        thread = expect("^T05thread:(p1.[12]);.*swbreak:;", reply).group(1)
        equal(client.ask(f"Hg{thread}"), "OK")
        equal(client.reg(t.pc), elf["leaf"] if thread == "p1.1" else worker, thread)
        now = client.long(elf["counter"]), client.long(elf["worker_counter"] + 8)
        grown = [b - a for a, b in zip(counters, now)]
        check(all(g <= 1 for g in grown), f"a breakpoint was passed over: {grown}")
        seen[thread] += 1
    check(min(seen.values()) > 20, f"one vCPU starves: {seen}")


def worker_loop(t, vm):
    """The address of the line in worker's loop."""
    said = t.gdb(vm, f"info line demo.c:{line_of('worker_counter[cpu]++')}", attach=False)[0]
    return int(expect(r"starts at address (0x[0-9a-f]+)", said).group(1), 16)


@case("swbreak", links=ALL)
def never_visible(t):
    """memory with breakpoints in it reads as it was, and writes go under them"""
    vm = t.vm()
    client = t.client(vm)
    section = t.elf(vm).section(".text")
    size = t.kind
    places = range(section.address, section.address + 400, size)
    for place in places:
        equal(client.ask(f"Z0,{place:x},{size}"), "OK")
    text_is_right(t, vm, client)
    for start in (0, 1, 7, 399):
        for length in (1, 2, 3, 5, 64):
            equal(client.read(section.address + start, length),
                  section.data[start:start + length], f"m at +{start}, {length} bytes")
    # a write under a breakpoint is seen at once, and still there without the breakpoint
    place = section.address + 100
    data = bytes(b ^ 0xff for b in section.data[100:108])
    equal(client.write(place, data), "OK")
    equal(client.read(place, 8), data, "what was written under breakpoints")
    for at in places:
        equal(client.ask(f"z0,{at:x},{size}"), "OK")
    equal(client.read(place, 8), data, "the same without them")
    equal(client.write(place, section.data[100:108]), "OK")
    text_is_right(t, vm, client)


@case("swbreak")
def never_visible_gdb(t):
    """gdb with always-inserted breakpoints disassembles and compares the code as it is"""
    vm = t.vm()
    said = t.gdb(vm, "set breakpoint always-inserted on", "break *leaf", "break *tick",
                 "break *main", "break *worker", "set trust-readonly-sections off",
                 "x/2i leaf", "compare-sections .text", "continue", "x/2i leaf",
                 "compare-sections .text", "detach")
    for i in (7, 10):
        expect("matched", said[i])
    check("int3" not in said[6] + said[9], said[6], said[9])
    equal(said[6].replace("=>", "  "), said[9].replace("=>", "  "))


@case("swbreak", links=ALL)
def inserted_twice(t):
    """Z0 twice and z0 twice are no errors, and the first z0 removes it"""
    vm = t.vm()
    client = t.client(vm)
    place = f"{t.elf(vm)['leaf']:x},{t.kind}"
    for packet in ("Z0", "Z0", "z0", "z0"):
        equal(client.one(f"{packet},{place}"), "OK", packet)
    runs(client, "hit although it was removed")


@case("swbreak bulk")
def thousand(t):
    """1,000 breakpoints, on a slow host 250, are set, hit and removed"""
    vm = t.vm()
    client = t.client(vm)
    elf = t.elf(vm)
    places = [elf["counter"] + UNUSED + t.kind * i + 4096 * (i % 10)
              for i in range(1000 // t.host.slow)]
    for place in places:
        equal(client.ask(f"Z0,{place:x},{t.kind}"), "OK")
    equal(client.ask(f"Z0,{elf['leaf']:x},{t.kind}"), "OK")
    for _ in range(20):
        expect("swbreak", client.resume())
    for place in places:
        equal(client.ask(f"z0,{place:x},{t.kind}"), "OK")
    expect("swbreak", client.resume())


@case("swbreak bulk")
def thousand_gdb(t):
    """gdb with 1,000 breakpoints inserted, on a slow host 250, hits the right one"""
    vm = t.vm()
    many = 1000 // t.host.slow
    script = t.folder / "many"
    script.write_text("".join(f"break *((char *) &counter + {UNUSED + 4096 * (i % 10) + 8 * i})\n"
                              for i in range(many)))
    said = t.gdb(vm, f"source {script}", "break leaf", "continue", "continue", "delete",
                 "break tick", "continue", "detach", timeout=60)
    expect(f"Breakpoint {many + 1}, leaf", said[2])
    expect(f"Breakpoint {many + 1}, leaf", said[3])
    expect(f"Breakpoint {many + 2}, tick", said[6])


@case("swbreak")
def unmapped(t):
    """gdb goes on with breakpoints where nothing is mapped, or where no memory is"""
    vm = t.vm()
    said = t.gdb(vm, "break *0x7fff00000000", "break *0xd0000000", "break leaf", "continue",
                 "continue", "detach")
    for text in said[3:5]:
        expect("Breakpoint 3, leaf", text)
    with t.client(vm) as client:
        for address in (0x7fff00000000, 0xd0000000):
            equal(client.ask(f"Z0,{address:x},{t.kind}"), "OK")
            equal(client.ask(f"z0,{address:x},{t.kind}"), "OK")
        runs(client)


@case("swbreak hwbreak")
def listed_at_a_stop(t):
    """monitor breakpoints lists what gdb has removed at the stop and will set again"""
    vm = t.vm()
    said = t.gdb(vm, "hbreak *tick", "break *leaf", "continue", "monitor breakpoints", "detach")
    for kind, symbol in (("hardware", "tick"), ("software", "leaf")):
        expect(rf"{kind} +0x0*{t.elf(vm)[symbol]:x}: .*; removed at this stop", said[3])


@case("swbreak x86")
def own_int3(t):
    """the guest's own int3 stays the guest's, with a debugger attached and breakpoints set"""
    vm = t.vm(guest="int3")
    said = t.gdb(vm, "break own_breakpoint if n % 100 == 0", "continue", "print $r = rounds",
                 "continue", "print own_int3_count - $r", "continue", "print own_int3_count - $r",
                 "print own_int3_rip == (unsigned long) &own_int3 + 1", "detach")
    for i in (1, 3, 5):
        expect("Breakpoint 1, own_breakpoint", said[i])
    expect("= 1$|= 100$", said[4])
    expect("= 1", said[7])
    with t.client(vm) as client:
        runs(client, "the guest's int3 was reported as a stop")
    equal(vm.process.status, None, vm.messages)


@case("swbreak x86")
def own_int3_and_ours(t):
    """a breakpoint on the guest's own int3 is ours first, and the guest's when it goes on"""
    vm = t.vm(guest="int3")
    client = t.client(vm)
    elf = t.elf(vm)
    place = elf["own_int3"]
    equal(client.read(place, 1), b"\xcc", "the guest's own int3 is seen")
    equal(client.ask(f"Z0,{place:x},1"), "OK")
    for _ in range(5):
        expect("swbreak", client.resume())
        equal(client.reg("rip"), place)
        count, rounds = client.long(elf["own_int3_count"]), client.long(elf["rounds"])
        equal(count, rounds - 1, "the guest's handler has run for each but this one")
    equal(client.ask(f"z0,{place:x},1"), "OK")
    equal(client.read(place, 1), b"\xcc", "the guest's own int3 is there")
    goes_on(t, client, elf["rounds"], "the guest's int3 was reported as a stop")
    equal(vm.process.status, None, vm.messages)


# Watchpoints


@case("watch", links=ALL, cpus=(1, 2))
def watch(t):
    """watch shows the old and the new value, again and again"""
    said = t.gdb(t.vm(), "watch counter", "continue", "continue", "continue", "delete", "watch last",
                 "continue", "detach")
    expect("Hardware watchpoint 1: counter", said[0])
    for text in said[1:4]:
        old, new = old_and_new(text)
        equal(new, old + 1)
    expect(r"Hardware watchpoint 2: last(.|\n)*tick", said[6])


@case("watch", cpus=(1, 2))
def watch_access(t):
    """awatch is hit by reads and by writes, rwatch by reads or refused with a reason"""
    said = t.gdb(t.vm(), "awatch counter", "continue", "delete", "rwatch counter", "continue",
                 "detach")
    expect(r"Hardware access \(read/write\) watchpoint 1: counter(.|\n)*(Value|Old value) = ",
           said[0] + said[1])
    if t.host.arch == "x86":
        expect("x86|[Cc]an.t|[Cc]ould not", said[3] + said[4])
    else:
        expect(r"Hardware read watchpoint 2: counter(.|\n)*Value = ", said[3] + said[4])


@case("watch", links=ALL)
def watch_raw(t):
    """a watch's stop tells its kind, its address and the vCPU"""
    vm = t.vm(cpus=2)
    client = t.client(vm)
    elf = t.elf(vm)
    for packet, name, address, thread in (
            ("2", "watch", elf["counter"], 1), ("4", "awatch", elf["counter"], 1),
            ("2", "watch", elf["worker_counter"] + 8, 2)):
        equal(client.ask(f"Z{packet},{address:x},8"), "OK")
        for _ in range(3):
            reply = client.resume()
            found = expect(rf"^T05thread:p1\.{thread};.*{name}:([0-9a-f]+);", reply)
            equal(int(found.group(1), 16), address, reply)
        equal(client.ask(f"z{packet},{address:x},8"), "OK")
    runs(client, "hit although it was removed")


@case("watch")
def watch_lengths(t):
    """watchpoints of 1, 2, 4 and 8 bytes, and an odd length over several slots"""
    vm = t.vm()
    client = t.client(vm)
    counter = t.elf(vm)["counter"]
    for length in (1, 2, 4, 8, 6):
        equal(client.ask(f"Z2,{counter:x},{length:x}"), "OK", f"{length} bytes")
        reply = client.resume()
        found = expect(r"watch:([0-9a-f]+);", reply)
        check(counter <= int(found.group(1), 16) < counter + length, reply)
        equal(client.ask(f"z2,{counter:x},{length:x}"), "OK")


@case("swbreak", cpus=(1, 2))
def watch_in_software(t):
    """a software watchpoint, for which gdb steps the guest"""
    said = t.gdb(t.vm(), "set can-use-hw-watchpoints 0", "break tick", "continue", "delete",
                 "watch counter", "continue", "detach", timeout=60)
    expect("^Watchpoint 2: counter", said[4])
    old, new = old_and_new(said[5])
    equal(new, old + 1)


@case("x86")
def watch_refused(t):
    """what can't be watched is refused with a text"""
    vm = t.vm()
    client = t.client(vm)
    place = t.elf(vm)["counter"]
    for packet in (f"Z3,{place:x},8", f"Z2,{place:x},1000", f"Z2,{place:x},0"):
        expect(r"^E\..{8}", client.one(packet), packet)


@case(links=ALL, cpus=(1, 2))
def watch_by_stepping(t):
    """with monitor set software-watch on, watchpoints work on any host"""
    said = t.gdb(t.vm(), "monitor set software-watch on", "monitor show", "watch counter",
                 "continue", "continue", "continue", "delete", "watch last", "continue",
                 "monitor set software-watch off", "detach", timeout=60)
    expect("software-watch +on", said[1])
    expect("Hardware watchpoint 1: counter", said[2])
    values = [old_and_new(text) for text in said[3:6]]
    equal(values, [(values[0][0] + i, values[0][0] + i + 1) for i in range(3)])
    expect(r"Hardware watchpoint 2: last(.|\n)*tick", said[8])


@case(cpus=(2,))
def watch_by_stepping_raw(t):
    """a watchpoint carried by stepping tells the address, and the vCPU that wrote"""
    vm = t.vm()
    client = t.client(vm)
    elf = t.elf(vm)
    equal(client.ask("qRcmd," + b"set software-watch on".hex())[:1] != "E", True)
    for address, thread in ((elf["worker_counter"] + 8, 2), (elf["counter"], 1)):
        equal(client.ask(f"Z2,{address:x},8"), "OK")
        for _ in range(3 if t.host.slow == 1 else 1):
            before = client.long(address)
            reply = client.resume(timeout=30 * t.host.slow)
            found = expect(rf"^T05thread:p1\.{thread};.*watch:([0-9a-f]+);", reply)
            equal(int(found.group(1), 16), address, reply)
            equal(client.long(address), before + 1, "the value after it")
        equal(client.ask(f"z2,{address:x},8"), "OK")
    runs(client, "hit although it was removed")
