/* SPDX-License-Identifier: MIT */
/* The line, for each endpoint, that a user can paste into a shell. */
#ifndef VMGDB_RUN_PASTE_H
#define VMGDB_RUN_PASTE_H

#include <stddef.h>

struct options;
struct vmgdb_endpoint;

/*
 * The file that has the guest's symbols: the one of --kernel, or guests/NAME.elf beside the
 * executable, relative to the current directory when it is below that. Empty when unknown.
 */
void paste_elf(const struct options *o, char *out, size_t len);

/* Tell, on stderr, how a debugger gets to ep. */
void paste_line(const struct vmgdb_endpoint *ep, const char *elf);

#endif
