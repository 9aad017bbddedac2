/* SPDX-License-Identifier: MIT */
/*
 * A byte stream to one peer, and where streams come from.
 *
 * This is all that the core knows of transports: it never asks which one it has, only what may be
 * assumed of the bytes. All of it is non-blocking and belongs to one thread (the server's).
 */
#ifndef VMGDB_TRANSPORT_STREAM_H
#define VMGDB_TRANSPORT_STREAM_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum stream_trait {
	STREAM_RELIABLE = 1 << 0, /* bytes arrive intact and in order: no-ack mode may be granted */
	STREAM_HANGUP = 1 << 1,	  /* the peer's leaving is seen: read() gives 0 */
};

struct stream;

struct stream_ops {
	/*
	 * Up to len bytes into buf: the count; 0 when the peer has left; -EAGAIN when nothing is
	 * there now; another negative errno when the stream is broken (treat it as a hang-up).
	 */
	ssize_t (*read)(struct stream *s, void *buf, size_t len);
	/* As read, the other way: how many bytes were taken, -EAGAIN when none can be now. */
	ssize_t (*write)(struct stream *s, const void *buf, size_t len);
	/*
	 * No more will be written: the peer sees the end behind what was written so far, and what it
	 * still sends can be read. 0, or -EOPNOTSUPP where the two directions end only together. NULL:
	 * the same.
	 */
	int (*finish)(struct stream *s);
	/* Ends the stream and frees it. What it came from can yield the next one. */
	void (*close)(struct stream *s);
};

/* As whom the kernel knows a peer. */
enum peer_kind {
	PEER_UNKNOWN,	   /* nothing shows who is at the other end of a line */
	PEER_TCP,	   /* a process of some machine */
	PEER_TCP_LOOPBACK, /* a process of this machine, of any user */
	PEER_UID,	   /* a process of this user */
	PEER_CID,	   /* a process of this vsock context: a VM, or its host */
};

struct peer_id {
	enum peer_kind kind;
	uint32_t id; /* the uid or CID */
};

/*
 * Whether a new debugger may take the VM over, where the option takeover is given: from one of the same
 * user or the same vsock context, as root, or over loopback TCP from one that is not known by either.
 */
bool peer_may_take_over(const struct peer_id *new, const struct peer_id *attached);

struct stream {
	const struct stream_ops *ops;
	int rfd; /* poll it for POLLIN before a read */
	int wfd; /* poll it for POLLOUT after a write gave -EAGAIN; often the same as rfd */
	unsigned int traits;
	struct peer_id id;
	char peer[64]; /* who it is, for people: "127.0.0.1:51312", "cid 3 port 1025", "uid 1000" */
};

/* What becomes of the VM when its debugger leaves without saying what it wants. */
enum disconnect_policy { DISCONNECT_RESUME, DISCONNECT_STAY, DISCONNECT_KILL };

/* The part of an endpoint's options that is not the transport's business but the session's. */
struct stream_policy {
	bool wait;     /* hold the VM until a debugger comes */
	bool ro;       /* refuse writes, and run control other than continue */
	bool ack;      /* never grant no-ack mode */
	bool takeover; /* a new debugger may take the VM over from the one that is attached */
	enum disconnect_policy on_disconnect;
	char *log;  /* the transcript's file, or NULL */
	int log_fd; /* ... open for appending, or -1 */
};

struct vmgdb_endpoint;

struct endpoint_ops {
	/*
	 * Take the peer that waits, without blocking: 0 and a stream in *out; -EAGAIN when there is
	 * none, or when it can't be taken for now (endpoint->shortage says why); -EACCES when one came
	 * and was refused (endpoint->refused says who and why); another negative errno when the endpoint
	 * is of no more use.
	 *
	 * An endpoint over which only one peer can come at a time (pty, serial, virtio, stdio) gives
	 * -EAGAIN until the stream that it gave is closed.
	 */
	int (*accept)(struct vmgdb_endpoint *ep, struct stream **out);
	/* Frees all: descriptors, socket files, links. Its streams are closed before it. */
	void (*close)(struct vmgdb_endpoint *ep);
};

/*
 * A source of streams. When to call accept: when poll() finds pfd ready (pfd.fd may be -1, which
 * poll() passes over), and every retry_ms milliseconds (if it is not 0). Both may change with each
 * accept() and with each close() of a stream.
 */
struct vmgdb_endpoint {
	const struct endpoint_ops *ops;
	struct pollfd pfd;
	int retry_ms;
	long long retry_at; /* endpoint_backoff()'s: a moment of core/lib/time.h */
	bool once;	    /* nobody can come after the first peer */
	int shortage; /* the negative errno of the last accept(), if it will pass: -EMFILE; or 0 */
	struct stream_policy policy;
	char name[160];	   /* the endpoint as it was opened: "tcp:127.0.0.1:40123" */
	char attach[160];  /* what to type after gdb's "target remote", or empty */
	char refused[320]; /* why accept() gave -EACCES */
};

#endif
