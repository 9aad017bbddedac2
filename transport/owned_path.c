// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "transport/owned_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* That of "a/b" is "a", of "b" it is ".", of "/b" it is "/". */
static int open_directory(const char *path, const char *base)
{
	size_t len = (size_t)(base - path);
	char *dir = len ? strndup(path, len) : strdup(".");
	int fd = -1;

	if (dir)
		fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(dir);
	return fd;
}

static void release(struct owned_path *o)
{
	if (o->file >= 0)
		close(o->file);
	if (o->dir >= 0)
		close(o->dir);
	free(o->base);
	o->base = NULL;
}

int owned_path_take(struct owned_path *o, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	int err;

	o->base = NULL;
	o->file = -1;
	o->dir = open_directory(path, base);
	if (o->dir >= 0)
		o->file = openat(o->dir, base, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (o->file >= 0)
		o->base = strdup(base);
	if (o->base)
		return 0;
	err = -errno;
	release(o);
	unlink(path);
	return err;
}

static int still_ours(const struct owned_path *o)
{
	struct stat now, made;

	return fstatat(o->dir, o->base, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstat(o->file, &made) == 0 && now.st_dev == made.st_dev && now.st_ino == made.st_ino;
}

void owned_path_remove(struct owned_path *o)
{
	if (!o->base)
		return;
	if (still_ours(o))
		unlinkat(o->dir, o->base, 0);
	release(o);
}
