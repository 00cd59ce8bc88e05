// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/*
 * A sender of direct server return for tests, at the egress of a client's interface: puts all TCP into a tunnel to
 * 10.1.0.2, the way the kernel's own tunnel devices do it, so that large TCP frames stay
 * large. One section a kind of tunnel.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/abi.h"

struct outer {
  struct iphdr ip;
  struct udphdr udp;
};

static __always_inline int encapsulate(struct __sk_buff* skb, __u32 length, __u64 flags) {
  __u8 protocol = skb->protocol == bpf_htons(ETH_P_IP) ? IPPROTO_IPIP : IPPROTO_IPV6;
  __u16 inner_length = skb->len - ETH_HLEN;
  struct outer outer = {
      .ip = {.version = 4,
             .ihl = 5,
             .tot_len = bpf_htons(inner_length + length),
             .ttl = 64,
             .protocol = length == sizeof(struct iphdr) ? protocol : IPPROTO_UDP,
             .saddr = bpf_htonl(0xc0000209),
             .daddr = bpf_htonl(0x0a010002)},
      .udp = {.source = bpf_htons(50000),
              .dest = bpf_htons(WEFT_GUE_PORT),
              .len = bpf_htons(inner_length + sizeof(struct udphdr))},
  };
  __be16 type = bpf_htons(ETH_P_IP);
  __u8 inner = 0;
  __u32 sum;

  bpf_skb_load_bytes(
      skb, ETH_HLEN + (protocol == IPPROTO_IPIP ? offsetof(struct iphdr, protocol) : offsetof(struct ipv6hdr, nexthdr)),
      &inner, sizeof(inner));
  if (skb->protocol == bpf_htons(ETH_P_ARP) || inner != IPPROTO_TCP)
    return TC_ACT_OK;
  sum = bpf_csum_diff(0, 0, (__be32*)&outer.ip, sizeof(outer.ip), 0);
  sum = (sum & 0xffff) + (sum >> 16);
  outer.ip.check = ~((sum & 0xffff) + (sum >> 16));
  if (bpf_skb_adjust_room(skb, length, BPF_ADJ_ROOM_MAC, flags | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4) ||
      bpf_skb_store_bytes(skb, ETH_HLEN, &outer, length, 0) ||
      bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_proto), &type, sizeof(type), 0))
    return TC_ACT_SHOT;
  return TC_ACT_OK;
}

SEC("tc/ipip")
int ipip(struct __sk_buff* skb) {
  return encapsulate(skb, sizeof(struct iphdr), 0);
}

SEC("tc/gue")
int gue(struct __sk_buff* skb) {
  return encapsulate(skb, sizeof(struct outer), BPF_F_ADJ_ROOM_ENCAP_L4_UDP);
}

char _license[] SEC("license") = "GPL";
