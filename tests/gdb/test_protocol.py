# SPDX-License-Identifier: MIT
"""The protocol itself, by a client that says exactly what it means: GDB manual, "Remote Protocol"."""

import re
import time

from cases import ALL, case, check, equal, expect
from rsp import SUPPORTED, frame

UNKNOWN = ("", "vMustReplyEmpty", "bogus", "Qbogus:1", "qBogus", "vBogus;1", "QStartNoAckModeX",
           "qXfer:bogus:read::0,10", "qSupportedX", "Z9,1000,1", "z7,1000,1", "y", "qL1200000000",
           "vRun;", "vAttach;1", "vFile:open:x,0,0", "jBogus:{}")

MALFORMED = (
    "m", "m,", "m1", "m1,", "mzz,1", "m1,zz", "m-1,1", "m1,1,1", "m0x10,1", "m11112222333344445,1",
    "m1000,fffffffffffffffff", "M", "M1000", "M1000,1", "M1000,1:", "M1000,1:f", "M1000,1:zz",
    "M1000,2:00", "M1000,1:0000", "Mzz,1:00", "X1000,2:a", "X1000,1:ab", "X1000", "X,:",
    "p", "pzz", "p1,", "pffffffffffff", "P", "P0", "P=", "P0=", "Pzz=00",
    "Hgzz", "Hg-2", "Hgp2.1", "Hg77", "Hcp1.77", "Hc-7", "T", "Tzz", "T77", "Tp1.77", "Tp9.1",
    "Z", "Z0", "Z0,", "Z0,1000", "Z0,zz,1", "Z0,1000,zz", "Z0,1000,", "Z1,1000", "z0", "z0,1000",
    "z0,zz,1", "Z2,1000", "vCont", "vCont;", "vCont;q", "vCont;c:zz", "vCont;c:p99.-1",
    "vCont;s:p1.77", "vCont;C", "vCont;Czz", "vCont;c:", "vCont;s:p1.1;zz", "vCont;c;;",
    "vCont;r", "vCont;r1", "vCont;r1,", "vCont;rzz,1:p1.1",
    "qXfer:features:read:nosuch.xml:0,100", "qXfer:features:read:target.xml:zz,1",
    "qXfer:features:read:target.xml:0", "qXfer:features:read:target.xml:0,",
    "qXfer:features:read:target.xml:ffffffff,10",
    "qThreadExtraInfo,zz", "qThreadExtraInfo,p1.77", "D;99", "D;zz", "vKill;99", "vKill;zz",
    "czz", "szz", "C", "Czz", "C05;zz", "Szz", "G", "Gzz", "QStartNoAckMode:1",
)


@case(links=ALL)
def unknown_packets(t):
    """a packet that is not known gets the empty reply, once"""
    client = t.client(t.vm())
    for packet in UNKNOWN:
        equal(client.one(packet), "", packet)


@case(links=ALL)
def malformed_packets(t):
    """a malformed packet gets one error, as text where the debugger takes that, and changes nothing"""
    for supported, error in ((SUPPORTED, r"^E\.\S.*[a-z]|^E[0-9a-f]{2}$"),
                             ("qSupported:multiprocess+", r"^E[0-9a-fA-F]{2}$")):
        vm = t.vm(cpus=2)
        client = t.rsp(vm).hello(supported)
        client.ask("?")
        before = client.ask("g")
        for packet in MALFORMED:
            # an unknown form may also be taken for a packet of that name that is not known
            reply = client.one(packet)
            check(re.search(error, reply) or (reply == "" and packet in EMPTY_TOO),
                  f"{packet!r} was answered by {reply!r}")
        equal(client.ask("Hgp1.1"), "OK")
        equal(client.ask("g"), before, "registers")
        equal(client.threads(), ["p1.1", "p1.2"])
        client.ask("D")
        client.close()


# their names are not those of a packet that is known
EMPTY_TOO = ("QStartNoAckMode:1",)


@case(links=ALL)
def conversation(t):
    """what gdb says at the beginning is answered as the manual has it"""
    client = t.rsp(t.vm(cpus=2))
    reply = client.one(SUPPORTED)
    features = reply.split(";")
    for feature in ("multiprocess+", "swbreak+", "hwbreak+", "vContSupported+",
                    "qXfer:features:read+"):
        check(feature in features, f"no {feature} in {reply}")
    size = [f for f in features if f.startswith("PacketSize=")]
    check(len(size) == 1 and int(size[0][11:], 16) >= 0x10000, reply)
    equal(client.one("!") in ("OK", ""), True, "!")
    equal(client.one("qAttached"), "1")
    equal(client.one("qAttached:1"), "1")
    expect(r"^T05thread:p1\.1;", client.one("?"))
    expect(r"^QCp1\.1$", client.ask("qC"))
    equal(client.one("qfThreadInfo"), "mp1.1,p1.2")
    equal(client.one("qsThreadInfo"), "l")
    for thread in ("p1.1", "p1.2", "1", "2"):
        equal(client.one(f"T{thread}"), "OK")
        text = bytes.fromhex(client.one(f"qThreadExtraInfo,{thread}")).decode()
        check(text.isprintable() and len(text) > 3, text)
    for h in ("Hg0", "Hgp1.2", "Hg1", "Hc-1", "Hc0", "Hcp1.-1"):
        equal(client.one(h), "OK", h)
    actions = client.one("vCont?").split(";")
    equal(actions[0], "vCont")
    check({"c", "C", "s", "S"} <= set(actions), actions)
    equal(client.one("qSymbol::"), "OK")


@case(links=ALL)
def without_multiprocess(t):
    """a debugger that does not know multiprocess ids gets plain ones"""
    client = t.rsp(t.vm(cpus=2)).hello("qSupported:swbreak+;hwbreak+")
    expect(r"^T05thread:0?1;", client.ask("?"))
    expect(r"^QC0?1$", client.ask("qC"))
    equal(client.threads(), ["1", "2"])
    expect(r"^T05thread:0?2;", client.resume("vCont;s:2"))


@case("swbreak", links=ALL)
def without_swbreak(t):
    """a debugger that did not say swbreak+ gets no swbreak in a stop reply"""
    vm = t.vm()
    client = t.rsp(vm).hello("qSupported:multiprocess+")
    client.ask("?")
    client.ask(f"Z0,{t.elf(vm)['leaf']:x},{t.kind}")
    reply = client.resume()
    expect(r"^T05thread:p1\.1;", reply)
    check("swbreak" not in reply, reply)


@case(links=ALL)
def old_debugger(t):
    """a debugger that asks nothing but ? g m c is served"""
    vm = t.vm()
    client = t.rsp(vm)
    expect("^[ST]05", client.ask("?"))
    check(len(client.ask("g")) > 100, "g")
    equal(len(client.ask(f"m{t.elf(vm)['test_data']:x},10")), 32)
    client.go("c")
    expect("^[ST]02", client.interrupt())


@case(links=ALL)
def one_reply(t):
    """packets sent all at once are answered in their order, each by one reply"""
    client = t.client(t.vm(cpus=2))
    packets = ["qC", "bogus", "m0,", "Hg1", "qfThreadInfo", "p0", "vCont?", "T2"] * 20
    client.raw(b"".join(frame(p) for p in packets))
    replies = [client.packet() for _ in packets]
    equal(replies[:8] * 20, replies, "the same questions have the same answers")
    equal(replies[0], "QCp1.1")
    equal(replies[1], "")
    check(replies[2].startswith("E"), replies[2])
    check(client.quiet(0.1), "more came")


@case(links=ALL)
def acknowledged(t):
    """with acks every packet is acknowledged, a bad one refused, and a lost reply sent again"""
    client = t.rsp(t.vm())
    client.raw(frame("qC"))
    equal(client.event(), "+")
    first = client.event()
    expect(r"^\$QCp?1", first)
    client.raw(b"-")
    equal(client.event(), first, "sent again after a NAK")
    client.raw(b"-")
    equal(client.event(), first, "and again")
    client.raw(b"+")
    check(client.quiet(0.1), "it is sent once more")
    client.raw(b"$qC#00")
    equal(client.event(), "-", "a wrong checksum")
    client.raw(frame("qC"))
    equal(client.event(), "+")
    equal(client.event(), first)
    client.raw(b"+")


@case(links=ALL)
def noise(t):
    """bytes between packets, and packets that are cut off by the next, are passed over"""
    client = t.client(t.vm())
    for junk in (b"xyz", b"\x00\xff", b"#12", b"$q", b"$m1000,", b"\r\n", b"%x#78"):
        client.raw(junk + frame("qC"))
        reply = client.packet()
        expect("^QC", reply, f"after {junk!r}")
    check(client.quiet(0.1), "more came")


@case(links=ALL)
def byte_by_byte(t):
    """a packet may come in pieces of any size"""
    client = t.client(t.vm())
    for size in (1, 2, 3, 5):
        data = frame("qfThreadInfo") + frame("qC")
        for i in range(0, len(data), size):
            client.raw(data[i:i + size])
            time.sleep(0.002)
        equal(client.packet(), "mp1.1")
        equal(client.packet(), "QCp1.1")


@case("bulk", links=ALL)
def too_long(t):
    """a packet longer than PacketSize is answered by one error, and what comes after is served"""
    vm = t.vm()
    client = t.client(vm)
    size = int(client.features["PacketSize"], 16)
    for length in (size + 1, size * 2, 1 << 20):
        client.send("M0,1:" + "0" * length)
        expect("^E", client.packet(10), f"{length} bytes")
        expect("^QC", client.ask("qC"))
    # exactly PacketSize is taken
    data = t.elf(vm)["counter"] + (1 << 20)
    head = f"M{data:x},XXXX:"
    length = (size - len(head)) // 2
    equal(client.ask(f"M{data:x},{length:04x}:" + "5a" * length), "OK")


@case(links=ALL)
def description_in_pieces(t):
    """qXfer in pieces of any size gives the same text"""
    client = t.client(t.vm())
    whole = client.xfer("features", "target.xml")
    check(whole.rstrip().endswith("</target>"), whole)
    for piece in (1, 7, 64, 0xfff, 0x20000) if t.host.slow == 1 else (64, 0xfff):
        equal(client.xfer("features", "target.xml", piece), whole, f"pieces of {piece}")
    for annex in re.findall(r'href="([^"]+)"', whole):
        text = client.xfer("features", annex)
        expect("<feature name=", text)
        equal(client.xfer("features", annex, 100), text)


@case(links=ALL)
def stop_reply(t):
    """the question ? reports the last stop again, its registers are those of p"""
    client = t.client(t.vm(cpus=2))
    reply = client.step()
    equal(client.one("?"), reply)
    registers = {r.number: r.name for r in client.registers.values()}
    found = re.findall(r";([0-9a-f]{2}):([0-9a-f]+)", reply)
    check(found, f"no registers in {reply}")
    for n, value in found:
        equal(client.ask(f"p{int(n, 16):x}"), value, registers[int(n, 16)])


@case(links=ALL)
def no_ack_refused(t):
    """the option ack keeps acks on"""
    client = t.rsp(t.vm(links=[f"{t.link},ack"]))
    reply = client.ask(SUPPORTED)
    check("QStartNoAckMode+" not in reply, reply)
    check(client.ask("QStartNoAckMode") != "OK", "no-ack mode was granted")
    client.raw(frame("qC"))
    equal(client.event(), "+")


@case(links=ALL, cpus=(1, 2))
def registers_in_run(t):
    """an interrupt right after a resume stops the guest, and its registers do not change any more"""
    client = t.client(t.vm())
    client.go()
    expect("^T02", client.interrupt())
    before = client.ask("g")
    equal(client.ask("g"), before, "registers")
