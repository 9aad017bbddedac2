/* SPDX-License-Identifier: MIT */
/* Exits that mean the same on every architecture: KVM API 5, "The kvm_run structure". */
#ifndef VMGDB_ARCH_KVM_EXIT_H
#define VMGDB_ARCH_KVM_EXIT_H

#include "core/accel.h"

struct kvm_run;

/* A trap of that kind, TRAP_FATAL or TRAP_EVENT, with its reason. */
void kvm_trap(struct trap *t, unsigned int kind, const char *text);

/* KVM_EXIT_SYSTEM_EVENT: one that ends the VM is a trap. */
void kvm_classify_event(const struct kvm_run *run, struct trap *t);

#endif
