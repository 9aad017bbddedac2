/* SPDX-License-Identifier: MIT */
/* Running the machine. */
#ifndef VMGDB_RUN_RUN_H
#define VMGDB_RUN_RUN_H

#include <signal.h>

#include "host-tools/vmgdb-run/terminal.h"
#include "host-tools/vmgdb-run/vm.h"

/*
 * Run the machine until it ends or a signal ends it. The stub is started. Returns the exit status
 * of vmgdb-run: the guest's, 1 when it could not go on, 128 + N after signal N.
 */
int vm_run(struct vm *vm, int signal_fd, struct terminal *t);

/* Let the keys of the terminal be the console's while vmgdb-run is the foreground job. */
void vm_follow_terminal(struct vm *vm, struct terminal *t);

/* The signals that end vmgdb-run, but for those that it was started with ignored. */
void signals_ending(sigset_t *set);

/*
 * Block the signals that end or stop vmgdb-run, but for those that it was started with ignored; vm_run() reads
 * them. Returns signal_fd or -1.
 */
int signals_open(void);

/* The signal by which vCPU threads are made to leave KVM_RUN. */
#define VM_KICK_SIGNAL SIGRTMIN

#endif
