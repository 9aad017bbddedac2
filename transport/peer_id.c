// SPDX-License-Identifier: MIT
#include <unistd.h>

#include "transport/stream.h"

static bool is_known(const struct peer_id *p)
{
	return p->kind == PEER_UID || p->kind == PEER_CID;
}

/* A user who is not known to be attached may still be taken for the VMM's own. */
static bool uid_may_take_over(uint32_t uid, const struct peer_id *attached)
{
	if (uid == 0)
		return true;
	return uid == (attached->kind == PEER_UID ? attached->id : geteuid());
}

bool peer_may_take_over(const struct peer_id *new, const struct peer_id *attached)
{
	switch (new->kind) {
	case PEER_UID: return uid_may_take_over(new->id, attached);
	case PEER_CID: return attached->kind == PEER_CID && attached->id == new->id;
	case PEER_TCP_LOOPBACK: return !is_known(attached);
	default: return false;
	}
}
