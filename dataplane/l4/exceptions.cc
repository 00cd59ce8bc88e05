// SPDX-License-Identifier: Apache-2.0
#include "l4/family_pipeline.h"
#include "l4/pass.h"
#include "packet/answer.h"
#include "packet/headers.h"
#include "packet/quote.h"

namespace weft::l4 {
namespace {

using flow::Direction;

Verdict verdict_of(packet::Kind malformed) {
  switch (malformed) {
    case packet::Kind::bad_version:
      return Verdict::bad_version;
    case packet::Kind::bad_header_length:
      return Verdict::bad_header_length;
    case packet::Kind::bad_total_length:
      return Verdict::bad_total_length;
    case packet::Kind::bad_checksum:
      return Verdict::bad_checksum;
    case packet::Kind::bad_extension:
      return Verdict::bad_extension;
    default:
      return Verdict::truncated;
  }
}

template <typename Key>
uint32_t ports_of(const Key& key) {
  return static_cast<uint32_t>(key.source_port) | static_cast<uint32_t>(key.destination_port) << 16;
}

}  // namespace

template <typename Key>
void FamilyPipeline<Key>::except(Burst& burst, uint32_t i, const View& view) {
  Packet packet(burst, i);
  burst.verdicts[i] = except(packet, view);
}

template <typename Key>
Verdict FamilyPipeline<Key>::except(Packet packet, const View& view) {
  switch (packet.parsed().kind) {
    case packet::Kind::fragment:
      return fragment(packet, view);
    case packet::Kind::icmp:
      return icmp(packet, view);
    case packet::Kind::other_protocol:
      break;
    default:
      return verdict_of(packet.parsed().kind);
  }
  if (!view.snapshot.is_vip(packet.key().destination)) {
    return pass(packet, view);
  }
  return can_be_client(packet.key().source, view.snapshot) ? Verdict::other_protocol : Verdict::bad_source;
}

/// The first fragment has the ports, and says them for those that follow.
template <typename Key>
Verdict FamilyPipeline<Key>::fragment(Packet packet, const View& view) {
  // Fragments of one datagram share addresses and identification, and of IPv4 the protocol (RFC 791; RFC 8200, 4.5).
  const lb::Protocol protocol = std::is_same_v<Key, lb::FlowKey4> ? packet.key().protocol : lb::Protocol{};
  const uint64_t datagram = hash_of(Key::make(packet.key().source, {}, packet.key().destination, {}, protocol),
                                    context_.config.seed + packet.parsed().fragment_id);
  constexpr time::Millis kReassembly = 60'000;  // RFC 8200, section 4.5; RFC 1122 asks for 60 to 120 s
  if (packet.parsed().has_ports) {
    packet.ports() = ports_of(packet.key());
    context_.fragments.put(datagram, packet.ports(), view.now);
  } else if (packet.parsed().fragment_offset == 0) {
    // Too small for its ports: nothing real is cut so (RFC 1858).
    return view.snapshot.is_vip(packet.key().destination) ? Verdict::fragment : pass(packet, view);
  } else if (packet.ports() == 0) {
    const uint32_t* ports = context_.fragments.find(datagram, view.now, kReassembly);
    if (ports == nullptr) {
      return view.snapshot.is_vip(packet.key().destination) ? Verdict::fragment : pass(packet, view);
    }
    packet.ports() = *ports;
  }
  Key& key = packet::key_of<Key>(packet.parsed());
  key = Key::make(key.source, lb::Port{static_cast<uint16_t>(packet.ports())}, key.destination,
                  lb::Port{static_cast<uint16_t>(packet.ports() >> 16)}, key.protocol);
  packet.hash() = hash_of(key, context_.config.seed);
  Verdict verdict{};
  if (forward_one(packet, flows_.nominate(packet.hash()), view, verdict)) {
    return verdict;
  }
  return admit(packet, lb::decide(view.snapshot, lb::Tuple(key), packet.hash()), view);
}

template <typename Key>
Verdict FamilyPipeline<Key>::icmp(Packet packet, const View& view) {
  if (packet::is_icmp_error(packet.bytes(), packet.parsed())) {
    return icmp_error(packet, view);
  }
  if (!view.snapshot.is_vip(packet.key().destination)) {
    return pass(packet, view);
  }
  if (!can_be_client(packet.key().source, view.snapshot)) {
    return Verdict::bad_source;
  }
  if (!packet::is_echo_request(packet.bytes(), packet.parsed())) {
    return Verdict::icmp;
  }
  if (!packet::verify_icmp(packet.bytes(), packet.parsed())) {
    return Verdict::bad_checksum;
  }
  if (!back(packet, view).in_force()) {
    return Verdict::no_next_hop;
  }
  return answer(packet, packet::answer_echo(packet.bytes(), packet.parsed()), Verdict::echo_reply, view);
}

/// Of an ICMP error that is about to be sent on.
template <typename Key>
std::optional<Verdict> FamilyPipeline<Key>::unfit_to_forward(Packet packet) const {
  if (packet.ends_here()) {
    return Verdict::ttl_expired;
  }
  if (!packet::verify_icmp(packet.bytes(), packet.parsed())) {
    return Verdict::bad_checksum;
  }
  return std::nullopt;
}

/// An error quotes the packet that it is about as that packet was when it met the error: after translation. Turned
/// round, the quoted tuple is that of the packets that come the way the error came.
template <typename Key>
Verdict FamilyPipeline<Key>::icmp_error(Packet packet, const View& view) {
  packet::Quote quote;
  const bool to_vip = view.snapshot.is_vip(packet.key().destination);
  if (!packet::parse_quote(packet.bytes(), packet.parsed(), quote)) {
    return to_vip ? Verdict::icmp : pass(packet, view);
  }
  const Key key = reversed(packet::key_of<Key>(quote));
  const uint64_t hash = hash_of(key, context_.config.seed);
  const Ref ref = flows_.find(key, hash, flows_.nominate(hash), view.now);
  const Landing& landing = view.forwarding.port(packet.ingress()).landing;
  if (!ref) {
    if (!packet.taken_over() && !alone()) {
      const bool own = context_.own_ports.is_own(key.destination);
      const uint32_t owner = to_vip ? landing.of_request(key, self())
                             : own  ? landing.owner_of_own(key)
                                    : landing.of_reply(key, self());
      if (owner != self()) {
        return hand_over(packet, owner);
      }
    }
    const bool own = context_.own_ports.is_own(key.destination) && key.protocol == lb::Protocol::tcp;
    if (own && context_.config.proxies) {
      return deliver_error(packet);
    }
    if (!to_vip) {
      return pass(packet, view);
    }
    const lb::Decision decision = lb::decide(view.snapshot, lb::Tuple(key), hash);
    if (decision.service != nullptr && decision.service->policy.mode == lb::Mode::proxy) {
      return context_.config.proxies ? deliver_error(packet) : Verdict::icmp;
    }
    const bool has_tunnel =
        decision.rule == lb::Rule::consistent_hash && decision.service->policy.mode == lb::Mode::dsr;
    if (!has_tunnel) {
      return Verdict::icmp;
    }
    if (!can_be_client(packet.key().source, view.snapshot)) {
      return Verdict::bad_source;
    }
    if (const auto reason = unfit_to_forward(packet)) {
      return *reason;
    }
    const flow::Kind kind = kind_of(decision.service->policy);
    const lb::Address& end = decision.target->address;
    uint16_t hop = way_to(end, packet.ingress(), view);
    const Verdict sent = tunnel(packet, end, kind, hop, view);
    return sent == Verdict::tunneled ? Verdict::tunneled_by_hash : sent;
  }
  Flow& flow = flows_[ref];
  if (flow.kind == flow::Kind::steered) {
    return hand_over(packet, flow.endpoint_slot);
  }
  if (const auto reason = unfit_to_forward(packet)) {
    return *reason;
  }
  if (flow::is_tunnel(flow.kind)) {
    const Verdict sent = tunnel(packet, flow.tunnel_end(), flow.kind, flow.to_endpoint, view);
    return sent == Verdict::tunneled ? Verdict::icmp_error : sent;
  }
  const NextHop& hop = renew(flow, ref.direction(), view);
  if (!hop.in_force()) {
    return Verdict::no_next_hop;
  }
  // The error's receiver is told of the packet that it sent itself; and if the error comes from the far end and not
  // from a router on the way, the receiver knows that end under its translated address.
  const bool from_client = ref.direction() == Direction::request;
  const Key& sent = from_client ? flow.reply : flow.request;
  const Key& met = from_client ? flow.request : flow.reply;
  const Address source = packet.key().source == met.source ? sent.destination : packet.key().source;
  packet::translate_quote(packet.bytes(), quote, packet.parsed(), sent, source, sent.source);
  return send(packet, hop, Verdict::icmp_error);
}

/// About a segment of weft's own TCP.
template <typename Key>
Verdict FamilyPipeline<Key>::deliver_error(Packet packet) {
  return packet::verify_icmp(packet.bytes(), packet.parsed()) ? Verdict::delivered : Verdict::bad_checksum;
}

/// Of no flow, and not to a virtual address.
template <typename Key>
Verdict FamilyPipeline<Key>::stray(Packet packet, const View& view) {
  if (!packet.taken_over() && !alone()) {
    const Landing& landing = view.forwarding.port(packet.ingress()).landing;
    const bool own = context_.own_ports.is_own(packet.key().destination);
    const uint32_t owner = own                    ? landing.owner_of_own(packet.key())
                           : packet.is_fragment() ? landing.of_reply(packet.key(), self())
                                                  : self();
    if (owner != self()) {
      return hand_over(packet, owner);
    }
  }
  if (packet.key().protocol == lb::Protocol::tcp && !packet.is_fragment() && context_.config.proxies &&
      context_.own_ports.is_own(packet.key().destination) &&
      to_host(packet.key().destination_port) >= OwnPorts::kFirst) {
    packet.listener() = Burst::kNoListener;
    return Verdict::delivered;
  }
  // After that: no client has an address of the node's own, and what is left of a relayed connection wants its reset.
  Verdict verdict{};
  if (recover(packet, view, verdict)) {
    return verdict;
  }
  return pass(packet, view);
}

template <typename Key>
Verdict FamilyPipeline<Key>::refuse(Packet packet, Verdict reason, const View& view) {
  if (!packet.has_transport_header()) {
    return Verdict::unanswerable;
  }
  if (!back(packet, view).in_force()) {
    return Verdict::no_next_hop;
  }
  if (packet.key().protocol == lb::Protocol::udp) {
    if (!context_.answers.take(context_.config.answers, view.now)) {
      return Verdict::answer_limited;
    }
    return answer(packet, packet::answer_port_unreachable(packet.buffer(), packet.parsed()), reason, view);
  }
  if ((packet.parsed().tcp_flags & packet::tcp_flag::rst) != 0) {
    return Verdict::unanswerable;
  }
  return answer(packet, packet::answer_reset(packet.bytes(), packet.parsed()), reason, view);
}

template <typename Key>
Verdict FamilyPipeline<Key>::answer_too_big(Packet packet, size_t mtu, const View& view) {
  if constexpr (std::is_same_v<Key, lb::FlowKey4>) {
    const auto* ip = packet::view<packet::Ipv4Header>(packet.ip());
    if ((ip->fragment & packet::kDontFragment) == 0) {
      return Verdict::too_big;
    }
  }
  if (!packet.has_transport_header() || packet.parsed().kind == packet::Kind::icmp) {  // RFC 1122, section 3.2.2
    return Verdict::too_big;
  }
  if (!back(packet, view).in_force()) {
    return Verdict::no_next_hop;
  }
  if (!context_.answers.take(context_.config.answers, view.now)) {
    return Verdict::answer_limited;
  }
  return answer(packet, packet::answer_too_big(packet.buffer(), packet.parsed(), static_cast<uint16_t>(mtu)),
                Verdict::too_big_answered, view);
}

/// Sends what was written in the packet's place back to where the packet came from.
template <typename Key>
Verdict FamilyPipeline<Key>::answer(Packet packet, size_t length, Verdict verdict, const View& view) {
  if (length == 0) {
    return Verdict::unanswerable;
  }
  const size_t size = size_t{packet.frame().length} + packet.frame().room;
  packet.frame().room = static_cast<uint16_t>(size - length);
  packet.frame().length = static_cast<uint16_t>(length);
  return send(packet, back(packet, view), verdict);
}

template <typename Key>
Verdict FamilyPipeline<Key>::hand_over(Packet packet, uint32_t owner) {
  packet.owner() = static_cast<uint8_t>(owner);
  return Verdict::handed_over;
}

template <typename Key>
Verdict FamilyPipeline<Key>::pass(Packet packet, const View& view) {
  return l4::pass(packet.frame(), packet.ingress(), packet.egress(), claim_of(packet), context_, view);
}

/// RFC 4861, sections 4 and 6.1: never from behind a router.
template <typename Key>
bool FamilyPipeline<Key>::is_neighbour_discovery(Packet packet) {
  if constexpr (std::is_same_v<Key, lb::FlowKey4>) {
    return false;
  } else {
    constexpr uint8_t kFirst = 133;
    constexpr uint8_t kLast = 137;
    const uint8_t type = packet::view<packet::IcmpHeader>(packet.transport())->type;
    return type >= kFirst && type <= kLast && packet::view<packet::Ipv6Header>(packet.ip())->hop_limit == 255;
  }
}

/// Neighbour discovery, BGP (RFC 4271), BFD (RFC 5881, 5883), OSPF (RFC 2328).
template <typename Key>
Claim FamilyPipeline<Key>::claim_of(Packet packet) const {
  constexpr uint16_t kBgp = 179;
  constexpr auto kOspf = static_cast<lb::Protocol>(89);
  const uint16_t to = to_host(packet.key().destination_port);
  bool is_link = false;
  switch (packet.parsed().kind) {
    case packet::Kind::transport:
      is_link = packet.key().protocol == lb::Protocol::tcp ? to == kBgp || to_host(packet.key().source_port) == kBgp
                                                           : to == 3784 || to == 3785 || to == 4784;
      break;
    case packet::Kind::icmp:
      is_link = is_neighbour_discovery(packet);
      break;
    case packet::Kind::other_protocol:
      is_link = packet.key().protocol == kOspf;
      break;
    default:
      break;
  }
  return is_link ? Claim::link : Claim::any;
}

/// RFC 1122, section 3.2.1.3, and RFC 4291, sections 2.5 and 2.7: no host sends from these addresses.
template <typename Key>
bool FamilyPipeline<Key>::can_be_client(const Address& address, const lb::Snapshot& snapshot) const {
  if (context_.own_ports.is_own(address) || snapshot.is_vip(address)) {
    return false;
  }
  if constexpr (std::is_same_v<Key, lb::FlowKey4>) {
    const uint32_t first = to_host(address) >> 24;
    return first != 0 && first != 127 && first < 224;
  } else {
    static constexpr lb::Ipv6Address kUnspecified{};
    static constexpr lb::Ipv6Address kLoopback{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
    return address.bytes[0] != 0xff && address != kUnspecified && address != kLoopback &&
           !lb::Address(address).is_ipv4();
  }
}

template class FamilyPipeline<lb::FlowKey4>;
template class FamilyPipeline<lb::FlowKey6>;

}  // namespace weft::l4
