/* SPDX-License-Identifier: MIT */
/* Making and unmaking the machine. */
#ifndef VMGDB_RUN_VM_CREATE_H
#define VMGDB_RUN_VM_CREATE_H

#include "host-tools/vmgdb-run/vm.h"

/*
 * Make a machine with ncpus vCPUs and mem_size bytes of memory, nothing loaded. mem_size is a
 * multiple of the page size. Returns 0 or -errno with vm->error set; vm_destroy() either way.
 */
int vm_create(struct vm *vm, unsigned int ncpus, uint64_t mem_size);
void vm_destroy(struct vm *vm);

#endif
