/* SPDX-License-Identifier: MIT */
/* The table of transports. */
#include "transport/transport.h"

const struct transport transports[] = {
	{
		.kind = "tcp",
		.help = "tcp:[HOST:]PORT\tTCP; HOST is 127.0.0.1 if left out, PORT 0 is any free one; "
			"a bare PORT means the same",
		.name = "host",
		.name_max = SPEC_NAME_MAX - 10,
		.name_optional = true,
		.number = "port",
		.number_max = 65535,
		.takes = TAKES_DIAL,
		.listen = tcp_listen,
		.dial = tcp_dial,
	},
	{
		.kind = "unix",
		.help = "unix:PATH\ta unix socket, open to its owner alone",
		.name = "path",
		.name_max = 107,
		.takes = TAKES_DIAL | TAKES_ALLOW,
		.parse_id = unix_parse_uid,
		.listen = unix_listen,
		.dial = unix_dial,
	},
	{
		.kind = "pty",
		.help = "pty[:LINK]\ta pseudo-terminal; LINK becomes a symbolic link to it",
		.name = "link",
		.name_max = SPEC_NAME_MAX,
		.name_optional = true,
		.listen = pty_listen,
	},
	{
		.kind = "fd",
		.help = "fd:N\tan inherited descriptor, connected or listening",
		.number = "descriptor",
		.number_max = INT32_MAX,
		.listen = fd_open,
		.dial = fd_open,
	},
	{
		.kind = "stdio",
		.help = "stdio\tstandard input and output, for 'target remote | COMMAND'",
		.listen = stdio_open,
		.dial = stdio_open,
	},
	{},
};
