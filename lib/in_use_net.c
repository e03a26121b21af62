// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * From a PCI device to its network interfaces, to the bonds, bridges and VLANs
 * on top of them, to the default route and to the caller's own connection.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "private.h"

#define CLASS_NET "sys/class/net"
/* Routers with a full table have some 100 MiB of it; that is a pity, but no endpoint of theirs. */
#define ROUTES_MAX (64u << 20)
/* include/uapi/linux/route.h */
#define ROUTE_UP 0x1
#define ROUTE_REJECT 0x200

struct net_walk {
	const struct vfiopm_device *dev;
	const struct vfiopm_ctx *ctx;
	struct vfiopm_uses *uses;
	const char *session;		/* local address, NULL: none */
	char session_if[IF_NAMESIZE];	/* interface that has it */
	char *route4, *route6;	/* as in /proc */
	void *defaults;		/* interfaces, as the running kernel tells */
	/* Where the walk stands. */
	const char *path;
	unsigned int depth;
	void *seen;
};

/* ---- routes ---- */

/* /proc/net/route: IFACE DESTINATION GATEWAY FLAGS REFCNT USE METRIC MASK ..., in hexadecimal. */
static bool is_default4(const char *line, const char *name)
{
	unsigned int destination, flags, mask;
	char iface[IF_NAMESIZE];

	return sscanf(line, "%15s %x %*x %x %*d %*d %*d %x", iface, &destination, &flags, &mask) ==
		       4 &&
	       !strcmp(iface, name) && !destination && !mask && flags & ROUTE_UP &&
	       !(flags & ROUTE_REJECT);
}

/* /proc/net/ipv6_route: TO PREFIXLEN FROM PREFIXLEN NEXTHOP METRIC REF USE FLAGS IFACE */
static bool is_default6(const char *line, const char *name)
{
	unsigned int prefix, flags;
	char iface[IF_NAMESIZE];

	return sscanf(line, "%*32s %x %*32s %*x %*32s %*x %*x %*x %x %15s", &prefix, &flags,
		      iface) == 3 &&
	       !strcmp(iface, name) && !prefix && flags & ROUTE_UP && !(flags & ROUTE_REJECT);
}

static bool has_default(const char *table, const char *name,
			bool (*match)(const char *line, const char *name))
{
	while (table && *table) {
		const char *newline = strchrnul(table, '\n');
		char line[512];

		snprintf(line, sizeof(line), "%.*s", (int)(newline - table), table);
		if (match(line, name))
			return true;
		table = *newline ? newline + 1 : newline;
	}
	return false;
}

static bool is_default(const struct net_walk *w, const char *name)
{
	return has_default(w->route4, name, is_default4) ||
	       has_default(w->route6, name, is_default6) || names_have(&w->defaults, name);
}

/* ---- the caller's connection ---- */

struct ip {
	struct in_addr four;	/* zero: it isn't one */
	struct in6_addr six;
};

static void parse_ip(const char *text, struct ip *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, text, &ret->four) == 1 || inet_pton(AF_INET6, text, &ret->six) != 1)
		return;
	/* An IPv4 connection to a socket of both families. */
	if (IN6_IS_ADDR_V4MAPPED(&ret->six))
		memcpy(&ret->four, &ret->six.s6_addr[12], sizeof(ret->four));
}

static bool has_ip(const struct sockaddr *address, const struct ip *ip)
{
	if (address && address->sa_family == AF_INET && ip->four.s_addr) {
		struct sockaddr_in in;

		memcpy(&in, address, sizeof(in));
		return in.sin_addr.s_addr == ip->four.s_addr;
	}
	if (address && address->sa_family == AF_INET6 && !IN6_IS_ADDR_UNSPECIFIED(&ip->six)) {
		struct sockaddr_in6 in;

		memcpy(&in, address, sizeof(in));
		return IN6_ARE_ADDR_EQUAL(&in.sin6_addr, &ip->six);
	}
	return false;
}

/* The interface that has the address; a link-local one names it, "fe80::1%eth0". */
static void find_session_interface(struct net_walk *w)
{
	const char *scope = strchr(w->session, '%');
	struct ifaddrs *all;
	struct ip ip;

	if (scope) {
		snprintf(w->session_if, sizeof(w->session_if), "%s", scope + 1);
		return;
	}
	parse_ip(w->session, &ip);
	if (w->ctx->foreign || getifaddrs(&all) < 0)
		return;
	for (const struct ifaddrs *a = all; a; a = a->ifa_next) {
		if (has_ip(a->ifa_addr, &ip)) {
			/* A label, "eth0:1", is no interface of its own. */
			snprintf(w->session_if, sizeof(w->session_if), "%.*s",
				 (int)strcspn(a->ifa_name, ":"), a->ifa_name);
			break;
		}
	}
	freeifaddrs(all);
}

/* ---- the walk ---- */

static bool is_up(const struct net_walk *w, const char *name)
{
	char path[SYSFS_PATH_MAX];
	int64_t flags;
	int dir, r;

	snprintf(path, sizeof(path), CLASS_NET "/%s", name);
	dir = sysfs_dir(w->ctx, path);
	if (dir < 0)
		return false;
	r = sysfs_read_int_at(w->ctx, dir, "flags", &flags);
	close(dir);
	return r == 0 && flags & IFF_UP;
}

static int visit(struct net_walk *w, const char *name);

static int visit_upper(const char *name, void *data)
{
	return strncmp(name, "upper_", 6) ? 0 : visit(data, name + 6);
}

/* An interface and all on top of it; being below something counts when nothing else was found. */
static int visit(struct net_walk *w, const char *name)
{
	const char *outer = w->path;
	char path[SYSFS_VALUE_MAX], dir_path[SYSFS_PATH_MAX];
	size_t before = vfiopm_uses_count(w->uses);
	int r;

	if (w->depth >= USES_DEPTH_MAX || strlen(name) >= IF_NAMESIZE)
		return 0;
	r = names_add(&w->seen, name);
	if (r <= 0)
		return r;
	uses_join(path, sizeof(path), outer, name);
	w->path = path;
	w->depth++;
	r = 0;
	if (is_default(w, name))
		r = uses_add(w->uses, VFIOPM_USE_DEFAULT_ROUTE, path, name);
	if (r == 0 && w->session && !strcmp(w->session_if, name))
		r = uses_add(w->uses, VFIOPM_USE_SESSION, path, w->session);
	if (r == 0) {
		snprintf(dir_path, sizeof(dir_path), CLASS_NET "/%s", name);
		r = sysfs_foreach(w->ctx, dir_path, visit_upper, w);
		if (r == -ENOENT)
			r = 0;
	}
	w->path = outer;
	w->depth--;
	if (r != 0 || w->depth == 0 || vfiopm_uses_count(w->uses) != before)
		return r;
	/*
	 * All ports of all bridges of Open vSwitch are below this one, which stays
	 * down; the bridges themselves, with addresses and routes, are nobody's upper
	 * (net/openvswitch/vport-netdev.c).
	 */
	if (!strcmp(name, "ovs-system"))
		return uses_add(w->uses, VFIOPM_USE_HOLDER, outer, "Open vSwitch");
	return is_up(w, name) ? uses_add(w->uses, VFIOPM_USE_UPPER, outer, name) : 0;
}

static int visit_interface(const char *name, void *data)
{
	struct net_walk *w = data;

	return device_has_below(w->dev, CLASS_NET, name) ? visit(w, name) : 0;
}

int in_use_net(const struct vfiopm_device *dev, const char *session, struct vfiopm_uses *uses)
{
	struct net_walk w = {
		.dev = dev,
		.ctx = dev->ctx,
		.uses = uses,
		.session = session,
		.path = "",
	};
	int r;

	if (sysfs_read_all(w.ctx, "proc/net/route", ROUTES_MAX, &w.route4) < 0)
		w.route4 = NULL;
	if (sysfs_read_all(w.ctx, "proc/net/ipv6_route", ROUTES_MAX, &w.route6) < 0)
		w.route6 = NULL;
	/* More than the tables show; all that a report of another machine has is those. */
	if (!w.ctx->foreign && routes_default(&w.defaults) == -ENOMEM) {
		r = -ENOMEM;
		goto out;
	}
	if (session)
		find_session_interface(&w);
	r = sysfs_foreach(w.ctx, CLASS_NET, visit_interface, &w);
out:
	names_free(&w.seen);
	names_free(&w.defaults);
	free(w.route4);
	free(w.route6);
	return r == -ENOENT ? 0 : r;
}
