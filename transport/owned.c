/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "transport/owned.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* dir of "a/b" is "a", of "b" is ".", of "/b" is "/". */
static int open_directory(const char *path, const char *base)
{
	size_t len = (size_t)(base - path);
	char *dir = len ? strndup(path, len) : strdup(".");
	int fd;

	if (!dir)
		return -ENOMEM;
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(dir);
	return fd < 0 ? -errno : fd;
}

int owned_name_take(struct owned_name *o, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	struct stat st;
	int dir = open_directory(path, base);

	if (dir < 0)
		return dir;
	if (fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		int err = -errno;

		close(dir);
		return err;
	}
	o->base = strdup(base);
	if (!o->base) {
		close(dir);
		return -ENOMEM;
	}
	o->dir = dir;
	o->dev = st.st_dev;
	o->ino = st.st_ino;
	return 0;
}

void owned_name_remove(struct owned_name *o)
{
	struct stat st;

	if (!o->base)
		return;
	if (fstatat(o->dir, o->base, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == o->dev &&
	    st.st_ino == o->ino)
		unlinkat(o->dir, o->base, 0);
	close(o->dir);
	free(o->base);
	o->base = NULL;
}
