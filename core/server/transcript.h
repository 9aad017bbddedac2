/* SPDX-License-Identifier: MIT */
/* A readable record of all bytes of a connection, one line a read or write: "SECONDS < bytes". */
#ifndef VMGDB_CORE_TRANSCRIPT_H
#define VMGDB_CORE_TRANSCRIPT_H

#include <stddef.h>

enum transcript_dir { TRANSCRIPT_IN = '<', TRANSCRIPT_OUT = '>' };

/*
 * Append a line to the file that fd is open on. Bytes that don't print come as \xNN, a backslash as
 * two. A line that can't be written is lost: a transcript never holds up a session. fd -1: nothing.
 */
void transcript_write(int fd, enum transcript_dir dir, const void *bytes, size_t n);

#endif
