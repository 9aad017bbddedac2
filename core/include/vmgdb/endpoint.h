/* SPDX-License-Identifier: MIT */
/*
 * Endpoints: how a debugger reaches a stub. Public.
 *
 *	tcp:[HOST:]PORT   vsock:[CID:]PORT   unix:PATH   pty[:LINK]   serial:DEVICE   virtio:NAME
 *	fd:N   stdio   uds-vsock:PATH:PORT
 *
 * with options after commas; docs/transports.md has all of it, and so does
 * vmgdb_endpoint_help(), which is made from the table that the parser uses.
 */
#ifndef VMGDB_CORE_ENDPOINT_H
#define VMGDB_CORE_ENDPOINT_H

#include <stddef.h>

#pragma GCC visibility push(default)

struct vmgdb_endpoint;

enum vmgdb_role {
	VMGDB_STUB,	/* the VMM's side: listens, unless the spec says "dial" */
	VMGDB_DEBUGGER, /* the debugger's side: dials */
	VMGDB_ACCEPT,	/* the debugger's side, waiting for a stub that dials out */
};

/*
 * Open the endpoint that spec describes.
 *
 * @spec:   the text after --gdb; not kept
 * @role:   which side this process is
 * @out:    on success the endpoint, owned by the caller until vmgdb_add_endpoint() takes it
 * @err:    on failure one line that names the part of spec at fault, without a newline
 * @errlen: room in err; 256 is enough for any message
 *
 * Returns 0, -EINVAL for a spec that does not parse, or the errno of the call that failed. Any
 * thread. Nothing is left behind on failure. With VMGDB_STUB the endpoint listens when this
 * returns; with VMGDB_DEBUGGER nothing has been dialled yet.
 */
int vmgdb_endpoint_open(const char *spec, enum vmgdb_role role, struct vmgdb_endpoint **out,
			char *err, size_t errlen);

/* The endpoint as it was opened, port 0 replaced: "tcp:127.0.0.1:40123". Owned by the endpoint. */
const char *vmgdb_endpoint_name(const struct vmgdb_endpoint *ep);

/* What to type after gdb's "target remote" to reach it. Empty when that is not known here: fd, stdio,
 * serial, virtio, and all that dials. */
const char *vmgdb_endpoint_attach(const struct vmgdb_endpoint *ep);

/* Close an endpoint that no vmgdb owns; removes its socket file or link. NULL is fine. */
void vmgdb_endpoint_close(struct vmgdb_endpoint *ep);

/*
 * One line of help an endpoint kind and an option, "SYNTAX\tWHAT IT IS", from the parser's tables.
 * i counts from 0; NULL after the last. Static storage.
 */
const char *vmgdb_endpoint_help(unsigned int i);

#pragma GCC visibility pop

#endif
