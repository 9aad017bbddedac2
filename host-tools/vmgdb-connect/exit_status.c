/* SPDX-License-Identifier: MIT */
#include "host-tools/vmgdb-connect/exit_status.h"

#include <errno.h>

int exit_status(int err)
{
	switch (err) {
	case -EINVAL: return EXIT_USAGE;
	case -EACCES: return EXIT_REFUSED;
	default: return EXIT_UNREACHABLE;
	}
}

int exit_status_local(int err)
{
	return err == -EINVAL ? EXIT_USAGE : EXIT_LOCAL;
}
