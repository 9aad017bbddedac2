// SPDX-License-Identifier: MIT
/*
 * One loop over a few descriptors. A session: the debugger connects; the VM is reached; bytes go both
 * ways; one of the two leaves; what was read from it by then is delivered to the other; both
 * connections are closed.
 *
 * A debugger that sends nothing more may still read (`printf PACKET | vmgdb-connect VM`). The VM's side sees
 * that end, where its transport can show it, and what it sends is delivered until it ends too, or until
 * nothing has moved for a second: a serial line never ends.
 *
 * A stub closes the connection first when the debugger detaches or kills the VM. So when the VM's side
 * has left, the debugger gets a second to read the reply and leave by itself; only a debugger that is still
 * connected then has lost its VM.
 *
 * The VM is dialled when a debugger has connected (or first of all, when the bridge is to start the
 * debugger); a VM that dials the bridge is accepted at any time.
 */
#define _GNU_SOURCE
#include "host-tools/vmgdb-connect/bridge.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "core/lib/time.h"
#include "host-tools/message.h"
#include "host-tools/vmgdb-connect/await_reader.h"
#include "host-tools/vmgdb-connect/debugger.h"
#include "host-tools/vmgdb-connect/exit_status.h"
#include "host-tools/vmgdb-connect/peer.h"
#include "host-tools/vmgdb-connect/refusal.h"
#include "host-tools/vmgdb-connect/relay.h"
#include "host-tools/vmgdb-connect/signals.h"

enum { FINAL_FLUSH_MS = 1000, REOPEN_MS = 1000 };

enum { SIGNALS, GDB_IN, GDB_OUT, VM_IN, VM_OUT, NEXT, REFUSED, SLOTS = REFUSED + REFUSALS_MAX };

struct bridge {
	const struct bridge_config *c;
	struct peer gdb, vm;
	struct relay up, down; /* to the VM, and to the debugger */
	struct refusals refusals;
	struct signals signals;
	pid_t child;	       /* the debugger that the bridge has started, or 0 */
	long long deadline;    /* of a session that ends; 0: none does */
	bool failure_reported; /* that the VM can't be reached */
	bool done;
	int result;
};

static void done(struct bridge *b, int result)
{
	b->done = true;
	b->result = result;
}

/* ---- signals and the debugger that the bridge starts -------------------------------------- */

/* The debugger is to be started as soon as the VM has been reached. */
static bool debugger_pending(const struct bridge *b)
{
	return b->c->command && b->child == 0;
}

static void reap(struct bridge *b)
{
	int status;

	if (b->child == 0 || waitpid(b->child, &status, WNOHANG) != b->child)
		return;
	b->child = 0;
	done(b, WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_BY_SIGNAL + WTERMSIG(status));
}

/* Ctrl-C at the terminal of a debugger stops the VM, not the bridge. */
static bool ends_bridge(const struct bridge *b, int sig)
{
	return sig == SIGTERM || sig == SIGHUP || debugger_pending(b) ||
	       (b->c->serve && !b->c->command);
}

static void take_signals(struct bridge *b)
{
	int sig;

	while ((sig = signals_next(&b->signals))) {
		if (sig == SIGCHLD)
			reap(b);
		else if (ends_bridge(b, sig))
			done(b, b->c->command ? EXIT_BY_SIGNAL + sig : EXIT_LEFT);
	}
}

static void start_debugger(struct bridge *b)
{
	int ret = debugger_start(b->c->command, vmgdb_endpoint_attach(b->gdb.ep), &b->signals,
				 &b->child);

	if (ret == 0)
		return;
	b->child = 0;
	message("can't run '%s': %s", b->c->command[0], strerrordesc_np(-ret));
	done(b, EXIT_USAGE);
}

/* ---- a session begins --------------------------------------------------------------------- */

static bool expects_debugger(const struct bridge *b)
{
	return !b->gdb.stream && !debugger_pending(b);
}

static bool expects_vm(const struct bridge *b)
{
	return !b->vm.stream &&
	       (b->gdb.stream || b->c->vm_role == VMGDB_ACCEPT || debugger_pending(b));
}

/* A debugger that has a pty open sees the end of its session only when the pty is closed for good. */
static void disconnect_debugger(struct bridge *b)
{
	bool connected = b->gdb.stream && !b->gdb.read_over;

	peer_drop(&b->gdb);
	if (connected && b->c->serve && strncmp(b->gdb.spec, "pty", 3) == 0) {
		peer_close(&b->gdb);
		if (peer_open(&b->gdb) != 0)
			done(b, EXIT_LOCAL);
	}
}

static void reset(struct bridge *b)
{
	peer_drop(&b->vm);
	disconnect_debugger(b);
	relay_clear(&b->up);
	relay_clear(&b->down);
	b->deadline = 0;
}

/* The VM can't be reached: now, later, or never. */
static void vm_failed(struct bridge *b, int err, const char *why)
{
	if (why && !(b->failure_reported && b->c->reconnect))
		message("%s%s", why, b->c->reconnect ? "; trying again" : "");
	b->failure_reported = true;
	if (b->c->reconnect && err != -EINVAL) {
		if (b->vm.due == LLONG_MAX || !b->vm.ep)
			b->vm.due = time_ms() + REOPEN_MS;
		return;
	}
	if (!b->c->serve || debugger_pending(b) || err == -EINVAL)
		done(b, peer_exit_status(&b->vm, err));
	if (!b->c->serve)
		await_reader();
	reset(b);
}

static void accept_debugger(struct bridge *b)
{
	int ret = peer_accept(&b->gdb);

	if (ret == -EACCES)
		message("%s: refused: %s", b->gdb.ep->name, b->gdb.ep->refused);
	else if (ret && ret != -EAGAIN) {
		message("%s: %s", b->gdb.ep->name, peer_reason(&b->gdb, ret));
		done(b, EXIT_LOCAL);
	}
	if (ret == 0 && b->c->verbose)
		message("a debugger has connected: %s", b->gdb.stream->peer);
}

static void report_vm(const struct bridge *b)
{
	if (b->c->vm_role == VMGDB_ACCEPT)
		message("a VM has dialled %s: %s", b->vm.ep->name, b->vm.stream->peer);
	else if (b->c->verbose || b->failure_reported)
		message("reached %s (%s)", b->vm.ep->name, b->vm.stream->peer);
}

static void accept_vm(struct bridge *b)
{
	int ret = peer_open(&b->vm);

	if (ret) {
		vm_failed(b, ret, NULL);
		return;
	}
	ret = peer_accept(&b->vm);
	if (ret == -EAGAIN)
		return;
	if (ret == -EACCES && b->c->vm_role == VMGDB_ACCEPT) {
		message("%s: refused: %s", b->vm.ep->name, b->vm.ep->refused);
		return;
	}
	if (ret) {
		vm_failed(b, ret, peer_reason(&b->vm, ret));
		return;
	}
	report_vm(b);
	b->failure_reported = false;
	b->deadline = 0;
	if (debugger_pending(b))
		start_debugger(b);
}

/* ---- a second debugger -------------------------------------------------------------------- */

static bool refuses_others(const struct bridge *b)
{
	return b->gdb.stream && !b->deadline && peer_listens(&b->gdb);
}

/* The first debugger may have left just before the second one connected, and its end may not be read yet. */
static bool first_has_left(struct bridge *b)
{
	while (relay_fill(&b->up, &b->gdb))
		;
	return peer_is_over(&b->gdb);
}

static void refuse_another(struct bridge *b)
{
	struct stream *stream;

	if (first_has_left(b) || peer_accept_another(&b->gdb, &stream) != 0)
		return;
	message("%s: refused: %s: another debugger is connected", b->gdb.ep->name, stream->peer);
	refusal_add(&b->refusals, stream);
}

/* ---- a session ends ----------------------------------------------------------------------- */

/* The debugger may give up while the VM is being dialled. */
static void stop_dialling(struct bridge *b)
{
	if (b->c->vm_role == VMGDB_DEBUGGER && !b->vm.stream)
		peer_close(&b->vm);
}

static void end_session(struct bridge *b, bool vm_left)
{
	if (vm_left)
		message("%s has closed the connection", b->vm.ep->name);
	else if (b->c->verbose)
		message("the debugger has left");
	if (!b->c->serve)
		done(b, vm_left ? EXIT_UNREACHABLE : EXIT_LEFT);
	stop_dialling(b);
	reset(b);
}

/* The debugger has sent all, and the VM's side may still reply. */
static bool reply_expected(const struct bridge *b)
{
	if (!b->gdb.stream || !b->gdb.read_over || peer_has_left(&b->gdb))
		return false;
	return b->vm.stream ? !peer_is_over(&b->vm) : relay_waiting(&b->up) > 0;
}

/* While the debugger is connected, it may still read. */
static bool all_delivered(const struct bridge *b)
{
	if ((b->gdb.stream && !peer_is_over(&b->gdb)) || reply_expected(b))
		return false;
	return relay_delivered(&b->up, &b->vm) && relay_delivered(&b->down, &b->gdb);
}

/* A debugger that keeps nobody out may wait for the VM as long as that takes. */
static bool waits_for_vm(const struct bridge *b)
{
	return !b->c->serve && !b->vm.stream && reply_expected(b);
}

/* moved: bytes have come or gone since the last call. */
static void end_if_over(struct bridge *b, bool moved)
{
	bool gdb_over = peer_is_over(&b->gdb);

	if ((!gdb_over && !peer_is_over(&b->vm)) || waits_for_vm(b))
		return;
	if (b->deadline == 0 || (moved && b->gdb.read_over))
		b->deadline = time_ms() + FINAL_FLUSH_MS;
	if (all_delivered(b) || time_ms() >= b->deadline)
		end_session(b, !gdb_over);
}

/* ---- the loop ----------------------------------------------------------------------------- */

static struct pollfd reading(const struct relay *r, const struct peer *from)
{
	int fd = relay_wants(r, from) ? from->stream->rfd : -1;

	return (struct pollfd){ .fd = fd, .events = POLLIN };
}

static struct pollfd writing(const struct relay *r, const struct peer *to)
{
	int fd = relay_delivered(r, to) ? -1 : to->stream->wfd;

	return (struct pollfd){ .fd = fd, .events = POLLOUT };
}

/* A debugger that sends nothing more is seen to leave by what poll() reports unasked. */
static void watch_reader(const struct peer *gdb, struct pollfd *p)
{
	if (p->fd < 0 && gdb->stream && gdb->read_over)
		*p = (struct pollfd){ .fd = gdb->stream->wfd };
}

/* Once the debugger has left, nobody reads what the VM sends. */
static void prepare(const struct bridge *b, struct pollfd *p, int *timeout)
{
	bool gdb_left = peer_has_left(&b->gdb);

	*timeout = b->deadline ? time_left_ms(time_ms(), b->deadline) : -1;
	p[SIGNALS] = (struct pollfd){ .fd = b->signals.fd, .events = POLLIN };
	p[GDB_IN] = expects_debugger(b) ? peer_wait(&b->gdb, timeout) : reading(&b->up, &b->gdb);
	p[VM_IN] = expects_vm(b) ? peer_wait(&b->vm, timeout) : reading(&b->down, &b->vm);
	if (gdb_left)
		p[VM_IN].fd = -1;
	p[GDB_OUT] = writing(&b->down, &b->gdb);
	if (!gdb_left)
		watch_reader(&b->gdb, &p[GDB_OUT]);
	p[VM_OUT] = writing(&b->up, &b->vm);
	p[NEXT] = refuses_others(b) ? peer_wait(&b->gdb, timeout) : (struct pollfd){ .fd = -1 };
	refusal_poll(&b->refusals, p + REFUSED, timeout);
}

/* Returns whether bytes have come or gone. */
static bool transfer(struct bridge *b, const struct pollfd *p)
{
	bool moved = p[GDB_IN].revents && relay_fill(&b->up, &b->gdb);

	moved |= p[VM_IN].revents && relay_fill(&b->down, &b->vm);
	moved |= relay_drain(&b->up, &b->vm, p[VM_OUT].revents);
	moved |= relay_drain(&b->down, &b->gdb, p[GDB_OUT].revents);
	if (peer_is_over(&b->vm))
		relay_clear(&b->up);
	else if (b->vm.stream && b->gdb.stream && b->gdb.read_over && !relay_waiting(&b->up))
		peer_finish(&b->vm);
	return moved;
}

/* Accept who connects, on the slots of p that are not for the streams of this session. */
static void accept_peers(struct bridge *b, struct pollfd *p)
{
	if (expects_debugger(b) && peer_ready(&b->gdb, p[GDB_IN].revents)) {
		p[GDB_IN].revents = 0;
		accept_debugger(b);
	} else if (refuses_others(b) && peer_ready(&b->gdb, p[NEXT].revents)) {
		refuse_another(b);
	}
	if (!b->done && expects_vm(b) && peer_ready(&b->vm, p[VM_IN].revents)) {
		p[VM_IN].revents = 0;
		accept_vm(b);
	}
}

/* poll() takes no more slots than the limit of descriptors, of which most slots need none. */
static void poll_failed(struct bridge *b, int err)
{
	if (err == EINTR)
		return;
	if (err == EINVAL)
		message("too few descriptors: 'ulimit -n' must be %d or more", SLOTS);
	else
		message("poll: %s", strerrordesc_np(err));
	done(b, EXIT_LOCAL);
}

static void run_once(struct bridge *b)
{
	struct pollfd p[SLOTS];
	int timeout;

	prepare(b, p, &timeout);
	if (poll(p, SLOTS, timeout) < 0) {
		poll_failed(b, errno);
		return;
	}
	if (p[SIGNALS].revents)
		take_signals(b);
	refusal_serve(&b->refusals, p + REFUSED);
	accept_peers(b, p);
	if (b->done)
		return;
	end_if_over(b, transfer(b, p));
}

/* Ends the bridge when one can't be opened, but for a VM that is tried again. */
static void open_peers(struct bridge *b)
{
	struct peer *failed = &b->gdb;
	int ret = peer_open(&b->gdb);

	if (ret == 0) {
		failed = &b->vm;
		ret = peer_open(&b->vm);
		if (b->c->reconnect && ret != -EINVAL)
			ret = 0;
	}
	if (ret == 0)
		return;
	done(b, peer_exit_status(failed, ret));
	if (!b->c->serve)
		await_reader();
}

static void announce(const struct bridge *b)
{
	const char *attach = vmgdb_endpoint_attach(b->gdb.ep);

	if (b->c->serve && !b->c->command && attach[0])
		message("waiting for a debugger: target remote %s", attach);
	else if (b->c->serve && !b->c->command)
		message("waiting for a debugger at %s", vmgdb_endpoint_name(b->gdb.ep));
	if (b->c->vm_role == VMGDB_ACCEPT && b->vm.ep)
		message("waiting for a VM that dials %s", vmgdb_endpoint_name(b->vm.ep));
}

static void run(struct bridge *b)
{
	open_peers(b);
	if (!b->done)
		announce(b);
	while (!b->done)
		run_once(b);
	refusal_close(&b->refusals);
	peer_close(&b->vm);
	peer_close(&b->gdb);
}

int bridge_run(const struct bridge_config *config)
{
	struct bridge *b = calloc(1, sizeof(*b));
	int ret, result;

	if (!b) {
		message("%s", strerrordesc_np(ENOMEM));
		return EXIT_LOCAL;
	}
	b->c = config;
	b->gdb = (struct peer){ .spec = config->debugger, .role = VMGDB_STUB };
	b->vm = (struct peer){ .spec = config->vm, .role = config->vm_role };
	b->result = EXIT_LOCAL;
	ret = signals_open(&b->signals);
	if (ret == 0)
		run(b);
	else
		message("signals: %s", strerrordesc_np(-ret));
	if (b->child)
		kill(b->child, SIGTERM);
	result = b->result;
	signals_close(&b->signals);
	free(b);
	return result;
}
