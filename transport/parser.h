/* SPDX-License-Identifier: MIT */
/* The parser of specs: KIND[:ARGUMENT][,OPTION]... Private. */
#ifndef VMGDB_TRANSPORT_PARSER_H
#define VMGDB_TRANSPORT_PARSER_H

#include "transport/transport.h"

/*
 * Parse s->text into the rest of *s. Returns 0, -EINVAL with s->err saying which
 * part is at fault, or -ENOMEM. s->policy.log is the caller's to free in any case.
 */
int spec_parse(struct endpoint_spec *s);

/* Apply the option NAME[=VALUE]. text is changed. As spec_parse(). */
int option_parse(struct endpoint_spec *s, char *text);

/* The help line of option i, or NULL after the last. */
const char *option_help(unsigned int i);

#endif
