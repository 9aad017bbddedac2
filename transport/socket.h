/* SPDX-License-Identifier: MIT */
/* Endpoints made of stream sockets: what tcp, unix and vsock have in common. Private. */
#ifndef VMGDB_TRANSPORT_SOCKET_H
#define VMGDB_TRANSPORT_SOCKET_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <linux/vm_sockets.h>

#include "transport/owned_path.h"
#include "transport/transport.h"

union socket_address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
	struct sockaddr_vm vm;
};

struct socket_peer {
	struct peer_id id;
	char name[64]; /* as stream.peer */
};

struct socket_family {
	/* The spec for an address, "tcp:127.0.0.1:40123". */
	void (*name)(const union socket_address *a, char *buf, size_t len);
	/* What to type after "target remote" to reach a listener with this address. */
	void (*attach)(const union socket_address *a, char *buf, size_t len);
	/* Who is at the other end of fd. Returns whether the list lets it in. */
	bool (*admit)(int fd, const struct allow_list *allow, struct socket_peer *peer);
	/* What a connection needs, before connect() or listen(), which hands it on; or NULL. */
	void (*prepare)(int fd);
	/* What may be the reason when a could not be reached, or NULL. The member may be NULL. */
	const char *(*hint)(const union socket_address *a, int err);
};

extern const struct socket_family tcp_family, unix_family, vsock_family;

/* Whether an allow= that was given names the id, or any. */
bool allow_list_has(const struct allow_list *allow, uint32_t id);

/* A non-blocking stream socket, or -errno. */
int socket_open(int family);

/* The value of an int option of level SOL_SOCKET, or -errno. */
int socket_option(int fd, int name);

/* family->prepare, if there is one. */
void socket_prepare(const struct socket_family *family, int fd);

/* A stream over a connected socket that it takes over, also on failure. closed, ep: as in
 * fdstream_new(). Returns 0 or -ENOMEM. */
int socket_stream(int fd, const struct socket_peer *peer, void (*closed)(struct vmgdb_endpoint *ep),
		  struct vmgdb_endpoint *ep, struct stream **out);

/* socket_family.c: the family of a socket, or NULL when there is none for it. */
const struct socket_family *socket_family_of(int fd);

/*
 * An endpoint that listens on fd, a bound or already listening socket of that family (NULL: of none that
 * is known, an error). fd is taken over, also on
 * failure; so is file (NULL: none), which is removed at the end. Returns 0 or -errno with s->err.
 */
int socket_listen(const struct endpoint_spec *s, const struct socket_family *family, int fd,
		  struct owned_path *file, struct vmgdb_endpoint **out);

/* An endpoint that connects to an address: see dial.c. */
struct dialer {
	struct vmgdb_endpoint ep;
	const struct socket_family *family;
	union socket_address to;
	socklen_t tolen;
	struct allow_list allow;
	int fd;	   /* the connection in the making, or -1 */
	bool busy; /* its stream lives */
	bool once; /* a failure is for the caller to act on; otherwise try again */
	int delay; /* before the next try, in ms */

	/*
	 * What is to be said on a connection before it is a stream; NULL: nothing. Returns 0 when it
	 * has been said, -EAGAIN to be called again when there is something to read, or -errno, with
	 * the reason in ep.refused if it knows better than the errno: -EACCES when the peer said no.
	 */
	int (*handshake)(struct dialer *d);
	uint32_t port;
	bool asked;
	char line[64]; /* what was answered so far */
	size_t got;
};

/* Its endpoint is the first member of a struct dialer, for a handshake to be set. */
int socket_dial(const struct endpoint_spec *s, const struct socket_family *family,
		const union socket_address *to, socklen_t tolen, struct vmgdb_endpoint **out);

/* The unix socket address of path, which fits. */
void unix_address(const char *path, union socket_address *a);

#endif
