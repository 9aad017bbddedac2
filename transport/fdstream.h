/* SPDX-License-Identifier: MIT */
/* A stream over descriptors: sockets, pipes, terminals. Private. */
#ifndef VMGDB_TRANSPORT_FDSTREAM_H
#define VMGDB_TRANSPORT_FDSTREAM_H

#include "transport/stream.h"

/* What a write to a descriptor needs so that it neither blocks nor raises SIGPIPE. */
enum fd_type { FD_SOCKET, FD_PIPE, FD_OTHER };

enum fd_type fd_type(int fd);

/* As stream_ops.read and .write. FD_OTHER and FD_PIPE are to be O_NONBLOCK; a terminal whose other
 * end has gone reads as 0, and is not written to. */
ssize_t fd_read(int fd, enum fd_type type, void *buf, size_t len);
ssize_t fd_write(int fd, enum fd_type type, const void *buf, size_t len);

/* Close both, which may be the same. */
void fd_close_both(int rfd, int wfd);

/*
 * A new stream that owns rfd and wfd, which may be the same. closed, unless NULL, is called with ep
 * as the stream is closed, before its descriptors are. NULL: no memory, the descriptors are still
 * the caller's.
 */
struct stream *fdstream_new(int rfd, int wfd, unsigned int traits,
			    void (*closed)(struct vmgdb_endpoint *ep), struct vmgdb_endpoint *ep);

#endif
