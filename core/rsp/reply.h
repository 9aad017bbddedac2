/* SPDX-License-Identifier: MIT */
/* What all commands need to read their arguments and to reply. */
#ifndef VMGDB_CORE_REPLY_H
#define VMGDB_CORE_REPLY_H

#include "core/rsp/session_internal.h"

/* Begin another reply. */
void reply_clear(struct session *s);

void reply_ok(struct session *s);

/* Reply with an error: `text` names the part at fault; err is an errno, of either sign. */
void fail(struct session *s, int err, const char *text);

/* What an errno of either sign means here, for a person. */
const char *error_text(int err);

/* As fail(), with that text. */
void fail_errno(struct session *s, int err, const char *part);

/* "ADDR,LENGTH": false with the reply already an error. */
bool scan_range(struct session *s, struct scan *args, uint64_t *addr, uint64_t *len);

/* Whether nothing is left; false with the reply already an error. */
bool scan_done(struct session *s, const struct scan *args);

#endif
