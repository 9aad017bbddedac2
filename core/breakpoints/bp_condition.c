// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/breakpoints/bp_condition.h"

struct bp_conditions {
	size_t size, *used; /* this, and all of them together */
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

static void copy_programs(struct bp_conditions *c, const struct agent_code *codes)
{
	uint8_t *bytes = (uint8_t *)&c->codes[c->n];
	unsigned int i;

	for (i = 0; i < c->n; i++) {
		c->codes[i] = codes[i];
		c->codes[i].code = memcpy(bytes, codes[i].code, codes[i].len);
		bytes += codes[i].len;
	}
}

int bp_conditions_copy(struct bp_conditions **out, size_t *used, const struct agent_code *codes,
		       unsigned int n)
{
	size_t size;

	*out = NULL;
	if (!n)
		return 0;
	if (n > BP_PROGRAMS_MAX || total(codes, n) > BP_PROGRAM_BYTES_MAX)
		return -EINVAL;
	size = sizeof(**out) + n * sizeof(*codes) + total(codes, n);
	if (*used + size <= BP_CONDITIONS_MAX)
		*out = malloc(size);
	if (!*out)
		return -ENOMEM;
	**out = (struct bp_conditions){ .size = size, .used = used, .n = n };
	copy_programs(*out, codes);
	*used += size;
	return 0;
}

void bp_conditions_free(struct bp_conditions *c)
{
	if (!c)
		return;
	*c->used -= c->size;
	free(c);
}

static bool is_true(const struct bp_conditions *c, const struct agent_env *env,
		    struct agent_budget *budget)
{
	const struct agent_code *a;
	bool any = false;
	uint64_t value;

	for (a = c->codes; a < c->codes + c->n; a++) {
		if (a->command)
			continue;
		any = true;
		if (agent_run(a->code, a->len, env, budget, &value) || value)
			return true;
	}
	return !any;
}

/* There is nobody to report a failed command to: those after it still run. */
static bool run_commands(const struct bp_conditions *c, const struct agent_env *env,
			 struct agent_budget *budget)
{
	const struct agent_code *a;
	bool any = false;
	uint64_t value;

	for (a = c->codes; a < c->codes + c->n; a++) {
		if (!a->command)
			continue;
		any = true;
		agent_run(a->code, a->len, env, budget, &value);
	}
	return any;
}

bool bp_conditions_hit(const struct bp_conditions *c, const struct agent_env *env)
{
	struct agent_budget budget = AGENT_BUDGET_OF_A_HIT;

	return !c || (is_true(c, env, &budget) && !run_commands(c, env, &budget));
}
