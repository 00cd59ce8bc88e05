// SPDX-License-Identifier: Apache-2.0
/// @file The veth pairs between the kernel and weft's workers: one a worker, as AF_XDP takes a veth for single-queue.
///
/// Of `weft0` and `weft0x`, `weft0` is the kernel's end: eBPF redirects pods' packets to it, and takes from its ingress
/// what the worker sends. `weft0x` is the end that DPDK's net_af_xdp opens.
///
/// How an end is set up, and why:
/// - all offloads off: the kernel completes checksums and segments large frames as they leave for weft. With them on,
///   weft would see wrong checksums and frames of 64 KiB;
/// - no ARP, no neighbour discovery, no multicast, no link-local addresses: no noise of the kernel's own reaches a
///   worker, and a route over `weft0` resolves nothing. weft's end has no IPv6 at all;
/// - the kernel's end forwards, and accepts packets from the host's own addresses: what a worker sends that is not for
///   a local pod is the kernel's to route, for the node's own processes too. IPv6 needs Linux 6.17 for that, or
///   forwarding on all interfaces (`net.ipv6.conf.all.forwarding`), as nodes with IPv6 pods have it;
/// - reverse path filter: off at the kernel's end, as its packets' sources (clients) are not routed there. Where
///   `net.ipv4.conf.all.rp_filter` is on it overrules the interface's 0, so the end gets 2 ("loose": the source must
///   have a route, any) instead; with `all` at 1 or 2 and sources without a route, the kernel drops, and only the
///   administrator may lower `all`. Loose is strict at an interface without an IPv4 address, so the end has one that
///   means nothing: 192.0.0.8, the dummy address of RFC 7600.
///
/// Interfaces of the Netlink's network namespace, which must be the caller's. Control thread only.
#pragma once

#include <string>
#include <tl/expected.hpp>

#include "pods/netlink.h"

namespace weft::pods {

struct VethEnd {
  std::string name;
  uint32_t ifindex = 0;
  Mac mac{};
};

struct WorkerVeth {
  VethEnd kernel;  ///< eBPF's end
  VethEnd afxdp;   ///< DPDK's end
};

/// Makes pair `<prefix><worker>`, both ends up. A pair of that name that a crashed weftd left is replaced; anything
/// else of that name is an error.
tl::expected<WorkerVeth, std::string> make_worker_veth(const Netlink& netlink, const std::string& prefix,
                                                       uint32_t worker, uint32_t mtu);

/// No error if there is no such pair.
tl::expected<void, std::string> remove_worker_veth(const Netlink& netlink, const std::string& prefix, uint32_t worker);

}  // namespace weft::pods
