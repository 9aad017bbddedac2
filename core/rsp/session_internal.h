/* SPDX-License-Identifier: MIT */
/* What a session is made of. For core/rsp/ alone: session.c and what lies below it. */
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
	struct resume_action *action;
	bool *claimed;		   /* an action names it */
	struct resume_action rest; /* for those that are not in the list */
	bool rest_claimed;
};

struct session {
	struct target *target;
	struct session_config config;
	struct rsp_ack ack;
	enum session_end end;

	bool begun;	    /* the peer has sent its first byte */
	bool attached;	    /* the target is, since the first packet */
	bool hold;	    /* the session has the target's hold: access.h */
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
	struct bp_info refused; /* the last breakpoint that was; .state is why, NULL: none was */
	struct vcpu_list vcpus;

	struct buf reply;
	bool reply_bytes;   /* it holds bytes, and their hexadecimal is to be sent */
	bool no_reply;	    /* now: the target runs, or the packet has none */
	struct buf scratch; /* for what a command puts together before it is encoded */
};

#endif
