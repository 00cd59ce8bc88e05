// SPDX-License-Identifier: Apache-2.0
/// @file A packet's way through a pipeline, for operators who trace it.
///
/// The pipeline keeps no record of what it did. A Witness looks at a burst before and after it, and asks the same
/// tables again: a packet that nobody looks at pays nothing for this. It allocates nothing, and belongs to the
/// pipeline's worker.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "flow/flow.h"
#include "l4/burst.h"
#include "l4/pipeline.h"
#include "lb/decision.h"
#include "packet/parse.h"

namespace weft::l4 {

/// A frame's headers, as far as people are told of them.
struct Headers {
  packet::Parsed parsed;
  std::array<uint8_t, 12> ethernet = {};  ///< destination, source
  uint16_t ethernet_type = 0;             ///< as it stands on the wire
  uint16_t length = 0;                    ///< of the frame
  uint8_t time_to_live = 0;
  uint8_t icmp_type = 0;  ///< of Kind::icmp
  uint8_t icmp_code = 0;
};
Headers headers_of(std::span<const std::byte> frame);

struct Passage {
  enum class Found : uint8_t {
    nothing,  ///< no flow, and none was made
    known,
    made,  ///< no flow, and this packet began one
  };

  Headers before;
  Headers after;        ///< if it was sent
  flow::FlowInfo flow;  ///< as it is after the packet, unless nothing was found
  lb::Tuple tuple;      ///< under which a flow was looked for; of an ICMP error, that of packets that come its way
  uint64_t hash = 0;    ///< of the tuple
  bool has_tuple = false;
  Found found = Found::nothing;
  flow::Direction direction = flow::Direction::request;  ///< of a flow that was found
  bool decided = false;                                  ///< the snapshot was asked:
  lb::Rule rule = lb::Rule::not_a_vip;                   ///< what it said
  Verdict verdict = Verdict::truncated;
  uint8_t ingress = 0;
  uint8_t egress = 0;  ///< if it was sent
  uint8_t owner = 0;   ///< if it was handed over
  bool taken_over = false;
  bool originated = false;  ///< made by the worker's own TCP: nothing came in
};

class Witness {
 public:
  /// Before the pipeline has the burst.
  void before(const Burst& burst, Pipeline& pipeline, const lb::Snapshot& snapshot, time::Time now);
  /// After it; then passage() may be asked of each packet.
  void after(const Burst& burst, Pipeline& pipeline, const lb::Snapshot& snapshot, time::Time now);
  Passage passage(const Burst& burst, uint32_t i, const lb::Snapshot& snapshot) const;

 private:
  struct Sighting {
    flow::FlowInfo flow;
    flow::Direction direction = flow::Direction::request;
    uint32_t record = 0;

    /// A record is used again, and an endpoint may take another's place in it.
    bool same_flow(const Sighting& other) const {
      return record == other.record && flow.request == other.flow.request && flow.reply == other.flow.reply &&
             flow.created == other.flow.created;
    }
  };
  struct Packet {
    Headers headers;
    std::optional<lb::Tuple> tuple;
    uint64_t hash = 0;
    std::optional<Sighting> before;
    std::optional<Sighting> after;
  };

  template <typename Key>
  static std::optional<Sighting> find(const flow::FlowTable<Key>& flows, const Packet& packet, time::Millis now);
  static std::optional<Sighting> find(Pipeline& pipeline, const Packet& packet, time::Time now);
  Passage::Found found(uint32_t i) const;

  std::array<Packet, Burst::kMax> packets_;
};

}  // namespace weft::l4
