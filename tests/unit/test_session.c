// SPDX-License-Identifier: MIT
/* A session as a whole: attaching, acks, interrupts, new debuggers, back-pressure. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rsp/session_internal.h"
#include "tests/unit/fake_target.h"
#include "tests/unit/rsp.h"

#define GREETING "qSupported:multiprocess+;error-message+"
#define NO_ACK	 "$QStartNoAckMode#b0"

static const struct session_config reliable = { .reliable = true }, unreliable = { 0 };

static struct fake_target fake;
static struct rsp rsp;

static void open_session(const struct session_config *config)
{
	fake_init(&fake, 2);
	rsp_open(&rsp, &fake.target, config);
}

static void open_greeted(const struct session_config *config)
{
	open_session(config);
	cr_assert_eq(strncmp(rsp_call(&rsp, GREETING), "PacketSize=", 11), 0);
}

static void open_running(const struct session_config *config)
{
	open_greeted(config);
	cr_assert_str_eq(rsp_call(&rsp, "vCont;c"), "(none)");
	cr_assert(rsp.session->running && fake.running);
	rsp_clear(&rsp);
}

static void done(void)
{
	cr_expect_eq(fake_faults(&fake), 0, "the target was used against its rules");
	rsp_close(&rsp);
}

/* What the session has for the peer, taken as written. */
static const char *output(void)
{
	static char text[4096];
	size_t n;
	const void *out;

	session_poll(rsp.session);
	out = session_output(rsp.session, &n);
	cr_assert_lt(n, sizeof(text));
	memcpy(text, out, n);
	text[n] = '\0';
	session_sent(rsp.session, n);
	return text;
}

static void input(const char *bytes)
{
	cr_assert_eq(session_input(rsp.session, bytes, strlen(bytes)), strlen(bytes));
}

/* ---- attaching --------------------------------------------------------------------------- */

Test(session, holds, .description = "noise attaches nothing, the first packet attaches the target")
{
	open_session(&unreliable);
	input("\r\nlogin: +-\x03$?#00~~~");
	cr_expect_eq(fake.attaches, 0);
	cr_expect(!session_holds(rsp.session));
	cr_expect_eq(rsp_call(&rsp, "?")[0], 'T');
	cr_expect_eq(fake.attaches, 1);
	cr_expect(session_holds(rsp.session));
	rsp_call(&rsp, "g");
	cr_expect_eq(fake.attaches, 1);
	rsp_call(&rsp, "D");
	cr_expect(!session_holds(rsp.session));
	done();
}

Test(session, refused, .description = "a second debugger gets the reason, and its session is over")
{
	open_session(&reliable);
	fake.attach_error = -EBUSY;
	cr_expect_str_eq(rsp_call(&rsp, GREETING), "E.another debugger holds the VM");
	cr_expect_eq(session_state(rsp.session), SESSION_REFUSED);
	cr_expect_str_eq(rsp_call(&rsp, "g"), "(none)");
	cr_expect_eq(fake.detaches, 0);
	done();
	open_session(&reliable);
	fake.attach_error = -ESHUTDOWN;
	cr_expect_str_eq(rsp_call(&rsp, GREETING), "E.the VM has ended");
	done();
}

Test(session, first_stop, .description = "the first stop is the one that the target gave at attach")
{
	open_session(&reliable);
	fake.attach_stop = (struct stop){ .kind = STOP_FATAL, .vcpu = 1 };
	cr_expect_eq(strncmp(rsp_call(&rsp, "?"), "T06thread:2;core:1;01:", 22), 0, "%s",
		     rsp.reply);
	cr_expect_str_eq(rsp_call(&rsp, "qC"), "QC2");
	done();
}

Test(session, description, .description = "the target knows which description the debugger has")
{
	open_greeted(&reliable);
	cr_expect_eq(fake.description, &fake_wide);
	fake.narrow = true;
	rsp_call(&rsp, "g");
	cr_expect_eq(fake.description, &fake_wide);
	rsp_call(&rsp, GREETING);
	cr_expect_eq(fake.description, &fake_narrow);
	done();
}

static void expect_no_debugger(const char *bytes)
{
	size_t n;

	open_session(&reliable);
	cr_expect_eq(session_input(rsp.session, bytes, strlen(bytes)), strlen(bytes));
	cr_expect_eq(session_state(rsp.session), SESSION_NO_DEBUGGER, "%s", bytes);
	session_output(rsp.session, &n);
	cr_expect(n == 0 && fake.attaches == 0 && fake.memory[0] == 0);
	done();
}

Test(session, no_debugger,
     .description = "a peer that begins as no debugger does is not obeyed later on")
{
	expect_no_debugger("POST / HTTP/1.1\r\n\r\n$M1000,1:ff#71");
	expect_no_debugger(" ");
	expect_no_debugger("\n$M1000,1:ff#71");
	expect_no_debugger("#$M1000,1:ff#71");
	for (const char *c = "+-$\x03"; *c; c++) {
		open_session(&reliable);
		cr_expect_eq(session_input(rsp.session, c, 1), 1);
		cr_expect_eq(session_state(rsp.session), SESSION_OPEN);
		input("POST"); /* from the second byte on noise is only noise */
		cr_expect_eq(session_state(rsp.session), SESSION_OPEN);
		done();
	}
	open_session(&unreliable);
	input("POST / HTTP/1.1\r\n\r\n$M1000,1:ff#71");
	cr_expect_str_eq(output(), "+$OK#9a", "on a line there may be noise before a debugger");
	done();
}

Test(session, no_vcpus, .description = "a VM without vCPUs: each packet gets one reply")
{
	static const char *const packets[] = { "?",
					       "g",
					       "p0",
					       "P0=00",
					       "G00",
					       "c",
					       "s",
					       "vCont;c",
					       "qC",
					       "qfThreadInfo",
					       "Hg1",
					       "qThreadExtraInfo,0",
					       "qXfer:features:read:target.xml:0,10" };

	open_session(&reliable);
	fake.nvcpus = 0;
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		rsp_call(&rsp, packets[i]);
		cr_expect_eq(rsp.packets, 1, "%s", packets[i]);
	}
	cr_expect(!rsp.session->running);
	fake.target.cpu = NULL;			/* the first vCPU would tell it */
	rsp_call(&rsp, "qRcmd,76657273696f6e"); /* monitor version */
	cr_expect(rsp.packets);
	done();
}

/* ---- acks -------------------------------------------------------------------------------- */

Test(session, coalesced, .description = "ack and reply, and several of them, come in one piece")
{
	open_session(&reliable);
	input("+$qAttached#8f+$qC#b4");
	cr_expect_str_eq(output(), "+$1#31+$QC1#c5");
	done();
}

Test(session, split, .description = "input that comes in pieces of any size says the same")
{
	static const char in[] =
		"+$qAttached#8f+$Hg0#df+$m1000,4#8e+$X1000,2:}\x03}]#0b+$bad#00$qC#b4";
	char want[256];

	open_session(&unreliable);
	input(in);
	strcpy(want, output());
	cr_assert_str_eq(want, "+$1#31+$OK#9a+$00010203#86+$OK#9a-+$QC1#c5");
	done();
	for (size_t size = 1; size < sizeof(in); size++) {
		open_session(&unreliable);
		for (size_t i = 0; i < sizeof(in) - 1; i += size) {
			size_t left = sizeof(in) - 1 - i;

			session_input(rsp.session, in + i, left < size ? left : size);
		}
		cr_expect_str_eq(output(), want, "in pieces of %zu", size);
		cr_expect_eq(memcmp(fake.memory, "#}", 2), 0);
		done();
	}
}

Test(session, no_ack, .description = "no-ack mode where bytes are safe, and only there")
{
	static const struct session_config kept = { .reliable = true, .ack = true };
	const struct session_config *never[] = { &unreliable, &kept };

	open_session(&reliable);
	input("+" NO_ACK);
	cr_expect_str_eq(output(), "+$OK#9a");
	input("+$qC#b4");
	cr_expect_str_eq(output(), "$QC1#c5");
	done();
	for (size_t i = 0; i < 2; i++) {
		open_session(never[i]);
		cr_expect_null(strstr(rsp_call(&rsp, GREETING), "NoAck"));
		cr_expect_str_eq(rsp_call(&rsp, "QStartNoAckMode"), "");
		input("$qC#b4");
		cr_expect_str_eq(output(), "+$QCp1.1#94");
		done();
	}
}

Test(session, nak_storm,
     .description = "any number of bad checksums and naks leaves the session open")
{
	open_greeted(&unreliable);
	for (int i = 0; i < 1000; i++) {
		input("$qC#00");
		cr_expect_str_eq(output(), "-");
	}
	input("$qC#b4");
	cr_expect_str_eq(output(), "+$QCp1.1#94");
	for (int i = 0; i < 1000; i++) {
		input("-");
		cr_expect_str_eq(output(), "$QCp1.1#94");
	}
	cr_expect_eq(session_state(rsp.session), SESSION_OPEN);
	done();
}

Test(session, bad_no_ack, .description = "in no-ack mode a bad checksum is answered by an error")
{
	open_session(&reliable);
	input("+" NO_ACK "+$M1000,1:ff#00");
	cr_expect_str_eq(output(), "+$OK#9a$E4a#da");
	cr_expect_eq(fake.memory[0], 0);
	input("$vCont;c#a8$vCont;s#00");
	cr_expect_str_eq(output(), "", "while it runs that would pass for a stop");
	done();
}

Test(session, timeout, .description = "a stop reply that is not acknowledged is sent again")
{
	open_running(&unreliable);
	cr_expect_eq(session_timeout_ms(rsp.session), -1);
	fake_stop(&fake, (struct stop){ .kind = STOP_STEP });
	cr_expect_eq(strncmp(output(), "$T05", 4), 0);
	cr_expect_gt(session_timeout_ms(rsp.session), 0);
	session_timeout(rsp.session);
	cr_expect_eq(strncmp(output(), "$T05", 4), 0);
	input("+");
	cr_expect_eq(session_timeout_ms(rsp.session), -1);
	done();
}

Test(session, too_long,
     .description = "a packet that is too long is answered once, and not executed")
{
	static char packet[PACKET_SIZE + 64];

	memset(packet, '0', sizeof(packet));
	memcpy(packet, "P0=", 3);
	open_greeted(&reliable);
	cr_expect_str_eq(rsp_call_bytes(&rsp, packet, sizeof(packet)),
			 "E.packet longer than PacketSize");
	cr_expect_str_eq(rsp_call_bytes(&rsp, packet, PACKET_SIZE),
			 "E.value: not of the register's length");
	memcpy(packet, "mP0=", 4);
	cr_expect_str_eq(rsp_call_bytes(&rsp, packet, PACKET_SIZE), "E.address: not hexadecimal");
	memset(packet, 'm', sizeof(packet));
	cr_expect_str_eq(rsp_call_bytes(&rsp, packet, PACKET_SIZE), "E.address: not hexadecimal");
	memcpy(packet, "vCont;", 6);
	memset(packet + 6, ';', sizeof(packet) - 6);
	cr_expect_str_eq(rsp_call_bytes(&rsp, packet, PACKET_SIZE),
			 "E.action: unknown or malformed");
	for (size_t i = 6; i + 1 < sizeof(packet); i += 2)
		memcpy(packet + i, "c;", 2);
	cr_expect_str_eq(rsp_call_bytes(&rsp, packet, PACKET_SIZE - 1), "(none)");
	cr_expect_eq(fake.resumes, 1);
	done();
}

/* ---- while the VM runs ------------------------------------------------------------------- */

Test(session, interrupt, .description = "0x03 stops the VM, and the stop is reported once")
{
	open_running(&reliable);
	input("\x03");
	cr_expect_eq(fake.interrupts, 1);
	cr_expect_eq(strncmp(output(), "$T02", 4), 0);
	cr_expect_str_eq(output(), "");
	cr_expect(!rsp.session->running);
	done();
}

Test(session, stray, .description = "no byte but 0x03 stops a VM that runs")
{
	char all[256];
	size_t n = 0;

	open_running(&unreliable);
	for (int c = 0; c < 256; c++)
		if (c != 0x03)
			all[n++] = (char)c;
	session_input(rsp.session, all, n);
	cr_expect_eq(fake.interrupts, 0);
	/* and one inside a packet does not either, nor does a packet that is broken */
	input("$\x03#00$g#00-+");
	cr_expect_eq(fake.interrupts, 0);
	cr_expect(fake.running);
	output();
	input("\x03");
	cr_expect_eq(fake.interrupts, 1);
	done();
}

Test(session, interrupt_for_ack, .description = "0x03 in place of an ack is an interrupt")
{
	open_running(&unreliable);
	session_console(rsp.session, "a", 1);
	cr_expect_str_eq(output(), "$O61#b6");
	input("\x03");
	cr_expect_eq(fake.interrupts, 1);
	input("+");
	cr_expect_eq(strncmp(output(), "$T02", 4), 0);
	done();
}

Test(session, interrupt_early,
     .description = "0x03 before a resume that had to be sent again counts")
{
	open_greeted(&unreliable);
	input("$vCont;c#00\x03");
	cr_expect_str_eq(output(), "-");
	input("$vCont;c#a8");
	cr_expect(fake.resumes == 1 && fake.interrupts == 1);
	cr_expect_eq(strncmp(output(), "+$T02", 5), 0);
	/* before anything else it is late for a stop that was reported already */
	input("+\x03$qC#b4+$vCont;c#a8");
	cr_expect(fake.resumes == 2 && fake.interrupts == 1);
	done();
}

Test(session, repeated,
     .description = "the resume packet once more, because its ack was lost: one stop reply")
{
	open_running(&unreliable);
	input("$vCont;c#a8$c#63");
	cr_expect_str_eq(output(), "++");
	cr_expect_eq(fake.resumes, 1);
	fake_stop(&fake, (struct stop){ .kind = STOP_STEP });
	cr_expect_eq(strncmp(output(), "$T05thread:p1.1;", 16), 0);
	cr_expect_str_eq(output(), "");
	done();
}

Test(session, busy,
     .description = "another packet while the VM runs gets an error and stops nothing")
{
	static const char *const packets[] = { "g",	    "m1000,4", "Hg1",	   "qfThreadInfo",
					       "Z0,1000,1", "qC",      "nonsense", "" };

	open_running(&reliable);
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++)
		cr_expect_str_eq(rsp_call(&rsp, packets[i]), "E.the VM is running");
	cr_expect(fake.interrupts == 0 && fake.running);
	done();
}

Test(session, leave_running, .description = "D and k work while the VM runs")
{
	open_running(&reliable);
	cr_expect_str_eq(rsp_call(&rsp, "D;1"), "OK");
	cr_expect(fake.detaches == 1 && session_state(rsp.session) == SESSION_DETACHED);
	done();
	open_running(&reliable);
	cr_expect_str_eq(rsp_call(&rsp, "k"), "(none)");
	cr_expect_eq(fake.detaches, 1);
	done();
}

/* ---- without the hold --------------------------------------------------------------------- */

static void expect_refused(const char *error, const char *resume_reply)
{
	static const char *const state[] = {
		"g",	     "G00",	   "p2",	   "P0=1111111111111111",
		"m1000,4",   "M1000,1:00", "x1000,4",	   "X1000,1:a",
		"Z0,1000,1", "z0,1000,1",  "jThreadsInfo", "qThreadExtraInfo,1"
	};
	static const char *const resumes[] = { "vCont;s", "c", "s1234", "C05" };
	unsigned int before = fake.resumes;

	for (size_t i = 0; i < sizeof(state) / sizeof(state[0]); i++)
		cr_expect_str_eq(rsp_call(&rsp, state[i]), error, "%s: %s", state[i], rsp.reply);
	for (size_t i = 0; i < sizeof(resumes) / sizeof(resumes[0]); i++)
		cr_expect_str_eq(rsp_call(&rsp, resumes[i]), resume_reply, "%s: %s", resumes[i],
				 rsp.reply);
	cr_expect(fake.resumes == before && fake.inserts == 0);
	cr_expect(fake.memory[0] == 0 && fake.vcpus[0].state.r0 == 0x1111);
}

static void expect_answered(const char *stop)
{
	static const char *const packets[] = { "qC",
					       "Hg1",
					       "Hc-1",
					       "T1",
					       "qfThreadInfo",
					       "vCont?",
					       "qAttached",
					       "!",
					       "qRcmd,68656c70",
					       "qXfer:features:read:target.xml:0,40" };

	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++)
		cr_expect(!strchr("E(", rsp_call(&rsp, packets[i])[0]), "%s: %s", packets[i],
			  rsp.reply);
	cr_expect_str_eq(rsp_call(&rsp, "?"), stop);
	cr_expect_eq(strncmp(rsp_call(&rsp, GREETING), "PacketSize=", 11), 0);
	cr_expect_str_eq(rsp_call(&rsp, "?"), stop);
}

Test(session, ended,
     .description = "after W what needs vCPUs gets one error, everything else a reply")
{
	open_running(&reliable);
	fake_stop(&fake, (struct stop){ .kind = STOP_EXITED, .status = 3 });
	rsp_pump(&rsp);
	cr_expect_str_eq(rsp.reply, "W03;process:1");
	expect_refused("E.the VM has ended", "W03;process:1");
	expect_answered("W03;process:1");
	cr_expect_str_eq(rsp_call(&rsp, "D"), "OK");
	cr_expect_eq(fake.detaches, 1);
	done();
	open_running(&reliable);
	fake_stop(&fake, (struct stop){ .kind = STOP_EXITED });
	rsp_pump(&rsp);
	cr_expect_str_eq(rsp_call(&rsp, "k"), "(none)");
	cr_expect_eq(session_state(rsp.session), SESSION_DETACHED);
	done();
}

Test(session, ended_stopped,
     .description = "a VM that ends while it is stopped: the reply to the resume is W")
{
	open_greeted(&reliable);
	fake_stop(&fake, (struct stop){ .kind = STOP_EXITED, .status = 4 });
	cr_expect_str_eq(rsp_call(&rsp, "vCont;c"), "W04;process:1");
	cr_expect(!rsp.session->running);
	expect_refused("E.the VM has ended", "W04;process:1");
	done();
	open_greeted(&reliable);
	fake_stop(&fake, (struct stop){ .kind = STOP_EXITED, .status = 4 });
	cr_expect_str_eq(rsp_call(&rsp, "g"), "E.the VM has ended");
	expect_answered("W04;process:1");
	done();
}

Test(session, not_parked,
     .description = "when vCPUs run without a resume, what needs them gets an error")
{
	open_greeted(&reliable);
	fake.running = true;
	expect_refused("E.the VM is running", "E.the VM is running");
	cr_expect_str_eq(rsp_call(&rsp, "?"), "T05thread:p1.1;core:0;", "no registers");
	cr_expect_eq(strncmp(rsp_call(&rsp, GREETING), "PacketSize=", 11), 0);
	done();
}

/* ---- a new debugger on the same link ----------------------------------------------------- */

static void expect_new_client(const char *packet, const char *reply)
{
	open_running(&unreliable);
	cr_expect_eq(strncmp(rsp_call(&rsp, packet), reply, strlen(reply)), 0, "%s: %s", packet,
		     rsp.reply);
	cr_expect_eq(rsp.packets, 1, "%s: no stop reply first", packet);
	cr_expect(fake.interrupts == 1 && !rsp.session->running);
	cr_expect_str_eq(rsp_call(&rsp, "qC"), "QC1", "what the last one announced is forgotten");
	done();
}

Test(session, new_client, .description = "a debugger that comes while the VM runs finds it stopped")
{
	expect_new_client("qSupported:swbreak+", "PacketSize=");
	expect_new_client("?", "T05thread:1;");
	expect_new_client("!", "OK");
	expect_new_client("vMustReplyEmpty", "");
}

Test(session, new_client_waits,
     .description = "while the VM does not stop yet, input waits and is not lost")
{
	static const char in[] = "+$?#3f+$qC#b4";

	open_running(&unreliable);
	fake_stop(&fake, (struct stop){ .kind = STOP_SWBREAK, .vcpu = 1 });
	fake.stop_ready = false; /* not yet */
	cr_expect_eq(session_input(rsp.session, in, strlen(in)), 6);
	cr_expect_eq(session_input(rsp.session, in + 6, strlen(in) - 6), 0);
	fake.stop_ready = false;
	cr_expect_str_eq(output(), "+");
	session_console(rsp.session, "for the one before", 5);
	fake_stop(&fake, (struct stop){ .kind = STOP_SWBREAK, .vcpu = 1 });
	cr_expect_eq(strncmp(output(), "$T05thread:2;core:1;01:", 23), 0);
	input(in + 6);
	cr_expect_str_eq(output(), "+$QC2#c6");
	done();
}

Test(session, new_client_no_ack,
     .description = "a debugger after one that left in no-ack mode gets its acks")
{
	open_session(&reliable);
	input("+" NO_ACK);
	cr_expect_str_eq(output(), "+$OK#9a");
	input("+$vCont;c#a8");
	cr_expect_str_eq(output(), "");
	/* the first debugger is gone, and the link showed no hang-up */
	input("+$qSupported:#71");
	cr_expect_eq(strncmp(output(), "+$PacketSize=", 13), 0);
	input("+$qC#b4");
	cr_expect_str_eq(output(), "+$QC1#c5");
	done();
}

Test(session, lldb, .description = "lldb asks qSupported in no-ack mode: that mode stays")
{
	open_session(&reliable);
	input("+" NO_ACK "+$qSupported:#71$qC#b4");
	cr_expect_eq(strncmp(output(), "+$OK#9a$PacketSize=", 19), 0);
	input("$qC#b4");
	cr_expect_str_eq(output(), "$QC1#c5");
	done();
}

Test(session, fresh, .description = "qSupported forgets threads, features and breakpoints")
{
	open_greeted(&reliable);
	rsp_call(&rsp, "Hg2");
	cr_expect_str_eq(rsp_call(&rsp, "qC"), "QCp1.2");
	rsp_call(&rsp, "qSupported");
	cr_expect_str_eq(rsp_call(&rsp, "qC"), "QC1");
	cr_expect_eq(fake.renewals, 0, "there was no breakpoint");
	rsp_call(&rsp, "Z0,1000,1");
	rsp_call(&rsp, "qSupported");
	cr_expect_eq(fake.renewals, 1);
	rsp_call(&rsp, "qSupported");
	cr_expect_eq(fake.renewals, 1);
	cr_expect(fake.detaches == 0 && fake.attaches == 1);
	done();
}

Test(session, fresh_options, .description = "options and reports do not outlive their debugger")
{
	open_greeted(&reliable);
	rsp_call(&rsp, "qRcmd,73657420736f6674776172652d7761746368206f6e");
	cr_expect(fake.options[OPTION_SOFTWARE_WATCH]);
	rsp_call(&rsp, "qSupported");
	cr_expect(fake.renewals == 1 && !fake.options[OPTION_SOFTWARE_WATCH]);
	rsp_call(&rsp, "vCont;s");
	fake_stop(&fake, (struct stop){ .kind = STOP_STEP });
	rsp_pump(&rsp);
	rsp_call(&rsp, "qSupported");
	cr_expect_eq(fake.renewals, 2, "another vCPU may have a pending report");
	done();
}

/* ---- the console and the output ---------------------------------------------------------- */

Test(session, console, .description = "text for the debugger, only while it waits for a stop")
{
	static char text[3000];

	open_greeted(&reliable);
	session_console(rsp.session, "lost", 4);
	cr_expect_str_eq(output(), "");
	rsp_call(&rsp, "vCont;c");
	session_console(rsp.session, "hi", 2);
	cr_expect_str_eq(output(), "$O6869#2c");
	memset(text, 'x', sizeof(text));
	rsp_clear(&rsp);
	session_console(rsp.session, text, sizeof(text));
	rsp_pump(&rsp);
	cr_expect_eq(rsp.packets, 3);
	session_console(rsp.session, text, 0);
	cr_expect_str_eq(output(), "");
	done();
}

Test(session, console_at_stop,
     .description = "console text is sent before the stop, also at a resume that stops at once")
{
	open_greeted(&reliable);
	fake.text = "at the resume\n";
	fake.text_at_stop = "at the stop\n";
	rsp_clear(&rsp);
	input("$vCont;c#a8");
	fake_stop(&fake, (struct stop){ .kind = STOP_STEP });
	rsp_pump(&rsp);
	cr_expect_eq(
		strncmp(rsp.all,
			"O61742074686520726573756d650a|O6174207468652073746f700a|T05thread:", 65),
		0, "%s", rsp.all);
	cr_expect(!fake.text || !*fake.text);
	done();
}

Test(session, console_no_room,
     .description = "a stop waits until there was room for the text before it")
{
	static char text[400000];
	size_t n;

	open_running(&reliable);
	memset(text, 'x', sizeof(text) - 1);
	fake.text_at_stop = text;
	fake_stop(&fake, (struct stop){ .kind = STOP_STEP });
	session_poll(rsp.session);
	cr_expect(rsp.session->running, "the peer has not read the text yet");
	cr_expect(!fake.running);
	session_output(rsp.session, &n);
	cr_expect_lt(n, 1 << 20);
	rsp_pump(&rsp);
	cr_expect_eq(rsp.packets, (sizeof(text) - 1 + 1023) / 1024 + 1);
	cr_expect_eq(strncmp(rsp.reply, "T05", 3), 0);
	done();
}

Test(session, console_deaf,
     .description =
	     "console text that the peer does not read does not pile up, and the stop still comes")
{
	static char text[1 << 16];
	size_t n;

	open_running(&unreliable);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)i;
	for (int i = 0; i < 1000; i++)
		session_console(rsp.session, text, sizeof(text));
	fake_stop(&fake, (struct stop){ .kind = STOP_STEP });
	session_poll(rsp.session);
	session_output(rsp.session, &n);
	cr_expect_lt(n, 1 << 20);
	rsp_pump(&rsp);
	cr_expect_eq(strncmp(rsp.reply, "T05", 3), 0);
	cr_expect(!rsp.session->running);
	done();
}

Test(session, deaf,
     .description = "output for a peer that does not read is bounded; nothing is lost")
{
	enum { PACKETS = 100 };
	static const char packet[] = "$m1000,10000#4b";
	char *in = malloc(PACKETS * sizeof(packet)), *p = in;
	size_t n = 0, len, most = 0;

	for (int i = 0; i < PACKETS; i++)
		n += (size_t)sprintf(in + n, "%s", packet);
	open_session(&reliable);
	rsp.no_ack = rsp.deaf = true;
	for (int i = 0; i < 3; i++) {
		size_t eaten = session_input(rsp.session, p, n);

		p += eaten;
		n -= eaten;
	}
	cr_expect_gt(n, 0);
	cr_expect_eq(session_input(rsp.session, p, n), 0);
	session_output(rsp.session, &len);
	cr_expect_lt(len, 1 << 20);
	rsp.deaf = false;
	while (n) {
		size_t eaten = session_input(rsp.session, p, n);

		session_output(rsp.session, &len);
		most = len > most ? len : most;
		rsp_pump(&rsp);
		p += eaten;
		n -= eaten;
	}
	rsp_pump(&rsp);
	cr_expect_eq(rsp.packets, PACKETS);
	cr_expect_eq(rsp.acks, PACKETS);
	cr_expect_lt(most, 1 << 20);
	free(in);
	done();
}

Test(session, deferred,
     .description = "a packet that waited for room is answered as soon as there is some")
{
	static const char packet[] = "$m1000,10000#4b", last[] = "$qC#b4";
	size_t eaten = 1, len;

	open_session(&reliable);
	rsp.no_ack = rsp.deaf = true;
	while (eaten)
		eaten = session_input(rsp.session, packet, strlen(packet));
	session_output(rsp.session, &len);
	session_sent(rsp.session, len);
	session_output(rsp.session, &len);
	cr_expect_gt(len, 0x10000);
	session_sent(rsp.session, len);
	input(last);
	cr_expect_str_eq(output(), "+$QC1#c5");
	done();
}

/* ---- random input ------------------------------------------------------------------------ */

static const char *const seeds[] = {
	GREETING,
	"?",
	"!",
	"g",
	"p2",
	"P0=1111111111111111",
	"G1111",
	"m1000,40",
	"M1000,2:abcd",
	"X1000,4:abcd",
	"x1000,40",
	"Z0,1000,1",
	"z2,1000,8",
	"Z1,1000,1;X1,22;cmds:0,X2,2222",
	"Hgp1.2",
	"Hc-1",
	"Tp1.1",
	"qC",
	"qfThreadInfo",
	"qsThreadInfo",
	"qThreadExtraInfo,p1.1",
	"vCont?",
	"vCont;s:p1.1;c",
	"vCont;r1000,1010:1",
	"c",
	"s1000",
	"C05;1000",
	"S05",
	"qXfer:features:read:target.xml:0,100",
	"qRcmd,68656c70",
	"qAttached:1",
	"qSymbol::",
	"vMustReplyEmpty",
	"QStartNoAckMode",
	"vKill;2",
	"D;2",
};

enum { NSEEDS = sizeof(seeds) / sizeof(seeds[0]) };

static size_t mutate(char *out)
{
	const char *seed = seeds[rand() % NSEEDS];
	size_t n = strlen(seed);

	memcpy(out, seed, n);
	for (int i = rand() % 4; i > 0; i--) {
		size_t at = n ? (size_t)rand() % n : 0;

		switch (rand() % 5) {
		case 0: out[at] = (char)rand(); break;
		case 1: out[at] = "0123456789abcdef,;:.p-+*"[rand() % 24]; break;
		case 2: n = at; break;
		case 3:
			memmove(out + at + 1, out + at, n - at);
			out[at] = "f,;:.p-1"[rand() % 8];
			n++;
			break;
		default:
			seed = seeds[rand() % NSEEDS];
			memcpy(out + n, seed, strlen(seed));
			n += strlen(seed);
		}
	}
	return n;
}

/* Send a packet: there must be one reply, now or when the VM stops. */
static void expect_one_reply(const char *packet, size_t n)
{
	rsp_call_bytes(&rsp, packet, n);
	if (rsp.session->running) {
		cr_assert_eq(rsp.packets, 0, "%.*s: reply and resume", (int)n, packet);
		fake_stop(&fake, (struct stop){ .kind = (enum stop_kind)(rand() % 6), .vcpu = 1 });
		rsp_pump(&rsp);
	}
	if (session_state(rsp.session) == SESSION_OPEN)
		cr_assert_eq(rsp.packets, 1, "%.*s: %u replies", (int)n, packet, rsp.packets);
}

Test(session, mutated, .description = "100,000 packets made of pieces of good ones: one reply each")
{
	char packet[1024];

	for (unsigned int seed = 0; seed < 100; seed++) {
		srand(seed);
		open_greeted(seed % 2 ? &reliable : &unreliable);
		rsp.chunk = seed % 3;
		for (int i = 0; i < 1000 && session_state(rsp.session) == SESSION_OPEN; i++) {
			rsp.no_ack = rsp.session && seed % 2;
			expect_one_reply(packet, mutate(packet));
		}
		done();
	}
}

Test(session, garbage, .description = "random bytes, cut anywhere: no crash, no growth")
{
	for (unsigned int seed = 0; seed < 200; seed++) {
		srand(seed);
		open_session(seed % 2 ? &reliable : &unreliable);
		for (int i = 0; i < 500; i++) {
			char bytes[256];
			size_t n = (size_t)rand() % sizeof(bytes), len;

			for (size_t k = 0; k < n; k++)
				bytes[k] =
					rand() % 3 ? "$#+-\x03gmZvc0}*"[rand() % 13] : (char)rand();
			session_input(rsp.session, bytes, n);
			if (rand() % 2)
				rsp_pump(&rsp);
			session_output(rsp.session, &len);
			cr_assert_lt(len, 1 << 20);
		}
		done();
	}
}
