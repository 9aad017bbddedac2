// SPDX-License-Identifier: MIT
/* The stub's thread between a real stream and a software VM. */
#include <criterion/criterion.h>

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/server/server.h"
#include "tests/unit/softvm.h"
#include "tests/unit/transport_help.h"

struct bench {
	struct softvm vm;
	struct server server;
	int fd; /* the debugger's end */
};

static void notify(void *opaque)
{
	server_wake(opaque);
}

/* An exit that takes the VMM a while: so long does a stop take. */
static bool dawdle(struct softvm_cpu *c)
{
	(void)c;
	poll(NULL, 0, 20);
	return false;
}

/* A VM that runs, and a debugger whose connection is made. */
static void begin(struct bench *b)
{
	int sv[2];

	softvm_init(&b->vm, &soft8_ops, 1, NULL);
	softvm_loops(&b->vm);
	CODE(&b->vm, loop_of(0), I(OUT, 0, 0, 0), JMP(-2));
	b->vm.on_exit = dawdle;
	cr_assert_eq(server_init(&b->server, &b->vm.engine), 0);
	b->vm.engine.notify = notify;
	b->vm.engine.notify_opaque = &b->server;
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	b->fd = sv[0];
	cr_assert_eq(server_add_endpoint(&b->server, open_endpoint(VMGDB_STUB, "fd:%d", sv[1])), 0);
	softvm_start(&b->vm);
	cr_assert_eq(server_start(&b->server), 0);
}

static void end(struct bench *b)
{
	close(b->fd);
	softvm_stop(&b->vm);
	server_fini(&b->server);
	softvm_fini(&b->vm);
}

/* What comes until text is in it, or for two seconds. */
static const char *hear(struct bench *b, const char *text)
{
	static char got[4096];
	struct pollfd p = { .fd = b->fd, .events = POLLIN };
	size_t len = 0;

	got[0] = '\0';
	while (!strstr(got, text) && len + 1 < sizeof(got) && poll(&p, 1, 2000) > 0) {
		ssize_t n = read(b->fd, got + len, sizeof(got) - 1 - len);

		if (n <= 0)
			break;
		len += (size_t)n;
		got[len] = '\0';
	}
	return got;
}

static void say(struct bench *b, const char *text)
{
	cr_assert_eq(write(b->fd, text, strlen(text)), (ssize_t)strlen(text));
}

Test(server, all_of_a_newcomer,
     .description = "all that one says at once which comes while the VM runs is answered")
{
	struct bench b;
	int i;

	begin(&b);
	for (i = 0; i < 10; i++) {
		say(&b, "+$QStartNoAckMode#b0");
		cr_assert(strstr(hear(&b, "OK#9a"), "OK#9a"));
		say(&b, "+$vCont;c#a8");
		poll(NULL, 0, 5);
		say(&b, "+$qSupported#37$qC#b4$?#3f");
		cr_assert(strstr(hear(&b, "$T"), "$QC"), "round %d", i);
	}
	end(&b);
}

/* GDB manual, "Bytecode Descriptions": a condition, and a command that is printf("%d;", r0). */
Test(server, output, .description = "what a breakpoint's commands print comes as O packets")
{
	const char *got;
	struct bench b;
	int i;

	begin(&b);
	say(&b, "+$QStartNoAckMode#b0");
	cr_assert(strstr(hear(&b, "OK#9a"), "OK#9a"));
	say(&b, "$Z0,104,1;X3,220127;"
		"cmds:0,X10,260002220022003401000425643b0027#92");
	cr_assert(strstr(hear(&b, "OK#9a"), "$OK#9a"));
	say(&b, "$vCont;c#a8");
	for (i = 0; i < 5; i++) {
		got = hear(&b, "$O303b");
		cr_assert(strstr(got, "$O303b"));
		cr_assert_null(strstr(got, "$T"), "it is no stop");
	}
	say(&b, "\003");
	cr_assert(strstr(hear(&b, "$T02"), "$T02"));
	end(&b);
}
