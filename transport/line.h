/* SPDX-License-Identifier: MIT */
/*
 * Endpoints over a line: a descriptor at whose other end is one peer at a time, if any (pty, serial,
 * virtio).
 *
 *	waiting --the peer sends its first byte--> a stream --closed--> waiting
 *
 * A debugger sends the first byte, and nothing else shows that it is there. So the debugger's side does
 * not wait for a byte: its stream begins as soon as a stub may be at the other end. Private.
 */
#ifndef VMGDB_TRANSPORT_LINE_H
#define VMGDB_TRANSPORT_LINE_H

#include "transport/transport.h"

struct line;

/* What differs from one kind of line to another. */
struct line_ops {
	/* Ready l->fd to be polled for a peer: 0, or as endpoint_ops.accept. */
	int (*prepare)(struct line *l);
	/* Nobody is at the other end, or the device has gone. As endpoint_ops.accept; not 0. */
	int (*absent)(struct line *l, short revents);
	/* Somebody may be there, who may not have said anything. NULL: that is no news. */
	void (*present)(struct line *l);
	/* The stream is about to begin. NULL: nothing to be done. */
	void (*begin)(struct line *l);
	/* The stream has ended: poll for the next peer. */
	void (*wait)(struct line *l);
	/* As stream_ops. */
	ssize_t (*read)(struct line *l, void *buf, size_t len);
	ssize_t (*write)(struct line *l, const void *buf, size_t len);
	/* The endpoint is about to be closed: all but the descriptors and its memory. NULL: nothing. */
	void (*close)(struct line *l);
};

struct line {
	struct vmgdb_endpoint ep; /* first member */
	struct stream stream;	  /* .traits and .peer are the kind's to fill in */
	const struct line_ops *ops;
	bool busy;	   /* the stream lives */
	bool speaks_first; /* this is the debugger's side */
	int fd;		   /* -1: the device has gone */
	int edge;	   /* of line_open_edge(), or -1 */
};

/* As endpoint_new(); size bytes that begin with a struct line, without a descriptor. */
void *line_new(const struct endpoint_spec *s, size_t size, const struct line_ops *ops);

/* What endpoint_ops.close does. */
void line_close(struct vmgdb_endpoint *ep);

/*
 * Poll for the next peer by l->edge (epoll_edge.h), for a descriptor that reports POLLHUP until that one
 * comes. Returns 0 or -errno.
 */
int line_open_edge(struct line *l);

/* line_ops.wait of a line that has an edge. */
void line_wait(struct line *l);

/* What poll() says of the line. */
short line_poll(const struct line *l);

/* line_ops.write of a terminal or a port. */
ssize_t line_write(struct line *l, const void *buf, size_t len);

/* Wait until the queue whose length the ioctl gives is empty, but not for longer than ms. */
void line_drain(int fd, unsigned long ioctl_request, int ms);

#endif
