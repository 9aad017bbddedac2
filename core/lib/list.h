/* SPDX-License-Identifier: MIT */
/* A circular doubly linked list of links embedded in their owners. The head is a link of its own. */
#ifndef VMGDB_CORE_LIST_H
#define VMGDB_CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *prev, *next;
};

/* The owner of a link. */
#define list_owner(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* An empty list, or a link that is in none. */
static inline void list_init(struct list *l)
{
	l->prev = l->next = l;
}

/* For a link: is it in no list? */
static inline bool list_is_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_append(struct list *head, struct list *l)
{
	l->prev = head->prev;
	l->next = head;
	head->prev->next = l;
	head->prev = l;
}

/* Take a link out of its list; if it is in none, nothing happens. */
static inline void list_remove(struct list *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	list_init(l);
}

/* To the end of that list, from whichever it is in. */
static inline void list_move(struct list *head, struct list *l)
{
	list_remove(l);
	list_append(head, l);
}

#endif
