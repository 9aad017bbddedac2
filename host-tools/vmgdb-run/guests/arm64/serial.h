/* SPDX-License-Identifier: MIT */
/* The virtual address at which the devices are mapped. */
#ifndef VMGDB_GUESTS_ARM64_SERIAL_H
#define VMGDB_GUESTS_ARM64_SERIAL_H

#include <stdint.h>

/* 0 unless the guest maps them elsewhere. */
extern uint64_t device_base;

#endif
