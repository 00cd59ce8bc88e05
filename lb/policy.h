// SPDX-License-Identifier: Apache-2.0
/// @file What a service's owner asks of weft at L4, beside balancing.
#pragma once

#include <cstdint>
#include <memory>

#include "lb/prefix.h"

namespace weft::lb {

/// How a packet gets to its endpoint.
enum class Mode : uint8_t {
  nat,      ///< destination rewritten, the client's address kept; replies come back through weft
  fullnat,  ///< source rewritten too, to an address of the node: replies come back wherever the endpoint is
  dsr,      ///< unchanged inside a tunnel to the endpoint, which answers the client itself
  proxy,    ///< TCP ends here; what it carries goes on over a connection of weft's own
};

enum class Encapsulation : uint8_t {
  ipip,  ///< RFC 2003 (4 in 4), RFC 2473 (4 and 6 in 6), RFC 4213 (6 in 4)
  gue,   ///< UDP, variant 1: the IP packet right behind the UDP header (draft-ietf-intarea-gue, section 4)
};

/// What becomes of a flow whose endpoint has left the registry.
enum class Removal : uint8_t {
  keep,   ///< it lives until it ends by itself
  reset,  ///< after a grace time, the next TCP segment of either end tells the client by a reset
};

/// Who may begin flows: all of whom `allow` (empty: all) tells but not `deny`.
struct SourceRanges {
  PrefixSet allow;
  PrefixSet deny;

  bool permit(const Address& source) const {
    return (allow.empty() || allow.contains(source)) && (deny.empty() || !deny.contains(source));
  }
  bool operator==(const SourceRanges&) const = default;
};

/// New flows a second, and how many may come at once.
struct Rate {
  uint32_t per_second = 0;  ///< 0: unlimited
  uint32_t burst = 0;       ///< at least 1 if limited

  bool operator==(const Rate&) const = default;
};

struct Policy {
  Mode mode = Mode::nat;
  Encapsulation encapsulation = Encapsulation::ipip;
  bool proxy_protocol =
      false;                ///< of proxy: the endpoint is told the client's address first (PROXY protocol, version 2)
  uint32_t affinity_s = 0;  ///< a client's flows go to one endpoint, this long after the last; 0: no
  std::shared_ptr<const SourceRanges> sources;  ///< null: all may
  Rate new_flows;                               ///< of the whole service
  Rate new_flows_by_source;                     ///< of each client address
  uint32_t max_flows = 0;                       ///< at one time; 0: as many as the flow table's shares allow
  uint16_t max_segment = 0;                     ///< clamp of TCP's MSS option, both directions; 0: none
  Removal removal = Removal::keep;

  bool operator==(const Policy& other) const {
    return mode == other.mode && encapsulation == other.encapsulation && proxy_protocol == other.proxy_protocol &&
           affinity_s == other.affinity_s &&
           (sources == other.sources ||
            (sources != nullptr && other.sources != nullptr && *sources == *other.sources)) &&
           new_flows == other.new_flows && new_flows_by_source == other.new_flows_by_source &&
           max_flows == other.max_flows && max_segment == other.max_segment && removal == other.removal;
  }
};

}  // namespace weft::lb
