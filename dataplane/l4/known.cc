// SPDX-License-Identifier: Apache-2.0
#include "l4/family_pipeline.h"
#include "packet/answer.h"
#include "packet/encapsulate.h"
#include "packet/headers.h"
#include "packet/segment_size.h"
#include "packet/translate.h"

namespace weft::l4 {
namespace {

using flow::Direction;

constexpr lb::Encapsulation encapsulation_of(flow::Kind tunnel) {
  return tunnel == flow::Kind::gue ? lb::Encapsulation::gue : lb::Encapsulation::ipip;
}

}  // namespace

/// Is this request to be decided afresh, although it has a flow?
template <typename Key>
bool FamilyPipeline<Key>::must_move(Packet packet, const Flow& flow, lb::Fate fate) const {
  if (packet.key().protocol == lb::Protocol::udp) {
    // UDP has no connection to break, and clients that never stop.
    return fate <= lb::Fate::reset;
  }
  // Another connection from the same port, or one that knocks in vain at an endpoint that has left. Anything else with
  // SYN is a retransmission and goes where the first one went.
  return flow::begins_connection(packet.parsed().tcp_flags) &&
         (is_over(flow.state) || (flow.state == flow::State::tcp_opening && fate != lb::Fate::open));
}

template <typename Key>
[[gnu::always_inline]] inline void FamilyPipeline<Key>::count(Packet packet, Flow& flow, Direction direction,
                                                              time::Millis now) {
  if (packet.key().protocol == lb::Protocol::tcp) {
    flow.state = packet.is_fragment() ? flow.state : next_tcp(flow.state, packet.parsed().tcp_flags, direction);
  } else if (direction == Direction::reply) {
    flow.state = flow::State::udp_exchange;
  }
  flow.last_seen = now;
  const auto way = static_cast<size_t>(direction);
  ++flow.packets[way];
  EndpointCounters& counters = context_.counters.endpoint[flow.endpoint_slot];
  counters.packets[way].add(1);
  counters.bytes[way].add(packet.parsed().ip_length);
}

/// Of a tunnel's endpoint nothing comes this way: that it spoke is known by the client, who acknowledges it, closes
/// after it or talks on.
template <typename Key>
void FamilyPipeline<Key>::count_tunneled(Packet packet, Flow& flow, time::Millis now) {
  if (flow.state == flow::State::tcp_opening && flow::continues_connection(packet.parsed().tcp_flags)) {
    flow.state = flow::State::tcp_established;
  } else if (flow.state == flow::State::udp_request && !packet.is_fragment() && flow.packets[0] > 0) {
    flow.state = flow::State::udp_exchange;
  }
  count(packet, flow, Direction::request, now);
  if (flow.state == flow::State::tcp_client_closed) {
    flow.state = flow::State::tcp_closed;
  }
}

template <typename Key>
[[gnu::always_inline]] inline Verdict FamilyPipeline<Key>::translate(Packet packet, Flow& flow, Direction direction,
                                                                     const View& view) {
  const bool request = direction == Direction::request;
  const NextHop* hop = &view.forwarding[request ? flow.to_endpoint : flow.to_client];
  if (packet.parsed().ip_length > hop->mtu) [[unlikely]] {
    hop = &renew(flow, direction, view);
    if (packet.parsed().ip_length > hop->mtu) {
      return hop->in_force() ? answer_too_big(packet, hop->mtu, view) : Verdict::no_next_hop;
    }
  }
  if ((packet.parsed().tcp_flags & packet::tcp_flag::syn) != 0) {
    clamp_segment_size(packet, flow.request, view);
  }
  count(packet, flow, direction, view.now);
  const Key to = reversed(request ? flow.reply : flow.request);
  const packet::Deltas deltas = request ? flow.deltas : flow.deltas.reversed();
  packet::translate_ip(packet.ip(), to, deltas);
  if (packet.has_transport_header()) [[likely]] {
    packet::translate_transport(packet.transport(), to, deltas);
  }
  return send(packet, *hop, request ? Verdict::request : Verdict::reply);
}

template <typename Key>
void FamilyPipeline<Key>::forward(Burst& burst, const View& view) {
  for (uint32_t i = 0; i < burst.size; ++i) {
    if (is_mine(burst.parsed[i]) && !forward(Packet(burst, i), burst.nominees[i], view, burst.verdicts[i])) {
      burst.flowless[burst.without_flow++] = static_cast<uint8_t>(i);
    }
  }
}

template <typename Key>
bool FamilyPipeline<Key>::forward_one(Packet packet, Ref nominee, const View& view, Verdict& verdict) {
  if (view.snapshot.has_faults() && is_spoiled(packet, nominee, view, verdict)) [[unlikely]] {
    return true;
  }
  return forward(packet, nominee, view, verdict);
}

template <typename Key>
[[gnu::always_inline]] inline bool FamilyPipeline<Key>::forward(Packet packet, Ref nominee, const View& view,
                                                                Verdict& verdict) {
  const Ref ref = flows_.find(packet.key(), packet.hash(), nominee, view.now);
  if (!ref) {
    return false;
  }
  if (packet.ends_here()) [[unlikely]] {
    verdict = Verdict::ttl_expired;
    return true;
  }
  Flow& flow = flows_[ref];
  const bool odd = !flow::is_translated(flow.kind) || flow::moves_connection(packet.parsed().tcp_flags) ||
                   view.snapshot.fate_of(flow.endpoint_slot) <= lb::Fate::reset;
  if (odd) [[unlikely]] {
    return forward_odd(packet, ref, view, verdict);
  }
  verdict = translate(packet, flow, ref.direction(), view);
  return true;
}

/// What is not simply translated: tunnels, other workers' flows, what begins and ends connections, and what may have to
/// move.
template <typename Key>
bool FamilyPipeline<Key>::forward_odd(Packet packet, Ref ref, const View& view, Verdict& verdict) {
  Flow& flow = flows_[ref];
  if (flow.kind == flow::Kind::steered) {
    flow.last_seen = view.now;
    verdict = hand_over(packet, flow.endpoint_slot);
    return true;
  }
  if (flow.kind == flow::Kind::ended) {
    if (ref.direction() == Direction::request && flow::begins_connection(packet.parsed().tcp_flags)) {
      forget(flow, view);  // another connection, by the policies of now
      flows_.remove(ref);
      return false;
    }
    verdict = end_with_reset(packet, flow, Verdict::ended_by_policy, view);
    return true;
  }
  const lb::Fate fate = view.snapshot.fate_of(flow.endpoint_slot);
  if (ref.direction() == Direction::request && must_move(packet, flow, fate)) {
    forget(flow, view);
    flows_.remove(ref);
    return false;
  }
  const bool was_closed = flow.state == flow::State::tcp_closed;
  if (fate == lb::Fate::reset && packet.key().protocol == lb::Protocol::tcp) {
    verdict = end_with_reset(packet, flow, Verdict::ended_with_endpoint, view);
  } else if (!flow::is_tunnel(flow.kind)) {
    verdict = translate(packet, flow, ref.direction(), view);
  } else {
    verdict = tunnel(packet, flow.tunnel_end(), flow.kind, flow.to_endpoint, view);
    if (verdict == Verdict::tunneled) {
      count_tunneled(packet, flow, view.now);
    }
  }
  if (const bool is_closed = flow.state == flow::State::tcp_closed; is_closed != was_closed) [[unlikely]] {
    Counter& closed = context_.counters.service[flow.service_slot].closed_flows;
    closed.add(is_closed ? 1 : 0);
    closed.subtract(was_closed ? 1 : 0);
  }
  return true;
}

template <typename Key>
Verdict FamilyPipeline<Key>::tunnel(Packet packet, const lb::Address& end, flow::Kind kind, uint16_t& hop,
                                    const View& view) {
  return end.is_ipv4() ? tunnel_to(packet, end.ipv4(), kind, hop, view)
                       : tunnel_to(packet, end.ipv6(), kind, hop, view);
}

template <typename Key>
template <typename End>
Verdict FamilyPipeline<Key>::tunnel_to(Packet packet, End end, flow::Kind kind, uint16_t& hop_number,
                                       const View& view) {
  const NextHop* hop = &view.forwarding[hop_number];
  const TunnelSource<End>& source = context_.tunnel_source<End>();
  const lb::Encapsulation encapsulation = encapsulation_of(kind);
  const uint16_t overhead = packet::tunnel_overhead(lb::family_of<End>, encapsulation);
  const uint16_t length = packet.parsed().ip_length;
  Frame& frame = packet.frame();
  if (length + overhead > hop->mtu) [[unlikely]] {
    hop = &renew(hop_number, end, view);
    if (length + overhead > hop->mtu) {
      return hop->in_force() ? answer_too_big(packet, hop->mtu - overhead, view) : Verdict::no_next_hop;
    }
  }
  if (!source.known() || frame.headroom < overhead) [[unlikely]] {
    return source.known() ? Verdict::too_big : Verdict::no_tunnel_source;
  }
  frame.data -= overhead;
  frame.headroom = static_cast<uint16_t>(frame.headroom - overhead);
  frame.length = static_cast<uint16_t>(frame.length + overhead);
  const auto entropy = static_cast<uint16_t>(packet.hash() >> 16);
  packet::encapsulate<End>(packet.ip(), lb::family_of<Address>, length,
                           {.source = source.of(entropy), .destination = end}, encapsulation, entropy);
  packet::view<packet::EthernetHeader>(frame.data)->type =
      lb::family_of<End> == lb::Family::ipv4 ? packet::kEtherTypeIpv4 : packet::kEtherTypeIpv6;
  return send(packet, *hop, Verdict::tunneled);
}

/// RFC 9293, section 3.10.7.1: whoever still talks gets the answer of a host that knows no such connection. The flow is
/// remembered a while, so that its late segments get the same answer and no other endpoint.
template <typename Key>
Verdict FamilyPipeline<Key>::end_with_reset(Packet packet, Flow& flow, Verdict verdict, const View& view) {
  const bool is_first = flow.state != flow::State::tcp_reset;
  flow.state = flow::State::tcp_reset;
  flow.last_seen = view.now;
  const NextHop& to_client = view.forwarding[flow.to_client];
  if (is_first && !flow::is_tunnel(flow.kind) && packet.key() == flow.reply && packet.has_transport_header() &&
      to_client.in_force()) {
    // The client of a download may have nothing to say for long, and would wait in vain: what the endpoint says first
    // becomes its last word. If the endpoint goes on, it is answered.
    const size_t length = packet::turn_into_reset(packet.bytes(), packet.parsed(), reversed(flow.request));
    packet.frame().room = static_cast<uint16_t>(packet.frame().room + packet.frame().length - length);
    packet.frame().length = static_cast<uint16_t>(length);
    return send(packet, to_client, verdict);
  }
  return refuse(packet, verdict, view);
}

template <typename Key>
void FamilyPipeline<Key>::clamp_segment_size(Packet packet, const Key& request, const View& view) {
  const lb::Service* service = view.snapshot.find(request.destination, request.destination_port, request.protocol);
  if (service == nullptr || service->policy.max_segment == 0 || !packet.has_transport_header()) {
    return;
  }
  const auto* tcp = packet::view<packet::TcpHeader>(packet.transport());
  packet::clamp_segment_size(packet.transport(), size_t{tcp->data_offset} >> 4 << 2, service->policy.max_segment);
}

template class FamilyPipeline<lb::FlowKey4>;
template class FamilyPipeline<lb::FlowKey6>;

}  // namespace weft::l4
