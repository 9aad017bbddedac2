/* SPDX-License-Identifier: MIT */
/* Cutting what is watched into debug registers: what is the same on every architecture. Pure. */
#ifndef VMGDB_ARCH_HW_SPLIT_H
#define VMGDB_ARCH_HW_SPLIT_H

#include "core/cpu.h"

/* Returns err; *why, if set, is text. */
int hw_refuse(int err, const char *text, const char **why);

/* As struct cpu.hw_split of data; piece: how many bytes from addr on one register can watch. */
int hw_split_data(enum hw_kind kind, uint64_t addr, uint64_t len, struct hw_slot *out,
		  unsigned int max, const char **why,
		  uint64_t (*piece)(uint64_t addr, uint64_t len));

#endif
