/* SPDX-License-Identifier: MIT */
/* What vmgdb-connect tells people, all of it on stderr. */
#ifndef VMGDB_CONNECT_MESSAGE_H
#define VMGDB_CONNECT_MESSAGE_H

/* "vmgdb-connect: TEXT\n", in one write. */
void message(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * To be called before the program ends because of what was said, when standard input is a debugger:
 * gdb shows the stderr of "target remote | COMMAND" while it waits for an answer, but not when it
 * finds nobody to send its first packet to. So hear that packet first; at most half a second.
 */
void message_await_reader(void);

#endif
