/* SPDX-License-Identifier: MIT */
/* KVM's calls that are the same on every architecture. */
#ifndef VMGDB_ARCH_KVM_IOCTL_H
#define VMGDB_ARCH_KVM_IOCTL_H

#include <stdbool.h>

/* 0 or -errno. */
int kvm_call(int fd, unsigned long request, void *arg);

/* Can vCPUs of this KVM be debugged? Changes nothing: the VMM may be debugging it by itself. */
bool kvm_has_guest_debug(int vcpu_fd);

/*
 * KVM_CHECK_EXTENSION of n capabilities, asked of /dev/kvm as a vCPU's descriptor does not answer.
 * Where a VMM has no access to it any more each is -1.
 */
void kvm_capabilities(const int *caps, int *values, unsigned int n);

/* KVM_GET_MP_STATE: KVM_MP_STATE_..., or -errno. */
int kvm_mp_state(int vcpu_fd);

#endif
