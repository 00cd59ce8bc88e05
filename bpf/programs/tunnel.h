/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * The receiving end of direct server return: takes a tunnel's headers off for a pod that has none of its own.
 *
 * IP in IP (RFC 2003, RFC 2473, RFC 4213) and GUE variant 1, where the IP packet stands right behind the UDP header,
 * both families in both. Only for a VIP that this very pod serves: all else in a tunnel is between the pod and its
 * peer. What is UDP to GUE's port, and holds no such packet, is taken for an application's own.
 *
 * A tunnel's fragments are no tunnel packets here: tunnels must be made to fit the path.
 */
#pragma once

#include "maps.h"
#include "packet.h"

/* Linux 6.3; younger than the headers that weft builds with. Without them the kernel keeps the outer family. */
#define DECAP_L3_IPV4 (1ULL << 7)
#define DECAP_L3_IPV6 (1ULL << 8)

#define UDP_HEADER_LENGTH 8

enum tunnel {
	NO_TUNNEL,
	OTHERS,	  /* a tunnel packet, for nothing that the pod serves */
	BROKEN,	  /* its inner packet is none */
	STRIPPED, /* now it is the inner packet, addressed to the pod */
	FAILED,
};

struct inner {
	struct weft_address destination;
	__u32 offset;
	__u32 length; /* as its header says */
	bool is_ipv6;
};

static __always_inline bool load_inner(struct __sk_buff *skb, struct inner *inner)
{
	struct ipv6hdr ipv6;
	struct iphdr ipv4;

	if (inner->is_ipv6) {
		if (!load_ipv6(skb, inner->offset, &ipv6))
			return false;
		inner->destination = unmapped(&ipv6.daddr);
		inner->length = sizeof(ipv6) + bpf_ntohs(ipv6.payload_len);
		return !is_mapped(&inner->destination);
	}
	if (!load_ipv4(skb, inner->offset, &ipv4) || ipv4.ihl < 5)
		return false;
	inner->destination = mapped(ipv4.daddr);
	inner->length = bpf_ntohs(ipv4.tot_len);
	return true;
}

/* Reads as far as to know the inner packet's destination. STRIPPED means: may be. */
static __always_inline enum tunnel find_inner(struct __sk_buff *skb, const struct packet *packet, struct inner *inner)
{
	struct ports ports;
	__u8 first;

	if (packet->is_fragment || packet->is_cut)
		return NO_TUNNEL;
	inner->offset = packet->transport;
	switch (packet->protocol) {
	case IPPROTO_IPIP:
		inner->is_ipv6 = false;
		return load_inner(skb, inner) ? STRIPPED : BROKEN;
	case IPPROTO_IPV6:
		inner->is_ipv6 = true;
		return load_inner(skb, inner) ? STRIPPED : BROKEN;
	case IPPROTO_UDP:
		if (!load_ports(skb, packet, &ports) || ports.destination != bpf_htons(WEFT_GUE_PORT))
			return NO_TUNNEL;
		inner->offset += UDP_HEADER_LENGTH;
		if (bpf_skb_load_bytes(skb, inner->offset, &first, sizeof(first)))
			return NO_TUNNEL;
		inner->is_ipv6 = first >> 4 == 6;
		return load_inner(skb, inner) ? STRIPPED : NO_TUNNEL;
	default:
		return NO_TUNNEL;
	}
}

static __always_inline bool address_to(struct __sk_buff *skb, const struct weft_pod *pod)
{
	return bpf_skb_store_bytes(skb, 0, pod->mac, sizeof(pod->mac) + sizeof(pod->host_mac), 0) == 0;
}

static __always_inline bool strip(struct __sk_buff *skb, const struct packet *packet, const struct inner *inner)
{
	__be16 type = inner->is_ipv6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO; /* segments that the sender made have the size that they have */

	/*
	 * One large inner packet is fine. Of datagrams that a NIC's driver joined only the first tunnel header would
	 * go: then the first inner packet is not all that there is.
	 */
	if (packet->protocol == IPPROTO_UDP && skb->gso_size && inner->length != skb->len - inner->offset)
		return false;
	if (packet->is_ipv6 != inner->is_ipv6)
		flags |= inner->is_ipv6 ? DECAP_L3_IPV6 : DECAP_L3_IPV4;
	if (bpf_skb_adjust_room(skb, -(__s32)(inner->offset - ETH_HLEN), BPF_ADJ_ROOM_MAC, flags))
		return false;
	if (packet->is_ipv6 != inner->is_ipv6 &&
	    bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_proto), &type, sizeof(type), 0))
		return false;
	if (packet->is_congested) /* RFC 6040, section 4.2 */
		bpf_skb_ecn_set_ce(skb);
	return true;
}

/* @param pod whose address is the packet's destination */
static __always_inline enum tunnel decapsulate(struct __sk_buff *skb, const struct packet *packet,
					       const struct weft_pod *pod)
{
	struct weft_source serves = {.ifindex = pod->ifindex};
	struct inner inner = {};
	enum tunnel found = find_inner(skb, packet, &inner);
	__u8 *kind;

	if (found != STRIPPED)
		return found;
	serves.address = inner.destination;
	kind = bpf_map_lookup_elem(&sources, &serves);
	if (!kind || *kind != WEFT_SOURCE_VIP)
		return OTHERS;
	return strip(skb, packet, &inner) && address_to(skb, pod) ? STRIPPED : FAILED;
}
