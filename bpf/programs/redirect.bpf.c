// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/*
 * How traffic reaches weft's workers and comes back, without iptables: of local pods, of NICs that stay with the
 * kernel, and of the host's own processes.
 *
 * Each program sees a packet once, keeps no state of its own and writes nothing but MAC addresses, but for the tunnel
 * headers that it takes off: a packet whose checksum is yet to be completed, or that is still to be segmented, stays as
 * it is, and the veth towards the worker (offloads off) completes it.
 *
 * A verdict of "pass" is TC_ACT_UNSPEC, not TC_ACT_OK: classifiers behind this one (a CNI's, an administrator's) go on
 * to see the packet.
 */
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>
#include <stddef.h>

#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "packet.h"
#include "steer.h"
#include "tunnel.h"

static __always_inline __u8 source_kind(const struct __sk_buff *skb, const struct packet *packet)
{
	struct weft_source from = {.ifindex = skb->ifindex, .address = packet->source};
	__u8 *kind = bpf_map_lookup_elem(&sources, &from);

	return kind ? *kind : 0;
}

/* On the host's end of each pod's veth, at ingress. */
SEC("tc")
int from_pod(struct __sk_buff *skb)
{
	__u32 zero = 0, hash = 0, ifindex;
	struct weft_settings *now = bpf_map_lookup_elem(&settings, &zero);
	struct packet packet = {};
	enum way way;

	if (!now || now->workers == 0)
		return end(WEFT_FROM_POD_PASSED_OFF, TC_ACT_UNSPEC);
	switch (parse(skb, &packet)) {
	case NOT_IP:
		return end(WEFT_FROM_POD_PASSED_NOT_IP, TC_ACT_UNSPEC);
	case LINK_ONLY:
		return end(WEFT_FROM_POD_PASSED_LINK, TC_ACT_UNSPEC);
	case MALFORMED:
		return end(WEFT_FROM_POD_DROPPED_MALFORMED, TC_ACT_SHOT);
	case PARSED:
		break;
	}

	way = steer_request(skb, &packet, &hash);
	if (way == CUT_SHORT)
		return end(WEFT_FROM_POD_DROPPED_MALFORMED, TC_ACT_SHOT);
	if (way == NOT_MESH)
		way = steer_reply(skb, &packet, &hash);
	if (way == NOT_MESH) {
		if (!bpf_map_lookup_elem(&vips, &packet.source))
			return end(WEFT_FROM_POD_PASSED, TC_ACT_UNSPEC);
		if (source_kind(skb, &packet) != WEFT_SOURCE_VIP)
			return end(WEFT_FROM_POD_DROPPED_SPOOFED, TC_ACT_SHOT);
		return end(WEFT_FROM_POD_PASSED_DIRECT, TC_ACT_UNSPEC);
	}
	if (source_kind(skb, &packet) != WEFT_SOURCE_OWN)
		return end(WEFT_FROM_POD_DROPPED_SPOOFED, TC_ACT_SHOT);
	ifindex = worker_interface(now, hash);
	if (ifindex == 0)
		return end(WEFT_FROM_POD_DROPPED_NO_WORKER, TC_ACT_SHOT);
	if (is_too_long(skb, &packet, now->mtu))
		return end(WEFT_FROM_POD_DROPPED_TOO_LONG, TC_ACT_SHOT);
	return to_worker(skb, ifindex, WEFT_FROM_POD_REDIRECTED_REQUEST + way);
}

/* On a NIC that stays with the kernel, at ingress. */
SEC("tc")
int from_nic(struct __sk_buff *skb)
{
	__u32 zero = 0, hash = 0, ifindex;
	struct weft_settings *now = bpf_map_lookup_elem(&settings, &zero);
	struct packet packet = {};
	struct weft_pod *pod;
	enum way way;

	if (!now || now->workers == 0)
		return end(WEFT_FROM_NIC_PASSED_OFF, TC_ACT_UNSPEC);
	if (skb->pkt_type != PACKET_HOST) /* a broadcast, or somebody else's that a promiscuous NIC shows */
		return end(WEFT_FROM_NIC_PASSED, TC_ACT_UNSPEC);
	switch (parse(skb, &packet)) {
	case NOT_IP:
		return end(WEFT_FROM_NIC_PASSED_NOT_IP, TC_ACT_UNSPEC);
	case LINK_ONLY:
		return end(WEFT_FROM_NIC_PASSED_LINK, TC_ACT_UNSPEC);
	case MALFORMED:
		return end(WEFT_FROM_NIC_DROPPED_MALFORMED, TC_ACT_SHOT);
	case PARSED:
		break;
	}

	pod = bpf_map_lookup_elem(&pods, &packet.destination);
	if (pod) {
		switch (decapsulate(skb, &packet, pod)) {
		case STRIPPED:
			return end(WEFT_FROM_NIC_DECAPSULATED, bpf_redirect_peer(pod->ifindex, 0));
		case OTHERS:
			return end(WEFT_FROM_NIC_PASSED_TUNNEL, TC_ACT_UNSPEC);
		case BROKEN:
			return end(WEFT_FROM_NIC_DROPPED_MALFORMED, TC_ACT_SHOT);
		case FAILED:
			return end(WEFT_FROM_NIC_DROPPED_DECAPSULATION, TC_ACT_SHOT);
		case NO_TUNNEL:
			break;
		}
	}
	way = steer_request(skb, &packet, &hash);
	if (way == CUT_SHORT)
		return end(WEFT_FROM_NIC_DROPPED_MALFORMED, TC_ACT_SHOT);
	if (way == NOT_MESH)
		way = steer_reply(skb, &packet, &hash);
	if (way == NOT_MESH)
		way = steer_quoted(skb, &packet, &hash);
	if (way == NOT_MESH)
		return end(WEFT_FROM_NIC_PASSED, TC_ACT_UNSPEC);
	ifindex = worker_interface(now, hash);
	if (ifindex == 0)
		return end(WEFT_FROM_NIC_DROPPED_NO_WORKER, TC_ACT_SHOT);
	if (is_too_long(skb, &packet, now->mtu))
		return end(WEFT_FROM_NIC_DROPPED_TOO_LONG, TC_ACT_SHOT);
	return to_worker(skb, ifindex, WEFT_FROM_NIC_REDIRECTED_REQUEST + way);
}

/*
 * On the kernel's end of the first worker's veth, at egress: what the kernel routes to VIPs, and what the other
 * programs redirect to the first worker, which has been counted there.
 */
SEC("tc")
int from_host(struct __sk_buff *skb)
{
	__u32 zero = 0, hash = 0, ifindex;
	struct weft_settings *now = bpf_map_lookup_elem(&settings, &zero);
	struct packet packet = {};
	enum way way;

	if (skb->mark == WEFT_STEERED_MARK)
		return TC_ACT_UNSPEC;
	if (!now || now->workers == 0)
		return end(WEFT_FROM_HOST_DROPPED_NO_WORKER, TC_ACT_SHOT);
	switch (parse(skb, &packet)) {
	case NOT_IP:
	case LINK_ONLY:
		return end(WEFT_FROM_HOST_DROPPED_NOT_MESH, TC_ACT_SHOT);
	case MALFORMED:
		return end(WEFT_FROM_HOST_DROPPED_MALFORMED, TC_ACT_SHOT);
	case PARSED:
		break;
	}
	way = steer_request(skb, &packet, &hash);
	if (way == NOT_MESH)
		return end(WEFT_FROM_HOST_DROPPED_NOT_MESH, TC_ACT_SHOT);
	if (way == CUT_SHORT)
		return end(WEFT_FROM_HOST_DROPPED_MALFORMED, TC_ACT_SHOT);
	ifindex = worker_interface(now, hash);
	if (ifindex == 0)
		return end(WEFT_FROM_HOST_DROPPED_NO_WORKER, TC_ACT_SHOT);
	if (ifindex == skb->ifindex)
		return end(WEFT_FROM_HOST_REDIRECTED_REQUEST + way, TC_ACT_UNSPEC);
	return to_worker(skb, ifindex, WEFT_FROM_HOST_REDIRECTED_REQUEST + way);
}

/* On the kernel's end of each worker's veth, at ingress. */
SEC("tc")
int to_pod(struct __sk_buff *skb)
{
	struct packet packet = {};
	struct weft_pod *pod;

	switch (parse(skb, &packet)) {
	case NOT_IP:
		return end(WEFT_TO_POD_PASSED_NOT_IP, TC_ACT_UNSPEC);
	case LINK_ONLY:
		return end(WEFT_TO_POD_PASSED_LINK, TC_ACT_UNSPEC);
	case MALFORMED:
		return end(WEFT_TO_POD_DROPPED_MALFORMED, TC_ACT_SHOT);
	case PARSED:
		break;
	}
	pod = bpf_map_lookup_elem(&pods, &packet.destination);
	if (!pod) {
		/* For the kernel to route, whatever destination MAC address the worker wrote. */
		bpf_skb_change_type(skb, PACKET_HOST);
		return end(WEFT_TO_POD_PASSED, TC_ACT_UNSPEC);
	}
	switch (decapsulate(skb, &packet, pod)) {
	case STRIPPED:
		return end(WEFT_TO_POD_DECAPSULATED, bpf_redirect_peer(pod->ifindex, 0));
	case BROKEN:
		return end(WEFT_TO_POD_DROPPED_MALFORMED, TC_ACT_SHOT);
	case FAILED:
		return end(WEFT_TO_POD_DROPPED_DECAPSULATION, TC_ACT_SHOT);
	case OTHERS:
		if (!address_to(skb, pod))
			return end(WEFT_TO_POD_DROPPED_NO_MEMORY, TC_ACT_SHOT);
		return end(WEFT_TO_POD_REDIRECTED_TUNNEL, bpf_redirect_peer(pod->ifindex, 0));
	case NO_TUNNEL:
		break;
	}
	if (!address_to(skb, pod))
		return end(WEFT_TO_POD_DROPPED_NO_MEMORY, TC_ACT_SHOT);
	return end(WEFT_TO_POD_REDIRECTED, bpf_redirect_peer(pod->ifindex, 0));
}

char _license[] SEC("license") = "GPL"; /* the kernel knows no name for this file's choice of two */
