// SPDX-License-Identifier: MIT
#include "arch/kvm_ioctl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <unistd.h>

int kvm_call(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

/* A KVM that knows the call reads its argument first. */
bool kvm_has_guest_debug(int vcpu_fd)
{
	return kvm_call(vcpu_fd, KVM_SET_GUEST_DEBUG, NULL) == -EFAULT;
}

void kvm_capabilities(const int *caps, int *values, unsigned int n)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	unsigned int i;

	for (i = 0; i < n; i++)
		values[i] = fd < 0 ? -1 : ioctl(fd, KVM_CHECK_EXTENSION, caps[i]);
	if (fd >= 0)
		close(fd);
}

int kvm_mp_state(int vcpu_fd)
{
	struct kvm_mp_state mp;
	int ret = kvm_call(vcpu_fd, KVM_GET_MP_STATE, &mp);

	return ret ? ret : (int)mp.mp_state;
}
