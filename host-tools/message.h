/* SPDX-License-Identifier: MIT */
/* Messages for people, all of them on stderr. */
#ifndef VMGDB_MESSAGE_H
#define VMGDB_MESSAGE_H

/* What messages begin with; each program has its own. */
extern const char program_name[];

/* "PROGRAM: TEXT\n", in one write, however long; control characters become '?'. */
void message(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
