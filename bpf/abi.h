/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * What the eBPF programs and weftd agree on: map keys, values and counters. Included by both sides; the only such place.
 * Addresses and ports are in network byte order. Change WEFT_ABI_VERSION with any change of layout: pins carry it.
 */
#pragma once

#include <linux/types.h>

#define WEFT_ABI_VERSION 1
#define WEFT_MAX_WORKERS 16
#define WEFT_MAX_PODS 4096
#define WEFT_MAX_VIPS 65536
#define WEFT_MAX_ENDPOINTS 262144

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
	__u32 ifindex; /* the host's end of the pod's veth */
	__u8 mac[6];   /* the pod's end: the pod drops frames for another */
	__u8 host_mac[6];
};

/* Map `workers`: array of WEFT_MAX_WORKERS. Key: __u32 worker. Value: __u32 interface to redirect to, 0 for none. */

/* Map `settings`: one entry. */
struct weft_settings {
	__u32 workers; /* how many entries of `workers` are in use; 0 passes all traffic on */
};

/* Map `counters`: per-CPU array of __u64, one entry a way that a packet can end in a program. */
enum weft_counter {
	WEFT_FROM_POD_REDIRECTED_REQUEST, /* for a VIP: to its worker */
	WEFT_FROM_POD_REDIRECTED_REPLY,   /* from an endpoint: to its client's worker */
	WEFT_FROM_POD_PASSED,             /* not of the mesh: on to the kernel */
	WEFT_FROM_POD_DROPPED_SPOOFED,    /* mesh traffic from an address that is not the pod's */
	WEFT_FROM_POD_DROPPED_MALFORMED,  /* headers cut short */
	WEFT_FROM_POD_DROPPED_NO_WORKER,  /* mesh traffic while weftd has no port for it */
	WEFT_TO_POD_REDIRECTED,           /* from a worker, into a local pod */
	WEFT_TO_POD_PASSED,               /* from a worker, not for a local pod: on to the kernel's routing */
	WEFT_COUNTERS
};
