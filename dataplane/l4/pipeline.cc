// SPDX-License-Identifier: Apache-2.0
#include "l4/pipeline.h"

#include <cstring>

#include "packet/answer.h"
#include "packet/headers.h"
#include "packet/translate.h"

namespace weft::l4 {
namespace {

using flow::Direction;
using packet::Kind;

Verdict verdict_of(Kind malformed) {
  switch (malformed) {
    case Kind::bad_version:
      return Verdict::bad_version;
    case Kind::bad_header_length:
      return Verdict::bad_header_length;
    case Kind::bad_total_length:
      return Verdict::bad_total_length;
    case Kind::bad_checksum:
      return Verdict::bad_checksum;
    default:
      return Verdict::truncated;
  }
}

/// RFC 1122, section 3.2.1.3: no host sends from "this network", loopback, multicast, reserved or broadcast addresses.
bool can_be_client(lb::Ipv4Address address, const lb::Snapshot& snapshot) {
  const uint32_t first = to_host(address) >> 24;
  return first != 0 && first != 127 && first < 224 && !snapshot.is_vip(address);
}

bool begins_connection(uint8_t flags) {
  using namespace packet::tcp_flag;
  return (flags & (syn | ack | rst | fin)) == syn;
}

bool ends_here(const Frame& frame) {
  return packet::view<packet::Ipv4Header>(frame.data + packet::kIpOffset)->time_to_live <= 1;
}

/// RFC 9293, section 3.5.2: every segment of a connection that is open has ACK.
bool continues_connection(uint8_t flags) {
  using namespace packet::tcp_flag;
  return (flags & (syn | ack | rst)) == ack;
}

/// Is this request to be decided afresh, although it has a flow?
bool must_move(const packet::Parsed& request, const flow::Flow& flow, const lb::Snapshot& snapshot) {
  if (request.key.protocol == lb::Protocol::udp) {
    return !snapshot.has_endpoint(flow.endpoint_slot);  // UDP has no connection to break, and clients that never stop
  }
  // Another connection from the same port, or one that knocks in vain at an endpoint that has left. Anything else with
  // SYN is a retransmission and goes where the first one went.
  return begins_connection(request.tcp_flags) &&
         (is_over(flow.state) ||
          (flow.state == flow::State::tcp_opening && !snapshot.takes_new_flows(flow.endpoint_slot)));
}

}  // namespace

void Pipeline::process(Burst& burst, const lb::Snapshot& snapshot, time::Time now) {
  const time::Millis now_ms = time::to_millis(now);
  parse(burst, snapshot.seed());
  for (uint32_t i = 0; i < burst.size; ++i) {
    if (burst.parsed[i].kind == Kind::transport) [[likely]] {
      burst.nominees[i] = flows_.nominate(burst.hashes[i]);
    }
  }
  for (uint32_t i = 0; i < burst.size; ++i) {
    Packet packet{burst.frames[i], burst.parsed[i], burst.hashes[i], burst.ingress, burst.egress[i]};
    burst.verdicts[i] = packet.parsed.kind == Kind::transport
                            ? decide_transport(packet, burst.nominees[i], snapshot, now_ms)
                            : decide_other(packet, snapshot);
  }
}

void Pipeline::parse(Burst& burst, uint64_t seed) {
  for (uint32_t i = 0; i < burst.size; ++i) {
    packet::parse({burst.frames[i].data, burst.frames[i].length}, burst.parsed[i]);
    if (burst.parsed[i].kind == Kind::transport) [[likely]] {
      burst.hashes[i] = hash_of(burst.parsed[i].key, seed);
      flows_.prefetch(burst.hashes[i]);
    }
  }
}

Verdict Pipeline::decide_transport(Packet& packet, flow::Ref nominee, const lb::Snapshot& snapshot, time::Millis now) {
  const flow::Ref ref = flows_.find(packet.parsed.key, packet.hash, nominee, now);
  if (!ref) {
    return admit(packet, snapshot, now);
  }
  if (ends_here(packet.frame)) [[unlikely]] {
    return Verdict::ttl_expired;
  }
  flow::Flow& flow = flows_[ref];
  if (ref.direction() == Direction::request && must_move(packet.parsed, flow, snapshot)) [[unlikely]] {
    forget(flow);
    flows_.remove(ref);
    return admit(packet, snapshot, now);
  }
  return forward(packet, flow, ref.direction(), now);
}

Verdict Pipeline::forward(Packet& packet, flow::Flow& flow, Direction direction, time::Millis now) {
  using packet::End;
  std::byte* ip = packet.frame.data + packet::kIpOffset;
  std::byte* transport = packet.frame.data + packet.parsed.l4_offset;
  const lb::Protocol protocol = packet.parsed.key.protocol;
  if (protocol == lb::Protocol::tcp) {
    flow.state = next_tcp(flow.state, packet.parsed.tcp_flags, direction);
  } else if (direction == Direction::reply) {
    flow.state = flow::State::udp_exchange;
  }
  flow.last_seen = now;
  const auto way = static_cast<size_t>(direction);
  ++flow.packets[way];
  EndpointCounters& counters = counters_.endpoint[flow.endpoint_slot];
  counters.packets[way].add(1);
  counters.bytes[way].add(packet.parsed.ip_length);
  if (direction == Direction::request) {
    packet::translate<End::destination>(ip, transport, protocol, flow.reply.source, flow.reply.source_port,
                                        flow.deltas);
    send(packet, flow.endpoint_port);
    return Verdict::request;
  }
  packet::translate<End::source>(ip, transport, protocol, flow.request.destination, flow.request.destination_port,
                                 flow.deltas.reversed());
  send(packet, flow.client_port);
  return Verdict::reply;
}

Verdict Pipeline::admit(Packet& packet, const lb::Snapshot& snapshot, time::Millis now) {
  const lb::FlowKey& key = packet.parsed.key;
  const lb::Decision decision = lb::decide(snapshot, key, packet.hash);
  if (decision.rule == lb::Rule::not_a_vip) {
    return pass(packet);
  }
  if (!can_be_client(key.source, snapshot)) {
    return Verdict::bad_source;
  }
  if (decision.target == nullptr) {
    if (decision.service != nullptr) {
      counters_.service[decision.service->slot].refused.add(1);
    }
    return refuse(packet, decision.rule == lb::Rule::no_endpoint   ? Verdict::refused_no_endpoint
                          : decision.rule == lb::Rule::only_itself ? Verdict::refused_only_itself
                                                                   : Verdict::refused_no_service_port);
  }
  const bool tcp = key.protocol == lb::Protocol::tcp;
  const uint8_t flags = packet.parsed.tcp_flags;
  const bool is_new = !tcp || begins_connection(flags);
  if (!is_new && !continues_connection(flags)) {
    return Verdict::no_flow;
  }
  if (ends_here(packet.frame)) {
    return Verdict::ttl_expired;
  }
  const lb::Target& target = *decision.target;
  const auto reply = lb::FlowKey::make(target.address, target.port, key.source, key.source_port, key.protocol);
  const flow::FlowTable::Insertion inserted =
      flows_.insert(key, packet.hash, reply, now, [this](const flow::Flow& flow) { forget(flow); });
  if (inserted.flow == nullptr) {
    return inserted.refusal == flow::FlowTable::Refusal::full ? Verdict::table_full : Verdict::tuple_conflict;
  }
  flow::Flow& flow = *inserted.flow;
  flow.deltas = packet::deltas_of(key.destination, key.destination_port, target.address, target.port);
  flow.state = tcp ? flow::State::tcp_opening : flow::State::udp_request;
  flow.service_slot = decision.service->slot;
  flow.endpoint_slot = target.slot;
  flow.client_port = packet.ingress;
  flow.endpoint_port = egresses_.route(target.address, packet.ingress);
  counters_.endpoint[target.slot].flows.add(1);
  counters_.endpoint[target.slot].active_flows.add(1);
  counters_.service[flow.service_slot].flows.add(1);
  counters_.service[flow.service_slot].active_flows.add(1);
  adopted_flows_ += is_new ? 0 : 1;
  return forward(packet, flow, Direction::request, now);
}

Verdict Pipeline::decide_other(Packet& packet, const lb::Snapshot& snapshot) {
  const Kind kind = packet.parsed.kind;
  switch (kind) {
    case Kind::icmp:
    case Kind::fragment:
    case Kind::other_protocol:
      break;
    case Kind::not_ipv4:
      return pass(packet);
    default:
      return verdict_of(kind);
  }
  if (!snapshot.is_vip(packet.parsed.key.destination)) {
    return pass(packet);
  }
  if (!can_be_client(packet.parsed.key.source, snapshot)) {
    return Verdict::bad_source;
  }
  if (kind != Kind::icmp) {
    return kind == Kind::fragment ? Verdict::fragment : Verdict::other_protocol;
  }
  const std::span<std::byte> frame(packet.frame.data, packet.frame.length);
  if (!packet::is_echo_request(frame, packet.parsed)) {
    return Verdict::icmp;
  }
  if (!packet::verify_icmp(frame, packet.parsed)) {
    return Verdict::bad_checksum;
  }
  packet.frame.length = static_cast<uint16_t>(packet::answer_echo(frame, packet.parsed));
  send(packet, packet.ingress);
  return Verdict::echo_reply;
}

Verdict Pipeline::refuse(Packet& packet, Verdict reason) {
  const std::span<std::byte> buffer(packet.frame.data, size_t{packet.frame.length} + packet.frame.room);
  size_t length = 0;
  if (packet.parsed.key.protocol == lb::Protocol::udp) {
    length = packet::answer_port_unreachable(buffer, packet.parsed);
  } else if ((packet.parsed.tcp_flags & packet::tcp_flag::rst) == 0) {
    length = packet::answer_reset(buffer, packet.parsed);
  }
  if (length == 0) {
    return Verdict::unanswerable;
  }
  packet.frame.room = static_cast<uint16_t>(buffer.size() - length);
  packet.frame.length = static_cast<uint16_t>(length);
  send(packet, packet.ingress);
  return reason;
}

Verdict Pipeline::pass(Packet& packet) {
  if (!egresses_.ports[packet.ingress].kernel_behind) {
    return Verdict::not_ours;
  }
  send(packet, packet.ingress);
  return Verdict::passed;
}

void Pipeline::send(Packet& packet, uint8_t port) {
  std::memcpy(packet.frame.data, egresses_.ports[port].addresses.data(), egresses_.ports[port].addresses.size());
  packet.egress = port;
}

void Pipeline::sweep(uint32_t budget, time::Time now) {
  flows_.sweep(budget, time::to_millis(now), [this](const flow::Flow& flow) { forget(flow); });
}

void Pipeline::forget(const flow::Flow& flow) {
  counters_.endpoint[flow.endpoint_slot].active_flows.subtract(1);
  counters_.service[flow.service_slot].active_flows.subtract(1);
}

}  // namespace weft::l4
