// SPDX-License-Identifier: MIT
/* The table of options, and what each does. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "transport/parser.h"

struct option {
	const char *name;
	const char *help;   /* "SYNTAX\tWHAT IT IS" */
	const char *value;  /* what to call it; NULL: it has none */
	unsigned int takes; /* only kinds with this bit; 0: all */
	bool stub_only;	    /* means something on the VMM's side alone */
	int (*set)(struct endpoint_spec *s, char *value);
	size_t flag; /* of the policy, to be set to true, where set is NULL */
};

static int set_dial(struct endpoint_spec *s, char *value)
{
	(void)value;
	if (s->role == VMGDB_ACCEPT)
		return spec_error(s, -EINVAL, "option 'dial': this side waits to be dialled");
	s->dial = true;
	return 0;
}

static int bad_value(const struct endpoint_spec *s, const char *option, const char *value,
		     const char *wanted)
{
	return spec_error(s, -EINVAL, "option '%s': '%.40s' is not %s", option, value, wanted);
}

static int allow_id(struct endpoint_spec *s, const char *text)
{
	struct allow_list *a = &s->allow;

	if (strcmp(text, "any") == 0) {
		a->any = true;
		return 0;
	}
	if (a->count == SPEC_ALLOW_MAX)
		return spec_error(s, -EINVAL, "option 'allow': more than %d ids", SPEC_ALLOW_MAX);
	if (!s->kind->parse_id(text, &a->ids[a->count]))
		return bad_value(s, "allow", text, "an id of a peer, nor 'any'");
	a->count++;
	return 0;
}

static int set_allow(struct endpoint_spec *s, char *value)
{
	const char *id;
	int ret = 0;

	s->allow.given = true;
	while (ret == 0 && (id = strsep(&value, "+")))
		ret = allow_id(s, id);
	return ret;
}

static int set_on_disconnect(struct endpoint_spec *s, char *value)
{
	static const char *const names[] = {
		[DISCONNECT_RESUME] = "resume",
		[DISCONNECT_STAY] = "stay",
		[DISCONNECT_KILL] = "kill",
	};
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(value, names[i]) == 0) {
			s->policy.on_disconnect = (enum disconnect_policy)i;
			return 0;
		}
	}
	return bad_value(s, "on-disconnect", value, "resume, stay or kill");
}

static int set_log(struct endpoint_spec *s, char *value)
{
	free(s->policy.log);
	s->policy.log = strdup(value);
	return s->policy.log ? 0 : -ENOMEM;
}

static int set_baud(struct endpoint_spec *s, char *value)
{
	uint32_t baud;

	if (!parse_number(value, 100000000, &baud) || baud == 0)
		return bad_value(s, "baud", value, "a speed in bits a second");
	s->baud = baud;
	return 0;
}

static int set_flow(struct endpoint_spec *s, char *value)
{
	s->hw_flow = strcmp(value, "hw") == 0;
	if (s->hw_flow || strcmp(value, "none") == 0)
		return 0;
	return bad_value(s, "flow", value, "none or hw");
}

static const struct option options[] = {
	{
		.name = "dial",
		.help = "dial\tconnect out instead of listening",
		.takes = TAKES_DIAL,
		.set = set_dial,
	},
	{
		.name = "allow",
		.help = "allow=ID[+ID]...\twho may connect: uids for unix (default: one's own and root), "
			"CIDs for vsock (default: host and local, but any VM that is waited for), or any",
		.value = "id",
		.takes = TAKES_ALLOW,
		.set = set_allow,
	},
	{
		.name = "baud",
		.help = "baud=N\tthe speed of a serial line, 115200 if left out",
		.value = "speed",
		.takes = TAKES_LINE,
		.set = set_baud,
	},
	{
		.name = "flow",
		.help = "flow=none|hw\tflow control of a serial line, none if left out",
		.value = "way",
		.takes = TAKES_LINE,
		.set = set_flow,
	},
	{
		.name = "wait",
		.help = "wait\thold the VM until a debugger comes",
		.stub_only = true,
		.flag = offsetof(struct stream_policy, wait),
	},
	{
		.name = "on-disconnect",
		.help = "on-disconnect=resume|stay|kill\twhat becomes of the VM when the debugger "
			"vanishes; if left out resume, for stdio kill",
		.value = "policy",
		.stub_only = true,
		.set = set_on_disconnect,
	},
	{
		.name = "takeover",
		.help = "takeover\ta new debugger of the same user takes the VM over from the one that is "
			"attached (unix: same uid, or root; tcp: from loopback; vsock: same CID)",
		.takes = TAKES_TAKEOVER,
		.stub_only = true,
		.flag = offsetof(struct stream_policy, takeover),
	},
	{
		.name = "ro",
		.help = "ro\tread only: no writes, and no run control but continue",
		.stub_only = true,
		.flag = offsetof(struct stream_policy, ro),
	},
	{
		.name = "ack",
		.help = "ack\tkeep acknowledgements, also on a reliable link",
		.stub_only = true,
		.flag = offsetof(struct stream_policy, ack),
	},
	{
		.name = "log",
		.help = "log=FILE\twrite a transcript of the session to FILE",
		.value = "file",
		.stub_only = true,
		.set = set_log,
	},
};

const char *option_help(unsigned int i)
{
	return i < sizeof(options) / sizeof(options[0]) ? options[i].help : NULL;
}

static const struct option *find_option(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	return NULL;
}

int option_parse(struct endpoint_spec *s, char *text)
{
	char *value = text;
	const struct option *o = find_option(strsep(&value, "="));

	if (!o)
		return spec_error(s, -EINVAL, "unknown option '%.40s'", text);
	if (o->takes & ~s->kind->takes)
		return spec_error(s, -EINVAL, "option '%s' does not fit '%s'", text, s->kind->kind);
	if (o->stub_only && s->role != VMGDB_STUB)
		return spec_error(s, -EINVAL, "option '%s' is for the VMM's side", text);
	if (!o->value && value)
		return spec_error(s, -EINVAL, "option '%s' takes no value", text);
	if (o->value && (!value || *value == '\0'))
		return spec_error(s, -EINVAL, "option '%s': no %s after '='", text, o->value);
	if (o->set)
		return o->set(s, value);
	*(bool *)((char *)&s->policy + o->flag) = true;
	return 0;
}
