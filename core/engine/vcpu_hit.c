// SPDX-License-Identifier: MIT
/* Conditions and commands of breakpoints, evaluated on the vCPU that came to one. */
#include <errno.h>
#include <string.h>

#include "core/engine/engine.h"
#include "core/regs.h"

static int reg(void *opaque, unsigned int number, uint64_t *value)
{
	struct vmgdb_vcpu *v = opaque;
	const struct tdesc *d = v->view.cpu->describe(&v->view);
	const struct reg_desc *r = regs_find(d, number, NULL);
	const void *from = r ? reg_value(&v->view, r) : NULL;

	if (!from)
		return -ENODEV;
	*value = 0;
	memcpy(value, from, reg_size(r) < sizeof(*value) ? reg_size(r) : sizeof(*value));
	return 0;
}

static int mem(void *opaque, uint64_t addr, void *buf, size_t len)
{
	return vcpu_read(opaque, addr, buf, len) == len ? 0 : -EFAULT;
}

/* What finds no room is lost: a guest that prints faster than the link carries must not stop. */
static void print(void *opaque, const char *text, size_t len)
{
	struct vmgdb_vcpu *v = opaque;
	struct engine *e = v->engine;
	size_t room = sizeof(e->console) - e->console_len;

	len = len < room ? len : room;
	memcpy(e->console + e->console_len, text, len);
	e->console_len += len;
	if (e->notify)
		e->notify(e->notify_opaque);
}

bool vcpu_hit(struct vmgdb_vcpu *v, const struct rules *rules)
{
	const struct agent_env env = { reg, mem, print, v };

	return rules_hit(rules, &env);
}
