// SPDX-License-Identifier: MIT
/*
 * What the labs' self test runs inside a host:
 *
 *	probe kvm		the KVM API's version, a guest of a few instructions, what debugging there is
 *	probe vsock		bytes to and fro over AF_VSOCK to CID 1
 *	probe echo DEVICE	sends back all that comes from a serial line or a virtio-serial port
 *
 * Prints facts as lines "name value"; exits 1 with a text when something does not work.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <linux/vm_sockets.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { CODE_GPA = 0x10000, CODE_SIZE = 0x10000, EXIT_GPA = 0x40000000, EXIT_PORT = 0xe9 };

#if defined(__x86_64__)
/* mov $0x42, %al; out %al, $0xe9 */
static const uint8_t code[] = { 0xb0, 0x42, 0xe6, EXIT_PORT };

static void start_at_code(int vm, int vcpu)
{
	struct kvm_sregs s;

	(void)vm;
	if (ioctl(vcpu, KVM_GET_SREGS, &s))
		err(1, "KVM_GET_SREGS");
	s.cs.selector = CODE_GPA >> 4;
	s.cs.base = CODE_GPA;
	if (ioctl(vcpu, KVM_SET_SREGS, &s) ||
	    ioctl(vcpu, KVM_SET_REGS, &(struct kvm_regs){ .rflags = 2 }))
		err(1, "KVM_SET_SREGS");
}

static int exited_as_expected(const struct kvm_run *run)
{
	return run->exit_reason == KVM_EXIT_IO && run->io.port == EXIT_PORT &&
	       ((const uint8_t *)run)[run->io.data_offset] == 0x42;
}
#elif defined(__aarch64__)
/* mov x0, #0x40000000; mov w1, #0x42; strb w1, [x0] */
static const uint32_t code[] = { 0xd2a80000, 0x52800841, 0x39000001 };

static void start_at_code(int vm, int vcpu)
{
	struct kvm_vcpu_init init;
	uint64_t pc = CODE_GPA;
	struct kvm_one_reg reg = {
		.id = KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE |
		      KVM_REG_ARM_CORE_REG(regs.pc),
		.addr = (uintptr_t)&pc,
	};

	if (ioctl(vm, KVM_ARM_PREFERRED_TARGET, &init) || ioctl(vcpu, KVM_ARM_VCPU_INIT, &init))
		err(1, "KVM_ARM_VCPU_INIT");
	if (ioctl(vcpu, KVM_SET_ONE_REG, &reg))
		err(1, "KVM_SET_ONE_REG");
}

static int exited_as_expected(const struct kvm_run *run)
{
	return run->exit_reason == KVM_EXIT_MMIO && run->mmio.phys_addr == EXIT_GPA &&
	       run->mmio.is_write && run->mmio.data[0] == 0x42;
}
#endif

static void run_guest(int kvm)
{
	int vm = ioctl(kvm, KVM_CREATE_VM, 0);
	long size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	void *mem =
		mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region slot = {
		.guest_phys_addr = CODE_GPA,
		.memory_size = CODE_SIZE,
		.userspace_addr = (uintptr_t)mem,
	};
	struct kvm_run *run;
	int vcpu;

	if (vm < 0 || mem == MAP_FAILED || ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot))
		err(1, "creating a VM");
	memcpy(mem, code, sizeof(code));
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	run = vcpu < 0 ? MAP_FAILED
		       : mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		err(1, "creating a vCPU");
	start_at_code(vm, vcpu);
	if (ioctl(vcpu, KVM_RUN, 0))
		err(1, "KVM_RUN");
	if (!exited_as_expected(run))
		errx(1, "the guest left with exit reason %u", run->exit_reason);
	printf("guest ran\n");
}

static int probe_kvm(void)
{
	static const struct {
		const char *name;
		int cap;
	} caps[] = {
		{ "guest-debug", KVM_CAP_SET_GUEST_DEBUG },
		{ "guest-debug2", KVM_CAP_SET_GUEST_DEBUG2 },
		{ "hw-bps", KVM_CAP_GUEST_DEBUG_HW_BPS },
		{ "hw-wps", KVM_CAP_GUEST_DEBUG_HW_WPS },
		{ "sve", KVM_CAP_ARM_SVE },
		{ "pauth", KVM_CAP_ARM_PTRAUTH_ADDRESS },
	};
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0)
		err(1, "/dev/kvm");
	printf("api %d\n", ioctl(kvm, KVM_GET_API_VERSION, 0));
	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++)
		printf("%s %d\n", caps[i].name, ioctl(kvm, KVM_CHECK_EXTENSION, caps[i].cap));
	run_guest(kvm);
	return 0;
}

static void write_all(int fd, const uint8_t *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0)
			err(1, "write");
		p += n;
		len -= (size_t)n;
	}
}

static void echo(int fd)
{
	uint8_t buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		write_all(fd, buf, (size_t)n);
}

static int probe_echo(const char *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios t;

	if (fd < 0)
		err(1, "%s", path);
	if (tcgetattr(fd, &t) == 0) {
		cfmakeraw(&t);
		cfsetspeed(&t, B115200);
		t.c_cflag |= CLOCAL;
		tcsetattr(fd, TCSANOW, &t);
	}
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		echo(fd);
		usleep(10000); /* while its other end is closed a virtio-serial port reads 0 bytes */
	}
}

static void send_and_compare(int fd)
{
	uint8_t sent[256], got[sizeof(sent)];

	for (int round = 0; round < 64; round++) {
		for (size_t i = 0; i < sizeof(sent); i++)
			sent[i] = (uint8_t)(i + (size_t)round);
		write_all(fd, sent, sizeof(sent));
		if (recv(fd, got, sizeof(got), MSG_WAITALL) != sizeof(got))
			err(1, "recv");
		if (memcmp(sent, got, sizeof(got)))
			errx(1, "the echo differs in round %d", round);
	}
}

static int probe_vsock(void)
{
	struct sockaddr_vm addr = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_ANY,
		.svm_port = VMADDR_PORT_ANY,
	};
	socklen_t len = sizeof(addr);
	int listener = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client;

	if (listener < 0 || bind(listener, (struct sockaddr *)&addr, len) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&addr, &len))
		err(1, "listening on vsock");
	if (fork() == 0) {
		echo(accept(listener, NULL, NULL));
		_exit(0);
	}
	addr.svm_cid = VMADDR_CID_LOCAL;
	client = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(client, (struct sockaddr *)&addr, sizeof(addr)))
		err(1, "connecting to CID 1");
	send_and_compare(client);
	close(client);
	wait(NULL);
	printf("vsock echoed\n");
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "kvm"))
		return probe_kvm();
	if (argc == 2 && !strcmp(argv[1], "vsock"))
		return probe_vsock();
	if (argc == 3 && !strcmp(argv[1], "echo"))
		return probe_echo(argv[2]);
	fprintf(stderr, "usage: probe kvm | vsock | echo DEVICE\n");
	return 1;
}
