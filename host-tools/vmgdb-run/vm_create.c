/* SPDX-License-Identifier: MIT */
/* Making and unmaking the machine: KVM's descriptors, memory, vCPUs. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host-tools/vmgdb-run/machine.h"

/* What to do about a /dev/kvm that can't be opened. */
static const char *kvm_advice(int err)
{
	switch (err) {
	case EACCES: return "; its group, usually kvm, may use it";
	case ENOENT:
	case ENODEV: return "; this machine has no KVM, the labs bring their own (make lab)";
	default: return "";
	}
}

static int open_kvm(struct vm *vm)
{
	int version;

	vm->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm < 0)
		return vm_fail(vm, 0, "/dev/kvm: %s%s", strerror(errno), kvm_advice(errno));
	version = ioctl(vm->kvm, KVM_GET_API_VERSION, 0);
	if (version < 0)
		return vm_fail(vm, errno, "/dev/kvm: KVM_GET_API_VERSION");
	if (version != KVM_API_VERSION)
		return vm_fail(vm, 0, "/dev/kvm: API version %d, not %d", version, KVM_API_VERSION);
	vm->fd = ioctl(vm->kvm, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		return vm_fail(vm, errno, "/dev/kvm: KVM_CREATE_VM");
	return 0;
}

static int create_memory(struct vm *vm, uint64_t size)
{
	uint8_t *hva = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (hva == MAP_FAILED)
		return vm_fail(vm, errno, "--mem %" PRIu64, size >> 20);
	vm->mem_size = size;
	vm->nram = machine_memory_map(size, vm->ram);
	for (unsigned int i = 0; i < vm->nram; i++) {
		struct ram *r = &vm->ram[i];
		struct kvm_userspace_memory_region region = {
			.slot = i,
			.guest_phys_addr = r->gpa,
			.memory_size = r->size,
			.userspace_addr = (uintptr_t)hva,
		};

		r->hva = hva;
		hva += r->size;
		if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
			return vm_fail(vm, errno, "--mem: KVM_SET_USER_MEMORY_REGION");
	}
	return 0;
}

static int create_vcpu(struct vm *vm, unsigned int index)
{
	struct vcpu *vcpu = &vm->vcpus[index];

	vcpu->vm = vm;
	vcpu->index = index;
	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)index);
	if (vcpu->fd < 0)
		return vm_fail(vm, errno, "--cpus: KVM_CREATE_VCPU %u", index);
	vm->ncpus = index + 1;
	vcpu->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED) {
		vcpu->run = NULL;
		return vm_fail(vm, errno, "vCPU %u: mmap", index);
	}
	return machine_create_vcpu(vcpu);
}

static int create_vcpus(struct vm *vm, unsigned int n)
{
	int run_size = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	int ret = 0;

	if (run_size < 0)
		return vm_fail(vm, errno, "/dev/kvm: KVM_GET_VCPU_MMAP_SIZE");
	vm->run_size = (size_t)run_size;
	for (unsigned int i = 0; i < n && ret == 0; i++)
		ret = create_vcpu(vm, i);
	return ret;
}

int vm_create(struct vm *vm, unsigned int ncpus, uint64_t mem_size)
{
	int ret;

	*vm = (struct vm){ .kvm = -1, .fd = -1, .end_event = -1, .want_cpus = ncpus };
	pthread_mutex_init(&vm->lock, NULL);
	vm->end_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vm->end_event < 0)
		return vm_fail(vm, errno, "eventfd");
	ret = open_kvm(vm);
	if (ret == 0)
		ret = create_memory(vm, mem_size);
	if (ret == 0)
		ret = machine_create(vm);
	if (ret == 0)
		ret = create_vcpus(vm, ncpus);
	return ret;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void vm_destroy(struct vm *vm)
{
	machine_destroy(vm);
	for (unsigned int i = 0; i < vm->ncpus; i++) {
		if (vm->vcpus[i].run)
			munmap(vm->vcpus[i].run, vm->run_size);
		close(vm->vcpus[i].fd);
	}
	close_fd(vm->fd);
	close_fd(vm->kvm);
	close_fd(vm->end_event);
	if (vm->mem_size)
		munmap(vm->ram[0].hva, vm->mem_size);
	pthread_mutex_destroy(&vm->lock);
}
