// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "host-tools/vmgdb-connect/probe.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/lib/buf.h"
#include "core/lib/hex.h"
#include "core/lib/time.h"
#include "host-tools/message.h"
#include "host-tools/vmgdb-connect/exit_status.h"
#include "host-tools/vmgdb-connect/peer.h"
#include "host-tools/vmgdb-connect/rsp.h"

enum {
	GREETINGS = 5,
	ROUNDS = 15,
	THREADS_SHOWN = 64,
	PIECES_MAX = 1024, /* of one document, or of one list */
	OUTPUT_MAX = 64,   /* packets of console output in one reply */
	REACH_MS = 10000,
};

struct probe {
	struct peer vm;
	struct rsp rsp;
	bool hung_up;
	char document[RSP_REPLY_MAX + 1];
};

/* What is not printable ASCII becomes '?'. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

/* Print what the stub said: a guest may have chosen the bytes, and stdout may be a terminal. */
static void line(const char *what, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void line(const char *what, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	make_printable(text);
	printf("  %-14s %s\n", what, text);
}

static ssize_t ask(struct probe *p, const char *text)
{
	ssize_t n = p->hung_up ? -EPIPE : rsp_ask(&p->rsp, text);

	p->hung_up = n == -EPIPE;
	return n;
}

/* The bytes that the digits stand for, up to the first that is none, as text. */
static void unhex(const char *digits, char *text, size_t len)
{
	size_t n = strspn(digits, "0123456789abcdefABCDEF") / 2;

	if (n >= len)
		n = len - 1;
	hex_decode((uint8_t *)text, digits, n);
	while (n > 0 && strchr(" \t\r\n", text[n - 1]))
		n--;
	text[n] = '\0';
}

/* ---- which stub --------------------------------------------------------------------------- */

/* The value of key in "key:value;key:value;", which is changed; NULL: it has none. */
static const char *value_of(char *list, const char *key)
{
	size_t len = strlen(key);
	char *item, *rest = list;

	while ((item = strsep(&rest, ";")))
		if (strncmp(item, key, len) == 0 && item[len] == ':')
			return item + len + 1;
	return NULL;
}

/* A stub without such a command replies with an error message, which is not the stub's name. */
static bool is_complaint(const char *text)
{
	static const char *const words[] = { "unknown", "unrecogni", "undefined", "unsupported",
					     "not ",	"no such",   "invalid",	  "illegal",
					     "bad ",	"error",     "usage" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasestr(text, words[i]))
			return true;
	return false;
}

/*
 * GDB manual, "General Query Packets", qRcmd: the output stands in the reply itself, or in O packets
 * before it. Keeps the first line that has text.
 */
static void ask_monitor_version(struct probe *p, char *text, size_t len)
{
	const char *reply = p->rsp.reply;
	ssize_t n = ask(p, "qRcmd,76657273696f6e");
	int i;

	text[0] = '\0';
	for (i = 0; n > 0 && i < OUTPUT_MAX; i++) {
		bool output = reply[0] == 'O' && reply[1] != 'K';

		if (text[0] == '\0' && (output || (reply[0] != 'E' && reply[0] != 'O')))
			unhex(reply + output, text, len);
		text[strcspn(text, "\r\n")] = '\0';
		if (!output)
			break;
		n = rsp_ask_more(&p->rsp);
	}
	if (is_complaint(text))
		text[0] = '\0';
}

/*
 * lldb's question first; then one that QEMU alone answers (QEMU manual, "GDB usage"); then a monitor
 * command that many stubs know, and that does no harm.
 */
static void show_stub(struct probe *p)
{
	const char *name = NULL;
	char version[128];

	if (ask(p, "qGDBServerVersion") > 0)
		name = value_of(p->rsp.reply, "name");
	if (!name && ask(p, "qqemu.sstepbits") > 0 && strncmp(p->rsp.reply, "ENABLE=", 7) == 0)
		name = "QEMU";
	if (!name) {
		ask_monitor_version(p, version, sizeof(version));
		name = version[0] ? version : "does not say its name";
	}
	line("stub", "%s", name);
}

/* ---- which processor ---------------------------------------------------------------------- */

/*
 * A document in pieces: GDB manual, "General Query Packets", qXfer. Returns 0 or -errno. A piece
 * without data that is not the last could be followed by such pieces for ever.
 */
static int fetch(struct probe *p, const char *object)
{
	const char *reply = p->rsp.reply;
	char packet[128];
	struct buf b;
	int i;

	buf_init(&b, p->document, sizeof(p->document) - 1);
	for (i = 0; i < PIECES_MAX; i++) {
		ssize_t n;

		snprintf(packet, sizeof(packet), "qXfer:%.80s:%zx,400", object, b.len);
		n = ask(p, packet);
		if (n < 1 || (reply[0] != 'm' && reply[0] != 'l') || (n == 1 && reply[0] == 'm'))
			return -ENOENT;
		buf_add(&b, reply + 1, (size_t)n - 1);
		if (b.over)
			return -EMSGSIZE;
		if (reply[0] == 'l')
			break;
	}
	p->document[b.len] = '\0';
	return i < PIECES_MAX ? 0 : -EMSGSIZE;
}

static void show_architecture(struct probe *p)
{
	static const char tag[] = "<architecture>";
	char *name;

	name = fetch(p, "features:read:target.xml") < 0 ? NULL : strstr(p->document, tag);
	if (name) {
		name += sizeof(tag) - 1;
		name[strcspn(name, "<\n")] = '\0';
	}
	line("architecture", "%s", name ? name : "not described");
}

/* ---- vCPUs -------------------------------------------------------------------------------- */

/* The ids, comma separated, of all replies to qfThreadInfo and qsThreadInfo, as far as they fit. */
static void fetch_threads(struct probe *p)
{
	const char *reply = p->rsp.reply;
	ssize_t n = ask(p, "qfThreadInfo");
	struct buf b;
	int i;

	buf_init(&b, p->document, sizeof(p->document) - 1);
	for (i = 0; i < PIECES_MAX && n > 1 && reply[0] == 'm' && !b.over; i++) {
		buf_fmt(&b, "%s%s", b.len ? "," : "", reply + 1);
		n = ask(p, "qsThreadInfo");
	}
	p->document[b.len] = '\0';
}

static void show_threads(struct probe *p)
{
	char packet[64], text[128];
	char *id, *rest = p->document;
	unsigned int n = 0;

	fetch_threads(p);
	if (p->document[0] == '\0') {
		line("vCPUs", "not listed");
		return;
	}
	for (id = p->document; id; id = strchr(id + 1, ','))
		n++;
	line("vCPUs", "%u", n);
	for (n = 0; n < THREADS_SHOWN && (id = strsep(&rest, ",")); n++) {
		text[0] = '\0';
		snprintf(packet, sizeof(packet), "qThreadExtraInfo,%.40s", id);
		if (ask(p, packet) > 0 && p->rsp.reply[0] != 'E')
			unhex(p->rsp.reply, text, sizeof(text));
		make_printable(id);
		make_printable(text);
		printf("    %-12.20s %s\n", id, text);
	}
}

/* ---- why it is stopped -------------------------------------------------------------------- */

/* GDB's own numbers (include/gdb/signals.def in its sources), which are those of few systems. */
static void describe_signal(unsigned int number, char *text, size_t len)
{
	static const char *const names[] = {
		[0] = "no signal",
		[2] = "interrupted (SIGINT)",
		[4] = "illegal instruction (SIGILL)",
		[5] = "trapped (SIGTRAP)",
		[6] = "can't go on (SIGABRT)",
		[8] = "arithmetic error (SIGFPE)",
		[10] = "bus error (SIGBUS)",
		[11] = "memory fault (SIGSEGV)",
		[15] = "terminated (SIGTERM)",
		[17] = "stopped (SIGSTOP)",
	};

	if (number < sizeof(names) / sizeof(names[0]) && names[number])
		snprintf(text, len, "%s", names[number]);
	else
		snprintf(text, len, "signal %u of GDB's numbers", number);
}

/* The reason that a T reply gives in one of its "key:value;" items, or NULL. */
static const char *stop_reason(char *items)
{
	static const char *const keys[] = { "swbreak", "hwbreak", "watch", "rwatch", "awatch" };
	char *item, *rest = items;
	size_t i;

	while ((item = strsep(&rest, ";"))) {
		item[strcspn(item, ":")] = '\0';
		for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			if (strcmp(item, keys[i]) == 0)
				return keys[i];
	}
	return NULL;
}

/* GDB manual, "Stop Reply Packets": Snn, or Tnn and what else is known; Wnn and Xnn at the end. */
static void show_stop(struct probe *p)
{
	char *reply = p->rsp.reply, status[64];
	const char *reason = NULL;
	uint8_t number;

	if (ask(p, "?") < 3 || !strchr("STWX", reply[0]) || !hex_decode(&number, reply + 1, 1)) {
		line("stopped", "it does not say why");
		return;
	}
	if (reply[0] == 'W' || reply[0] == 'X') {
		line("state", "the VM has ended, %s %u", reply[0] == 'W' ? "status" : "signal",
		     number);
		return;
	}
	describe_signal(number, status, sizeof(status));
	if (reply[0] == 'T')
		reason = stop_reason(reply + 3);
	line("stopped", "%s%s%s", status, reason ? ", " : "", reason ? reason : "");
}

/* ---- how far away ------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	long long x = *(const long long *)a, y = *(const long long *)b;

	return (x > y) - (x < y);
}

static void show_round_trip(struct probe *p)
{
	long long us[ROUNDS];
	int i;

	for (i = 0; i < ROUNDS; i++) {
		long long start = time_us();

		if (ask(p, "qC") < 0)
			return;
		us[i] = time_us() - start;
	}
	qsort(us, ROUNDS, sizeof(us[0]), compare);
	line("round trip", "%lld us (median of %d)", us[ROUNDS / 2], ROUNDS);
}

/* ---- all of it ---------------------------------------------------------------------------- */

/* A stub of vmgdb's closes a connection that its allow= does not list without a word. */
static const char *hang_up_hint(const struct peer_id *id)
{
	switch (id->kind) {
	case PEER_UID: return "; does its allow= list your uid?";
	case PEER_CID: return "; does its allow= list your CID?";
	default: return "";
	}
}

static int no_answer(const struct probe *p, ssize_t err)
{
	switch (err) {
	case -ETIMEDOUT:
		message("%s: something is there, but it does not answer", p->vm.ep->name);
		break;
	case -EPIPE:
		message("%s: it hung up without an answer%s", p->vm.ep->name,
			hang_up_hint(&p->vm.stream->id));
		break;
	default: message("%s: it does not speak GDB's remote protocol", p->vm.ep->name); break;
	}
	return EXIT_UNREACHABLE;
}

/*
 * On a line that shows no hang-up, replies to an earlier debugger may still arrive. The one to
 * qSupported is known by its contents; when the line is silent after it, each reply is to the last question.
 */
static ssize_t greet(struct probe *p)
{
	bool reliable = p->vm.stream->traits & STREAM_RELIABLE;
	ssize_t n;
	int i;

	for (i = 0; i < GREETINGS; i++) {
		if (!reliable)
			rsp_settle(&p->rsp);
		n = ask(p, "qSupported:swbreak+;hwbreak+");
		if (reliable || n < 0 || strstr(p->rsp.reply, "PacketSize=") ||
		    strncmp(p->rsp.reply, "E.", 2) == 0)
			break;
	}
	if (!reliable && n >= 0)
		rsp_settle(&p->rsp);
	return n;
}

static int question(struct probe *p)
{
	static const char withdraw[] = "QVmgdb.Withdraw";
	ssize_t n = greet(p);
	bool withdraws = n > 0 && strstr(p->rsp.reply, withdraw);

	if (n < 0)
		return no_answer(p, n);
	if (strncmp(p->rsp.reply, "E.", 2) == 0) {
		make_printable(p->rsp.reply);
		message("%s: refused: %.200s", p->vm.ep->name, p->rsp.reply + 2);
		return EXIT_REFUSED;
	}
	printf("%s: a GDB stub answers\n", p->vm.ep->name);
	show_stub(p);
	show_architecture(p);
	show_threads(p);
	show_stop(p);
	show_round_trip(p);
	if (p->hung_up) {
		message("%s: it hung up before all was asked", p->vm.ep->name);
		return EXIT_UNREACHABLE;
	}
	/* A VM that was running runs on; vmgdb's that waits for its first debugger goes on waiting. */
	ask(p, withdraws ? withdraw : "D");
	if (rsp_is_exhausted(&p->rsp))
		message("%s: not all was asked: the stub takes too long, or sends too much",
			p->vm.ep->name);
	return 0;
}

/* A VM that dials, or that is to be tried again, is waited for without an end. */
static int reach(struct probe *p, bool again)
{
	bool endless = again || p->vm.role == VMGDB_ACCEPT, reported = false;
	long long end = endless ? LLONG_MAX : time_ms() + REACH_MS;

	while (time_ms() < end) {
		int ret, timeout = time_left_ms(time_ms(), end);
		struct pollfd pfd = peer_wait(&p->vm, &timeout);

		if (poll(&pfd, 1, timeout) < 0 && errno != EINTR) {
			ret = -errno;
			message("poll: %s", strerrordesc_np(-ret));
			return ret;
		}
		ret = peer_ready(&p->vm, pfd.revents) ? peer_accept(&p->vm) : -EAGAIN;
		if (ret == 0)
			return 0;
		if (ret == -EAGAIN)
			continue;
		if (!reported)
			message("%s", peer_reason(&p->vm, ret));
		if (!again)
			return ret;
		reported = true;
	}
	message("can't reach %s: no answer within %d s", p->vm.ep->name, REACH_MS / 1000);
	return -ETIMEDOUT;
}

int probe_run(const char *vm, enum vmgdb_role role, bool again)
{
	struct probe *p = calloc(1, sizeof(*p));
	int ret;

	if (!p)
		return EXIT_LOCAL;
	p->vm = (struct peer){ .spec = vm, .role = role };
	ret = peer_open(&p->vm);
	if (ret == 0)
		ret = reach(p, again);
	if (ret == 0) {
		rsp_init(&p->rsp, p->vm.stream);
		ret = question(p);
	} else {
		ret = peer_exit_status(&p->vm, ret);
	}
	peer_close(&p->vm);
	free(p);
	return ret;
}
