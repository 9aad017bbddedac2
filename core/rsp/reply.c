// SPDX-License-Identifier: MIT
#include "core/rsp/session_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

void reply_clear(struct session *s)
{
	buf_clear(&s->reply);
	s->reply_bytes = false;
}

void reply_ok(struct session *s)
{
	reply_clear(s);
	buf_str(&s->reply, "OK");
}

bool fail(struct session *s, int err, const char *text)
{
	reply_clear(s);
	if (s->features & FEATURE_ERROR_MESSAGE)
		buf_fmt(&s->reply, "E.%s", text);
	else
		buf_fmt(&s->reply, "E%02x", (unsigned int)abs(err) & 0xff);
	return false;
}

const char *error_text(int err)
{
	switch (abs(err)) {
	case EFAULT: return "the address is not mapped";
	case EINVAL: return "not a valid value";
	case ENOSPC: return "there is no room for another one";
	case EOPNOTSUPP: return "not supported here";
	case ENOMEM: return "out of memory";
	case EIO: return "can't be read";
	case ESRCH: return "there is none";
	case EBUSY: return "the VM is running";
	case ESHUTDOWN: return "the VM has ended";
	default: return "failed";
	}
}

bool fail_errno(struct session *s, int err, const char *part)
{
	char text[128];

	snprintf(text, sizeof(text), "%s: %s", part, error_text(err));
	return fail(s, err, text);
}

bool scan_range(struct session *s, struct scan *args, uint64_t *addr, uint64_t *len)
{
	if (!scan_hex(args, addr))
		return fail(s, EINVAL, "address: not hexadecimal");
	if (!scan_char(args, ',') || !scan_hex(args, len))
		return fail(s, EINVAL, "length: missing or not hexadecimal");
	return true;
}

bool scan_done(struct session *s, const struct scan *args)
{
	return scan_end(args) || fail(s, EINVAL, "packet: something is left at its end");
}
