/* SPDX-License-Identifier: MIT */
/* The page walk, and guest-virtual memory through it. SDM vol. 3, chapter 4. */
#ifndef VMGDB_ARCH_X86_WALK_H
#define VMGDB_ARCH_X86_WALK_H

#include "core/cpu.h"

enum { X86_PAGE_SIZE = 4096 };

/* As struct cpu.translate. */
int x86_translate(struct cpu_view *v, uint64_t va, struct xlat *out);

/* Read guest-virtual memory: 0, or -errno when not all of it can be read. */
int x86_read_virt(struct cpu_view *v, uint64_t va, void *buf, size_t len);

/* Write it, whatever the rights of its pages: all of it, or -errno and none. */
int x86_write_virt(struct cpu_view *v, uint64_t va, const void *buf, size_t len);

/*
 * May the vCPU, at its privilege level, access less than a page there? By the first and the last byte;
 * prot is of enum prot. 0 or -errno.
 */
int x86_may_access(struct cpu_view *v, uint64_t va, unsigned int size, unsigned int prot);

#endif
