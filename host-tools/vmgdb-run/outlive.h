/* SPDX-License-Identifier: MIT */
/* A VM that outlives the gdb that started it: `target remote | vmgdb-run --gdb stdio`. */
#ifndef VMGDB_RUN_OUTLIVE_H
#define VMGDB_RUN_OUTLIVE_H

enum { OUTLIVE_RUN_VM = -1 };

/*
 * gdb waits for the end of the command that it has started, also after a detach, and sends it SIGTERM
 * after a few seconds. So the command that gdb has started becomes two processes: the new one is to run
 * the VM, and the old one stands for it until gdb closes standard input, or the VM ends. Signals that
 * end vmgdb-run are passed on until then.
 *
 * Call it before there are threads. Returns OUTLIVE_RUN_VM in the process that is to run the VM, and in
 * the other one, when it has nothing more to do, the exit status.
 */
int outlive_debugger(void);

#endif
