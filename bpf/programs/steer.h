/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Is a packet the mesh's, and which worker owns its flow? By its headers and the maps alone, without state.
 */
#pragma once

#include "maps.h"
#include "packet.h"

/* Why a packet goes to a worker; in the order of each program's first counters. */
enum way {
	REQUEST,
	FRAGMENT,
	ERROR,
	REPLY,
	NOT_MESH,
	CUT_SHORT, /* for a VIP, but it ends before its ports do */
};

static __always_inline bool has_endpoint(const struct weft_address *address, __u16 port, __u8 protocol)
{
	struct weft_endpoint endpoint = {.address = *address, .port = port, .protocol = protocol};

	return bpf_map_lookup_elem(&endpoints, &endpoint);
}

/* For a VIP? Then its source is the flow's client. */
static __always_inline enum way steer_request(struct __sk_buff *skb, const struct packet *packet, __u32 *hash)
{
	struct ports ports;

	if (!bpf_map_lookup_elem(&vips, &packet->destination))
		return NOT_MESH;
	if (packet->is_cut)
		return CUT_SHORT;
	*hash = weft_address_hash(packet->source);
	if (packet->is_fragment)
		return FRAGMENT;
	if (!has_ports(packet))
		return is_icmp_error(skb, packet) ? ERROR : REQUEST;
	if (!load_ports(skb, packet, &ports))
		return CUT_SHORT;
	*hash = weft_client_hash(packet->source, ports.source, packet->protocol);
	return REQUEST;
}

/*
 * From an endpoint? Then its destination is the flow's client. Of what has no ports, whether it is of a flow at all is
 * for the worker to decide, which passes on to the kernel what is not.
 */
static __always_inline enum way steer_reply(struct __sk_buff *skb, const struct packet *packet, __u32 *hash)
{
	bool is_error = !packet->is_fragment && is_icmp_error(skb, packet);
	struct ports ports;

	if (packet->is_cut)
		return NOT_MESH;
	if (packet->is_fragment || is_error) {
		if (!has_endpoint(&packet->source, 0, 0))
			return NOT_MESH;
		*hash = weft_address_hash(packet->destination);
		return is_error ? ERROR : FRAGMENT;
	}
	/* Without ports it is nobody's reply, and its receiver will refuse it. */
	if (!has_ports(packet) || !load_ports(skb, packet, &ports))
		return NOT_MESH;
	if (!has_endpoint(&packet->source, ports.source, packet->protocol))
		return NOT_MESH;
	*hash = weft_client_hash(packet->destination, ports.destination, packet->protocol);
	return REPLY;
}

/* An error that a router on the way to an endpoint sends: its source is anybody's, but it quotes the request. */
static __always_inline enum way steer_quoted(struct __sk_buff *skb, const struct packet *packet, __u32 *hash)
{
	__u32 quoted = packet->transport + 8;
	struct weft_address destination;
	struct ipv6hdr ipv6;
	struct iphdr ipv4;

	if (packet->is_fragment || packet->is_cut || !is_icmp_error(skb, packet))
		return NOT_MESH;
	if (packet->is_ipv6) {
		if (!load_ipv6(skb, quoted, &ipv6))
			return NOT_MESH;
		destination = unmapped(&ipv6.daddr);
	} else {
		if (!load_ipv4(skb, quoted, &ipv4))
			return NOT_MESH;
		destination = mapped(ipv4.daddr);
	}
	if (!has_endpoint(&destination, 0, 0))
		return NOT_MESH;
	*hash = weft_address_hash(packet->destination);
	return ERROR;
}

/* The interface of the worker that owns the hash, or 0. */
static __always_inline __u32 worker_interface(const struct weft_settings *now, __u32 hash)
{
	__u32 worker = weft_worker_of(hash, now->workers);
	__u32 *ifindex = bpf_map_lookup_elem(&workers, &worker);

	return ifindex ? *ifindex : 0;
}

/* Of a frame that is still to be segmented, each segment counts: it has at least the shortest header of its kind. */
static __always_inline bool is_too_long(const struct __sk_buff *skb, const struct packet *packet, __u32 mtu)
{
	if (skb->gso_size)
		return packet->transport - ETH_HLEN + (packet->protocol == IPPROTO_TCP ? 20 : 8) + skb->gso_size > mtu;
	return skb->len - ETH_HLEN > mtu;
}

static __always_inline int to_worker(struct __sk_buff *skb, __u32 ifindex, enum weft_counter redirected)
{
	skb->mark = WEFT_STEERED_MARK;
	return end(redirected, bpf_redirect(ifindex, 0));
}
