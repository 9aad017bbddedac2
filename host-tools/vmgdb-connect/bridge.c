/* SPDX-License-Identifier: MIT */
/*
 * One loop over five descriptors. A session is: the debugger comes; the VM is reached; bytes go both
 * ways; one of them leaves; what the other was told by then is delivered; both are hung up on.
 *
 * A stub hangs up first when it is told to detach or to kill the VM. So when the VM's side has left,
 * the debugger gets a while to read the answer and leave in its own time; only if it stays has it
 * lost its VM.
 *
 * Who waits for whom: the VM is dialled when a debugger has come (or first of all, when we are to
 * start the debugger); a VM that dials us is welcome at any time.
 */
#define _GNU_SOURCE
#include "host-tools/vmgdb-connect/bridge.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host-tools/vmgdb-connect/debugger.h"
#include "host-tools/vmgdb-connect/relay.h"
#include "host-tools/vmgdb-connect/message.h"
#include "host-tools/vmgdb-connect/peer.h"

enum { LAST_WORDS_MS = 1000, REOPEN_MS = 1000 };

enum { SIGNALS, GDB_IN, GDB_OUT, VM_IN, VM_OUT, SLOTS };

struct bridge {
	const struct bridge_config *c;
	struct peer gdb, vm;
	struct relay up, down; /* to the VM, and to the debugger */
	int signals;
	pid_t child;	    /* the debugger that we started, or 0 */
	long long deadline; /* of a session that ends; 0: none does */
	bool complained;    /* that the VM can't be reached */
	bool done;
	int result;
};

static void done(struct bridge *b, int result)
{
	b->done = true;
	b->result = result;
}

int exit_status(int err)
{
	switch (err) {
	case -EINVAL: return EXIT_USAGE;
	case -EACCES: return EXIT_REFUSED;
	default: return EXIT_UNREACHABLE;
	}
}

/* ---- signals and the debugger that we started -------------------------------------------- */

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void reap(struct bridge *b)
{
	int status;

	if (b->child == 0 || waitpid(b->child, &status, WNOHANG) != b->child)
		return;
	b->child = 0;
	done(b, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* Ctrl-C is the debugger's: its user wants to stop the VM, not the bridge. */
static bool is_ours(const struct bridge *b, uint32_t signal)
{
	return signal == SIGTERM || signal == SIGHUP || (b->c->serve && !b->c->command);
}

static void take_signals(struct bridge *b)
{
	struct signalfd_siginfo info;

	while (read(b->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			reap(b);
		else if (is_ours(b, info.ssi_signo))
			done(b, EXIT_LEFT);
	}
}

static void start_debugger(struct bridge *b)
{
	int ret = debugger_start(b->c->command, vmgdb_endpoint_attach(b->gdb.ep), &b->child);

	if (ret == 0)
		return;
	b->child = 0;
	message("can't run '%s': %s", b->c->command[0], strerrordesc_np(-ret));
	done(b, EXIT_USAGE);
}

/* ---- coming ------------------------------------------------------------------------------- */

static bool starting(const struct bridge *b)
{
	return b->c->command && b->child == 0;
}

static bool wants_debugger(const struct bridge *b)
{
	return !b->gdb.stream && !starting(b);
}

static bool wants_vm(const struct bridge *b)
{
	return !b->vm.stream && (b->gdb.stream || b->c->vm_role == VMGDB_ACCEPT || starting(b));
}

/* A pty shows no hang-up to the debugger that has it open, unless it is closed for good. */
static void hang_up_on_debugger(struct bridge *b)
{
	bool there = b->gdb.stream && !b->gdb.read_over;

	peer_drop(&b->gdb);
	if (there && b->c->serve && strncmp(b->gdb.spec, "pty", 3) == 0) {
		peer_close(&b->gdb);
		if (peer_open(&b->gdb) != 0)
			done(b, EXIT_UNREACHABLE);
	}
}

static void reset(struct bridge *b)
{
	peer_drop(&b->vm);
	hang_up_on_debugger(b);
	b->up.start = b->up.end = b->down.start = b->down.end = 0;
	b->deadline = 0;
}

/* The VM can't be reached: now, later, or never. */
static void vm_failed(struct bridge *b, int err, const char *why)
{
	if (why && !(b->complained && b->c->reconnect))
		message("%s%s", why, b->c->reconnect ? "; trying again" : "");
	b->complained = true;
	if (b->c->reconnect && err != -EINVAL) {
		if (b->vm.due == LLONG_MAX || !b->vm.ep)
			b->vm.due = now_ms() + REOPEN_MS;
		return;
	}
	if (!b->c->serve || starting(b) || err == -EINVAL)
		done(b, exit_status(err));
	if (!b->c->serve)
		message_await_reader();
	reset(b);
}

static void meet_debugger(struct bridge *b)
{
	int ret = peer_accept(&b->gdb);

	if (ret == -EACCES)
		message("%s: refused: %s", b->gdb.ep->name, b->gdb.ep->refused);
	else if (ret && ret != -EAGAIN) {
		message("%s: %s", b->gdb.ep->name, peer_reason(&b->gdb, ret));
		done(b, EXIT_UNREACHABLE);
	}
	if (ret == 0 && b->c->verbose)
		message("a debugger has come: %s", b->gdb.stream->peer);
}

static void meet_vm(struct bridge *b)
{
	int ret = b->vm.ep ? 0 : peer_open(&b->vm);

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
	if (b->c->vm_role == VMGDB_ACCEPT)
		message("a VM has dialled %s: %s", b->vm.ep->name, b->vm.stream->peer);
	else if (b->c->verbose || b->complained)
		message("reached %s (%s)", b->vm.ep->name, b->vm.stream->peer);
	b->complained = false;
	if (starting(b))
		start_debugger(b);
}

/* ---- going -------------------------------------------------------------------------------- */

static bool is_over(const struct peer *s)
{
	return s->stream && (s->read_over || s->write_over);
}

static bool delivered(const struct relay *f, const struct peer *to)
{
	return !to->stream || to->write_over || relay_waiting(f) == 0;
}

/* While a debugger waits for the VM to be reached, it may give up. */
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

/* Without a debugger there is nobody to wait for. */
static bool all_is_said(const struct bridge *b)
{
	if (b->gdb.stream && !is_over(&b->gdb))
		return false;
	return delivered(&b->up, &b->vm) && delivered(&b->down, &b->gdb);
}

static void part(struct bridge *b)
{
	bool gdb_over = is_over(&b->gdb);

	if (!gdb_over && !is_over(&b->vm))
		return;
	if (b->deadline == 0)
		b->deadline = now_ms() + LAST_WORDS_MS;
	if (all_is_said(b) || now_ms() >= b->deadline)
		end_session(b, !gdb_over);
}

/* ---- the loop ----------------------------------------------------------------------------- */

static struct pollfd reading(const struct relay *f, const struct peer *from)
{
	int fd = relay_wants(f, from) ? from->stream->rfd : -1;

	return (struct pollfd){ .fd = fd, .events = POLLIN };
}

static struct pollfd writing(const struct relay *f, const struct peer *to)
{
	bool wants = to->stream && !to->write_over && relay_waiting(f);

	return (struct pollfd){ .fd = wants ? to->stream->wfd : -1, .events = POLLOUT };
}

/* Once the debugger has left, nobody is left to hear the VM. */
static void prepare(const struct bridge *b, struct pollfd *p, int *timeout)
{
	*timeout = b->deadline ? (int)(b->deadline - now_ms()) : -1;
	if (b->deadline && *timeout < 0)
		*timeout = 0;
	p[SIGNALS] = (struct pollfd){ .fd = b->signals, .events = POLLIN };
	p[GDB_IN] = wants_debugger(b) ? peer_wait(&b->gdb, timeout) : reading(&b->up, &b->gdb);
	p[VM_IN] = wants_vm(b) ? peer_wait(&b->vm, timeout) : reading(&b->down, &b->vm);
	if (is_over(&b->gdb))
		p[VM_IN].fd = -1;
	p[GDB_OUT] = writing(&b->down, &b->gdb);
	p[VM_OUT] = writing(&b->up, &b->vm);
}

static void carry(struct bridge *b, const struct pollfd *p)
{
	if (p[GDB_IN].revents)
		relay_fill(&b->up, &b->gdb);
	if (p[VM_IN].revents)
		relay_fill(&b->down, &b->vm);
	relay_drain(&b->up, &b->vm, p[VM_OUT].revents);
	relay_drain(&b->down, &b->gdb, p[GDB_OUT].revents);
	if (is_over(&b->vm))
		b->up.start = b->up.end = 0;
	part(b);
}

static void round_trip(struct bridge *b)
{
	struct pollfd p[SLOTS];
	int timeout;

	prepare(b, p, &timeout);
	if (poll(p, SLOTS, timeout) < 0)
		return;
	if (p[SIGNALS].revents)
		take_signals(b);
	if (!b->deadline && wants_debugger(b) && peer_ready(&b->gdb, &p[GDB_IN])) {
		p[GDB_IN].revents = 0;
		meet_debugger(b);
	}
	if (!b->deadline && !b->done && wants_vm(b) &&
	    (peer_ready(&b->vm, &p[VM_IN]) || (!b->vm.ep && now_ms() >= b->vm.due))) {
		p[VM_IN].revents = 0;
		meet_vm(b);
	}
	if (!b->done)
		carry(b, p);
}

/* Options of the session mean nothing here, and are not to seem to. (stdio has an on-disconnect that
 * nobody has asked for.) */
static int check_debugger_side(const struct peer *gdb)
{
	const struct stream_policy *y = &gdb->ep->policy;

	if (!y->wait && !y->ro && !y->ack && !y->log && !strstr(gdb->spec, ",on-disconnect="))
		return 0;
	message("%s: wait, ro, ack, log and on-disconnect are for the VMM's side", gdb->spec);
	return -EINVAL;
}

static int open_sides(struct bridge *b)
{
	int ret = peer_open(&b->gdb);

	if (ret == 0)
		ret = check_debugger_side(&b->gdb);
	if (ret)
		return ret;
	ret = peer_open(&b->vm);
	return ret == -EINVAL || !b->c->reconnect ? ret : 0;
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

static int run(struct bridge *b)
{
	int ret = open_sides(b);

	if (ret == 0) {
		announce(b);
		while (!b->done)
			round_trip(b);
	} else if (!b->c->serve) {
		message_await_reader();
	}
	peer_close(&b->vm);
	peer_close(&b->gdb);
	return ret ? exit_status(ret) : b->result;
}

int bridge_run(const struct bridge_config *config)
{
	struct bridge *b = calloc(1, sizeof(*b));
	int result;

	if (!b)
		return EXIT_UNREACHABLE;
	b->c = config;
	b->gdb = (struct peer){ .spec = config->debugger, .role = VMGDB_STUB };
	b->vm = (struct peer){ .spec = config->vm, .role = config->vm_role };
	b->signals = open_signals();
	result = run(b);
	if (b->child)
		kill(b->child, SIGTERM);
	close(b->signals);
	free(b);
	return result;
}
