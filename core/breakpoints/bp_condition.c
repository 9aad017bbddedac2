// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/breakpoints/bp_condition.h"

struct rules {
	unsigned int n;
	struct agent_code codes[]; /* their bytes follow the last one */
};

static size_t total(const struct agent_code *codes, unsigned int n)
{
	size_t bytes = 0;
	unsigned int i;

	for (i = 0; i < n; i++)
		bytes += codes[i].len;
	return bytes;
}

struct rules *rules_copy(const struct agent_code *codes, unsigned int n, int *err)
{
	struct rules *r;
	uint8_t *bytes;
	unsigned int i;

	*err = 0;
	if (!n)
		return NULL;
	r = malloc(sizeof(*r) + n * sizeof(*codes) + total(codes, n));
	if (!r) {
		*err = -ENOMEM;
		return NULL;
	}
	r->n = n;
	bytes = (uint8_t *)&r->codes[n];
	for (i = 0; i < n; i++) {
		r->codes[i] = codes[i];
		r->codes[i].code = memcpy(bytes, codes[i].code, codes[i].len);
		bytes += codes[i].len;
	}
	return r;
}

static bool holds(const struct rules *r, const struct agent_env *env)
{
	bool any = false;
	unsigned int i;
	uint64_t value;

	for (i = 0; i < r->n; i++) {
		if (r->codes[i].command)
			continue;
		any = true;
		if (agent_run(r->codes[i].code, r->codes[i].len, env, &value) || value)
			return true;
	}
	return !any;
}

/* A command that fails has no one to complain to: the ones after it still run. */
static bool run_commands(const struct rules *r, const struct agent_env *env)
{
	bool any = false;
	unsigned int i;
	uint64_t value;

	for (i = 0; i < r->n; i++) {
		if (!r->codes[i].command)
			continue;
		any = true;
		agent_run(r->codes[i].code, r->codes[i].len, env, &value);
	}
	return any;
}

bool rules_hit(const struct rules *r, const struct agent_env *env)
{
	return !r || (holds(r, env) && !run_commands(r, env));
}
