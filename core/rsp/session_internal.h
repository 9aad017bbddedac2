/* SPDX-License-Identifier: MIT */
/* What a session is made of, and what the files of core/rsp/ share. For them alone. */
#ifndef VMGDB_CORE_SESSION_INTERNAL_H
#define VMGDB_CORE_SESSION_INTERNAL_H

#include "core/lib/buf.h"
#include "core/rsp/rsp_ack.h"
#include "core/rsp/session.h"

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
	struct resume_action
		*action; /* the one behind the last is for vCPUs that are not in the list */
	bool *claimed;	 /* an action of the debugger's is there */
};

struct session {
	struct target *target;
	struct session_config config;
	struct rsp_ack ack;
	enum session_end end;

	bool begun;	    /* the peer has sent its first byte */
	bool attached;	    /* the target is, since the first packet */
	bool hold;	    /* the session has the target's hold: access.c */
	bool running;	    /* the debugger waits for a stop */
	bool stop_due;	    /* the stop that it waits for is in .stop, and not reported yet */
	bool new_client;    /* a new debugger waits for it: its first packet is in the decoder */
	bool interrupt_due; /* an interrupt came before the packet that it is meant for */
	enum packet_event deferred; /* waits for room for its reply; its data is in the decoder */
	bool changed;		    /* this debugger has left something that renew() takes away */
	bool only_asked; /* since the target is attached nothing was changed, and nothing has run */

	/* Negotiated or chosen by this debugger; client_reset() has what they begin with. */
	unsigned int features;
	unsigned int general;	   /* the vCPU that Hg selected */
	struct thread_id resume;   /* the one that Hc selected */
	size_t listed;		   /* how many threads qfThreadInfo and qsThreadInfo have given */
	const struct tdesc *tdesc; /* as it was when the debugger came; NULL: there are no vCPUs */

	struct stop stop;	/* the last one */
	struct bp_info refused; /* the last one at this stop; .state is why, NULL: none was */
	struct vcpu_list vcpus;

	struct buf reply;
	bool reply_bytes;   /* it holds bytes, and their hexadecimal is to be sent */
	bool no_reply;	    /* now: the target runs, or the packet has none */
	struct buf scratch; /* for what a command puts together before it is encoded */
};

/* ---- reply.c: arguments and replies, for all commands --------------------------------------- */

/* Begin another reply. */
void reply_clear(struct session *s);

void reply_ok(struct session *s);

/* Reply with an error: `text` names the part at fault; err is an errno, of either sign. Always false. */
bool fail(struct session *s, int err, const char *text);

/* What an errno of either sign means here, for a person. */
const char *error_text(int err);

/* As fail(), with that text. */
bool fail_errno(struct session *s, int err, const char *part);

/* "ADDR,LENGTH": false with the reply already an error. */
bool scan_range(struct session *s, struct scan *args, uint64_t *addr, uint64_t *len);

/* Whether nothing is left; false with the reply already an error. */
bool scan_done(struct session *s, const struct scan *args);

/* ---- access.c: what a command may do to the target, and the views that it may see ----------- */

/*
 * Before a command with these flags (enum command_flag) runs: 0, and the hold is taken if the flags
 * ask for it. -errno: it must not run; *why is the reason for a person. access_end() after it, in
 * either case.
 */
int access_begin(struct session *s, unsigned int flags, const char **why);

/* Release the hold, unless a resume or a detach has ended it. */
void access_end(struct session *s);

/* A vCPU's state. NULL: no such vCPU, or the session does not have the hold. */
struct cpu_view *view_of(struct session *s, unsigned int vcpu);

/* That of the vCPU that Hg selected, whose registers s->tdesc describes; NULL with the reply already
 * an error. */
struct cpu_view *selected_view(struct session *s);

/* ---- client.c: one debugger after another over the same link -------------------------------- */

/*
 * Begin with a debugger: forget what the one before it negotiated, and take what that one has left in
 * the target away (breakpoints, options, pending reports). The new one's target description is that of
 * the mode which the vCPU that stopped is in. Without the hold the target stays as it is.
 */
void client_reset(struct session *s);

/* ---- thread_id.c: vCPUs as threads of process 1 (GDB manual, "Packets", thread-id) ---------- */

/* Bring s->vcpus up to date: 0 or -ENOMEM. */
int vcpu_list_update(struct session *s);

/* Read a thread-id: false with the reply already an error; also when there is no such vCPU. */
bool scan_thread(struct session *s, struct scan *args, struct thread_id *id);

/* A process-id where it stands alone: 1, and -1 or 0 for all or any. False if it is another. */
bool scan_process(struct scan *args);

/* Write a thread-id to s->reply as this debugger wants it. */
void put_thread(struct session *s, unsigned int vcpu);

/* Write a line on what a vCPU is doing, for `info threads`. With the hold. */
void put_thread_extra(struct session *s, unsigned int vcpu, struct cpu_view *v, struct buf *out);

/* ---- stop_reply.c: GDB manual, "Stop Reply Packets" ----------------------------------------- */

/* The reply that reports s->stop. Without the hold it has no registers, nor the kind of breakpoint. */
void put_stop(struct session *s);

/* The reply for a vCPU that stopped only because another one did. */
void put_stopped_too(struct session *s, unsigned int vcpu);

/* The signal number that the protocol has for s->stop. */
unsigned int stop_signal(const struct session *s);

/* ---- commands/registers.c ------------------------------------------------------------------- */

/*
 * Change a register of a vCPU and store it now, so that a refusal by the CPU or the host is this
 * command's reply. False with the reply already an error, and nothing changed.
 */
bool write_register(struct session *s, unsigned int vcpu, const struct reg_desc *r,
		    const void *value);

#endif
