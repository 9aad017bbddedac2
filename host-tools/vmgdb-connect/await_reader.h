/* SPDX-License-Identifier: MIT */
#ifndef VMGDB_CONNECT_AWAIT_READER_H
#define VMGDB_CONNECT_AWAIT_READER_H

/*
 * Call this before the program ends because of a message, when standard input is a debugger: gdb
 * shows the stderr of "target remote | COMMAND" while it waits for an answer, but not when it can't
 * send its first packet. So this reads that packet first; it waits half a second at most,
 * and reads for a second at most.
 */
void await_reader(void);

#endif
