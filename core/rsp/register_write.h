/* SPDX-License-Identifier: MIT */
/* How commands change registers: P, and those that bring a new PC. */
#ifndef VMGDB_CORE_REGISTER_WRITE_H
#define VMGDB_CORE_REGISTER_WRITE_H

#include "core/rsp/session_internal.h"

/*
 * Change a register of a vCPU and store it now, so that a refusal by the CPU or the host is this
 * command's reply. False with the reply already an error, and nothing changed.
 */
bool write_register(struct session *s, unsigned int vcpu, const struct reg_desc *r,
		    const void *value);

/* Store what was changed through a vCPU's view: false with the reply already an error. */
bool store_registers(struct session *s, unsigned int vcpu);

/* Reply with an error of reg_set() or regs_set() for this register. */
void fail_register(struct session *s, int err, const struct reg_desc *r);

#endif
