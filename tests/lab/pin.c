// SPDX-License-Identifier: MIT
/*
 * Holds VMs for as long as the lab host lives, so that KVM does not patch the host kernel's code
 * each time the first VM is created or the last one is destroyed (static keys: preempt notifiers;
 * vCPUs without an APIC, with one that software has disabled, with one that is off).
 *
 * QEMU before 8.1 may translate code on one CPU just while another one is changing it, and then
 * keeps the translation of what was there before.  On x86 that is the int3 of a half-done patch,
 * which no handler expects any more: the host hangs.  Seen in finish_task_switch() and
 * kvm_get_cr8().
 *
 * Returns when the VMs exist; the process that holds them stays.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int must(int ret, const char *what)
{
	if (ret < 0)
		err(1, "%s", what);
	return ret;
}

static int new_vm(void)
{
	int kvm = must(open("/dev/kvm", O_RDWR), "/dev/kvm");

	return must(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
}

static int new_vcpu(int vm, unsigned long index)
{
	return must(ioctl(vm, KVM_CREATE_VCPU, index), "KVM_CREATE_VCPU");
}

#ifdef __x86_64__
enum { APIC_BASE_ENABLE = 1 << 11 };

static void turn_apic_off(int vcpu)
{
	struct kvm_sregs sregs;

	must(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.apic_base &= ~(__u64)APIC_BASE_ENABLE;
	must(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
}

static void hold_apics(void)
{
	int vm = new_vm();

	must(ioctl(vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	new_vcpu(vm, 0);
	turn_apic_off(new_vcpu(vm, 1));
}
#else
static void hold_apics(void)
{
}
#endif

int main(void)
{
	new_vcpu(new_vm(), 0);
	hold_apics();
	if (fork() == 0)
		for (;;)
			pause();
	return 0;
}
