/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * What the eBPF programs and weftd agree on: map keys, values, counters and the hash that picks a flow's worker.
 * Included by both sides; the only such place. Addresses and ports are in network byte order. Change WEFT_ABI_VERSION
 * with any change of layout or of the hash: pins carry it.
 */
#pragma once

#include <linux/types.h>

#define WEFT_ABI_VERSION 2
#define WEFT_MAX_WORKERS 16
#define WEFT_MAX_PODS 4096
#define WEFT_MAX_NICS 256
#define WEFT_MAX_VIPS 65536
#define WEFT_MAX_ENDPOINTS 262144
#define WEFT_MAX_COUNTERS 64 /* room for more, so that a new counter is no new layout */

#define WEFT_GUE_PORT 6080 /* draft-ietf-intarea-gue, section 7 */

/* On what a program has sent to a worker's interface, for the program at that interface's egress: leave it alone. */
#define WEFT_STEERED_MARK 0x77656674

/* Of either family: an IPv4 address as its IPv4-mapped form (RFC 4291, section 2.5.5.2). */
struct weft_address {
  __u32 words[4];
};

/* Map `vips`: the addresses that belong to services. Key: struct weft_address. Value: __u8, unused. */

/*
 * Map `endpoints`: a packet from here is (as far as eBPF can tell) a reply of a service. Value: __u8, unused. For what
 * has no ports (fragments, ICMP errors), an address that any endpoint has stands here with port and protocol 0 too.
 */
struct weft_endpoint {
  struct weft_address address;
  __u16 port;
  __u8 protocol;
  __u8 zero;
};

/* Map `sources`: which addresses a pod may send from. Value: __u8, enum weft_source_kind. */
struct weft_source {
  __u32 ifindex; /* the host's end of the pod's veth */
  struct weft_address address;
};

enum weft_source_kind {
  WEFT_SOURCE_OWN = 1, /* the pod's own: mesh traffic, as a client and as an endpoint */
  WEFT_SOURCE_VIP = 2, /* of a service that the pod serves by direct server return: answers, never requests */
};

/* Map `pods`: how to reach a local pod. Key: struct weft_address. */
struct weft_pod {
  __u32 ifindex;    /* the host's end of the pod's veth */
  __u8 mac[6];      /* the pod's end: the pod drops frames for another */
  __u8 host_mac[6]; /* right behind `mac`: the two are written as one Ethernet header's start */
};

/* Map `workers`: array of WEFT_MAX_WORKERS. Key: __u32 worker. Value: __u32 interface to redirect to, 0 for none. */

/* Map `settings`: one entry. */
struct weft_settings {
  __u32 workers; /* how many entries of `workers` are in use; 0 passes all traffic on */
  __u32 mtu;     /* of the workers' interfaces, which drop what is longer, and count it nowhere by name */
};

/* Map `attachments`: weftd's own memory over a crash; no program reads it. Key: __u32 interface. */
struct weft_attachment {
  __u32 program;     /* enum weft_program */
  __u32 owns_clsact; /* weftd made the interface's clsact qdisc */
};

enum weft_program {
  WEFT_FROM_POD,  /* ingress of the host's end of a pod's veth */
  WEFT_TO_POD,    /* ingress of the kernel's end of a worker's veth */
  WEFT_FROM_NIC,  /* ingress of a NIC that stays with the kernel */
  WEFT_FROM_HOST, /* egress of the kernel's end of the first worker's veth, where routes of the host lead */
};

/*
 * Map `counters`: per-CPU array of __u64, one entry a way that a packet can end in a program. A redirect counts when it
 * is decided; what the kernel drops after that (an interface that went away) shows in the interfaces' own statistics.
 * Each program's first entries are in the order of the programs' `enum way`.
 */
enum weft_counter {
  WEFT_FROM_POD_REDIRECTED_REQUEST,  /* for a VIP: to its worker */
  WEFT_FROM_POD_REDIRECTED_FRAGMENT, /* for a VIP, or from an address that has endpoints */
  WEFT_FROM_POD_REDIRECTED_ERROR,    /* ICMP error for a VIP, or from an address that has endpoints */
  WEFT_FROM_POD_REDIRECTED_REPLY,    /* from an endpoint: to its client's worker */
  WEFT_FROM_POD_PASSED,              /* not of the mesh: on to the kernel */
  WEFT_FROM_POD_PASSED_DIRECT,       /* from a VIP that the pod serves by direct server return: on to its client */
  WEFT_FROM_POD_PASSED_NOT_IP,       /* ARP, VLAN, ...: on to the kernel */
  WEFT_FROM_POD_PASSED_LINK,         /* IPv6 that stays on the link: neighbour discovery, multicast, link-local */
  WEFT_FROM_POD_PASSED_OFF,          /* not looked at: `settings` has no workers */
  WEFT_FROM_POD_DROPPED_SPOOFED,     /* mesh traffic from an address that is not the pod's */
  WEFT_FROM_POD_DROPPED_MALFORMED,   /* headers cut short, or not those of IP */
  WEFT_FROM_POD_DROPPED_NO_WORKER,   /* mesh traffic while weftd has no port for it */
  WEFT_FROM_POD_DROPPED_TOO_LONG,    /* mesh traffic over the MTU of the workers' interfaces */

  WEFT_FROM_NIC_REDIRECTED_REQUEST,
  WEFT_FROM_NIC_REDIRECTED_FRAGMENT,
  WEFT_FROM_NIC_REDIRECTED_ERROR, /* as a pod's, or about a packet for an address that has endpoints */
  WEFT_FROM_NIC_REDIRECTED_REPLY,
  WEFT_FROM_NIC_DECAPSULATED,  /* tunnel packet for a VIP that a local pod serves: its inner packet into the pod */
  WEFT_FROM_NIC_PASSED,        /* not of the mesh: on to the kernel */
  WEFT_FROM_NIC_PASSED_TUNNEL, /* tunnel packet to a local pod, for nothing that the pod serves: on to the kernel */
  WEFT_FROM_NIC_PASSED_NOT_IP,
  WEFT_FROM_NIC_PASSED_LINK,
  WEFT_FROM_NIC_PASSED_OFF,
  WEFT_FROM_NIC_DROPPED_MALFORMED,
  WEFT_FROM_NIC_DROPPED_NO_WORKER,
  WEFT_FROM_NIC_DROPPED_TOO_LONG,
  WEFT_FROM_NIC_DROPPED_DECAPSULATION, /* for a local pod, but the kernel would not take the tunnel's headers off */

  WEFT_FROM_HOST_REDIRECTED_REQUEST,
  WEFT_FROM_HOST_REDIRECTED_FRAGMENT,
  WEFT_FROM_HOST_REDIRECTED_ERROR,
  WEFT_FROM_HOST_DROPPED_NOT_MESH, /* routed to weft, and for no VIP: it would come back and be routed again */
  WEFT_FROM_HOST_DROPPED_MALFORMED,
  WEFT_FROM_HOST_DROPPED_NO_WORKER,

  WEFT_TO_POD_REDIRECTED,            /* from a worker, into a local pod */
  WEFT_TO_POD_REDIRECTED_TUNNEL,     /* the same of a tunnel packet, for nothing that the pod serves: as it is */
  WEFT_TO_POD_DECAPSULATED,          /* tunnel packet for a VIP that the pod serves: its inner packet into the pod */
  WEFT_TO_POD_PASSED,                /* from a worker, not for a local pod: on to the kernel's routing */
  WEFT_TO_POD_PASSED_NOT_IP,         /* from a worker, on to the kernel */
  WEFT_TO_POD_PASSED_LINK,           /* from a worker, on to the kernel */
  WEFT_TO_POD_DROPPED_MALFORMED,     /* from a worker, headers cut short, or not those of IP */
  WEFT_TO_POD_DROPPED_NO_MEMORY,     /* for a local pod, but the frame could not be made writable */
  WEFT_TO_POD_DROPPED_DECAPSULATION, /* for a local pod, but the kernel would not take the tunnel's headers off */
  WEFT_COUNTERS
};

/*
 * The hash of a flow's client end, the same for both directions: a request's source, a reply's destination. The
 * client's end alone has enough entropy (its port), and it is what both directions show unchanged.
 *
 * A multilinear sum over three words with odd factors, whose products don't wait for each other (for IPv4 the first is
 * a product of 0), then Murmur3's 64-bit finaliser: every bit of the key moves every bit of the result. It has no seed,
 * as workers, programs and tests must agree on it over restarts; who aims its own flows at one worker slows but itself
 * and that worker's other clients.
 */
static inline __u32 weft_client_hash(struct weft_address address, __u16 port, __u8 protocol) {
  __u64 high = address.words[0];
  __u64 low = address.words[2];
  __u64 end = protocol << 16 | port;
  __u64 x;

  high = high << 32 | address.words[1];
  low = low << 32 | address.words[3];
  x = high * 0x9e3779b97f4a7c15ULL + low * 0xbf58476d1ce4e5b9ULL + end * 0x94d049bb133111ebULL;
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdULL;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53ULL;
  return x >> 32;
}

/* Of a client without ports (ICMP, other protocols), or whose packet may lack them (a fragment, even the first). */
static inline __u32 weft_address_hash(struct weft_address address) {
  return weft_client_hash(address, 0, 0);
}

/* In [0, workers). */
static inline __u32 weft_worker_of(__u32 hash, __u32 workers) {
  return workers == 0 ? 0 : hash % workers;
}
