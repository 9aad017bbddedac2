// SPDX-License-Identifier: MIT
#include "core/rsp/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rsp/command_table.h"
#include "core/rsp/session_internal.h"
#include <vmgdb/vmgdb.h>

enum {
	REPLY_SIZE = PACKET_SIZE,
	SCRATCH_SIZE = 2 * PACKET_SIZE,
	CONSOLE_CHUNK = 1024, /* characters in one O packet */
};

/* ---- replies ----------------------------------------------------------------------------- */

static void send_reply(struct session *s)
{
	if (s->reply.over)
		fail(s, EMSGSIZE, "the reply is longer than a packet");
	rsp_ack_send(&s->ack, s->reply.data, s->reply.len, s->reply_bytes);
}

static void log_line(struct session *s, int level, const char *line)
{
	if (s->config.log)
		s->config.log(s->config.opaque, level, line);
}

/* ---- packets ----------------------------------------------------------------------------- */

/* A debugger that resumes a VM which has ended waits for a stop reply: it gets the exit. */
static void run_allowed(struct session *s, const struct command *c, struct scan *args)
{
	const char *why;
	int err = access_begin(s, c->flags, &why);

	if (!err)
		c->run(s, args);
	else if (c->flags & CMD_RESUME && s->stop.kind == STOP_EXITED)
		put_stop(s);
	else
		fail(s, err, why);
	access_end(s);
}

static void run_command(struct session *s, const struct command *c, struct scan *args)
{
	reply_clear(s);
	s->no_reply = false;
	if (c && !(c->flags & CMD_RESUME))
		s->interrupt_due = false;
	if (c)
		run_allowed(s, c, args);
	if (!s->no_reply)
		send_reply(s);
}

/*
 * A debugger that waits for a stop sends nothing but interrupts (GDB manual, "Interrupts"). So this
 * packet comes from a new debugger, on a link that showed no hang-up; or it is the resume packet once
 * more, because the ack for it was lost; or it is a mistake.
 */
static void packet_while_running(struct session *s, const struct command *c, struct scan *args)
{
	if (c && c->flags & CMD_GREETING) {
		log_line(s, VMGDB_LOG_INFO, "a new debugger came while the VM was running");
		s->new_client = true;
		s->target->ops->interrupt(s->target);
	} else if (c && c->flags & CMD_ANY_TIME) {
		run_command(s, c, args);
	} else if (!c || !(c->flags & CMD_RESUME)) {
		fail(s, EBUSY, "the VM is running");
		send_reply(s);
	}
}

/* The peer has not announced E.text, but every gdb shows it. */
static void refuse(struct session *s, const char *why)
{
	char line[80];

	snprintf(line, sizeof(line), "a debugger is refused: %s", why);
	log_line(s, VMGDB_LOG_WARNING, line);
	reply_clear(s);
	buf_fmt(&s->reply, "E.%s", why);
	send_reply(s);
	s->end = SESSION_REFUSED;
}

static const char *attach_error(int err)
{
	switch (err) {
	case -EBUSY: return "another debugger holds the VM";
	case -ESHUTDOWN: return "the VM has ended";
	default: return "the VM can't be stopped";
	}
}

static void begin_client(struct session *s)
{
	const char *why;

	access_begin(s, CMD_TRY_HOLD, &why);
	client_reset(s);
	access_end(s);
}

/* A peer's first packet attaches the target: a peer that connects, or noise, stops nothing. */
static bool attach(struct session *s)
{
	int err;

	if (s->attached)
		return true;
	err = s->target->ops->attach(s->target, &s->stop);
	if (err) {
		refuse(s, attach_error(err));
		return false;
	}
	s->attached = s->only_asked = true;
	begin_client(s);
	return true;
}

static void handle_packet(struct session *s)
{
	struct scan args;
	const struct command *c = command_find(s, &args);

	if (!attach(s))
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
		s->interrupt_due = true;
}

static void refuse_packet(struct session *s, int err, const char *text)
{
	log_line(s, VMGDB_LOG_WARNING, text);
	fail(s, err, text);
	send_reply(s);
}

static void handle(struct session *s, enum packet_event event)
{
	switch (event) {
	case PACKET_DATA: handle_packet(s); break;
	case PACKET_INTERRUPT: handle_interrupt(s); break;
	case PACKET_TOO_LONG: refuse_packet(s, EMSGSIZE, "packet longer than PacketSize"); break;
	case PACKET_BAD:
		/* a debugger that waits for a stop would take the error for its stop reply */
		if (!s->running)
			refuse_packet(s, EBADMSG, "checksum");
		break;
	default: break;
	}
}

/* Whether there is room for the one reply that the event asks for. */
static bool can_handle(const struct session *s, enum packet_event event)
{
	return event == PACKET_INTERRUPT || rsp_ack_room(&s->ack, REPLY_SIZE);
}

/*
 * A debugger begins with a packet, an ack or an interrupt. A peer that begins otherwise on a link
 * without noise speaks another protocol: a web page can have the browser POST a packet to loopback.
 */
static void check_first_byte(struct session *s, const void *bytes, size_t n)
{
	if (s->begun || !n)
		return;
	s->begun = true;
	if (s->config.reliable && !memchr("+-$\x03", *(const char *)bytes, 4))
		s->end = SESSION_NO_DEBUGGER;
}

/*
 * Acks are eaten even while the output has no room, for they make room. So it is the packet that waits,
 * in the decoder, and not the bytes before its end.
 */
size_t session_input(struct session *s, const void *bytes, size_t n)
{
	const char *p = bytes;
	size_t all = 0, eaten;

	check_first_byte(s, bytes, n);
	while (all < n && !s->new_client && !s->deferred && s->end == SESSION_OPEN) {
		enum packet_event event = rsp_ack_input(&s->ack, p + all, n - all, &eaten);

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
	reply_clear(s);
	buf_char(&s->reply, 'O');
	buf_hex(&s->reply, text, len);
	send_reply(s);
}

void session_console(struct session *s, const char *text, size_t len)
{
	if (!s->running || s->new_client)
		return;
	/* a chunk takes less than that: the rest is left for the stop reply */
	while (len && rsp_ack_room(&s->ack, REPLY_SIZE)) {
		size_t n = len < CONSOLE_CHUNK ? len : CONSOLE_CHUNK;

		send_console(s, text, n);
		text += n;
		len -= n;
	}
}

static void report_stop(struct session *s)
{
	const char *why;

	if (s->stop.text) {
		session_console(s, s->stop.text, strlen(s->stop.text));
		session_console(s, "\n", 1);
	}
	s->running = false;
	reply_clear(s);
	access_begin(s, CMD_TRY_HOLD, &why);
	put_stop(s);
	access_end(s);
	send_reply(s);
}

/* The target has stopped for a new debugger, whose first packet waits in the decoder. */
static void admit_new_client(struct session *s)
{
	s->new_client = false;
	s->running = false;
	begin_client(s);
	handle_packet(s);
}

/* Send what the target has for the console. False: there is no room for all of it yet. */
static bool show_console(struct session *s)
{
	char text[CONSOLE_CHUNK];
	size_t n;

	while (rsp_ack_room(&s->ack, REPLY_SIZE)) {
		n = s->target->ops->console(s->target, text, sizeof(text));
		if (!n)
			return true;
		session_console(s, text, n);
	}
	return false;
}

/* The console's text is sent before the stop reply: after it the text would wait for a resume. */
void session_poll(struct session *s)
{
	handle_deferred(s);
	if (!s->running || s->end != SESSION_OPEN)
		return;
	s->stop_due = s->stop_due || s->target->ops->poll(s->target, &s->stop);
	if (!show_console(s) || !s->stop_due)
		return;
	s->stop_due = false;
	s->general = s->stop.vcpu;
	if (s->new_client)
		admit_new_client(s);
	else
		report_stop(s);
}

/* ---- the rest of session.h --------------------------------------------------------------- */

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
	if (rsp_ack_init(&s->ack, config->reliable) < 0 || !scratch_alloc(&s->reply, REPLY_SIZE) ||
	    !scratch_alloc(&s->scratch, SCRATCH_SIZE)) {
		session_destroy(s);
		return -ENOMEM;
	}
	*out = s;
	return 0;
}

void session_destroy(struct session *s)
{
	if (!s)
		return;
	rsp_ack_fini(&s->ack);
	free(s->reply.data);
	free(s->scratch.data);
	free(s->vcpus.index);
	free(s->vcpus.action);
	free(s->vcpus.claimed);
	free(s);
}

const void *session_output(struct session *s, size_t *len)
{
	return rsp_ack_output(&s->ack, len);
}

void session_sent(struct session *s, size_t n)
{
	rsp_ack_sent(&s->ack, n);
	handle_deferred(s);
}

int session_timeout_ms(const struct session *s)
{
	return rsp_ack_timeout_ms(&s->ack);
}

void session_timeout(struct session *s)
{
	rsp_ack_timeout(&s->ack);
}

enum session_end session_state(const struct session *s)
{
	return s->end;
}

bool session_holds(const struct session *s)
{
	return s->attached && s->end == SESSION_OPEN;
}

bool session_only_asked(const struct session *s)
{
	return s->only_asked;
}
