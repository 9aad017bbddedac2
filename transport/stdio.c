// SPDX-License-Identifier: MIT
/* Standard input and output, for a debugger that started this process: "target remote | COMMAND". */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "transport/inherited_fd.h"

int stdio_open(const struct endpoint_spec *s, struct vmgdb_endpoint **out)
{
	int in_fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	int out_fd, ret;

	if (in_fd < 0)
		return spec_failed(s, -errno, "standard input");
	out_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (out_fd < 0) {
		ret = spec_failed(s, -errno, "standard output");
		close(in_fd);
		return ret;
	}
	ret = inherited_open(s, in_fd, out_fd, out);
	if (ret == 0)
		snprintf((*out)->name, sizeof((*out)->name), "stdio");
	return ret;
}
