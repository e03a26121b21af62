// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Default routes as rtnetlink(7) tells them. Of a route with several next hops
 * /proc/net shows the first one, and of IPv4 only the table main
 * (fib_route_seq_show() in net/ipv4/fib_trie.c, ipv6_route_native_seq_show() in
 * net/ipv6/ip6_fib.c).
 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "private.h"

/* The kernel fills no more at a time (netlink_recvmsg() in net/netlink/af_netlink.c). */
#define PART_MAX 32768

static int add_interface(int index, void **names)
{
	char name[IF_NAMESIZE];
	int r;

	/* It may have gone meanwhile, its routes with it. */
	if (!if_indextoname((unsigned int)index, name))
		return 0;
	r = names_add(names, name);
	return r < 0 ? r : 0;
}

static int add_hops(const struct rtattr *attr, void **names)
{
	const struct rtnexthop *hop = RTA_DATA(attr);
	int left = (int)RTA_PAYLOAD(attr), r = 0;

	for (; r == 0 && left >= (int)sizeof(*hop) && RTNH_OK(hop, left); hop = RTNH_NEXT(hop)) {
		r = add_interface(hop->rtnh_ifindex, names);
		left -= RTNH_ALIGN(hop->rtnh_len);
	}
	return r;
}

static int add_route(const struct nlmsghdr *msg, void **names)
{
	const struct rtmsg *route = NLMSG_DATA(msg);
	const struct rtattr *attr = RTM_RTA(route);
	unsigned int left;
	int r = 0;

	if (msg->nlmsg_type != RTM_NEWROUTE || msg->nlmsg_len < NLMSG_LENGTH(sizeof(*route)) ||
	    route->rtm_dst_len || route->rtm_type != RTN_UNICAST)
		return 0;
	left = (unsigned int)RTM_PAYLOAD(msg);
	for (; r == 0 && RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		if (attr->rta_type == RTA_MULTIPATH) {
			r = add_hops(attr, names);
		} else if (attr->rta_type == RTA_OIF) {
			int index;

			memcpy(&index, RTA_DATA(attr), sizeof(index));
			r = add_interface(index, names);
		}
	}
	return r;
}

/* 1: there is more; 0: that was all. */
static int read_part(int fd, void **names)
{
	_Alignas(struct nlmsghdr) char part[PART_MAX];
	const struct nlmsghdr *msg = (const struct nlmsghdr *)part;
	ssize_t n = recv(fd, part, sizeof(part), 0);
	unsigned int left;

	if (n < 0)
		return errno == EINTR ? 1 : -errno;
	left = (unsigned int)n;
	for (; NLMSG_OK(msg, left); msg = NLMSG_NEXT(msg, left)) {
		int r;

		if (msg->nlmsg_type == NLMSG_DONE)
			return 0;
		if (msg->nlmsg_type == NLMSG_ERROR)
			return -EIO;
		r = add_route(msg, names);
		if (r < 0)
			return r;
	}
	return n > 0;
}

static int dump(int fd, unsigned char family, void **names)
{
	struct {
		struct nlmsghdr head;
		struct rtmsg route;
	} request = {
		.head = { .nlmsg_len = sizeof(request),
			  .nlmsg_type = RTM_GETROUTE,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.route = { .rtm_family = family },
	};
	int r;

	if (send(fd, &request, sizeof(request), 0) < 0)
		return -errno;
	do {
		r = read_part(fd, names);
	} while (r > 0);
	return r;
}

int routes_default(void **names)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int r;

	if (fd < 0)
		return -errno;
	r = dump(fd, AF_INET, names);
	if (r == 0)
		r = dump(fd, AF_INET6, names);
	close(fd);
	return r;
}
