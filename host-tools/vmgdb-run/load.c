/* SPDX-License-Identifier: MIT */
/* Guest images: files, and the choice of a loader. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host-tools/vmgdb-run/load.h"
#include "host-tools/vmgdb-run/vm.h"

int load_image(struct vm *vm, struct image *image)
{
	return is_elf(image) ? load_elf(vm, image) : load_flat(vm, image);
}

static int map_fd(struct vm *vm, int fd, struct image *image)
{
	struct stat st;
	void *p;

	if (fstat(fd, &st) < 0)
		return vm_fail(vm, errno, "%s", image->name);
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return vm_fail(vm, 0, "%s: not a guest image: %s", image->name,
			       S_ISREG(st.st_mode) ? "empty" : "not a regular file");
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return vm_fail(vm, errno, "%s", image->name);
	image->data = p;
	image->size = (size_t)st.st_size;
	return 0;
}

int map_image(struct vm *vm, const char *path, struct image *image)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int ret;

	*image = (struct image){ .name = path };
	if (fd < 0)
		return vm_fail(vm, errno, "%s", path);
	ret = map_fd(vm, fd, image);
	close(fd);
	return ret;
}

void unmap_image(struct image *image)
{
	if (image->data)
		munmap((void *)image->data, image->size);
	image->data = NULL;
}
