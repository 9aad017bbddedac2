// SPDX-License-Identifier: MIT
/* The parser: KIND[:ARGUMENT][,OPTION]... */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/parser.h"

/* "tcp:[HOST:]PORT" of a help line. */
static int syntax_length(const struct transport *kind)
{
	return (int)strcspn(kind->help, "\t");
}

static int parse_name(struct endpoint_spec *s, const char *text)
{
	const struct transport *kind = s->kind;
	size_t len = strlen(text);

	if (len == 0 && !kind->name_may_be_empty)
		return spec_error(s, -EINVAL, "the %s is empty", kind->name);
	if (len > kind->name_max)
		return spec_error(s, -EINVAL, "the %s '%.40s...' is longer than %zu bytes",
				  kind->name, text, kind->name_max);
	memcpy(s->name, text, len + 1);
	return 0;
}

static int parse_argument_number(struct endpoint_spec *s, const char *text)
{
	const struct transport *kind = s->kind;

	if (parse_number(text, kind->number_max, &s->number))
		return 0;
	return spec_error(s, -EINVAL, "%s '%.40s' is not a number from 0 to %u", kind->number, text,
			  kind->number_max);
}

/* NAME:NUMBER, split at the last colon: a path or an IPv6 address may have others. */
static int parse_pair(struct endpoint_spec *s, char *text)
{
	const struct transport *kind = s->kind;
	char *colon = strrchr(text, ':');
	int ret;

	if (!colon && !kind->name_optional)
		return spec_error(s, -EINVAL, "no %s after '%.40s' (%.*s)", kind->number, text,
				  syntax_length(kind), kind->help);
	if (!colon)
		return parse_argument_number(s, text);
	*colon = '\0';
	ret = parse_name(s, text);
	return ret ? ret : parse_argument_number(s, colon + 1);
}

/* text: what follows the kind's colon, or NULL. */
static int parse_argument(struct endpoint_spec *s, char *text)
{
	const struct transport *kind = s->kind;
	const char *missing = kind->number ? kind->number : kind->name;

	if (!missing)
		return text ? spec_error(s, -EINVAL, "'%s' takes nothing after a colon", kind->kind)
			    : 0;
	if (!text && kind->name_optional && !kind->number)
		return 0;
	if (!text)
		return spec_error(s, -EINVAL, "no %s (%.*s)", missing, syntax_length(kind),
				  kind->help);
	if (!kind->number)
		return parse_name(s, text);
	return kind->name ? parse_pair(s, text) : parse_argument_number(s, text);
}

static int unknown_kind(const struct endpoint_spec *s, const char *text)
{
	char list[128];
	size_t len = 0, i;

	for (i = 0; transports[i].kind && len < sizeof(list); i++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", i ? ", " : "",
					transports[i].kind);
	return spec_error(s, -EINVAL, "unknown kind '%.40s' (known: %s)", text, list);
}

static int parse_kind(struct endpoint_spec *s, char *text)
{
	char *colon = strchr(text, ':');

	s->kind = transports;
	if (!colon && *text >= '0' && *text <= '9')
		return parse_argument_number(s, text);
	if (colon)
		*colon++ = '\0';
	while (s->kind->kind && strcmp(s->kind->kind, text) != 0)
		s->kind++;
	return s->kind->kind ? parse_argument(s, colon) : unknown_kind(s, text);
}

static int parse_text(struct endpoint_spec *s, char *text)
{
	char *option, *rest = text;
	int ret = parse_kind(s, strsep(&rest, ","));

	s->policy.on_disconnect = s->kind->on_disconnect;
	while (ret == 0 && (option = strsep(&rest, ",")))
		ret = option_parse(s, option);
	return ret;
}

int spec_parse(struct endpoint_spec *s)
{
	char *text = strdup(s->text);
	int ret;

	if (!text)
		return -ENOMEM;
	ret = parse_text(s, text);
	free(text);
	return ret;
}
