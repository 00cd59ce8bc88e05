// SPDX-License-Identifier: Apache-2.0
#include "packet/quote.h"

#include <array>
#include <cstring>
#include <type_traits>

#include "packet/checksum.h"
#include "packet/extensions.h"
#include "packet/headers.h"
#include "packet/translate.h"

namespace weft::packet {
namespace {

using lb::FlowKey4;
using lb::FlowKey6;

constexpr size_t kMinTransport = 8;  // RFC 792: what an error quotes at least; ports, and all of a UDP header

size_t checksum_offset(lb::Protocol protocol) {
  return protocol == lb::Protocol::tcp ? offsetof(TcpHeader, checksum) : offsetof(UdpHeader, checksum);
}

template <typename Word>
Word load(const std::byte* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

/// @param packet the quoted packet from its IP header on, as far as it is quoted
/// @param at its transport header
/// @returns the ports, or 0
uint32_t classify(std::span<const std::byte> packet, size_t at, lb::Protocol protocol, lb::Protocol icmp,
                  Quote& quote) {
  quote.l4_offset = static_cast<uint16_t>(quote.ip_offset + at);
  if (protocol != lb::Protocol::tcp && protocol != lb::Protocol::udp) {
    quote.kind = protocol == icmp ? Kind::icmp : Kind::other_protocol;
    quote.has_transport_checksum = false;
    return 0;
  }
  quote.kind = Kind::transport;
  quote.has_transport_checksum = at + checksum_offset(protocol) + sizeof(uint16_t) <= packet.size();
  return load<uint32_t>(packet.data() + at);
}

bool parse_quote4(std::span<const std::byte> packet, Quote& quote) {
  if (packet.size() < sizeof(Ipv4Header)) {
    return false;
  }
  const auto* ip = view<Ipv4Header>(packet.data());
  const size_t header_length = size_t{ip->version_and_length} % 16 * 4;
  if (ip->version_and_length >> 4 != 4 || header_length < sizeof(Ipv4Header) ||
      header_length + kMinTransport > packet.size() || (swap16(ip->fragment) & kFragmentOffset) != 0) {
    return false;
  }
  const uint32_t ports = classify(packet, header_length, ip->protocol, lb::Protocol::icmp, quote);
  quote.key4 = FlowKey4::from_wire(load<uint64_t>(packet.data() + offsetof(Ipv4Header, source)), ports, ip->protocol);
  return true;
}

bool parse_quote6(std::span<const std::byte> packet, Quote& quote) {
  if (packet.size() < sizeof(Ipv6Header)) {
    return false;
  }
  const auto* ip = view<Ipv6Header>(packet.data());
  if ((ip->version_class_label & kIpv6VersionMask) != kIpv6Version) {
    return false;
  }
  const ExtensionChain chain = walk_extensions(packet);
  if (chain.end != ExtensionChain::End::upper || chain.offset + kMinTransport > packet.size()) {
    return false;
  }
  const uint32_t ports = classify(packet, chain.offset, chain.protocol, lb::Protocol::icmpv6, quote);
  quote.key6 = FlowKey6::from_wire(load<std::array<uint64_t, 4>>(packet.data() + offsetof(Ipv6Header, source)), ports,
                                   chain.protocol);
  return true;
}

/// What is changed in the quote, summed before and after.
struct Change {
  uint64_t from = 0;
  uint64_t to = 0;

  void add(uint16_t before, uint16_t after) {
    from += before;
    to += after;
  }
};

}  // namespace

bool is_icmp_error(std::span<const std::byte> frame, const Parsed& parsed) {
  const uint8_t type = view<IcmpHeader>(frame.data() + parsed.l4_offset)->type;
  if (parsed.family == lb::Family::ipv4) {
    return type == icmp_type::unreachable || type == icmp_type::source_quench || type == icmp_type::time_exceeded ||
           type == icmp_type::parameter_problem;
  }
  return type >= icmpv6_type::unreachable && type <= icmpv6_type::parameter_problem;
}

bool parse_quote(std::span<const std::byte> frame, const Parsed& error, Quote& quote) {
  quote.family = error.family;
  quote.ip_offset = static_cast<uint16_t>(error.l4_offset + sizeof(IcmpHeader));
  const std::span<const std::byte> packet = frame.first(kIpOffset + size_t{error.ip_length}).subspan(quote.ip_offset);
  return error.family == lb::Family::ipv4 ? parse_quote4(packet, quote) : parse_quote6(packet, quote);
}

template <typename Key>
void translate_quote(std::span<std::byte> frame, const Quote& quote, const Parsed& error, const Key& to,
                     const typename Key::Address& source, const typename Key::Address& destination) {
  constexpr bool kIpv4 = std::is_same_v<Key, FlowKey4>;
  const Key& quoted = key_of<Key>(quote);
  const Deltas back = deltas_of(quoted, to);
  Change change{.from = address_sum(quoted) + port_sum(quoted), .to = address_sum(to) + port_sum(to)};

  std::byte* ip = frame.data() + quote.ip_offset;
  if constexpr (kIpv4) {
    auto* header = view<Ipv4Header>(ip);
    const uint16_t updated = update(header->checksum, back.ip);
    change.add(header->checksum, updated);
    header->checksum = updated;
    std::memcpy(ip + offsetof(Ipv4Header, source), &to, 2 * sizeof to.source);
  } else {
    std::memcpy(ip + offsetof(Ipv6Header, source), &to, 2 * sizeof to.source);
  }
  std::byte* transport = frame.data() + quote.l4_offset;
  std::memcpy(transport, &to.source_port, sizeof to.source_port + sizeof to.destination_port);
  if (quote.has_transport_checksum) {
    const bool udp = quoted.protocol == lb::Protocol::udp;
    std::byte* at = transport + checksum_offset(quoted.protocol);
    const auto before = load<uint16_t>(at);
    const uint16_t updated = udp ? update_udp(before, back.transport) : update(before, back.transport);
    change.add(before, updated);
    std::memcpy(at, &updated, sizeof updated);
  }

  Key outer = key_of<Key>(error);
  outer.source = source;
  outer.destination = destination;
  const Key& arrived = key_of<Key>(error);
  translate_ip(frame.data() + kIpOffset, outer, deltas_of(arrived, outer));
  if constexpr (!kIpv4) {  // ICMPv6's checksum covers the addresses too
    change.from += address_sum(arrived);
    change.to += address_sum(outer);
  }
  auto* icmp = view<IcmpHeader>(frame.data() + error.l4_offset);
  icmp->checksum = update(icmp->checksum, delta(change.from, change.to));
}

template void translate_quote(std::span<std::byte>, const Quote&, const Parsed&, const FlowKey4&,
                              const lb::Ipv4Address&, const lb::Ipv4Address&);
template void translate_quote(std::span<std::byte>, const Quote&, const Parsed&, const FlowKey6&,
                              const lb::Ipv6Address&, const lb::Ipv6Address&);

}  // namespace weft::packet
