/* SPDX-License-Identifier: MIT */
#include "core/rsp/session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rsp/command.h"
#include <vmgdb/vmgdb.h>

enum {
	REPLY_SIZE = PACKET_SIZE,
	SCRATCH_SIZE = 2 * PACKET_SIZE,
	CONSOLE_CHUNK = 1024, /* characters in one O packet */
};

/* ---- the commands ------------------------------------------------------------------------ */

const struct command *const command_families[] = {
	memory_commands, reg_commands,	thread_commands,
	run_commands,	 stop_commands, point_commands,
	query_commands,	 xfer_commands, monitor_commands,
	lldb_commands,	 NULL,
};

bool command_offered(const struct session *s, const struct command *c)
{
	return !(c->flags & CMD_NO_ACK) || (s->config.reliable && !s->config.ack);
}

static bool matches(const struct command *c, struct scan *packet)
{
	struct scan rest = *packet;

	if (!scan_str(&rest, c->name))
		return false;
	if (!(c->flags & CMD_GLUED) && !scan_end(&rest) && !strchr(":;,", *rest.p))
		return false;
	*packet = rest;
	return true;
}

/* The command that the packet in the link's decoder asks for; *args is what follows its name. */
static const struct command *find(const struct session *s, struct scan *args)
{
	const char *data = (const char *)s->link.in.data;

	*args = (struct scan){ data, data + s->link.in.len };
	for (const struct command *const *f = command_families; *f; f++)
		for (const struct command *c = *f; c->name; c++)
			if (matches(c, args))
				return command_offered(s, c) ? c : NULL;
	return NULL;
}

/* ---- replies ----------------------------------------------------------------------------- */

void reply_ok(struct session *s)
{
	buf_clear(&s->reply);
	buf_str(&s->reply, "OK");
}

void fail(struct session *s, int err, const char *text)
{
	buf_clear(&s->reply);
	if (s->features & FEATURE_ERROR_MESSAGE)
		buf_fmt(&s->reply, "E.%s", text);
	else
		buf_fmt(&s->reply, "E%02x", (unsigned int)abs(err) & 0xff);
}

static const char *errno_text(int err)
{
	switch (abs(err)) {
	case EFAULT: return "the address is not mapped";
	case EINVAL: return "not a valid value";
	case ENOSPC: return "there is no debug slot left";
	case EOPNOTSUPP: return "not supported here";
	case ENOMEM: return "out of memory";
	case EIO: return "can't be read";
	default: return "failed";
	}
}

void fail_errno(struct session *s, int err, const char *part)
{
	char text[128];

	snprintf(text, sizeof(text), "%s: %s", part, errno_text(err));
	fail(s, err, text);
}

static void send_reply(struct session *s)
{
	if (s->reply.over)
		fail(s, EMSGSIZE, "the reply is longer than a packet");
	rsp_ack_send(&s->link, s->reply.data, s->reply.len);
}

void session_log(struct session *s, int level, const char *fmt, ...)
{
	char line[160];
	va_list ap;

	if (!s->config.log)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	s->config.log(s->config.opaque, level, line);
}

/* ---- arguments --------------------------------------------------------------------------- */

bool scan_range(struct session *s, struct scan *args, uint64_t *addr, uint64_t *len)
{
	if (!scan_hex(args, addr)) {
		fail(s, EINVAL, "address: not hexadecimal");
		return false;
	}
	if (!scan_char(args, ',') || !scan_hex(args, len)) {
		fail(s, EINVAL, "length: missing or not hexadecimal");
		return false;
	}
	return true;
}

bool scan_done(struct session *s, const struct scan *args)
{
	if (scan_end(args))
		return true;
	fail(s, EINVAL, "packet: something is left at its end");
	return false;
}

/* ---- packets ----------------------------------------------------------------------------- */

static void run_command(struct session *s, const struct command *c, struct scan *args)
{
	buf_clear(&s->reply);
	s->silent = false;
	if (c && !(c->flags & CMD_RESUME))
		s->interrupted = false;
	if (c && (c->flags & CMD_CHANGES) && s->config.ro)
		fail(s, EROFS, "this session is read-only");
	else if (c)
		c->run(s, args);
	s->only_asked &= !c || !(c->flags & (CMD_CHANGES | CMD_RESUME));
	if (!s->silent)
		send_reply(s);
}

/*
 * A debugger that waits for a stop sends nothing but interrupts (GDB manual, "Interrupts"). So a
 * packet is a new debugger's, whose link showed no hang-up; or it is the resume packet once more,
 * because our ack was lost; or it is a mistake.
 */
static void packet_while_running(struct session *s, const struct command *c, struct scan *args)
{
	if (c && c->flags & CMD_GREETING) {
		session_log(s, VMGDB_LOG_INFO, "a new debugger came while the VM was running");
		s->newcomer = true;
		s->target->ops->interrupt(s->target);
	} else if (c && c->flags & CMD_ANYTIME) {
		run_command(s, c, args);
	} else if (!c || !(c->flags & CMD_RESUME)) {
		fail(s, EBUSY, "the VM is running");
		send_reply(s);
	}
}

/* It has not said what it understands yet, but every gdb shows E.text. */
static void refuse(struct session *s, const char *why)
{
	session_log(s, VMGDB_LOG_WARNING, "a debugger is turned away: %s", why);
	buf_clear(&s->reply);
	buf_fmt(&s->reply, "E.%s", why);
	send_reply(s);
	s->end = SESSION_REFUSED;
}

/* A peer's first packet makes it a debugger: connecting, or noise, stops nothing. */
static bool take_hold(struct session *s)
{
	int err;

	if (s->holds)
		return true;
	err = s->target->ops->attach(s->target, &s->stop);
	if (err) {
		refuse(s,
		       err == -EBUSY ? "another debugger holds the VM" : "the VM can't be stopped");
		return false;
	}
	s->holds = s->only_asked = true;
	session_fresh(s);
	return true;
}

static void handle_packet(struct session *s)
{
	struct scan args;
	const struct command *c = find(s, &args);

	if (!take_hold(s))
		return;
	if (s->running)
		packet_while_running(s, c, &args);
	else
		run_command(s, c, &args);
}

static void handle_interrupt(struct session *s)
{
	if (s->running)
		s->target->ops->interrupt(s->target);
	else
		s->interrupted = true;
}

static void handle_spoilt(struct session *s, int err, const char *text)
{
	session_log(s, VMGDB_LOG_WARNING, "%s", text);
	fail(s, err, text);
	send_reply(s);
}

static void handle(struct session *s, enum packet_event event)
{
	switch (event) {
	case PACKET_DATA: handle_packet(s); break;
	case PACKET_INTERRUPT: handle_interrupt(s); break;
	case PACKET_TOO_LONG: handle_spoilt(s, EMSGSIZE, "packet longer than PacketSize"); break;
	case PACKET_BAD:
		/* while it runs, noise must not pass for the reply that the debugger waits for */
		if (!s->running)
			handle_spoilt(s, EBADMSG, "checksum");
		break;
	default: break;
	}
}

/* Whether there is room for the one reply that the event asks for. */
static bool can_handle(const struct session *s, enum packet_event event)
{
	return event == PACKET_INTERRUPT || rsp_ack_room(&s->link, REPLY_SIZE);
}

/*
 * Acks are eaten even while there is no room: they make it. So it is the packet that waits, in the
 * link's decoder, and not the bytes before its end.
 */
size_t session_input(struct session *s, const void *bytes, size_t n)
{
	const char *p = bytes;
	size_t all = 0, eaten;

	if (n && !s->spoken) {
		s->spoken = true;
		if (s->config.reliable && !memchr("+-$\003", *p, 4))
			s->end = SESSION_NO_DEBUGGER;
	}
	while (all < n && !s->newcomer && !s->deferred && s->end == SESSION_OPEN) {
		enum packet_event event = rsp_ack_input(&s->link, p + all, n - all, &eaten);

		all += eaten;
		if (event == PACKET_NONE)
			continue;
		if (can_handle(s, event))
			handle(s, event);
		else
			s->deferred = event;
	}
	return s->end == SESSION_OPEN ? all : n;
}

static void handle_deferred(struct session *s)
{
	enum packet_event event = s->deferred;

	if (event == PACKET_NONE || !can_handle(s, event))
		return;
	s->deferred = PACKET_NONE;
	handle(s, event);
}

/* ---- stops ------------------------------------------------------------------------------- */

static void send_console(struct session *s, const char *text, size_t len)
{
	buf_clear(&s->reply);
	buf_char(&s->reply, 'O');
	buf_hex(&s->reply, text, len);
	send_reply(s);
}

void session_console(struct session *s, const char *text, size_t len)
{
	if (!s->running || s->newcomer)
		return;
	/* more room than it takes: some is left for the stop reply */
	while (len && rsp_ack_room(&s->link, REPLY_SIZE)) {
		size_t n = len < CONSOLE_CHUNK ? len : CONSOLE_CHUNK;

		send_console(s, text, n);
		text += n;
		len -= n;
	}
}

static void report_stop(struct session *s)
{
	if (s->stop.text) {
		session_console(s, s->stop.text, strlen(s->stop.text));
		session_console(s, "\n", 1);
	}
	s->running = false;
	buf_clear(&s->reply);
	put_stop(s);
	send_reply(s);
}

/* The target has stopped for a debugger whose first packet waits to be answered. */
static void admit_newcomer(struct session *s)
{
	s->newcomer = false;
	s->running = false;
	session_fresh(s);
	handle_packet(s);
}

/* What breakpoint commands printed, before the stop that may follow it. */
static void show_printed(struct session *s)
{
	char text[CONSOLE_CHUNK];
	size_t n;

	while (rsp_ack_room(&s->link, REPLY_SIZE) &&
	       (n = s->target->ops->console(s->target, text, sizeof(text))))
		session_console(s, text, n);
}

void session_poll(struct session *s)
{
	handle_deferred(s);
	if (!s->running || s->end != SESSION_OPEN)
		return;
	show_printed(s);
	if (!rsp_ack_room(&s->link, REPLY_SIZE))
		return;
	if (!s->target->ops->poll(s->target, &s->stop))
		return;
	s->general = s->stop.vcpu;
	if (s->newcomer)
		admit_newcomer(s);
	else
		report_stop(s);
}

/* ---- the rest of session.h --------------------------------------------------------------- */

/* What a new debugger is told of a stop that the last one asked for: that it has stopped. */
static void blur_stop(struct stop *stop)
{
	if (stop->kind < STOP_FATAL)
		*stop = (struct stop){ .vcpu = stop->vcpu };
}

void session_fresh(struct session *s)
{
	struct cpu_view *v;

	if (s->has_points)
		s->target->ops->renew(s->target);
	s->has_points = false;
	blur_stop(&s->stop);
	s->features = 0;
	s->general = s->stop.vcpu;
	s->resume = (struct thread_id){ THREAD_ALL, 0 };
	s->listed = 0;
	v = s->target->ops->view(s->target, s->general);
	s->tdesc = v ? s->target->cpu->describe(v) : NULL;
}

static void *scratch_alloc(struct buf *b, size_t size)
{
	buf_init(b, malloc(size), size);
	return b->data;
}

int session_create(struct session **out, struct target *t, const struct session_config *config)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->target = t;
	s->config = *config;
	if (rsp_ack_init(&s->link, config->reliable) < 0 || !scratch_alloc(&s->reply, REPLY_SIZE) ||
	    !scratch_alloc(&s->scratch, SCRATCH_SIZE) || session_vcpus(s) < 0) {
		session_destroy(s);
		return -ENOMEM;
	}
	if (s->vcpus.n)
		s->stop.vcpu = s->vcpus.index[0];
	*out = s;
	return 0;
}

void session_destroy(struct session *s)
{
	if (!s)
		return;
	rsp_ack_fini(&s->link);
	free(s->reply.data);
	free(s->scratch.data);
	free(s->vcpus.index);
	free(s->vcpus.action);
	free(s->vcpus.claimed);
	free(s);
}

const void *session_output(struct session *s, size_t *len)
{
	return rsp_ack_output(&s->link, len);
}

void session_sent(struct session *s, size_t n)
{
	rsp_ack_sent(&s->link, n);
	handle_deferred(s);
}

int session_timeout_ms(const struct session *s)
{
	return rsp_ack_timeout_ms(&s->link);
}

void session_timeout(struct session *s)
{
	rsp_ack_timeout(&s->link);
}

enum session_end session_state(const struct session *s)
{
	return s->end;
}

bool session_holds(const struct session *s)
{
	return s->holds && s->end == SESSION_OPEN;
}

bool session_only_asked(const struct session *s)
{
	return s->only_asked;
}

bool session_running(const struct session *s)
{
	return s->running;
}
