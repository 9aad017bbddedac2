/* SPDX-License-Identifier: MIT */
/* A name in the file system that an endpoint has made, and removes at the end unless another file has it
 * by then. Private. */
#ifndef VMGDB_TRANSPORT_OWNED_PATH_H
#define VMGDB_TRANSPORT_OWNED_PATH_H

/* All zero: owns nothing. */
struct owned_path {
	int dir;    /* the directory, so that chdir() does no harm */
	int file;   /* what was made; held, so that its inode number is not used again */
	char *base; /* the name in the directory; NULL: owns nothing */
};

/* Own what has just been made at path. Returns 0, or -errno: then it is removed at once. */
int owned_path_take(struct owned_path *o, const char *path);

/* Remove it, unless another has taken its place, and own nothing. */
void owned_path_remove(struct owned_path *o);

#endif
