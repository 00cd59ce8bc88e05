// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/*
 * How the traffic of local pods reaches weft's workers and comes back, without iptables.
 *
 * Both programs run at tc ingress, see a packet once, keep no state of their own and write nothing but MAC addresses: a
 * packet whose checksum is yet to be completed, or that is still to be segmented, stays as it is, and the veth towards
 * the worker (offloads off) completes it. Headers are copied out with bpf_skb_load_bytes: right for any layout of the
 * packet's memory, and never past its end.
 *
 * A verdict of "pass" is TC_ACT_UNSPEC, not TC_ACT_OK: classifiers behind this one (a CNI's, an administrator's) go on
 * to see the packet.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include <stdbool.h>

#include "bpf/abi.h"

#define IP_MORE_FRAGMENTS 0x2000
#define IP_FRAGMENT_OFFSET 0x1fff

/*
 * Hash maps allocate as they fill, so that a small node does not pay for a large one. `vips` and `endpoints` hold twice
 * what weftd accepts: it adds what is new before it erases what is old.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2 * WEFT_MAX_VIPS);
	__type(key, __u32);
	__type(value, __u8);
} vips SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2 * WEFT_MAX_ENDPOINTS);
	__type(key, struct weft_endpoint);
	__type(value, __u8);
} endpoints SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4 * WEFT_MAX_PODS); /* a pod may have several addresses */
	__type(key, struct weft_source);
	__type(value, __u8);
} sources SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4 * WEFT_MAX_PODS);
	__type(key, __u32);
	__type(value, struct weft_pod);
} pods SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEFT_MAX_WORKERS);
	__type(key, __u32);
	__type(value, __u32);
} workers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weft_settings);
} settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, WEFT_MAX_PODS + WEFT_MAX_WORKERS);
	__type(key, __u32);
	__type(value, struct weft_attachment);
} attachments SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WEFT_MAX_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

/* Counts, and is the verdict: no packet can end without being counted. */
static __always_inline int end(enum weft_counter counter, int verdict)
{
	__u32 key = counter;
	__u64 *count = bpf_map_lookup_elem(&counters, &key);

	if (count) /* always: the verifier can't know */
		++*count;
	return verdict;
}

/* Tagged frames belong to a VLAN, not to the pod's own network: not ours, whatever they carry. */
static __always_inline bool is_ipv4(const struct __sk_buff *skb)
{
	return skb->protocol == bpf_htons(ETH_P_IP) && !skb->vlan_present;
}

static __always_inline bool load_ip(struct __sk_buff *skb, struct iphdr *ip)
{
	return bpf_skb_load_bytes(skb, ETH_HLEN, ip, sizeof(*ip)) == 0 && ip->version == 4 && ip->ihl >= 5;
}

static __always_inline bool has_ports(const struct iphdr *ip)
{
	return ip->protocol == IPPROTO_TCP || ip->protocol == IPPROTO_UDP;
}

static __always_inline bool is_fragment(const struct iphdr *ip)
{
	return ip->frag_off & bpf_htons(IP_MORE_FRAGMENTS | IP_FRAGMENT_OFFSET);
}

struct ports {
	__u16 source;
	__u16 destination;
};

/* TCP and UDP alike; behind whatever options the IP header has. */
static __always_inline bool load_ports(struct __sk_buff *skb, const struct iphdr *ip, struct ports *ports)
{
	return bpf_skb_load_bytes(skb, ETH_HLEN + ip->ihl * 4, ports, sizeof(*ports)) == 0;
}

static __always_inline int to_worker(struct __sk_buff *skb, __u32 source, __u32 hash, __u32 count,
				     enum weft_counter redirected)
{
	struct weft_source from = {.ifindex = skb->ifindex, .address = source};
	__u32 worker = weft_worker_of(hash, count);
	__u32 *ifindex;

	if (!bpf_map_lookup_elem(&sources, &from))
		return end(WEFT_FROM_POD_DROPPED_SPOOFED, TC_ACT_SHOT);
	ifindex = bpf_map_lookup_elem(&workers, &worker);
	if (!ifindex || *ifindex == 0)
		return end(WEFT_FROM_POD_DROPPED_NO_WORKER, TC_ACT_SHOT);
	return end(redirected, bpf_redirect(*ifindex, 0));
}

/* On the host's end of each pod's veth. */
SEC("tc")
int from_pod(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct weft_settings *now = bpf_map_lookup_elem(&settings, &zero);
	struct weft_endpoint from = {};
	struct ports ports;
	struct iphdr ip;
	__u32 hash;

	if (!now || now->workers == 0)
		return end(WEFT_FROM_POD_PASSED_OFF, TC_ACT_UNSPEC);
	if (!is_ipv4(skb))
		return end(WEFT_FROM_POD_PASSED_NOT_IPV4, TC_ACT_UNSPEC);
	if (!load_ip(skb, &ip))
		return end(WEFT_FROM_POD_DROPPED_MALFORMED, TC_ACT_SHOT);

	if (bpf_map_lookup_elem(&vips, &ip.daddr)) {
		hash = weft_address_hash(ip.saddr);
		if (has_ports(&ip) && !is_fragment(&ip)) {
			if (!load_ports(skb, &ip, &ports))
				return end(WEFT_FROM_POD_DROPPED_MALFORMED, TC_ACT_SHOT);
			hash = weft_client_hash(ip.saddr, ports.source, ip.protocol);
		}
		return to_worker(skb, ip.saddr, hash, now->workers, WEFT_FROM_POD_REDIRECTED_REQUEST);
	}

	if (!has_ports(&ip))
		return end(WEFT_FROM_POD_PASSED, TC_ACT_UNSPEC);
	if (is_fragment(&ip))
		return end(WEFT_FROM_POD_PASSED_FRAGMENT, TC_ACT_UNSPEC);
	if (!load_ports(skb, &ip, &ports)) /* without ports it is nobody's reply, and its receiver will refuse it */
		return end(WEFT_FROM_POD_PASSED, TC_ACT_UNSPEC);
	from.address = ip.saddr;
	from.port = ports.source;
	from.protocol = ip.protocol;
	if (!bpf_map_lookup_elem(&endpoints, &from))
		return end(WEFT_FROM_POD_PASSED, TC_ACT_UNSPEC);
	hash = weft_client_hash(ip.daddr, ports.destination, ip.protocol);
	return to_worker(skb, ip.saddr, hash, now->workers, WEFT_FROM_POD_REDIRECTED_REPLY);
}

/* On the kernel's end of each worker's veth. */
SEC("tc")
int to_pod(struct __sk_buff *skb)
{
	struct weft_pod *pod;
	struct iphdr ip;

	if (!is_ipv4(skb))
		return end(WEFT_TO_POD_PASSED_NOT_IPV4, TC_ACT_UNSPEC);
	if (!load_ip(skb, &ip))
		return end(WEFT_TO_POD_DROPPED_MALFORMED, TC_ACT_SHOT);
	pod = bpf_map_lookup_elem(&pods, &ip.daddr);
	if (!pod) {
		/* For the kernel to route, whatever destination MAC address the worker wrote. */
		bpf_skb_change_type(skb, PACKET_HOST);
		return end(WEFT_TO_POD_PASSED, TC_ACT_UNSPEC);
	}
	if (bpf_skb_store_bytes(skb, 0, pod->mac, sizeof(pod->mac) + sizeof(pod->host_mac), 0))
		return end(WEFT_TO_POD_DROPPED_NO_MEMORY, TC_ACT_SHOT);
	return end(WEFT_TO_POD_REDIRECTED, bpf_redirect_peer(pod->ifindex, 0));
}

char _license[] SEC("license") = "GPL"; /* the kernel knows no name for this file's choice of two */
