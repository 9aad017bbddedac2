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

static int parse_name(struct endpoint_spec *s, const struct transport *kind, const char *text)
{
	size_t len = strlen(text);

	if (len == 0 && !kind->name_may_be_empty)
		return spec_error(s, -EINVAL, "the %s is empty", kind->name);
	if (len > kind->name_max)
		return spec_error(s, -EINVAL, "the %s '%.40s...' is longer than %zu bytes",
				  kind->name, text, kind->name_max);
	memcpy(s->name, text, len + 1);
	return 0;
}

static int parse_argument_number(struct endpoint_spec *s, const struct transport *kind,
				 const char *text)
{
	if (parse_number(text, kind->number_max, &s->number))
		return 0;
	return spec_error(s, -EINVAL, "%s '%.40s' is not a number from 0 to %u", kind->number, text,
			  kind->number_max);
}

/* NAME:NUMBER, split at the last colon: a path or an IPv6 address may have others. */
static int parse_pair(struct endpoint_spec *s, const struct transport *kind, char *text)
{
	char *colon = strrchr(text, ':');
	int ret;

	if (!colon && !kind->name_optional)
		return spec_error(s, -EINVAL, "no %s after '%.40s' (%.*s)", kind->number, text,
				  syntax_length(kind), kind->help);
	if (!colon)
		return parse_argument_number(s, kind, text);
	*colon = '\0';
	ret = parse_name(s, kind, text);
	return ret ? ret : parse_argument_number(s, kind, colon + 1);
}

/* text: what follows the kind's colon, or NULL. */
static int parse_argument(struct endpoint_spec *s, const struct transport *kind, char *text)
{
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
		return parse_name(s, kind, text);
	return kind->name ? parse_pair(s, kind, text) : parse_argument_number(s, kind, text);
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

static int parse_kind(struct endpoint_spec *s, char *text, const struct transport **kind)
{
	char *colon = strchr(text, ':');
	const struct transport *t;

	if (!colon && *text >= '0' && *text <= '9') {
		*kind = &transports[0];
		return parse_argument_number(s, *kind, text);
	}
	if (colon)
		*colon = '\0';
	for (t = transports; t->kind; t++)
		if (strcmp(t->kind, text) == 0)
			break;
	if (!t->kind)
		return unknown_kind(s, text);
	*kind = t;
	return parse_argument(s, t, colon ? colon + 1 : NULL);
}

static int parse_text(struct endpoint_spec *s, char *text, const struct transport **kind)
{
	char *option = strchr(text, ',');
	int ret;

	if (option)
		*option++ = '\0';
	ret = parse_kind(s, text, kind);
	if (ret == 0)
		s->policy.on_disconnect = (*kind)->on_disconnect;
	while (ret == 0 && option) {
		char *next = strchr(option, ',');

		if (next)
			*next++ = '\0';
		ret = option_parse(s, *kind, option);
		option = next;
	}
	return ret;
}

int spec_parse(struct endpoint_spec *s, const struct transport **kind)
{
	char *text = strdup(s->text);
	int ret;

	if (!text)
		return -ENOMEM;
	ret = parse_text(s, text, kind);
	free(text);
	return ret;
}
