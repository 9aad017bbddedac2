// SPDX-License-Identifier: MIT
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
		.takes = TAKES_DIAL | TAKES_TAKEOVER,
		.listen = tcp_listen,
		.dial = tcp_dial,
	},
	{
		.kind = "vsock",
		.help = "vsock:[CID:]PORT\tAF_VSOCK, between a host and its guests; CID is a number, "
			"any, local or host; PORT 0 is any free one",
		.name = "CID",
		.name_max = 10,
		.name_optional = true,
		.name_may_be_empty = true,
		.number = "port",
		.number_max = UINT32_MAX - 1,
		.takes = TAKES_DIAL | TAKES_ALLOW | TAKES_TAKEOVER,
		.parse_id = vsock_parse_cid,
		.listen = vsock_listen,
		.dial = vsock_dial,
	},
	{
		.kind = "unix",
		.help = "unix:PATH\ta unix socket, open to its owner alone",
		.name = "path",
		.name_max = 107,
		.takes = TAKES_DIAL | TAKES_ALLOW | TAKES_TAKEOVER,
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
		.kind = "serial",
		.help = "serial:DEVICE\ta serial line, 8N1",
		.name = "device",
		.name_max = SPEC_NAME_MAX,
		.takes = TAKES_LINE,
		.listen = serial_open,
		.dial = serial_open,
	},
	{
		.kind = "virtio",
		.help = "virtio:NAME\ta virtio-serial port of this guest, by name or as /dev/vportNpM",
		.name = "port name",
		.name_max = SPEC_NAME_MAX,
		.listen = virtio_open,
		.dial = virtio_open,
	},
	{
		.kind = "fd",
		.help = "fd:N\tan inherited stream socket, connected or listening, or terminal",
		.number = "descriptor",
		.number_max = INT32_MAX,
		.takes = TAKES_TAKEOVER,
		.listen = fd_open,
		.dial = fd_open,
	},
	{
		.kind = "stdio",
		.help = "stdio\tstandard input and output, for 'target remote | COMMAND'",
		/* a VM that a debugger has started ends with it */
		.on_disconnect = DISCONNECT_KILL,
		.listen = stdio_open,
		.dial = stdio_open,
	},
	{
		.kind = "uds-vsock",
		.help = "uds-vsock:PATH:PORT\ta guest's vsock port by way of its VMM's unix socket "
			"(Firecracker, cloud-hypervisor); for the debugger's side",
		.name = "path",
		.name_max = 107,
		.number = "port",
		.number_max = UINT32_MAX - 1,
		.dial = uds_vsock_dial,
	},
	{},
};
