/* SPDX-License-Identifier: MIT */
/* An endpoint whose one peer is connected from the start. Private. */
#ifndef VMGDB_TRANSPORT_INHERITED_FD_H
#define VMGDB_TRANSPORT_INHERITED_FD_H

#include "transport/transport.h"

/*
 * An endpoint that yields one stream over rfd and wfd, which may be the same and are taken over,
 * also on failure. Their flags are put back at the end: others may share them. Returns 0 or -errno
 * with s->err.
 */
int inherited_open(const struct endpoint_spec *s, int rfd, int wfd, struct vmgdb_endpoint **out);

#endif
