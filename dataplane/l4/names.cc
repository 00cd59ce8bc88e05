// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "l4/family_pipeline.h"
#include "packet/answer.h"

namespace weft::l4 {

/// Written over the query, and sent back to where it came from; or left as it is, for others to be asked.
template <typename Key>
Verdict FamilyPipeline<Key>::answer_name(Packet packet, const View& view) {
  if (!can_be_client(packet.key().source, view.snapshot) || packet.key().source_port == lb::Port{}) {
    return Verdict::bad_source;
  }
  const NameServerConfig& names = context_.config.names;
  const NextHop& hop = back(packet, view);
  if (!hop.in_force()) {
    return Verdict::no_next_hop;
  }
  if (!packet::verify_datagram(packet.bytes(), packet.parsed())) {
    return Verdict::bad_transport_checksum;
  }
  constexpr size_t kHeaders =
      (std::is_same_v<Key, lb::FlowKey4> ? sizeof(packet::Ipv4Header) : sizeof(packet::Ipv6Header)) +
      sizeof(packet::UdpHeader);
  const std::span<const std::byte> asked = packet::payload_of(packet.bytes(), packet.parsed());
  const size_t length = asked.size();
  std::span<std::byte> buffer = packet.buffer().subspan(packet.parsed().l4_offset + sizeof(packet::UdpHeader));
  std::array<std::byte, dns::kMostUdp> beside;
  if (packet.parsed().l4_offset != packet::kIpOffset + kHeaders - sizeof(packet::UdpHeader) && length <= beside.size())
      [[unlikely]] {  // options or extension headers, which the answer will not have
    std::copy(asked.begin(), asked.end(), beside.begin());
    buffer = std::span(beside).first(std::min(beside.size(), packet.buffer().size() - packet::kIpOffset - kHeaders));
  }
  if (names.zone == nullptr || buffer.size() < dns::kPlainUdp || hop.mtu < kHeaders + dns::kPlainUdp) {
    return Verdict::unanswerable;
  }
  const size_t most = std::min<size_t>(hop.mtu - kHeaders, dns::kMostUdp);
  dns::Query query;
  const dns::Source source{.zone = *names.zone,
                           .names = view.snapshot.names(),
                           .client = lb::Address(packet.key().source),
                           .serial = static_cast<uint32_t>(view.snapshot.epoch()),
                           .turn = context_.name_turn++};
  dns::Reply reply = dns::respond(buffer, length, most, dns::Transport::udp, source, query);
  if (reply.fate == dns::Fate::forward) {
    const dns::Ask ask{.tuple = lb::Tuple(packet.key()),
                       .transport = dns::Transport::udp,
                       .path = packet.ingress(),
                       .most = static_cast<uint16_t>(std::min<size_t>(query.udp_size, most))};
    if (length <= dns::kMostUdp && names.asks != nullptr && dns::put(*names.asks, ask, buffer.first(length))) {
      context_.names.count(dns::Transport::udp, reply);
      ++context_.names.forwarded;
      return Verdict::name_forwarded;
    }
    ++context_.names.backlogged;
    reply = {.fate = dns::Fate::answered,
             .rcode = dns::Rcode::server_failure,
             .length = dns::respond_with(dns::Rcode::server_failure, buffer, query, true)};
  }
  context_.names.count(dns::Transport::udp, reply);
  if (reply.fate == dns::Fate::ignored) {
    return Verdict::no_query;
  }
  return answer(packet, packet::answer_datagram(packet.buffer(), packet.parsed(), buffer.first(reply.length)),
                Verdict::name_answered, view);
}

template class FamilyPipeline<lb::FlowKey4>;
template class FamilyPipeline<lb::FlowKey6>;

}  // namespace weft::l4
