/* SPDX-License-Identifier: MIT */
/* Messages for people, all of them on stderr. */
#ifndef VMGDB_CONNECT_MESSAGE_H
#define VMGDB_CONNECT_MESSAGE_H

/* "vmgdb-connect: TEXT\n", in one write, however long; control characters become '?'. */
void message(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Text of a peer that is to be shown: what is not printable ASCII becomes '?'. */
void message_clean(char *text);

/*
 * Call this before the program ends because of a message, when standard input is a debugger: gdb
 * shows the stderr of "target remote | COMMAND" while it waits for an answer, but not when it can't
 * send its first packet. So this reads that packet first; it waits half a second at most,
 * and reads for a second at most.
 */
void message_await_reader(void);

#endif
