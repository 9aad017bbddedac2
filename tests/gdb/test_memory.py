# SPDX-License-Identifier: MIT
"""Guest memory as the debugger reads and writes it."""

from cases import ALL, case, check, equal, expect
from drive import hit
from rsp import frame, unframe

BYTES = bytes(range(256))


def nowhere(t):
    """An address at which nothing is mapped."""
    return 0x7fff00000000


@case(links=ALL)
def read_and_write(t):
    """m, M and X at any length and alignment, with all values of a byte"""
    vm = t.vm()
    client = t.client(vm)
    data = t.elf(vm)["test_data"]
    equal(client.read(data, 128), bytes(range(128)), "test_data")
    for start, length in ((0, 1), (1, 1), (3, 2), (1, 7), (5, 8), (7, 64), (127, 1)):
        equal(client.read(data + start, length), bytes(range(start, start + length)))
        value = BYTES[200:200 + length % 50]
        if value:
            equal(client.write(data + start, value), "OK")
            equal(client.read(data, 128), bytes(range(start)) + value +
                  bytes(range(start + len(value), 128)), f"M at +{start}")
            equal(client.write(data + start, bytes(range(start, start + len(value)))), "OK")
    for part in (BYTES[:128], BYTES[128:]):
        equal(client.ask(f"X{data:x},80:{part.decode('latin-1')}"), "OK")
        equal(client.read(data, 128), part, "what X wrote")
        equal(client.ask(f"x{data:x},80"), "b" + part.decode("latin-1"), "x reads it")
    equal(client.ask(f"X{data:x},0:"), "OK", "X of nothing, with which gdb probes")
    equal(client.ask(f"M{data:x},80:{bytes(range(128)).hex()}"), "OK")


@case("bulk", links=ALL)
def large(t):
    """reads and writes of a whole packet's size, also through gdb's dump and restore"""
    vm = t.vm()
    client = t.client(vm)
    size = int(client.features["PacketSize"], 16)
    check(size >= 0x10000, f"PacketSize={size:#x}")
    place = t.elf(vm)["counter"] + (1 << 20)
    pattern = b"".join(i.to_bytes(4, "little") for i in range(0x1000)) * 8
    half = (size - 32) // 2
    equal(client.write(place, pattern[:half]), "OK", f"M of {half} bytes")
    equal(client.read_all(place, half, half) == pattern[:half], True, f"m of {half} bytes")
    plain = bytes(b for b in pattern if b not in b"#$}*")[:size - 64]
    equal(client.ask(f"X{place:x},{len(plain):x}:{plain.decode('latin-1')}"), "OK")
    equal(client.read_all(place, len(plain)) == plain, True, "what X wrote")
    client.ask("D")
    client.close()
    source, back = t.folder / "source", t.folder / "back"
    source.write_bytes(pattern)
    t.gdb(vm, f"restore {source} binary {place}",
          f"dump binary memory {back} {place} {place + len(pattern)}", "detach")
    equal(back.read_bytes() == pattern, True, "dump after restore")


@case(links=ALL)
def not_mapped(t):
    """memory where nothing is mapped is an error, not zeros"""
    vm = t.vm()
    client = t.client(vm)
    for packet in (f"m{nowhere(t):x},8", f"M{nowhere(t):x},1:00", f"X{nowhere(t):x},1:a",
                   "mffffffffffffffff,1", "m8000000000000000,10"):
        expect("^E", client.one(packet), packet)
    client.ask("D")
    client.close()
    said = t.gdb(vm, f"x/4xb {nowhere(t)}", f"print *(int *) {nowhere(t)}",
                 f"set var *(int *) {nowhere(t)} = 1", "x/4xb 0xfffffffffffffffc", "detach")
    for text in said[:3]:
        expect("Cannot access memory at address 0x7fff00000000", text)


@case("x86", links=ALL)
def end_of_memory(t):
    """a read that runs over the end of a mapping gives what was there, a write nothing"""
    vm = t.vm()
    client = t.client(vm)
    end = 64 << 20
    equal(client.write(end - 8, b"abcdefgh"), "OK")
    equal(client.read(end - 8, 8), b"abcdefgh")
    equal(client.read(end - 8, 64), b"abcdefgh", "over the end of RAM")
    equal(client.read(end - 1, 2), b"h", "one byte before it")
    expect("^E", client.one(f"m{end:x},1"), "behind it")
    expect("^E", client.one(f"M{end - 4:x},8:0000000000000000"), "a write over the end")
    equal(client.read(end - 8, 8), b"abcdefgh", "nothing of it was written")


@case("hwbreak x86")
def user_mappings(t):
    """a user program's pages, over their ends, the hole before them, the kernel above"""
    vm = t.vm(guest="user", wait=True)
    client = t.client(vm)
    elf = t.elf(vm)
    hit(t, client, elf["do_syscall"], point=1)
    start, end = elf["user_text_start"], elf["user_text_end"]
    code = elf.section(".user.text").data
    equal(client.read_all(start, len(code)) == code, True, "the program's code")
    equal(client.read(end - 4, 64), code[-4:], "over its end")
    expect("^E", client.one(f"m{start - 4096:x},10"), "the page before it")
    equal(client.read(elf["do_syscall"], 4), elf_bytes(elf, "do_syscall", 4), "the kernel's code")


def elf_bytes(elf, symbol, length):
    section = elf.section(".text")
    start = elf[symbol] - section.address
    return section.data[start:start + length]


@case(links=ALL)
def print_and_set(t):
    """print and set of variables, arrays, strings and expressions"""
    said = t.gdb(t.vm(), "print test_data[5]", "set var test_data[5] = 0x55", "print/x test_data[5]",
                 "print/x test_data[6]@3", "print sizeof test_data", "set var counter = 1000000",
                 "print counter", "print &test_data", "print test_data[127] + test_data[126]",
                 "ptype leaf", "detach")
    expect(r"= 5 ", said[0])
    expect(r"= 0x55", said[2])
    expect(r"= \{0x6, 0x7, 0x8\}", said[3])
    expect(r"= 128", said[4])
    expect(r"= 1000000", said[6])
    expect(r"<test_data>", said[7])
    expect(r"= 253", said[8])
    expect(r"unsigned long \(unsigned long\)", said[9])


@case("swbreak")
def set_takes_effect(t):
    """the guest goes on with what was written"""
    said = t.gdb(t.vm(), "break leaf", "continue", "set var counter = 5000000", "continue",
                 "print counter", "set var n = 40", "finish", "detach")
    expect("= 5000001", said[4])
    expect("Value returned is .* = 81", said[6])


@case(links=ALL)
def find_and_compare(t):
    """gdb's find, compare-sections, and a disassembly of all code"""
    said = t.gdb(t.vm(), "find /b &test_data, +128, 10, 11, 12", "compare-sections .text",
                 "disassemble main", "x/200i _start", "detach")
    expect(r"<test_data\+10>\n1 pattern found", said[0])
    expect("matched", said[1])
    expect("End of assembler dump", said[2])
    equal(len(said[3].splitlines()) >= 200, True, "200 instructions")


@case(links=ALL)
def escapes(t):
    """bytes that must be escaped pass in both directions"""
    vm = t.vm()
    client = t.client(vm)
    data = t.elf(vm)["test_data"]
    for value in (b"#$}*" * 32, b"}" * 128, b"\x03" * 128, b"\x00" * 128, b"*" * 128, b" " * 99):
        equal(unframe(frame(value)[1:-3]).encode("latin-1"), value, "the test's own codec")
        equal(client.ask(f"X{data:x},{len(value):x}:{value.decode('latin-1')}"), "OK")
        equal(client.read(data, len(value)), value)
        equal(client.ask(f"x{data:x},{len(value):x}"), "b" + value.decode("latin-1"))
    equal(client.write(data, bytes(range(128))), "OK")
