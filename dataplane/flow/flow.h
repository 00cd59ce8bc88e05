// SPDX-License-Identifier: Apache-2.0
/// @file One tracked conversation: for IPv4 a cache line that serves both directions, for IPv6 two.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "flow/state.h"
#include "lb/flow_key.h"
#include "packet/translate.h"
#include "time/clock.h"

namespace weft::flow {

/// What is done to a flow's packets, and under which tuples they are found.
enum class Kind : uint8_t {
  nat,      ///< both tuples: requests get the reply tuple's addresses, replies the request tuple's
  fullnat,  ///< the same; the reply's destination is an address and port of the node's own
  ipip,     ///< the request tuple alone: requests go into a tunnel, replies do not come this way
  gue,      ///< the same in UDP
  steered,  ///< the reply tuple alone: another worker's flow, whose replies arrive here
  proxy,    ///< no flow at all: a relayed session, shown beside them
  http,     ///< nor this: a connection whose requests are read
  ended,    ///< both tuples, as nat and fullnat: forbidden since it began, whoever still talks is told by a reset
};
std::string_view to_string(Kind kind);

constexpr bool is_translated(Kind kind) {
  return kind <= Kind::fullnat;
}
constexpr bool is_tunnel(Kind kind) {
  return kind == Kind::ipip || kind == Kind::gue;
}

template <typename K>
struct alignas(64) Flow {
  using Key = K;

  Key request;            ///< as the client sends: client to virtual address
  Key reply;              ///< as the endpoint sends; of a tunnel, its far end (see tunnel_end())
  packet::Deltas deltas;  ///< of the request's translation; the reply's are their reverse
  time::Millis created = 0;
  time::Millis last_seen = 0;
  uint32_t endpoint_slot = 0;            ///< of a steered flow, its owner
  std::array<uint32_t, 2> packets = {};  ///< by direction; wrap
  uint16_t service_slot = 0;
  uint16_t to_client = 0;  ///< next hops (l4/forwarding.h)
  uint16_t to_endpoint = 0;
  State state = State::free;
  Kind kind = Kind::nat;

  bool has_request() const { return kind != Kind::steered; }
  bool has_reply() const { return !is_tunnel(kind); }

  /// Precondition: is_tunnel(kind).
  lb::Address tunnel_end() const {
    lb::Address end;
    std::memcpy(static_cast<void*>(&end), &reply, sizeof end);
    return end;
  }
  void set_tunnel_end(const lb::Address& end) {
    reply = {};
    std::memcpy(static_cast<void*>(&reply), &end, sizeof end);
  }
};
using Flow4 = Flow<lb::FlowKey4>;
using Flow6 = Flow<lb::FlowKey6>;
static_assert(sizeof(Flow4) == 64 && sizeof(Flow6) == 128);

/// A copy of either family's, for those who ask a worker.
struct FlowInfo {
  lb::Tuple request;
  lb::Tuple reply;  ///< of a tunnel, its far end as the source
  time::Millis created = 0;
  time::Millis last_seen = 0;
  uint32_t service_slot = 0;
  uint32_t endpoint_slot = 0;
  std::array<uint32_t, 2> packets = {};
  std::array<uint64_t, 2> bytes = {};  ///< of a relayed session, whose packets nobody counts
  State state = State::free;
  Kind kind = Kind::nat;
};

template <typename Key>
FlowInfo info_of(const Flow<Key>& flow) {
  FlowInfo info{.request = lb::Tuple(flow.request),
                .reply = lb::Tuple(flow.reply),
                .created = flow.created,
                .last_seen = flow.last_seen,
                .service_slot = flow.service_slot,
                .endpoint_slot = flow.endpoint_slot,
                .packets = flow.packets,
                .state = flow.state,
                .kind = flow.kind};
  if (is_tunnel(flow.kind)) {
    info.reply = {flow.tunnel_end(), flow.request.destination_port, flow.request.source, flow.request.source_port,
                  flow.request.protocol};
  }
  return info;
}

}  // namespace weft::flow
