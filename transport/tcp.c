// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "transport/socket.h"

/* A static program has no resolver unless it brings one: it takes numeric addresses only. */
#pragma weak getaddrinfo
#pragma weak freeaddrinfo

static void print_address(const union socket_address *a, const char *before, char *buf, size_t len)
{
	char host[INET6_ADDRSTRLEN] = "";

	if (a->any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &a->in6.sin6_addr, host, sizeof(host));
		snprintf(buf, len, "%s[%s]:%u", before, host, ntohs(a->in6.sin6_port));
	} else {
		inet_ntop(AF_INET, &a->in.sin_addr, host, sizeof(host));
		snprintf(buf, len, "%s%s:%u", before, host, ntohs(a->in.sin_port));
	}
}

static void tcp_name(const union socket_address *a, char *buf, size_t len)
{
	print_address(a, "tcp:", buf, len);
}

/* A listener on all addresses is reached on this machine's own. */
static void tcp_attach(const union socket_address *a, char *buf, size_t len)
{
	union socket_address to = *a;

	if (a->any.sa_family == AF_INET && a->in.sin_addr.s_addr == htonl(INADDR_ANY))
		to.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (a->any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr))
		to.in6.sin6_addr = in6addr_loopback;
	print_address(&to, "", buf, len);
}

static bool is_loopback(const union socket_address *a)
{
	const uint8_t *v6 = a->in6.sin6_addr.s6_addr;

	if (a->any.sa_family == AF_INET)
		return ntohl(a->in.sin_addr.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
	return IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr) ||
	       (IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr) && v6[12] == IN_LOOPBACKNET);
}

static bool tcp_admit(int fd, const struct allow_list *allow, struct socket_peer *peer)
{
	union socket_address a = { .any.sa_family = AF_INET };
	socklen_t alen = sizeof(a);

	(void)allow;
	getpeername(fd, &a.any, &alen);
	peer->id = (struct peer_id){ is_loopback(&a) ? PEER_TCP_LOOPBACK : PEER_TCP, 0 };
	print_address(&a, "", peer->name, sizeof(peer->name));
	return true;
}

/*
 * A request is one small packet, and so is its reply: never wait to fill a segment. A peer whose
 * machine has vanished is noticed in half a minute, by keepalive when the link is idle, and by the user
 * timeout when a reply is on its way (tcp(7)).
 */
static void tcp_prepare(int fd)
{
	static const struct {
		int level, option, value;
	} options[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },   { SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 10 }, { IPPROTO_TCP, TCP_KEEPINTVL, 5 },
		{ IPPROTO_TCP, TCP_KEEPCNT, 4 },   { IPPROTO_TCP, TCP_USER_TIMEOUT, 30000 },
	};
	size_t i;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		setsockopt(fd, options[i].level, options[i].option, &options[i].value,
			   sizeof(options[i].value));
}

const struct socket_family tcp_family = {
	.name = tcp_name,
	.attach = tcp_attach,
	.admit = tcp_admit,
	.prepare = tcp_prepare,
};

static int resolve(const struct endpoint_spec *s, const char *host, union socket_address *a)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	int ret;

	if (!getaddrinfo)
		return spec_error(s, -EINVAL, "host '%.60s' is not a numeric address", host);
	ret = getaddrinfo(host, NULL, &hints, &found);
	if (ret)
		return spec_error(s, -EHOSTUNREACH, "host '%.60s': %s", host, gai_strerror(ret));
	memcpy(a, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return 0;
}

/* HOST: a name, 127.0.0.1, or [::1]. */
static int parse_host(const struct endpoint_spec *s, union socket_address *a)
{
	const char *host = s->name[0] ? s->name : "127.0.0.1";
	char bare[SPEC_NAME_MAX + 1];
	size_t len = strlen(host);

	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, host, &a->in.sin_addr) == 1) {
		a->any.sa_family = AF_INET;
		return 0;
	}
	if (host[0] != '[' && !strchr(host, ':'))
		return resolve(s, host, a);
	if (host[0] == '[' && host[len - 1] == ']') {
		snprintf(bare, sizeof(bare), "%.*s", (int)len - 2, host + 1);
		a->any.sa_family = AF_INET6;
		if (inet_pton(AF_INET6, bare, &a->in6.sin6_addr) == 1)
			return 0;
	}
	return spec_error(s, -EINVAL, "host '%.60s' is not an address ([::1] in brackets)", host);
}

static int parse_address(const struct endpoint_spec *s, union socket_address *a, socklen_t *len)
{
	int ret = parse_host(s, a);

	if (ret)
		return ret;
	if (a->any.sa_family == AF_INET6) {
		a->in6.sin6_port = htons((uint16_t)s->number);
		*len = sizeof(a->in6);
	} else {
		a->in.sin_port = htons((uint16_t)s->number);
		*len = sizeof(a->in);
	}
	return 0;
}

int tcp_listen(const struct endpoint_spec *s, struct vmgdb_endpoint **out)
{
	union socket_address a;
	const int on = 1;
	socklen_t len;
	int fd, ret;

	ret = parse_address(s, &a, &len);
	if (ret)
		return ret;
	fd = socket_open(a.any.sa_family);
	if (fd < 0)
		return spec_failed(s, fd, "can't make a socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, &a.any, len) < 0) {
		ret = spec_failed(s, -errno, "can't listen on port %u", s->number);
		close(fd);
		return ret;
	}
	return socket_listen(s, &tcp_family, fd, NULL, out);
}

int tcp_dial(const struct endpoint_spec *s, struct vmgdb_endpoint **out)
{
	union socket_address a;
	socklen_t len;
	int ret;

	if (s->number == 0)
		return spec_error(s, -EINVAL, "port '0' can't be dialled");
	ret = parse_address(s, &a, &len);
	return ret ? ret : socket_dial(s, &tcp_family, &a, len, out);
}
