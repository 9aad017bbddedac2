// SPDX-License-Identifier: MIT
/* Text for the person at the debugger, until the session takes it. */
#include <string.h>

#include "core/engine/state.h"

void console_print(struct engine *e, const char *text, size_t len)
{
	size_t room;

	pthread_mutex_lock(&e->console_lock);
	room = sizeof(e->console) - e->console_len;
	len = len < room ? len : room;
	memcpy(e->console + e->console_len, text, len);
	e->console_len += len;
	pthread_mutex_unlock(&e->console_lock);
	engine_notify(e);
}

size_t engine_console(struct target *t, char *buf, size_t len)
{
	struct engine *e = engine_of(t);

	pthread_mutex_lock(&e->console_lock);
	if (len > e->console_len)
		len = e->console_len;
	memcpy(buf, e->console, len);
	e->console_len -= len;
	memmove(e->console, e->console + len, e->console_len);
	pthread_mutex_unlock(&e->console_lock);
	return len;
}
