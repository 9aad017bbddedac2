/* SPDX-License-Identifier: MIT */
/* The parts of the x86 machine among themselves. */
#ifndef VMGDB_RUN_X86_H
#define VMGDB_RUN_X86_H

#include "host-tools/vmgdb-run/machine.h"

enum { COM1_IRQ = 4 };

/* ports.c: serve KVM_EXIT_IO. */
void x86_port_io(struct vcpu *vcpu);

/* emulation.c: serve KVM_EXIT_INTERNAL_ERROR. False: not known here. */
bool x86_internal_error(struct vcpu *vcpu);

#endif
