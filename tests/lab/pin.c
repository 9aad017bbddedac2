// SPDX-License-Identifier: MIT
/*
 * Holds a VM for as long as the lab host lives, so that KVM does not patch the host kernel's code
 * each time a first VM comes or the last one goes (static keys: preempt notifiers, the software-
 * disabled APIC).
 *
 * QEMU before 8.1 may translate code on one CPU just while another one is changing it, and then
 * keeps the translation of what was there before.  On x86 that is the int3 of a half-done patch,
 * which no one handles any more: the host hangs.  Seen in finish_task_switch().
 *
 * Returns when the VM is there; what holds it stays.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(void)
{
	int kvm = open("/dev/kvm", O_RDWR);
	int vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);

	if (vm < 0)
		err(1, "/dev/kvm");
#ifdef __x86_64__
	if (ioctl(vm, KVM_CREATE_IRQCHIP, 0))
		err(1, "KVM_CREATE_IRQCHIP");
#endif
	if (ioctl(vm, KVM_CREATE_VCPU, 0) < 0)
		err(1, "KVM_CREATE_VCPU");
	if (fork() == 0)
		for (;;)
			pause();
	return 0;
}
