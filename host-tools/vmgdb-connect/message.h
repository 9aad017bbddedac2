/* SPDX-License-Identifier: MIT */
/* Messages for people, all of them on stderr. */
#ifndef VMGDB_CONNECT_MESSAGE_H
#define VMGDB_CONNECT_MESSAGE_H

/* "vmgdb-connect: TEXT\n", in one write. */
void message(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * To be called after a message, before the program ends, when standard input is a debugger: gdb shows
 * the stderr of "target remote | COMMAND" while it waits for a reply, but not when it finds nobody to
 * send its first packet to. So this reads that packet first; it takes half a second at most.
 */
void message_read_input(void);

#endif
