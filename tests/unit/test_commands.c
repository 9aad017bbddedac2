// SPDX-License-Identifier: MIT
/* Each command of a session, well-formed and not, against a target that does nothing. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rsp/session_internal.h"
#include "tests/unit/fake_target.h"
#include "tests/unit/rsp.h"

#define GREETING "qSupported:multiprocess+;swbreak+;hwbreak+;error-message+;xmlRegisters=i386"

static struct fake_target fake;
static struct rsp rsp;

static void open_with(unsigned int nvcpus, struct session_config config, const char *greeting)
{
	fake_init(&fake, nvcpus);
	rsp_open(&rsp, &fake.target, &config);
	if (greeting)
		cr_assert_eq(strncmp(rsp_call(&rsp, greeting), "PacketSize=", 11), 0);
}

static void open_default(void)
{
	open_with(2, (struct session_config){ .reliable = true }, GREETING);
}

static void close_session(void)
{
	cr_expect_eq(fake_faults(&fake), 0, "the target was used against its rules");
	rsp_close(&rsp);
}

TestSuite(commands, .init = open_default, .fini = close_session);

struct row {
	const char *packet, *reply;
};

static void expect_rows(const struct row *row, size_t n)
{
	for (; n--; row++) {
		const char *reply = rsp_call(&rsp, row->packet);

		cr_expect_str_eq(reply, row->reply, "%s: %s, not %s", row->packet, reply,
				 row->reply);
	}
}

#define EXPECT(...)                                      \
	expect_rows((const struct row[]){ __VA_ARGS__ }, \
		    sizeof((const struct row[]){ __VA_ARGS__ }) / sizeof(struct row))

#define NO_THREAD   "E.thread-id: no such thread"
#define BAD_THREAD  "E.thread-id: malformed, or of another process"
#define BAD_END	    "E.packet: something is left at its end"
#define BAD_ADDRESS "E.address: not hexadecimal"
#define BAD_LENGTH  "E.length: missing or not hexadecimal"
#define NO_MEMORY   "E.address: nothing is mapped there"

/* ---- small questions --------------------------------------------------------------------- */

Test(commands, questions, .description = "what has a fixed answer")
{
	EXPECT({ "vMustReplyEmpty", "" }, { "!", "OK" }, { "qAttached", "1" },
	       { "qAttached:1", "1" }, { "qAttached:2", "E.process: malformed, or not ours" },
	       { "qAttached:x", "E.process: malformed, or not ours" }, { "qSymbol::", "OK" },
	       { "qC", "QCp1.1" }, { "vCont?", "vCont;c;C;s;S;t;r" });
}

Test(commands, unknown, .description = "what is not known gets the empty reply")
{
	EXPECT({ "", "" }, { "qTStatus", "" }, { "qOffsets", "" }, { "vRun;61", "" }, { "R00", "" },
	       { "vAttach;1", "" }, { "bs", "" }, { "bc", "" }, { "qCRC:1000,4", "" },
	       { "qSupportedX", "" }, { "QNonStop:1", "" }, { "qXfer:auxv:read::0,100", "" },
	       { "qXfer:features:write:target.xml:0:ab", "" }, { "vConty;c", "" }, { "H", "" },
	       { "Hx1", "" }, { "qHostInfo", "" }, { "QThreadSuffixSupported", "" },
	       { "vCtrlC", "" }, { "kx", "" }, { "~", "" });
}

Test(commands, supported, .description = "qSupported announces what the stub has")
{
	const char *reply = rsp_call(&rsp, GREETING);
	static const char *const words[] = {
		"multiprocess+",    "swbreak+",	       "hwbreak+",	 "error-message+",
		"QStartNoAckMode+", "vContSupported+", "binary-upload+", "qXfer:features:read+",
	};

	cr_expect_geq(strtoull(reply + strlen("PacketSize="), NULL, 16), 0x10000);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		cr_expect(strstr(reply, words[i]), "%s is not in %s", words[i], reply);
	cr_expect_eq(strncmp(rsp_call(&rsp, "qSupported"), "PacketSize=", 11), 0);
}

/* ---- threads ----------------------------------------------------------------------------- */

Test(commands, threads, .description = "thread-ids in all the ways that the manual has")
{
	EXPECT({ "qfThreadInfo", "mp1.1,p1.2" }, { "qsThreadInfo", "l" }, { "qsThreadInfo", "l" },
	       { "Tp1.1", "OK" }, { "Tp1.2", "OK" }, { "T2", "OK" }, { "T3", NO_THREAD },
	       { "Tp1.3", NO_THREAD }, { "Tp2.1", BAD_THREAD }, { "Tp1.-1", "OK" }, { "Tp1", "OK" },
	       { "T-1", "OK" }, { "T0", "OK" }, { "Tp0.0", "OK" }, { "Tp-1", "OK" },
	       { "Tp-1.-1", "OK" }, { "Tp-1.1", BAD_THREAD }, { "T", BAD_THREAD },
	       { "Tp", BAD_THREAD }, { "Tp1.", BAD_THREAD }, { "T1x", BAD_END },
	       { "T100000001", BAD_THREAD }, { "T11111111111111111", BAD_THREAD },
	       { "T-2", BAD_THREAD }, { "qThreadExtraInfo", BAD_THREAD });
}

Test(commands, select_thread, .description = "reads and writes go to the thread that Hg selected")
{
	EXPECT({ "Hgp1.2", "OK" }, { "qC", "QCp1.2" }, { "p2", "0110000000000000" },
	       { "P0=0100000000000000", "OK" }, { "Hg1", "OK" }, { "p2", "0010000000000000" },
	       { "Hgp1.3", NO_THREAD }, { "qC", "QCp1.1" }, { "Hg0", "OK" }, { "qC", "QCp1.1" },
	       { "Hc-1", "OK" }, { "Hcp1.-1", "OK" }, { "Hc2", "OK" }, { "Hc0", "OK" },
	       { "Hc9", NO_THREAD }, { "Hg", BAD_THREAD }, { "Hc1,", BAD_END });
	cr_expect(fake.vcpus[1].state.r0 == 1 && fake.vcpus[0].state.r0 == 0x1111);
}

static const char *unhex(const char *text)
{
	static char out[512];
	size_t n = strlen(text) / 2;

	for (size_t i = 0; i < n; i++)
		sscanf(text + 2 * i, "%2hhx", (unsigned char *)&out[i]);
	out[n] = '\0';
	return out;
}

Test(commands, extra_info, .description = "what a vCPU is doing, for info threads")
{
	cr_expect_str_eq(unhex(rsp_call(&rsp, "qThreadExtraInfo,p1.2")), "CPU 1, wide mode");
	fake.halted = "halted";
	cr_expect_str_eq(unhex(rsp_call(&rsp, "qThreadExtraInfo,1")), "CPU 0, wide mode, halted");
	cr_expect_str_eq(unhex(rsp_call(&rsp, "qThreadExtraInfo,-1")), "CPU 0, wide mode, halted");
	cr_expect_str_eq(rsp_call(&rsp, "qThreadExtraInfo,3"), NO_THREAD);
	cr_expect_str_eq(rsp_call(&rsp, "qThreadExtraInfo,"), BAD_THREAD);
}

Test(threads, many, .description = "a list that is longer than a packet is cut between ids")
{
	enum { MANY = 50000 };
	unsigned int next = 1;
	const char *reply;
	int packets = 0;

	open_with(MANY, (struct session_config){ .reliable = true }, GREETING);
	for (reply = rsp_call(&rsp, "qfThreadInfo"); reply[0] == 'm';
	     reply = rsp_call(&rsp, "qsThreadInfo")) {
		packets++;
		cr_assert_leq(rsp.reply_len, PACKET_SIZE);
		for (const char *p = reply; *p; next++) {
			char id[32];
			int n = sprintf(id, "p1.%x", next);

			cr_assert_eq(strncmp(p + 1, id, (size_t)n), 0, "thread %x", next);
			p += 1 + n;
			cr_assert(*p == ',' || !*p);
		}
	}
	cr_expect_str_eq(reply, "l");
	cr_expect_eq(next, MANY + 1);
	cr_expect_gt(packets, 1);
	close_session();
}

/* ---- registers --------------------------------------------------------------------------- */

Test(commands, registers, .description = "one register, well-formed and not")
{
	EXPECT({ "p0", "1111000000000000" }, { "p3", "02000000" }, { "p4", "001d000000000000" },
	       { "p8", "E.register number: no such register" },
	       { "pffffffffffffffff", "E.register number: no such register" },
	       { "p", "E.register number: not hexadecimal" }, { "p0x", BAD_END },
	       { "P0=efcdab8967452301", "OK" }, { "p0", "efcdab8967452301" },
	       { "P3=12345678", "OK" }, { "p3", "12345678" },
	       { "P3=1234567", "E.value: not of the register's length" },
	       { "P3=1234567890", "E.value: not of the register's length" },
	       { "P3=1234567g", "E.value: not hexadecimal" }, { "P3", "E.value: missing" },
	       { "P3=", "E.value: not of the register's length" },
	       { "P8=00", "E.register number: no such register" },
	       { "P=00", "E.register number: not hexadecimal" },
	       { "P4=0000000000000000", "E.register id is read-only" },
	       { "P5=0001000000000000", "E.register picky: not a valid value" },
	       { "P5=4200000000000000", "OK" }, { "p5", "4200000000000000" });
	fake.vcpus[0].unreadable = 1 << 1;
	EXPECT({ "p6", "xxxxxxxxxxxxxxxxxxxx" },
	       { "P6=00000000000000000000", "E.register st: can't be read" });
}

Test(commands, registers_refused, .description = "a value that the host refuses gets an error")
{
	fake.flush_error = -EINVAL;
	EXPECT({ "P0=efcdab8967452301", "E.the host refuses the value: not a valid value" });
}

Test(commands, all_registers, .description = "g and G; what is malformed changes nothing")
{
	char g[256], bad[512];
	struct fake_state before;

	strcpy(g, rsp_call(&rsp, "g"));
	cr_assert_eq(strlen(g), 2 * (8 + 8 + 8 + 4 + 8 + 8 + 10 + 16));
	before = fake.vcpus[0].state;
	snprintf(bad, sizeof(bad), "Gff%s", g + 2);
	bad[strlen(bad) - 1] = 'x';
	EXPECT({ "gx", BAD_END }, { "G", "E.values: not of the length of all registers" },
	       { "G00", "E.values: not of the length of all registers" },
	       { bad, "E.values: not hexadecimal" });
	snprintf(bad, sizeof(bad), "Gff%s00", g + 2);
	EXPECT({ bad, "E.values: not of the length of all registers" });
	snprintf(bad, sizeof(bad), "Gff%s", g + 2);
	memset(bad + 1 + 2 * 36, 'f', 16);
	EXPECT({ bad, "E.register picky: not a valid value" });
	cr_expect_eq(memcmp(&before, &fake.vcpus[0].state, sizeof(before)), 0);
	snprintf(bad, sizeof(bad), "Gff%s", g + 2);
	EXPECT({ bad, "OK" }, { "p0", "ff11000000000000" }, { "g", bad + 1 });
}

Test(commands, unreadable, .description = "g has x for a register that can't be read, never zeros")
{
	fake.vcpus[0].unreadable = 1 << 2;
	cr_expect_str_eq(rsp_call(&rsp, "g") + 2 * 54, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
}

Test(registers, mode,
     .description = "g keeps the description that the debugger got, when the mode changes")
{
	open_with(1, (struct session_config){ .reliable = true }, GREETING);
	fake.narrow = true;
	cr_expect_eq(strlen(rsp_call(&rsp, "g")), 2 * 70);
	cr_expect(strstr(rsp_call(&rsp, "qXfer:features:read:target.xml:0,1000"), "fake:wide"));
	/* the next debugger gets the other description */
	rsp_call(&rsp, GREETING);
	cr_expect_eq(strlen(rsp_call(&rsp, "g")), 2 * 28);
	cr_expect(strstr(rsp_call(&rsp, "qXfer:features:read:target.xml:0,1000"), "fake:narrow"));
	close_session();
}

/* ---- qXfer ------------------------------------------------------------------------------- */

Test(commands, xfer, .description = "the description in parts of any size is always the same")
{
	char whole[8192], packet[128];

	strcpy(whole, rsp_call(&rsp, "qXfer:features:read:fake-core.xml:0,1000"));
	cr_assert_eq(whole[0], 'l');
	for (size_t size = 1; size < 100; size += 7) {
		char parts[8192] = "l";
		const char *reply;

		do {
			snprintf(packet, sizeof(packet),
				 "qXfer:features:read:fake-core.xml:%zx,%zx", strlen(parts) - 1,
				 size);
			reply = rsp_call(&rsp, packet);
			cr_assert(reply[0] == 'm' || reply[0] == 'l', "%s", reply);
			cr_assert_leq(strlen(reply), size + 1);
			strcat(parts, reply + 1);
		} while (reply[0] == 'm');
		cr_expect_str_eq(parts, whole);
	}
}

Test(commands, xfer_bad, .description = "qXfer, malformed")
{
	EXPECT({ "qXfer:features:read:none.xml:0,100", "E.annex: no such file" },
	       { "qXfer:features:read::0,100", "E.annex: no such file" },
	       { "qXfer:features:read", "E.annex: missing" },
	       { "qXfer:features:read:", "E.annex: missing" },
	       { "qXfer:features:read:target.xml", BAD_ADDRESS },
	       { "qXfer:features:read:target.xml:0", BAD_LENGTH },
	       { "qXfer:features:read:target.xml:0,10x", BAD_END },
	       { "qXfer:features:read:target.xml:fffff,10", "E.offset: beyond the end" },
	       { "qXfer:features:read:target.xml:0,0", "m" });
}

/* ---- memory ------------------------------------------------------------------------------ */

Test(commands, memory, .description = "m and M, well-formed and not")
{
	EXPECT({ "m1000,4", "00010203" }, { "M1001,2:beef", "OK" }, { "m1000,4", "00beef03" },
	       { "M1001,2:BEEF", "OK" }, { "M1000,0:", "OK" }, { "m0,1", NO_MEMORY },
	       { "m40fff,4", "03" }, { "m41000,1", NO_MEMORY },
	       { "mffffffffffffffff,4", NO_MEMORY }, { "m1000,0", "E.length: zero" },
	       { "m", BAD_ADDRESS }, { "m1000", BAD_LENGTH }, { "m1000,", BAD_LENGTH },
	       { "m1000,4x", BAD_END }, { "m1000:4", BAD_LENGTH },
	       { "m10000000000000000,1", BAD_ADDRESS }, { "m1000,10000000000000000", BAD_LENGTH },
	       { "M1000,1", "E.data: missing" }, { "M1000,2:00", "E.length: not that of the data" },
	       { "M1000,1:000", "E.length: not that of the data" },
	       { "M1000,ffffffffffffffff:00", "E.length: not that of the data" },
	       { "M1000,1:0x", "E.data: not hexadecimal" }, { "M,1:00", BAD_ADDRESS },
	       { "M40fff,2:0000", "E.address: not all of it is mapped" }, { "m40fff,1", "03" },
	       { "m1000,3", "00beef" });
}

Test(commands, memory_large, .description = "a read of any length stays within a packet")
{
	cr_expect_eq(strlen(rsp_call(&rsp, "m1000,10000")), 0x20000);
	cr_expect_eq(strlen(rsp_call(&rsp, "m1000,ffffffffffffffff")), 0x20000);
	for (size_t i = 0; i < 0x10000; i++) {
		char two[3];

		sprintf(two, "%02x", fake.memory[i]);
		cr_assert_eq(memcmp(rsp.reply + 2 * i, two, 2), 0, "at %zx", i);
	}
	rsp_call(&rsp, "x1000,ffffffff");
	cr_expect_eq(rsp.reply_len, PACKET_SIZE);
}

Test(commands, binary, .description = "X and x take every byte value, and a probe of length 0")
{
	char packet[1024] = "X2000,100:";
	size_t head = strlen(packet);

	for (int i = 0; i < 256; i++)
		packet[head + (size_t)i] = (char)(255 - i);
	cr_expect_str_eq(rsp_call_bytes(&rsp, packet, head + 256), "OK");
	cr_expect_eq(memcmp(fake.memory + 0x1000, packet + head, 256), 0);
	cr_expect_eq(rsp_call(&rsp, "x2000,100")[0], 'b');
	cr_expect(rsp.reply_len == 257 && !memcmp(rsp.reply + 1, packet + head, 256));
	EXPECT({ "X0,0:", "OK" }, { "x0,0", "b" }, { "x0,1", NO_MEMORY }, { "x40fff,4", "b\x03" },
	       { "X1000,3:ab", "E.length: not that of the data" },
	       { "X1000,1:ab", "E.length: not that of the data" },
	       { "X1000,ffffffffffffffff:", "E.length: not that of the data" },
	       { "X1000,1", "E.data: missing" }, { "x1000", BAD_LENGTH }, { "x1000,1,", BAD_END },
	       { "X40fff,2:ab", "E.address: not all of it is mapped" }, { "m40fff,1", "03" });
}

/* ---- breakpoints ------------------------------------------------------------------------- */

Test(commands, breakpoints, .description = "Z and z reach the target with all their arguments")
{
	for (unsigned int type = 0; type <= 4; type++) {
		char packet[32];

		for (const char *c = "Zz"; *c; c++) {
			sprintf(packet, "%c%u,%x,%x", *c, type, 0xabc + type, type + 1);
			cr_expect_str_eq(rsp_call(&rsp, packet), "OK");
			cr_expect(fake.last_breakpoint.type == (enum bp_type)type &&
				  fake.last_breakpoint.addr == 0xabc + type &&
				  fake.last_breakpoint.kind == type + 1 &&
				  fake.last_breakpoint.vcpu == 0);
		}
	}
	cr_expect(fake.inserts == 5 && fake.removes == 5);
	rsp_call(&rsp, "Hg2");
	rsp_call(&rsp, "Z0,1000,1");
	cr_expect_eq(fake.last_breakpoint.vcpu, 1);
}

Test(commands, ends_of_memory,
     .description = "no range goes on at address 0 behind the end of the address space")
{
#define BEYOND "E.length: beyond the end of the address space"
	fake.top = true;
	EXPECT({ "mfffffffffffffffe,4", "0607" }, { "mfffffffffffffffe,1", "06" },
	       { "mffffffffffffffff,ffffffffffffffff", "07" },
	       { "xfffffffffffffffe,4", "b\x06\x07" }, { "Mffffffffffffffff,1:aa", "OK" },
	       { "Mffffffffffffffff,2:aabb", "E.address: not all of it is mapped" },
	       { "Xfffffffffffffffe,3:abc", "E.address: not all of it is mapped" },
	       { "Xfffffffffffffffe,2:ab", "OK" }, { "mfffffffffffffffc,8", "04056162" },
	       { "m0,4", "08090a0b" }, { "Z2,ffffffffffffffff,2", BEYOND },
	       { "Z3,fffffffffffffff9,8", BEYOND }, { "Z4,1,ffffffffffffffff", "OK" },
	       { "Z4,2,ffffffffffffffff", BEYOND }, { "Z0,ffffffffffffffff,4", BEYOND },
	       { "z2,ffffffffffffffff,2", BEYOND }, { "Z2,fffffffffffffff8,8", "OK" },
	       { "Z0,ffffffffffffffff,1", "OK" });
	cr_expect(fake.inserts == 3 && fake.removes == 0);
}

Test(commands, breakpoints_bad, .description = "Z, malformed or refused")
{
	EXPECT({ "Z5,1000,1", "" }, { "Z", "E.type: malformed" }, { "Z0", "E.type: malformed" },
	       { "Z0,", BAD_ADDRESS }, { "Z0,1000", BAD_LENGTH }, { "Z0,1000,1x", BAD_END },
	       { "z0,1000,", BAD_LENGTH }, { "Z0,1000,1;x", BAD_END });
	cr_expect(fake.inserts == 0 && fake.removes == 0);
	fake.insert_error = -EOPNOTSUPP;
	EXPECT({ "Z3,1000,1", "" });
	fake.insert_why = "x86 can't watch reads alone";
	EXPECT({ "Z3,1000,1", "E.x86 can't watch reads alone" });
	fake.insert_why = NULL;
	fake.insert_error = -ENOSPC;
	EXPECT({ "Z1,1000,1", "E.breakpoint: there is no room for another one" });
}

Test(commands, conditions,
     .description = "conditions and commands reach the target with the breakpoint")
{
#define BAD_CODES "E.conditions or commands: malformed"
	char many[2048] = "Z0,1000,1;";

	EXPECT({ "Z0,1000,1;X2,6162X1,63", "OK" });
	cr_expect_str_eq(fake.conditions, "if ab;if c;");
	EXPECT({ "Z0,1000,1;X2,6162;cmds:0,X1,64X1,65", "OK" });
	cr_expect_str_eq(fake.conditions, "if ab;do d;do e;");
	EXPECT({ "Z1,1000,1;cmds:1,X1,64", "OK" });
	cr_expect_str_eq(fake.conditions, "do d;");
	EXPECT({ "Z0,1000,1", "OK" });
	cr_expect_str_eq(fake.conditions, "", "a breakpoint without any drops those that it had");
	EXPECT({ "Z0,1000,1;X2,61", BAD_CODES }, { "Z0,1000,1;X1,6", BAD_CODES },
	       { "Z0,1000,1;Xffffffffffffffff,61", BAD_CODES }, { "Z0,1000,1;X1,6x", BAD_CODES },
	       { "Z0,1000,1;X", BAD_CODES }, { "Z0,1000,1;cmds:", BAD_CODES },
	       { "Z0,1000,1;cmds:0", BAD_CODES }, { "Z0,1000,1;cmds:0,X1,6", BAD_CODES });
	cr_expect_eq(fake.inserts, 4);
	for (int i = 0; i < 100; i++)
		strcat(many, "X1,61");
	EXPECT({ many, "E.conditions or commands: too many" });
	fake.conditions_error = -EINVAL;
	EXPECT({ "Z0,1000,1;X1,61", "E.conditions or commands: too many" });
	fake.conditions_error = -ENOMEM;
	EXPECT({ "Z0,1000,1;X1,61", "E.conditions or commands: out of memory" });
	fake.removes = 0;
	fake.conditions_error = -EOPNOTSUPP;
	EXPECT({ "Z2,1000,1;X1,61", "E.conditions or commands: not for this breakpoint" });
	cr_expect_eq(fake.removes, 1);
}

/* ---- run control ------------------------------------------------------------------------- */

/* What each vCPU was resumed by, a letter each, and what the rest was. */
static const char *resumed_by(void)
{
	static char text[FAKE_VCPUS + 3];
	unsigned int n = fake.nactions < FAKE_VCPUS ? fake.nactions : FAKE_VCPUS;

	for (unsigned int i = 0; i < n; i++) {
		cr_expect_eq(fake.actions[i].vcpu, i);
		text[i] = "hcsr"[fake.actions[i].kind];
	}
	text[n] = '/';
	text[n + 1] = "hcsr"[fake.rest.kind];
	text[n + 2] = '\0';
	return text;
}

static void expect_resume(const char *packet, const char *actions)
{
	unsigned int before = fake.resumes;

	fake.nactions = 0;
	cr_expect_str_eq(rsp_call(&rsp, packet), "(none)", "%s", packet);
	cr_expect_eq(fake.resumes, before + 1);
	cr_expect_str_eq(resumed_by(), actions, "%s: %s, not %s", packet, resumed_by(), actions);
	fake_stop(&fake, (struct stop){ .kind = STOP_STEP, .vcpu = 0 });
	rsp_clear(&rsp);
	rsp_pump(&rsp);
	cr_expect_eq(strncmp(rsp.reply, "T05", 3), 0, "%s", rsp.reply);
	cr_expect_eq(rsp.packets, 1);
}

Test(run, vcont,
     .description =
	     "any mix of actions; the leftmost that names a thread is its own, and what names "
	     "all is also for those that come later")
{
	open_with(4, (struct session_config){ .reliable = true }, GREETING);
	expect_resume("vCont;c", "cccc/c");
	expect_resume("vCont;s:p1.2;c", "cscc/c");
	expect_resume("vCont;s:p1.2", "hshh/h");
	expect_resume("vCont;c:p1.2;s:p1.2;s:p1.3", "hcsh/h");
	expect_resume("vCont;c;s:p1.2", "cccc/c");
	expect_resume("vCont;s:p1.-1", "ssss/s");
	expect_resume("vCont;s:p1", "ssss/s");
	expect_resume("vCont;c:-1", "cccc/c");
	expect_resume("vCont;s:0;c:-1", "sccc/c");
	expect_resume("vCont;C05:p1.1;S0b:p1.2", "cshh/h");
	expect_resume("vCont;t:p1.2;s:p1.3;c", "chsc/c");
	expect_resume("vCont;c:p1.1;t", "chhh/h");
	expect_resume("vCont;r1000,1010:p1.4;c:p1.-1", "cccr/c");
	cr_expect(fake.actions[3].start == 0x1000 && fake.actions[3].end == 0x1010);
	close_session();
}

Test(commands, vcont_bad, .description = "a vCont with anything wrong in it resumes nothing")
{
#define BAD_ACTION "E.action: unknown or malformed"
	EXPECT({ "vCont", "E.action: missing" }, { "vCont;", "E.action: missing" },
	       { "vCont;x", BAD_ACTION }, { "vCont;c;;s", BAD_ACTION }, { "vCont;C", BAD_ACTION },
	       { "vCont;Cx", BAD_ACTION }, { "vCont;r", BAD_ACTION }, { "vCont;r1000", BAD_ACTION },
	       { "vCont;r1000,", BAD_ACTION }, { "vCont;c:p1.3", NO_THREAD },
	       { "vCont;c:p99.-1", BAD_THREAD }, { "vCont;c:", BAD_THREAD },
	       { "vCont;c:p1.1x", BAD_END }, { "vCont;cc", BAD_END },
	       { "vCont:c", "E.action: missing" }, { "vCont;c;s:p1.3", NO_THREAD },
	       { "vCont;s,1", BAD_END });
	cr_expect_eq(fake.resumes, 0);
	fake.resume_error = -EIO;
	EXPECT({ "vCont;c", "E.resume: can't be read" }, { "qC", "QCp1.1" });
}

Test(run, plain, .description = "c s C S go by Hc, and take an address")
{
	open_with(3, (struct session_config){ .reliable = true }, GREETING);
	expect_resume("c", "ccc/c");
	expect_resume("s", "scc/c");
	rsp_call(&rsp, "Hc2");
	expect_resume("c", "hch/h");
	expect_resume("s", "hsh/h");
	rsp_call(&rsp, "Hc-1");
	rsp_call(&rsp, "Hg3");
	expect_resume("s", "ccs/c");
	expect_resume("C05", "ccc/c");
	expect_resume("S05", "scc/c");
	expect_resume("c1234", "ccc/c");
	cr_expect(fake.vcpus[0].state.pc == 0x1234 && fake.vcpus[0].dirty & 1);
	rsp_call(&rsp, "Hc3");
	expect_resume("S05;4321", "hhs/h");
	cr_expect_eq(fake.vcpus[2].state.pc, 0x4321);
	close_session();
}

Test(commands, plain_bad, .description = "c s C S, malformed")
{
	EXPECT({ "cx", BAD_ADDRESS }, { "s-1", BAD_ADDRESS }, { "c1000,", BAD_END },
	       { "C", "E.signal: malformed" }, { "S;1000", "E.signal: malformed" },
	       { "C05,1000", "E.signal: malformed" }, { "C05;x", BAD_ADDRESS });
	cr_expect_eq(fake.resumes, 0);
	cr_expect_eq(fake.vcpus[0].state.pc, 0x1000);
}

static void expect_no_jump(const char *error)
{
	static const char *const packets[] = { "c8000000000000123", "s8000000000000123",
					       "C05;8000000000000123", "S05;8000000000000123" };

	for (size_t i = 0; i < 4; i++) {
		cr_expect_str_eq(rsp_call(&rsp, packets[i]), error, "%s: %s", packets[i],
				 rsp.reply);
		cr_expect(!rsp.session->running && fake.resumes == 0);
		cr_expect_eq(fake.vcpus[0].state.pc, 0x1000);
	}
}

Test(commands, jump_refused, .description = "a PC that P refuses is refused by c s C S as well")
{
	EXPECT({ "P2=2301000000000080", "E.register pc: not a valid value" });
	expect_no_jump("E.register pc: not a valid value");
	fake.vcpus[0].unreadable = 1;
	expect_no_jump("E.address: the PC can't be changed");
	fake.vcpus[0].unreadable = 0;
	fake.flush_error = -EINVAL;
	EXPECT({ "c2000", "E.the host refuses the value: not a valid value" });
	cr_expect(fake.resumes == 0 && fake.vcpus[0].state.pc == 0x1000);
	fake.flush_error = 0;
	fake.resume_error = -ENOMEM;
	EXPECT({ "c2000", "E.resume: out of memory" });
	cr_expect(fake.resumes == 0 && fake.vcpus[0].state.pc == 0x1000);
}

Test(run, jump_narrow, .description = "an address that the PC register can't hold is refused")
{
	open_with(1, (struct session_config){ .reliable = true }, NULL);
	fake.short_pc = true;
	cr_expect_eq(strncmp(rsp_call(&rsp, GREETING), "PacketSize=", 11), 0);
	EXPECT({ "c100000000", "E.address: longer than the PC" });
	cr_expect_eq(fake.vcpus[0].state.pc, 0x1000);
	expect_resume("cffffffff", "c/c");
	cr_expect_eq(fake.vcpus[0].state.pc, 0xffffffff);
	close_session();
}

/* ---- stop replies ------------------------------------------------------------------------ */

#define REGS  "01:0080000000000000;02:0010000000000000;07:00000000000000000000000000000000;"
#define REGS2 "01:0180000000000000;02:0110000000000000;07:00000000000000000000000000000000;"

static const char *stop_reply(struct stop stop)
{
	cr_assert_str_eq(rsp_call(&rsp, "vCont;c"), "(none)");
	fake_stop(&fake, stop);
	rsp_clear(&rsp);
	rsp_pump(&rsp);
	return rsp.all;
}

Test(commands, stops, .description = "each kind of stop, as its reply, and again on ?")
{
	static const struct {
		struct stop stop;
		const char *reply;
	} t[] = {
		{ { .kind = STOP_STEP }, "T05thread:p1.1;core:0;" REGS },
		{ { .kind = STOP_INTERRUPT, .vcpu = 1 }, "T02thread:p1.2;core:1;" REGS2 },
		{ { .kind = STOP_SWBREAK, .addr = 0x1000 },
		  "T05thread:p1.1;core:0;swbreak:;" REGS },
		{ { .kind = STOP_HWBREAK, .addr = 0x1000 },
		  "T05thread:p1.1;core:0;hwbreak:;" REGS },
		{ { .kind = STOP_WATCH, .watch = HW_WRITE, .addr = 0xffffffff81000010 },
		  "T05thread:p1.1;core:0;watch:ffffffff81000010;" REGS },
		{ { .kind = STOP_WATCH, .watch = HW_READ, .addr = 0x10 },
		  "T05thread:p1.1;core:0;rwatch:10;" REGS },
		{ { .kind = STOP_WATCH, .watch = HW_ACCESS, .addr = 0x10 },
		  "T05thread:p1.1;core:0;awatch:10;" REGS },
		{ { .kind = STOP_EVENT }, "T05thread:p1.1;core:0;" REGS },
		{ { .kind = STOP_FATAL }, "T06thread:p1.1;core:0;" REGS },
		{ { .kind = STOP_EXITED, .status = 3 }, "W03;process:1" },
	};

	EXPECT({ "?", "T05thread:p1.1;core:0;" REGS });
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char want[512];

		snprintf(want, sizeof(want), "%s|", t[i].reply);
		cr_expect_str_eq(stop_reply(t[i].stop), want, "%s, not %s", rsp.all, want);
		cr_expect_str_eq(rsp_call(&rsp, "?"), t[i].reply);
	}
}

Test(commands, stop_elsewhere,
     .description = "a breakpoint is named only where the PC register has its address")
{
	static const enum stop_kind kinds[] = { STOP_SWBREAK, STOP_HWBREAK };

	for (size_t i = 0; i < 2; i++) {
		struct stop stop = { .kind = kinds[i], .addr = 0x8000 };
		const char *reason = i ? "hwbreak:;" : "swbreak:;";

		/* a code segment with a base of 0x7000: PC 0x1000 is address 0x8000 */
		cr_expect_str_eq(stop_reply(stop), "T05thread:p1.1;core:0;" REGS "|");
		EXPECT({ "?", "T05thread:p1.1;core:0;" REGS },
		       { "qThreadStopInfo1", "T05thread:p1.1;core:0;" REGS });
		/* and once the debugger has moved the PC */
		stop.addr = 0x1000;
		cr_expect(strstr(stop_reply(stop), reason));
		EXPECT({ "P2=0420000000000000", "OK" });
		cr_expect_null(strstr(rsp_call(&rsp, "?"), reason));
		EXPECT({ "P2=0010000000000000", "OK" });
		fake.vcpus[0].unreadable = 1;
		cr_expect_null(strstr(rsp_call(&rsp, "?"), reason));
		fake.vcpus[0].unreadable = 0;
	}
}

Test(commands, stop_text, .description = "the reason of a fatal stop is sent before it")
{
	struct stop stop = { .kind = STOP_FATAL, .text = "triple fault" };

	cr_expect_str_eq(stop_reply(stop),
			 "O747269706c65206661756c74|O0a|T06thread:p1.1;core:0;" REGS "|");
}

Test(commands, printed, .description = "what breakpoint commands print is sent while the VM runs")
{
	rsp_call(&rsp, "vCont;c");
	fake.text = "hit 1\n";
	rsp_clear(&rsp);
	rsp_pump(&rsp);
	cr_expect_str_eq(rsp.all, "O68697420310a|");
	fake.text = "2";
	fake_stop(&fake, (struct stop){ .kind = STOP_EXITED });
	rsp_pump(&rsp);
	cr_expect_str_eq(rsp.all, "O68697420310a|O32|W00;process:1|");
}

Test(commands, stop_unreadable,
     .description = "an expedited register that can't be had is left out")
{
	fake.vcpus[0].unreadable = 1 << 2;
	cr_expect_str_eq(stop_reply((struct stop){ .kind = STOP_STEP }),
			 "T05thread:p1.1;core:0;01:0080000000000000;02:0010000000000000;|");
}

Test(commands, stop_selects, .description = "the thread that stopped is the selected one")
{
	stop_reply((struct stop){ .kind = STOP_STEP, .vcpu = 1 });
	EXPECT({ "qC", "QCp1.2" }, { "p2", "0110000000000000" });
}

/* ---- a debugger that announces nothing --------------------------------------------------- */

Test(plain, features, .description = "to a debugger that announced nothing: numbers, plain threads")
{
	open_with(2, (struct session_config){ .reliable = true }, NULL);
	EXPECT({ "m0,1", "E0e" }, { "m", "E16" }, { "T9", "E03" }, { "P4=0000000000000000", "E0d" },
	       { "qC", "QC1" }, { "qfThreadInfo", "m1,2" }, { "?", "T05thread:1;core:0;" REGS });
	fake.insert_error = -ENOSPC;
	fake.insert_why = "out of slots";
	EXPECT({ "Z1,1000,1", "E1c" });
	cr_expect_str_eq(stop_reply((struct stop){ .kind = STOP_SWBREAK, .addr = 0x1000 }),
			 "T05thread:1;core:0;" REGS "|");
	cr_expect_str_eq(stop_reply((struct stop){ .kind = STOP_HWBREAK, .addr = 0x1000 }),
			 "T05thread:1;core:0;" REGS "|");
	cr_expect_str_eq(stop_reply((struct stop){ .kind = STOP_EXITED }), "W00|");
	close_session();
}

/* ---- read-only sessions ------------------------------------------------------------------ */

Test(ro, refused, .description = "a read-only session reads and continues, and changes nothing")
{
#define RO	 "E.this session is read-only"
#define NOT_DONE "4e6f7420646f6e653a20746869732073657373696f6e20697320726561642d6f6e6c792e0a"
	struct fake_state before;

	open_with(2, (struct session_config){ .reliable = true, .ro = true, .may_kill = true },
		  GREETING);
	before = fake.vcpus[0].state;
	EXPECT({ "M1000,1:ff", RO }, { "X1000,1:a", RO }, { "X1000,0:", RO }, { "G00", RO },
	       { "P0=0000000000000000", RO }, { "Z0,1000,1", RO }, { "z0,1000,1", RO }, { "s", RO },
	       { "S05", RO }, { "vCont;s", RO }, { "vCont;c:p1.1;s:p1.2", RO },
	       { "vCont;r1000,2000", RO }, { "c2000", RO }, { "C05;2000", RO }, { "k", RO },
	       { "vKill;1", RO }, { "qRcmd,73657420736f6674776172652d7761746368206f6e", NOT_DONE },
	       { "m1000,1", "00" }, { "p0", "1111000000000000" });
	cr_expect(fake.resumes == 0 && fake.inserts == 0 && fake.removes == 0 && fake.kills == 0);
	cr_expect(!fake.options[OPTION_SOFTWARE_WATCH]);
	cr_expect_eq(memcmp(&before, &fake.vcpus[0].state, sizeof(before)), 0);
	expect_resume("vCont;c", "cc/c");
	expect_resume("c", "cc/c");
	EXPECT({ "D", "OK" });
	close_session();
}

/* ---- ends -------------------------------------------------------------------------------- */

static void expect_end(const char *packet, bool may_kill, const char *reply, enum session_end end)
{
	const enum detach_how how = !strncmp(packet, "QV", 2) ? DETACH_AS_FOUND : DETACH_RUN;

	open_with(1, (struct session_config){ .reliable = true, .may_kill = may_kill }, GREETING);
	cr_expect_str_eq(rsp_call(&rsp, packet), reply, "%s: %s", packet, rsp.reply);
	cr_expect_eq(session_state(rsp.session), end, "%s", packet);
	cr_expect_eq(fake.detaches, end == SESSION_DETACHED);
	cr_expect_eq(fake.kills, end == SESSION_KILLED);
	if (end == SESSION_DETACHED)
		cr_expect_eq(fake.detached, how);
	if (end != SESSION_OPEN)
		cr_expect_str_eq(rsp_call(&rsp, "g"), "(none)", "after its end it is silent");
	close_session();
}

Test(ends, all, .description = "D k vKill QVmgdb.Withdraw: the reply, and what becomes of the VM")
{
	expect_end("D", false, "OK", SESSION_DETACHED);
	expect_end("D;1", false, "OK", SESSION_DETACHED);
	expect_end("D;-1", false, "OK", SESSION_DETACHED);
	expect_end("D;2", false, "E.process: malformed, or not ours", SESSION_OPEN);
	expect_end("D;", false, "E.process: malformed, or not ours", SESSION_OPEN);
	expect_end("QVmgdb.Withdraw", true, "OK", SESSION_DETACHED);
	expect_end("QVmgdb.Withdraw;1", true, BAD_END, SESSION_OPEN);
	expect_end("D;1;1", false, BAD_END, SESSION_OPEN);
	expect_end("k", false, "(none)", SESSION_DETACHED);
	expect_end("k", true, "(none)", SESSION_KILLED);
	expect_end("vKill;1", false, "OK", SESSION_DETACHED);
	expect_end("vKill;1", true, "OK", SESSION_KILLED);
	expect_end("vKill", true, "E.process: malformed, or not ours", SESSION_OPEN);
	expect_end("vKill;x", true, "E.process: malformed, or not ours", SESSION_OPEN);
}

/* ---- monitor ----------------------------------------------------------------------------- */

static const char *monitor(const char *line)
{
	char packet[1024] = "qRcmd,";

	for (const char *c = line; *c; c++)
		sprintf(packet + strlen(packet), "%02x", (unsigned char)*c);
	return unhex(rsp_call(&rsp, packet));
}

Test(commands, monitor, .description = "monitor commands, and lines that are none")
{
	char longest[600];

	cr_expect(strstr(monitor("help"), "help") && strstr(monitor("help"), "version"));
	cr_expect_eq(strncmp(monitor("version"), "vmgdb", 5), 0);
	cr_expect_eq(strncmp(monitor("  version  "), "vmgdb", 5), 0);
	cr_expect(strstr(monitor("show"), "software-watch   off"));
	EXPECT({ "qRcmd,736574207374",
		 "5468657265206973206e6f2073756368206f7074696f6e3b2073656520606d"
		 "6f6e69746f722073686f77272e0a" },
	       /* set software-watch on */
	       { "qRcmd,73657420736f6674776172652d7761746368206f6e", "OK" });
	cr_expect(fake.options[OPTION_SOFTWARE_WATCH]);
	cr_expect(strstr(monitor("show"), "software-watch   on"));
	cr_expect(strstr(monitor("set software-watch perhaps"), "is on or off"));
	cr_expect(fake.options[OPTION_SOFTWARE_WATCH]);
	cr_expect(strstr(monitor("show"), "whole-rep        off"));
	monitor("set whole-rep on");
	cr_expect(fake.options[OPTION_WHOLE_REP]);
	cr_expect(strstr(monitor("versio"), "no such command"));
	cr_expect(strstr(monitor(""), "version") && strstr(monitor(" "), "version"));
	memset(longest, '0', sizeof(longest));
	memcpy(longest, "qRcmd,", 6);
	longest[sizeof(longest) - 2] = '\0';
	EXPECT({ longest, "E.command: too long" }, { "qRcmd", "E.command: malformed" },
	       { "qRcmd,6", "E.command: malformed" }, { "qRcmd,6x", "E.command: not hexadecimal" });
}

Test(commands, monitor_breakpoints,
     .description = "monitor breakpoints lists each with its type, address and state")
{
	cr_expect_str_eq(monitor("breakpoints"), "There are no breakpoints.\n");
	fake.breakpoints[0] = (struct bp_info){ BP_SOFTWARE, 0x1000, 1, "inserted", true, false };
	fake.breakpoints[1] =
		(struct bp_info){ BP_HARDWARE, 0xffffffff81000000, 1, "armed", false, true };
	fake.breakpoints[2] = (struct bp_info){ BP_WRITE, 0x20, 8, "by stepping", false, false };
	fake.nbreakpoints = 3;
	cr_expect_str_eq(monitor("breakpoints"),
			 "software      0x0000000000001000: inserted; conditions or commands\n"
			 "hardware      0xffffffff81000000: armed; removed at this stop\n"
			 "write watch   0x0000000000000020, 8 bytes: by stepping\n");
	fake.insert_error = -ENOSPC;
	fake.insert_why = "all slots are in use";
	rsp_call(&rsp, "Z1,3000,1");
	cr_expect_eq(
		strncmp(monitor("breakpoints"),
			"Refused last: hardware      0x0000000000003000: all slots are in use\n"
			"software ",
			75),
		0);
	rsp_call(&rsp, GREETING);
	cr_expect_eq(strncmp(monitor("breakpoints"), "software ", 9), 0, "another debugger's");
	rsp_call(&rsp, "Z1,3000,1");
	fake.insert_error = 0;
	rsp_call(&rsp, "Z1,3000,1");
	cr_expect_eq(strncmp(monitor("breakpoints"), "software ", 9), 0, "inserted after all");
	fake.insert_error = -ENOSPC;
	rsp_call(&rsp, "Z1,3000,1");
	fake.insert_error = 0;
	rsp_call(&rsp, "Z0,3000,1");
	cr_expect_eq(strncmp(monitor("breakpoints"), "Refused ", 8), 0, "another one there");
	expect_resume("vCont;c", "cc/c");
	cr_expect_eq(strncmp(monitor("breakpoints"), "software ", 9), 0, "at an earlier stop");
	fake.breakpoints[3] = (struct bp_info){ BP_ACCESS, 0x20, 8, "armed", false, false };
	fake.nbreakpoints = 100000;
	rsp_call(&rsp, "qRcmd,627265616b706f696e7473");
	cr_expect(rsp.reply_len <= PACKET_SIZE && rsp.reply_len > PACKET_SIZE - 400);
	cr_expect(strstr(unhex(rsp.reply + rsp.reply_len - 200), "There are more"));
	fake.running = true;
	cr_expect_str_eq(monitor("breakpoints"), "Not done: the VM is running.\n");
	fake.running = false;
}

/* ---- lldb -------------------------------------------------------------------------------- */

Test(commands, register_info, .description = "qRegisterInfo describes each register, and their end")
{
	EXPECT({ "qRegisterInfo0", "name:r0;bitsize:64;offset:0;encoding:uint;format:hex;"
				   "set:org.vmgdb.fake.core;generic:arg1;ehframe:0;dwarf:0;" },
	       { "qRegisterInfo3", "name:flags;bitsize:32;offset:24;encoding:uint;format:hex;"
				   "set:org.vmgdb.fake.core;" },
	       { "qRegisterInfo7", "name:vec;bitsize:128;offset:54;encoding:vector;"
				   "format:vector-uint8;set:org.vmgdb.fake.vector;" },
	       { "qRegisterInfo8", "E45" },
	       { "qRegisterInfo", "E.register number: not hexadecimal" },
	       { "qRegisterInfo0x", "E.register number: not hexadecimal" });
}

Test(commands, thread_stop,
     .description = "qThreadStopInfo: the stop's thread has its reason, others none")
{
	stop_reply((struct stop){ .kind = STOP_SWBREAK, .vcpu = 1, .addr = 0x1001 });
	EXPECT({ "qThreadStopInfo2", "T05thread:p1.2;core:1;swbreak:;" REGS2 },
	       { "qThreadStopInfo1", "T00thread:p1.1;core:0;" REGS },
	       { "qThreadStopInfo3", NO_THREAD }, { "qThreadStopInfo", BAD_THREAD });
}

Test(commands, threads_info,
     .description = "jThreadsInfo: all threads with their expedited registers")
{
	fake.vcpus[0].unreadable = fake.vcpus[1].unreadable = 1 << 2;
	EXPECT({ "jThreadsInfo",
		 "[{\"tid\":1,\"name\":\"CPU 0, wide mode\",\"signal\":5,\"registers\":"
		 "{\"1\":\"0080000000000000\",\"2\":\"0010000000000000\"}},"
		 "{\"tid\":2,\"name\":\"CPU 1, wide mode\",\"signal\":0,\"registers\":"
		 "{\"1\":\"0180000000000000\",\"2\":\"0110000000000000\"}}]" });
}
