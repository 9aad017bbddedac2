/* SPDX-License-Identifier: MIT */
/*
 * What the commands (cmd_*.c) are to the session and it to them. Private to both.
 *
 * To add a packet: a row in the table of its family, and a function that reads the arguments and
 * fills s->reply. The session sends one reply, whatever the function does: an empty s->reply says
 * that the packet is not supported, fail() makes it an error.
 */
#ifndef VMGDB_CORE_COMMAND_H
#define VMGDB_CORE_COMMAND_H

#include "core/lib/buf.h"
#include "core/rsp/rsp_ack.h"
#include "core/regs.h"
#include "core/rsp/session.h"

enum command_flag {
	CMD_GLUED = 1 << 0,    /* arguments follow the name without a : ; or , between */
	CMD_CHANGES = 1 << 1,  /* refused in a read-only session */
	CMD_GREETING = 1 << 2, /* what a debugger says first: one that comes while the target runs
				  is a new debugger's */
	CMD_RESUME = 1 << 3,   /* one that comes while the target runs is a repetition */
	CMD_ANYTIME = 1 << 4,  /* may come while the target runs */
	CMD_NO_ACK = 1 << 5,   /* there only where no-ack mode can be granted */
};

struct command {
	const char *name; /* how the packet begins */
	unsigned int flags;
	void (*run)(struct session *s, struct scan *args); /* args: all that follows the name */
	const char *feature; /* how qSupported tells of it; NULL: not at all */
};

/* The families; each ends with a row without a name. */
extern const struct command thread_commands[], reg_commands[], memory_commands[], run_commands[],
	stop_commands[], point_commands[], query_commands[], xfer_commands[], monitor_commands[],
	lldb_commands[];

/* All of them, NULL at the end. */
extern const struct command *const command_families[];

/* Whether this session has the command. */
bool command_offered(const struct session *s, const struct command *c);

/* What a debugger may announce in qSupported, as bits of session.features. */
enum feature {
	FEATURE_MULTIPROCESS = 1 << 0,
	FEATURE_SWBREAK = 1 << 1,
	FEATURE_HWBREAK = 1 << 2,
	FEATURE_ERROR_MESSAGE = 1 << 3,
};

/* A thread as the protocol names it: GDB manual, "Packets", thread-id. */
struct thread_id {
	enum { THREAD_ANY, THREAD_ALL, THREAD_ONE } kind;
	unsigned int vcpu; /* THREAD_ONE */
};

/* The target's vCPUs, and what each is to do at a resume. Grows, never shrinks. */
struct vcpu_list {
	unsigned int n, cap;
	unsigned int *index;
	struct resume_action *action;
	bool *claimed;		   /* an action names it */
	struct resume_action rest; /* for those that are not in the list */
	bool rest_claimed;
};

struct session {
	struct target *target;
	struct session_config config;
	struct rsp_ack link;
	enum session_end end;

	bool holds;    /* the target is attached, since the first packet */
	bool running;  /* the debugger waits for a stop */
	bool newcomer; /* a new debugger does: its first packet is in the link's decoder */
	enum packet_event deferred; /* waits for room for its reply; its data is in the decoder */
	bool interrupted;	    /* an interrupt came before the packet that it is meant for */
	bool has_points;	    /* breakpoints were inserted for this debugger */
	bool only_asked;	    /* ... which has changed nothing, nor let anything run */
	bool spoken;		    /* the peer has sent its first byte */

	/* Negotiated or chosen by this debugger; see session_fresh(). */
	unsigned int features;
	unsigned int general;	   /* the vCPU that Hg selected */
	struct thread_id resume;   /* the one that Hc selected */
	size_t listed;		   /* how many threads qfThreadInfo and qsThreadInfo have given */
	const struct tdesc *tdesc; /* as it was when the debugger came; NULL: there are no vCPUs */

	struct stop stop; /* the last one */
	struct vcpu_list vcpus;

	struct buf reply;
	bool silent;	    /* no reply now: the target runs, or the packet has none */
	struct buf scratch; /* for what a command puts together before it is encoded */
};

/* ---- for commands ------------------------------------------------------------------------ */

void reply_ok(struct session *s);

/* Reply with an error: `text` names the part at fault; err is an errno, of either sign. */
void fail(struct session *s, int err, const char *text);

/* As fail(), with a text for the errno. */
void fail_errno(struct session *s, int err, const char *part);

/* Log a line: enum vmgdb_log_level. */
void session_log(struct session *s, int level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* A new debugger, or the first: forget what the last one said, and its breakpoints. */
void session_fresh(struct session *s);

/* The selected vCPU, or NULL with the reply already an error. */
struct cpu_view *session_view(struct session *s);

/* Bring s->vcpus up to date: 0 or -ENOMEM. */
int session_vcpus(struct session *s);

/* Read a thread-id: false with the reply already an error; also when there is no such vCPU. */
bool scan_thread(struct session *s, struct scan *args, struct thread_id *id);

/* A process id of ours, where it stands alone: 1, and -1 or 0 for all or any. */
bool scan_process(struct scan *args);

/* Write a thread-id as this debugger wants it. */
void put_thread(struct session *s, unsigned int vcpu);

/* "ADDR,LENGTH": false with the reply already an error. */
bool scan_range(struct session *s, struct scan *args, uint64_t *addr, uint64_t *len);

/* Whether nothing is left; false with the reply already an error. */
bool scan_done(struct session *s, const struct scan *args);

/* The reply that tells of s->stop: GDB manual, "Stop Reply Packets". */
void put_stop(struct session *s);

/* The signal number that the protocol has for a stop. */
unsigned int signal_of(enum stop_kind kind);

/* A line on what a vCPU is doing, for `info threads`. */
void describe_thread(struct session *s, unsigned int vcpu, struct cpu_view *v, struct buf *out);

#endif
