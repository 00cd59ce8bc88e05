// SPDX-License-Identifier: Apache-2.0
/// @file Segments of weft's TCP as packets of a port: headers in front of payloads that stay where they are.
///
/// A payload that nobody else needs what lies in front of has its headers written there. Otherwise it is copied behind
/// headers in a buffer of its own; or, where the port takes a packet in several buffers, chained to them: then the
/// payload's buffer is referred to until the device has sent it. Such a port writes TCP's checksum, too, and may cut a
/// packet of many segments itself (TSO).
///
/// LRO has no part in this: what is received may have to go on, and a router joins nothing.
#pragma once

#include <cstddef>
#include <span>

#include "buffer/slice.h"
#include "l4/forwarding.h"
#include "runtime/transmit_offload.h"
#include "tcp/segment.h"

struct rte_mbuf;
struct rte_mempool;

namespace weft::runtime {

/// How many of the segments, from the first on, one packet carries: one connection's, that follow each other, of the
/// same length but for the last. Precondition: not empty.
size_t run_of(std::span<const tcp::Transmission> segments, const TransmitOffload& offload);

/// @param run one segment, or a run_of()
/// @param payload the slices of all of them
/// @param pool for headers and copies
/// @returns the packet, from Ethernet's header on; null: the pool is empty
rte_mbuf* packet_of(std::span<const tcp::Transmission> run, std::span<buffer::Slice> payload, const l4::NextHop& hop,
                    const TransmitOffload& offload, rte_mempool* pool);

}  // namespace weft::runtime
