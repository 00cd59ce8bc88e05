// SPDX-License-Identifier: Apache-2.0
#include "l4/passage.h"

#include <algorithm>
#include <cstring>

#include "packet/headers.h"
#include "packet/quote.h"

namespace weft::l4 {
namespace {

std::span<const std::byte> bytes_of(const Frame& frame) {
  return {frame.data, frame.length};
}

template <typename Result>
lb::Tuple tuple_of_key(const Result& result) {
  return result.family == lb::Family::ipv4 ? lb::Tuple(result.key4) : lb::Tuple(result.key6);
}

/// What a flow of this packet is found by; of a fragment without ports, the pipeline alone may know it.
std::optional<lb::Tuple> tuple_of(std::span<const std::byte> frame, const packet::Parsed& parsed) {
  if (parsed.kind == packet::Kind::transport || (parsed.kind == packet::Kind::fragment && parsed.has_ports)) {
    return tuple_of_key(parsed);
  }
  packet::Quote quote;
  if (parsed.kind == packet::Kind::icmp && packet::is_icmp_error(frame, parsed) &&
      packet::parse_quote(frame, parsed, quote)) {
    const lb::Tuple quoted = tuple_of_key(quote);
    return lb::Tuple(quoted.destination, quoted.destination_port, quoted.source, quoted.source_port, quoted.protocol);
  }
  return std::nullopt;
}

bool has_ip_header(packet::Kind kind) {
  return kind == packet::Kind::transport || kind == packet::Kind::icmp || kind == packet::Kind::fragment ||
         kind == packet::Kind::other_protocol;
}

bool was_sent(Verdict verdict) {
  return outcome_of(verdict) == Outcome::transmitted || outcome_of(verdict) == Outcome::passed;
}

}  // namespace

Headers headers_of(std::span<const std::byte> frame) {
  Headers headers;
  headers.length = static_cast<uint16_t>(frame.size());
  packet::parse(frame, headers.parsed);
  if (frame.size() < sizeof(packet::EthernetHeader)) {
    return headers;
  }
  std::memcpy(headers.ethernet.data(), frame.data(), headers.ethernet.size());
  headers.ethernet_type = packet::view<packet::EthernetHeader>(frame.data())->type;
  if (has_ip_header(headers.parsed.kind)) {
    const std::byte* ip = frame.data() + packet::kIpOffset;
    headers.time_to_live = headers.parsed.family == lb::Family::ipv4
                               ? packet::view<packet::Ipv4Header>(ip)->time_to_live
                               : packet::view<packet::Ipv6Header>(ip)->hop_limit;
  }
  if (headers.parsed.kind == packet::Kind::icmp) {
    const auto* icmp = packet::view<packet::IcmpHeader>(frame.data() + headers.parsed.l4_offset);
    headers.icmp_type = icmp->type;
    headers.icmp_code = icmp->code;
  }
  return headers;
}

template <typename Key>
auto Witness::find(const flow::FlowTable<Key>& flows, const Packet& packet, time::Millis now)
    -> std::optional<Sighting> {
  const flow::Ref ref = flows.find(lb::key_of<Key>(*packet.tuple), packet.hash, {}, now);
  if (!ref) {
    return std::nullopt;
  }
  return Sighting{.flow = flow::info_of(flows[ref]), .direction = ref.direction(), .record = ref.flow()};
}

auto Witness::find(Pipeline& pipeline, const Packet& packet, time::Time now) -> std::optional<Sighting> {
  const time::Millis now_ms = time::to_millis(now);
  return packet.tuple->source.is_ipv4() ? find(pipeline.flows4(), packet, now_ms)
                                        : find(pipeline.flows6(), packet, now_ms);
}

void Witness::before(const Burst& burst, Pipeline& pipeline, const lb::Snapshot& snapshot, time::Time now) {
  for (uint32_t i = 0; i < burst.size; ++i) {
    Packet& packet = packets_[i];
    packet.headers = headers_of(bytes_of(burst.frames[i]));
    packet.tuple = tuple_of(bytes_of(burst.frames[i]), packet.headers.parsed);
    packet.hash = packet.tuple ? hash_of(*packet.tuple, snapshot.seed()) : 0;
    packet.before = packet.tuple ? find(pipeline, packet, now) : std::nullopt;
  }
}

void Witness::after(const Burst& burst, Pipeline& pipeline, const lb::Snapshot& snapshot, time::Time now) {
  for (uint32_t i = 0; i < burst.size; ++i) {
    Packet& packet = packets_[i];
    if (!packet.tuple && packet.headers.parsed.kind == packet::Kind::fragment && burst.ports[i] != 0) {
      packet.tuple = tuple_of_key(burst.parsed[i]);
      packet.hash = hash_of(*packet.tuple, snapshot.seed());
    }
    packet.after = packet.tuple ? find(pipeline, packet, now) : std::nullopt;
  }
}

/// Several packets of a burst may belong to a flow that the first of them began.
Passage::Found Witness::found(uint32_t i) const {
  const Packet& packet = packets_[i];
  if (!packet.after) {
    return Passage::Found::nothing;
  }
  const bool was_there = packet.before && packet.before->same_flow(*packet.after);
  const bool is_later_fragment =
      packet.headers.parsed.kind == packet::Kind::fragment && !packet.headers.parsed.has_ports;
  const bool is_error = packet.headers.parsed.kind == packet::Kind::icmp;
  const bool began_before = std::any_of(packets_.begin(), packets_.begin() + i, [&](const Packet& earlier) {
    return earlier.after && earlier.after->same_flow(*packet.after);
  });
  return was_there || is_later_fragment || is_error || began_before ? Passage::Found::known : Passage::Found::made;
}

Passage Witness::passage(const Burst& burst, uint32_t i, const lb::Snapshot& snapshot) const {
  const Packet& packet = packets_[i];
  Passage passage;
  passage.before = packet.headers;
  passage.found = found(i);
  passage.verdict = burst.verdicts[i];
  passage.ingress = burst.ingress[i];
  passage.taken_over = burst.taken_over;
  if (was_sent(passage.verdict)) {
    passage.after = headers_of(bytes_of(burst.frames[i]));
    passage.egress = burst.egress[i];
  }
  if (passage.verdict == Verdict::handed_over) {
    passage.owner = burst.owners[i];
  }
  if (packet.tuple) {
    passage.has_tuple = true;
    passage.tuple = *packet.tuple;
    passage.hash = packet.hash;
  }
  if (packet.after) {
    passage.flow = packet.after->flow;
    passage.direction = packet.after->direction;
  }
  if (packet.tuple && passage.found != Passage::Found::known && packet.headers.parsed.kind != packet::Kind::icmp) {
    const lb::Decision decision = lb::decide(snapshot, *packet.tuple, packet.hash);
    const bool went_home = passage.found == Passage::Found::made && decision.rule != lb::Rule::only_itself &&
                           decision.target != nullptr && decision.target->slot != passage.flow.endpoint_slot;
    passage.decided = true;
    passage.rule = went_home ? lb::Rule::affinity : decision.rule;
  }
  return passage;
}

}  // namespace weft::l4
