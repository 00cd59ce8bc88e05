/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * From a frame to what steering needs: addresses, and where the transport header is, whatever stands before it.
 *
 * Headers are copied out with bpf_skb_load_bytes: right for any layout of the packet's memory, and never past its end.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include <stdbool.h>

#include "bpf/abi.h"

#define IP_MORE_FRAGMENTS 0x2000
#define IP_FRAGMENT_OFFSET 0x1fff
#define IPV6_MORE_FRAGMENTS 0x0001
#define IPV6_FRAGMENT_OFFSET 0xfff8
#define ECN_MASK 3
#define ECN_CE 3

/* More than RFC 8200, section 4.1 recommends to send. What has still more is a packet of an unknown protocol. */
#define MAX_EXTENSION_HEADERS 8

enum parsed {
	PARSED,
	NOT_IP,	   /* or in a VLAN, which is not the pod's own network: not ours, whatever it carries */
	LINK_ONLY, /* IPv6 that stays on the link */
	MALFORMED,
};

struct packet {
	struct weft_address source;
	struct weft_address destination;
	__u32 transport; /* where its header begins */
	__u8 protocol;
	bool is_ipv6;
	bool is_fragment;  /* even the first one */
	bool is_cut;	   /* the packet ends within its extension headers */
	bool is_congested; /* RFC 3168: congestion experienced */
};

struct ports {
	__u16 source;
	__u16 destination;
};

/* Hop-by-hop, routing and destination options: all that is read of them here. */
struct extension {
	__u8 next;
	__u8 length; /* in 8 bytes, without the first 8 */
};

struct fragment {
	__u8 next;
	__u8 reserved;
	__be16 offset;
};

static __always_inline struct weft_address mapped(__u32 ipv4)
{
	struct weft_address address = {.words = {0, 0, bpf_htonl(0xffff), ipv4}};

	return address;
}

static __always_inline struct weft_address unmapped(const struct in6_addr *ipv6)
{
	struct weft_address address = {.words = {ipv6->in6_u.u6_addr32[0], ipv6->in6_u.u6_addr32[1],
						 ipv6->in6_u.u6_addr32[2], ipv6->in6_u.u6_addr32[3]}};

	return address;
}

static __always_inline bool is_mapped(const struct weft_address *address)
{
	return !address->words[0] && !address->words[1] && address->words[2] == bpf_htonl(0xffff);
}

static __always_inline bool is_link_local(const struct weft_address *address)
{
	return (address->words[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

static __always_inline bool is_multicast(const struct weft_address *address)
{
	return (address->words[0] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000);
}

static __always_inline bool load_ipv4(struct __sk_buff *skb, __u32 offset, struct iphdr *ip)
{
	return bpf_skb_load_bytes(skb, offset, ip, sizeof(*ip)) == 0 && ip->version == 4;
}

static __always_inline bool load_ipv6(struct __sk_buff *skb, __u32 offset, struct ipv6hdr *ip)
{
	return bpf_skb_load_bytes(skb, offset, ip, sizeof(*ip)) == 0 && ip->version == 6;
}

static __always_inline bool has_ports(const struct packet *packet)
{
	return packet->protocol == IPPROTO_TCP || packet->protocol == IPPROTO_UDP;
}

static __always_inline bool load_ports(struct __sk_buff *skb, const struct packet *packet, struct ports *ports)
{
	return bpf_skb_load_bytes(skb, packet->transport, ports, sizeof(*ports)) == 0;
}

/* 0 if the packet ends before its ICMP header does: echo reply in IPv4, reserved in ICMPv6. */
static __always_inline __u8 icmp_type(struct __sk_buff *skb, const struct packet *packet)
{
	__u8 type = 0;

	if (bpf_skb_load_bytes(skb, packet->transport, &type, sizeof(type)))
		return 0;
	return type;
}

/* Destination unreachable, source quench, time exceeded, parameter problem; in ICMPv6 packet too big. */
static __always_inline bool is_icmp_error(struct __sk_buff *skb, const struct packet *packet)
{
	__u8 type;

	if (packet->protocol != (packet->is_ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		return false;
	type = icmp_type(skb, packet);
	if (packet->is_ipv6)
		return type >= 1 && type <= 4;
	return type == 3 || type == 4 || type == 11 || type == 12;
}

/* Router and neighbour solicitation and advertisement, redirect. */
static __always_inline bool is_neighbour_discovery(struct __sk_buff *skb, const struct packet *packet)
{
	__u8 type;

	if (!packet->is_ipv6 || packet->protocol != IPPROTO_ICMPV6 || packet->is_fragment || packet->is_cut)
		return false;
	type = icmp_type(skb, packet);
	return type >= 133 && type <= 137;
}

/* Leaves protocol and place of the first header that is no extension, or of a fragment's first that may be cut off. */
static __always_inline void skip_extensions(struct __sk_buff *skb, struct packet *packet)
{
	struct extension extension;
	struct fragment fragment;
	int i;

	for (i = 0; i < MAX_EXTENSION_HEADERS; ++i) {
		switch (packet->protocol) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
			if (bpf_skb_load_bytes(skb, packet->transport, &extension, sizeof(extension))) {
				packet->is_cut = true;
				return;
			}
			packet->protocol = extension.next;
			packet->transport += (extension.length + 1) * 8;
			break;
		case IPPROTO_FRAGMENT:
			if (bpf_skb_load_bytes(skb, packet->transport, &fragment, sizeof(fragment))) {
				packet->is_cut = true;
				return;
			}
			packet->protocol = fragment.next;
			packet->transport += 8;
			/* RFC 6946: a "fragment" that is all of its packet is none. */
			if (fragment.offset & bpf_htons(IPV6_FRAGMENT_OFFSET | IPV6_MORE_FRAGMENTS)) {
				packet->is_fragment = true;
				return;
			}
			break;
		default:
			return;
		}
	}
}

static __always_inline enum parsed parse_ipv6(struct __sk_buff *skb, struct packet *packet)
{
	struct ipv6hdr ip;

	if (!load_ipv6(skb, ETH_HLEN, &ip))
		return MALFORMED;
	packet->source = unmapped(&ip.saddr);
	packet->destination = unmapped(&ip.daddr);
	/* On no wire (RFC 4291), and here it would pass for the IPv4 address. */
	if (is_mapped(&packet->source) || is_mapped(&packet->destination))
		return MALFORMED;
	if (is_multicast(&packet->destination) || is_link_local(&packet->destination) || is_link_local(&packet->source))
		return LINK_ONLY;
	packet->is_ipv6 = true;
	packet->is_congested = ((ip.flow_lbl[0] >> 4) & ECN_MASK) == ECN_CE;
	packet->protocol = ip.nexthdr;
	packet->transport = ETH_HLEN + sizeof(ip);
	skip_extensions(skb, packet);
	return is_neighbour_discovery(skb, packet) ? LINK_ONLY : PARSED;
}

static __always_inline enum parsed parse_ipv4(struct __sk_buff *skb, struct packet *packet)
{
	struct iphdr ip;

	if (!load_ipv4(skb, ETH_HLEN, &ip) || ip.ihl < 5)
		return MALFORMED;
	packet->source = mapped(ip.saddr);
	packet->destination = mapped(ip.daddr);
	packet->is_fragment = ip.frag_off & bpf_htons(IP_MORE_FRAGMENTS | IP_FRAGMENT_OFFSET);
	packet->is_congested = (ip.tos & ECN_MASK) == ECN_CE;
	packet->protocol = ip.protocol;
	packet->transport = ETH_HLEN + ip.ihl * 4;
	return PARSED;
}

/* Precondition: the packet is all 0. */
static __always_inline enum parsed parse(struct __sk_buff *skb, struct packet *packet)
{
	if (skb->vlan_present)
		return NOT_IP;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return parse_ipv4(skb, packet);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(skb, packet);
	return NOT_IP;
}
