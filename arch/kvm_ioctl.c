// SPDX-License-Identifier: MIT
#include "arch/kvm_vcpu.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
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

int kvm_set_guest_debug(struct kvm_vcpu *k, struct kvm_guest_debug *d)
{
	int ret = kvm_call(k->fd, KVM_SET_GUEST_DEBUG, d);

	if (!ret)
		k->armed = *d;
	return ret;
}

int kvm_arm(struct kvm_vcpu *k, const struct debug_control *control, struct kvm_guest_debug *d,
	    bool always)
{
	if (control->trap_brk)
		d->control |= KVM_GUESTDBG_USE_SW_BP;
	if (control->step)
		d->control |= KVM_GUESTDBG_SINGLESTEP;
	if (d->control)
		d->control |= KVM_GUESTDBG_ENABLE;
	kvm_kick_learn_thread(k);
	k->control = *control;
	if (!always && !memcmp(d, &k->armed, sizeof(*d)))
		return 0;
	return kvm_set_guest_debug(k, d);
}

/*
 * Asked more than once a stop, but another vCPU may wake up one that is halted, or start one that is
 * off, while this one is parked.
 */
int kvm_mp_state(struct kvm_vcpu *k)
{
	struct kvm_mp_state mp = { KVM_MP_STATE_RUNNABLE };
	int ret = k->runnable ? 0 : kvm_call(k->fd, KVM_GET_MP_STATE, &mp);

	k->runnable = !ret && mp.mp_state == KVM_MP_STATE_RUNNABLE;
	return ret ? ret : (int)mp.mp_state;
}

const char *kvm_halted(void *ctx)
{
	switch (kvm_mp_state(ctx)) {
	case KVM_MP_STATE_HALTED: return "halted";
	case KVM_MP_STATE_UNINITIALIZED:
	case KVM_MP_STATE_INIT_RECEIVED:
	case KVM_MP_STATE_SIPI_RECEIVED:
	case KVM_MP_STATE_AP_RESET_HOLD:
	case KVM_MP_STATE_STOPPED: return "off";
	default: return NULL;
	}
}
