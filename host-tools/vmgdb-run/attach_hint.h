/* SPDX-License-Identifier: MIT */
/* For each endpoint the command that attaches gdb, for a user to paste into a shell. */
#ifndef VMGDB_RUN_ATTACH_HINT_H
#define VMGDB_RUN_ATTACH_HINT_H

#include <stddef.h>

struct options;
struct vmgdb_endpoint;

/*
 * The file that has the guest's symbols: the one of --kernel, or guests/NAME.elf beside the
 * executable, relative to the current directory when it is below that. Empty when unknown.
 */
void attach_hint_elf(const struct options *o, char *out, size_t len);

/* Print to stderr how a debugger attaches at ep. */
void attach_hint_print(const struct vmgdb_endpoint *ep, const char *elf);

#endif
