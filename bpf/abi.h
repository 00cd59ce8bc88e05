/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * What the eBPF programs and weftd agree on: map keys, values, counters and the hash that picks a flow's worker.
 * Included by both sides; the only such place. Addresses and ports are in network byte order. Change WEFT_ABI_VERSION
 * with any change of layout or of the hash: pins carry it.
 */
#pragma once

#include <linux/types.h>

#define WEFT_ABI_VERSION 1
#define WEFT_MAX_WORKERS 16
#define WEFT_MAX_PODS 4096
#define WEFT_MAX_VIPS 65536
#define WEFT_MAX_ENDPOINTS 262144
#define WEFT_MAX_COUNTERS 32 /* room for more, so that a new counter is no new layout */

/* Map `vips`: the addresses that belong to services. Key: __u32 address. Value: __u8, unused. */

/* Map `endpoints`: a local packet from here is (as far as eBPF can tell) a reply of a service. Value: __u8, unused. */
struct weft_endpoint {
  __u32 address;
  __u16 port;
  __u8 protocol;
  __u8 zero;
};

/* Map `sources`: which addresses a pod may send mesh traffic from. Value: __u8, unused. */
struct weft_source {
  __u32 ifindex; /* the host's end of the pod's veth */
  __u32 address;
};

/* Map `pods`: how to reach a local pod. Key: __u32 address. */
struct weft_pod {
  __u32 ifindex;    /* the host's end of the pod's veth */
  __u8 mac[6];      /* the pod's end: the pod drops frames for another */
  __u8 host_mac[6]; /* right behind `mac`: the two are written as one Ethernet header's start */
};

/* Map `workers`: array of WEFT_MAX_WORKERS. Key: __u32 worker. Value: __u32 interface to redirect to, 0 for none. */

/* Map `settings`: one entry. */
struct weft_settings {
  __u32 workers; /* how many entries of `workers` are in use; 0 passes all traffic on */
};

/* Map `attachments`: weftd's own memory over a crash; no program reads it. Key: __u32 interface. */
struct weft_attachment {
  __u32 program;     /* enum weft_program */
  __u32 owns_clsact; /* weftd made the interface's clsact qdisc */
};

enum weft_program {
  WEFT_FROM_POD, /* ingress of the host's end of a pod's veth */
  WEFT_TO_POD,   /* ingress of the kernel's end of a worker's veth */
};

/*
 * Map `counters`: per-CPU array of __u64, one entry a way that a packet can end in a program. A redirect counts when it
 * is decided; what the kernel drops after that (an interface that went away) shows in the interfaces' own statistics.
 */
enum weft_counter {
  WEFT_FROM_POD_REDIRECTED_REQUEST, /* for a VIP: to its worker */
  WEFT_FROM_POD_REDIRECTED_REPLY,   /* from an endpoint: to its client's worker */
  WEFT_FROM_POD_PASSED,             /* not of the mesh: on to the kernel */
  WEFT_FROM_POD_PASSED_NOT_IPV4,    /* ARP, IPv6, VLAN, ...: on to the kernel */
  WEFT_FROM_POD_PASSED_FRAGMENT,    /* not for a VIP; it has no ports, so whether it is a reply can't be told */
  WEFT_FROM_POD_PASSED_OFF,         /* not looked at: `settings` has no workers */
  WEFT_FROM_POD_DROPPED_SPOOFED,    /* mesh traffic from an address that is not the pod's */
  WEFT_FROM_POD_DROPPED_MALFORMED,  /* headers cut short, or not those of IPv4 */
  WEFT_FROM_POD_DROPPED_NO_WORKER,  /* mesh traffic while weftd has no port for it */
  WEFT_TO_POD_REDIRECTED,           /* from a worker, into a local pod */
  WEFT_TO_POD_PASSED,               /* from a worker, not for a local pod: on to the kernel's routing */
  WEFT_TO_POD_PASSED_NOT_IPV4,      /* from a worker, on to the kernel */
  WEFT_TO_POD_DROPPED_MALFORMED,    /* from a worker, headers cut short, or not those of IPv4 */
  WEFT_TO_POD_DROPPED_NO_MEMORY,    /* for a local pod, but the frame could not be made writable */
  WEFT_COUNTERS
};

/*
 * The hash of a flow's client end, the same for both directions: a request's source, a reply's destination. The
 * client's end alone has enough entropy (its port), and it is what both directions show unchanged.
 *
 * Murmur3's 64-bit finaliser over the whole key: every bit of the key moves every bit of the result. It has no seed, as
 * workers, programs and tests must agree on it over restarts; who aims its own flows at one worker slows but itself and
 * that worker's other clients.
 */
static inline __u32 weft_client_hash(__u32 address, __u16 port, __u8 protocol) {
  __u64 x = address;
  x = x << 32 | protocol << 16 | port;
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdULL;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53ULL;
  return x >> 32;
}

/* Of a client without ports (ICMP, other protocols), or whose packet may lack them (a fragment, even the first). */
static inline __u32 weft_address_hash(__u32 address) {
  return weft_client_hash(address, 0, 0);
}

/* In [0, workers). */
static inline __u32 weft_worker_of(__u32 hash, __u32 workers) {
  return workers == 0 ? 0 : hash % workers;
}
