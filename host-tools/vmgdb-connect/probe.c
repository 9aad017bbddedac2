/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "host-tools/vmgdb-connect/probe.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host-tools/vmgdb-connect/rsp.h"
#include "host-tools/vmgdb-connect/message.h"
#include "host-tools/vmgdb-connect/peer.h"

enum { GREETINGS = 5, ROUNDS = 15, THREADS_SHOWN = 64, DOCUMENT_MAX = RSP_MAX };

struct probe {
	struct peer vm;
	struct rsp rsp;
	char reply[RSP_MAX];
	char document[DOCUMENT_MAX];
};

static void line(const char *what, const char *text)
{
	printf("  %-14s %s\n", what, text);
}

static ssize_t ask(struct probe *p, const char *text)
{
	return rsp_ask(&p->rsp, text, p->reply, sizeof(p->reply));
}

/* Bytes as hex digits, up to the first that is none, into text. */
static void unhex(const char *digits, char *text, size_t len)
{
	unsigned int byte;
	size_t n = 0;
	int used;

	while (n + 1 < len && sscanf(digits, "%2x%n", &byte, &used) == 1 && used == 2) {
		text[n++] = byte < ' ' || byte > '~' ? ' ' : (char)byte;
		digits += 2;
	}
	while (n > 0 && text[n - 1] == ' ')
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

/* lldb's question first; then a monitor command that many stubs know, and that does no harm. */
static void show_stub(struct probe *p)
{
	char name[128] = "does not say its name";
	const char *value = NULL;

	if (ask(p, "qGDBServerVersion") > 0)
		value = value_of(p->reply, "name");
	if (value)
		snprintf(name, sizeof(name), "%.100s", value);
	else if (ask(p, "qRcmd,76657273696f6e") > 0 && p->reply[0] != 'E' &&
		 strcmp(p->reply, "OK") != 0)
		unhex(p->reply + (p->reply[0] == 'O'), name, sizeof(name));
	line("stub", name);
}

/* ---- which processor ---------------------------------------------------------------------- */

/* A document in pieces: GDB manual, "General Query Packets", qXfer. Returns 0 or -errno. */
static int fetch(struct probe *p, const char *object)
{
	size_t have = 0;
	char packet[128];
	ssize_t n;

	do {
		snprintf(packet, sizeof(packet), "qXfer:%.80s:%zx,400", object, have);
		n = ask(p, packet);
		if (n < 1 || (p->reply[0] != 'm' && p->reply[0] != 'l'))
			return -ENOENT;
		if (have + (size_t)n > sizeof(p->document))
			return -EMSGSIZE;
		memcpy(p->document + have, p->reply + 1, (size_t)n - 1);
		have += (size_t)n - 1;
	} while (p->reply[0] == 'm');
	p->document[have < sizeof(p->document) ? have : sizeof(p->document) - 1] = '\0';
	return 0;
}

static void show_architecture(struct probe *p)
{
	static const char tag[] = "<architecture>";
	const char *name;

	if (fetch(p, "features:read:target.xml") < 0)
		return;
	name = strstr(p->document, tag);
	if (!name)
		return;
	name += sizeof(tag) - 1;
	printf("  %-14s %.*s\n", "architecture", (int)strcspn(name, "<\n"), name);
}

/* ---- vCPUs -------------------------------------------------------------------------------- */

/* The ids, comma separated, of all answers to qfThreadInfo and qsThreadInfo. */
static void fetch_threads(struct probe *p)
{
	size_t have = 0;
	ssize_t n;

	p->document[0] = '\0';
	for (n = ask(p, "qfThreadInfo"); n > 1 && p->reply[0] == 'm'; n = ask(p, "qsThreadInfo")) {
		if (have + (size_t)n + 1 > sizeof(p->document))
			return;
		have += (size_t)sprintf(p->document + have, "%s%s", have ? "," : "", p->reply + 1);
	}
}

static void show_threads(struct probe *p)
{
	char packet[64], text[128], count[32];
	char *id, *rest = p->document;
	unsigned int n = 0;

	fetch_threads(p);
	if (p->document[0] == '\0')
		return;
	for (id = p->document; id; id = strchr(id + 1, ','))
		n++;
	snprintf(count, sizeof(count), "%u", n);
	line("vCPUs", count);
	for (n = 0; n < THREADS_SHOWN && (id = strsep(&rest, ",")); n++) {
		text[0] = '\0';
		snprintf(packet, sizeof(packet), "qThreadExtraInfo,%.40s", id);
		if (ask(p, packet) > 0 && p->reply[0] != 'E')
			unhex(p->reply, text, sizeof(text));
		printf("    %-12.20s %s\n", id, text);
	}
}

/* ---- why it is stopped -------------------------------------------------------------------- */

static const char *signal_text(unsigned int n)
{
	switch (n) {
	case 0: return "no signal";
	case 2: return "interrupted (SIGINT)";
	case 5: return "trapped (SIGTRAP)";
	case 6: return "can't go on (SIGABRT)";
	default: return "signal";
	}
}

/* GDB manual, "Stop Reply Packets": Snn, or Tnn and what else is known. */
static void show_stop(struct probe *p)
{
	static const char *const reasons[] = { "swbreak", "hwbreak", "watch", "rwatch", "awatch" };
	char text[160];
	unsigned int n;
	size_t i;

	if (ask(p, "?") < 3 || sscanf(p->reply + 1, "%2x", &n) != 1)
		return;
	if (p->reply[0] == 'W' || p->reply[0] == 'X') {
		snprintf(text, sizeof(text), "the VM has ended, status %u", n);
		line("state", text);
		return;
	}
	snprintf(text, sizeof(text), "%s", signal_text(n));
	for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		char key[16];

		snprintf(key, sizeof(key), "%s:", reasons[i]);
		if (strstr(p->reply, key))
			snprintf(text, sizeof(text), "%s, %s", signal_text(n), reasons[i]);
	}
	line("stopped", text);
}

/* ---- how far away ------------------------------------------------------------------------- */

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void show_round_trip(struct probe *p)
{
	double us[ROUNDS];
	char text[64];
	int i;

	for (i = 0; i < ROUNDS; i++) {
		double start = now_us();

		if (ask(p, "qC") < 0)
			return;
		us[i] = now_us() - start;
	}
	qsort(us, ROUNDS, sizeof(us[0]), compare);
	snprintf(text, sizeof(text), "%.0f us (median of %d)", us[ROUNDS / 2], ROUNDS);
	line("round trip", text);
}

/* ---- all of it ---------------------------------------------------------------------------- */

static int no_answer(const struct probe *p, ssize_t err)
{
	switch (err) {
	case -ETIMEDOUT:
		message("%s: something is there, but it does not answer", p->vm.ep->name);
		break;
	case -EPIPE: message("%s: it hung up without an answer", p->vm.ep->name); break;
	default: message("%s: it does not speak GDB's remote protocol", p->vm.ep->name); break;
	}
	return EXIT_UNREACHABLE;
}

/*
 * On a line that shows no hang-up, answers to an earlier debugger may still come. The one to
 * qSupported is known by its look; once there is silence after it, questions and answers go together.
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
		if (reliable || n < 0 || strstr(p->reply, "PacketSize=") ||
		    strncmp(p->reply, "E.", 2) == 0)
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
	bool withdraws = n > 0 && strstr(p->reply, withdraw);

	if (n < 0)
		return no_answer(p, n);
	if (strncmp(p->reply, "E.", 2) == 0) {
		message("%s: refused: %s", p->vm.ep->name, p->reply + 2);
		return EXIT_REFUSED;
	}
	printf("%s: a GDB stub answers\n", p->vm.ep->name);
	show_stub(p);
	show_architecture(p);
	show_threads(p);
	show_stop(p);
	show_round_trip(p);
	/* what was running runs on; one of ours that waits for its first debugger still waits */
	ask(p, withdraws ? withdraw : "D");
	return 0;
}

static int meet(struct probe *p, const struct bridge_config *config)
{
	bool told = false;
	int ret = -EAGAIN;

	do {
		int timeout = -1;
		struct pollfd pfd = peer_wait(&p->vm, &timeout);

		poll(&pfd, 1, timeout);
		if (!peer_ready(&p->vm, &pfd))
			continue;
		ret = peer_accept(&p->vm);
		if (ret == 0)
			return 0;
		if (ret != -EAGAIN && !told)
			message("%s", peer_reason(&p->vm, ret));
		told = told || ret != -EAGAIN;
	} while (ret == -EAGAIN || config->reconnect);
	return ret;
}

int probe_run(const struct bridge_config *config)
{
	struct probe *p = calloc(1, sizeof(*p));
	int ret;

	if (!p)
		return EXIT_UNREACHABLE;
	p->vm = (struct peer){ .spec = config->vm, .role = config->vm_role };
	ret = peer_open(&p->vm);
	if (ret == 0)
		ret = meet(p, config);
	if (ret == 0) {
		p->rsp.stream = p->vm.stream;
		ret = question(p);
	} else {
		ret = exit_status(ret);
	}
	peer_close(&p->vm);
	free(p);
	return ret;
}
