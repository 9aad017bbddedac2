/* SPDX-License-Identifier: MIT */
/* What all parts of vmgdb-run use: errors, the end, the guest's memory. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "host-tools/vmgdb-run/vm.h"

void vm_end(struct vm *vm, int status, const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&vm->lock);
	if (!vm->ended) {
		__atomic_store_n(&vm->ended, true, __ATOMIC_RELEASE);
		vm->status = status;
		vm->error[0] = '\0';
		if (fmt) {
			va_start(ap, fmt);
			vsnprintf(vm->error, sizeof(vm->error), fmt, ap);
			va_end(ap);
		}
		eventfd_write(vm->end_event, 1);
	}
	pthread_mutex_unlock(&vm->lock);
}

int vm_fail(struct vm *vm, int err, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	vsnprintf(vm->error, sizeof(vm->error), fmt, ap);
	va_end(ap);
	if (!err)
		return -EINVAL;
	n = strlen(vm->error);
	snprintf(vm->error + n, sizeof(vm->error) - n, ": %s", strerror(err));
	return -err;
}

void *vm_memory(const struct vm *vm, uint64_t gpa, uint64_t len)
{
	for (unsigned int i = 0; i < vm->nram; i++) {
		const struct ram *r = &vm->ram[i];

		if (gpa >= r->gpa && gpa - r->gpa <= r->size && len <= r->size - (gpa - r->gpa))
			return r->hva + (gpa - r->gpa);
	}
	return NULL;
}
