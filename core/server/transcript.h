/* SPDX-License-Identifier: MIT */
/* A readable record of all bytes of a connection, one line a read or write: "SECONDS < bytes". */
#ifndef VMGDB_CORE_TRANSCRIPT_H
#define VMGDB_CORE_TRANSCRIPT_H

#include <stdbool.h>
#include <stddef.h>

enum transcript_dir { TRANSCRIPT_IN = '<', TRANSCRIPT_OUT = '>' };

/* Zero but for fd: nothing is missing. */
struct transcript {
	int fd;	      /* open for appending, or -1: there is no transcript */
	int err;      /* why bytes are missing since the last line that could be written, or 0 */
	size_t lost;  /* how many bytes of the connection these are */
	bool in_line; /* the last line was written in part */
};

/*
 * Append a line. Bytes that don't print come as \xNN, a backslash as two. A transcript never holds up a
 * session: what can't be written is missing, and as soon as writing succeeds again a line says so,
 * "SECONDS ! N bytes are missing: REASON". Returns 0, or the negative errno with which bytes begin to
 * be missing.
 */
int transcript_write(struct transcript *t, enum transcript_dir dir, const void *bytes, size_t n);

#endif
