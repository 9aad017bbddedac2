// SPDX-License-Identifier: MIT
#include "core/rsp/register_write.h"

#include <errno.h>
#include <stdio.h>

#include "core/regs.h"
#include "core/rsp/access.h"
#include "core/rsp/reply.h"

void fail_register(struct session *s, int err, const struct reg_desc *r)
{
	char part[64];

	snprintf(part, sizeof(part), "register %s%s", r->name,
		 err == -EACCES ? " is read-only" : "");
	if (err == -EACCES)
		fail(s, err, part);
	else
		fail_errno(s, err, part);
}

bool store_registers(struct session *s, unsigned int vcpu)
{
	int err = s->target->ops->flush(s->target, vcpu);

	if (err)
		fail_errno(s, err, "the host refuses the value");
	return !err;
}

bool write_register(struct session *s, unsigned int vcpu, const struct reg_desc *r,
		    const void *value)
{
	struct cpu_view *v = view_of(s, vcpu);
	int err = v ? reg_set(v, r, value) : -ESRCH;

	if (err)
		fail_register(s, err, r);
	return !err && store_registers(s, vcpu);
}
