// SPDX-License-Identifier: Apache-2.0
#include "packet/parse.h"

#include <cstring>

#include "packet/checksum.h"
#include "packet/extensions.h"
#include "packet/headers.h"

namespace weft::packet {
namespace {

constexpr size_t kMinIpv4Header = sizeof(Ipv4Header);
constexpr size_t kMaxDatagram = 65535;

template <typename Word>
Word load(const void* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

/// What the transport header, whose length the IP header has vouched for, says of the packet.
/// @param icmp the protocol number of the family's own ICMP
template <lb::Protocol icmp>
inline Kind check_transport(lb::Protocol protocol, const std::byte* transport, size_t length, Parsed& parsed) {
  switch (protocol) {
    case lb::Protocol::tcp: {
      if (length < sizeof(TcpHeader)) {
        return Kind::truncated;
      }
      const auto* tcp = view<TcpHeader>(transport);
      const size_t header_length = size_t{tcp->data_offset} >> 4 << 2;
      if (header_length < sizeof(TcpHeader)) {
        return Kind::bad_header_length;
      }
      parsed.tcp_flags = tcp->flags;
      return header_length > length ? Kind::truncated : Kind::transport;
    }
    case lb::Protocol::udp: {
      if (length < sizeof(UdpHeader)) {
        return Kind::truncated;
      }
      const uint16_t udp_length = swap16(view<UdpHeader>(transport)->length);
      return udp_length < sizeof(UdpHeader) || udp_length > length ? Kind::bad_total_length : Kind::transport;
    }
    case icmp:
      return length < sizeof(IcmpHeader) ? Kind::truncated : Kind::icmp;
    default:
      return Kind::other_protocol;
  }
}

/// A first fragment has its ports if it has all of its transport header: less is an attempt to hide something from
/// filters (RFC 1858, section 3), and for IPv6 forbidden (RFC 7112). A UDP length speaks of the whole datagram.
bool has_transport_header(lb::Protocol protocol, const std::byte* transport, size_t length, Parsed& parsed) {
  if (protocol == lb::Protocol::udp) {
    return length >= sizeof(UdpHeader) && swap16(view<UdpHeader>(transport)->length) >= sizeof(UdpHeader);
  }
  return protocol == lb::Protocol::tcp &&
         check_transport<lb::Protocol::icmp>(protocol, transport, length, parsed) == Kind::transport;
}

void set_key4(const std::byte* ip, uint32_t ports, lb::Protocol protocol, Parsed& parsed) {
  parsed.key4 = lb::FlowKey4::from_wire(load<uint64_t>(ip + offsetof(Ipv4Header, source)), ports, protocol);
}

[[gnu::noinline]] void parse_ipv4_fragment(const std::byte* packet, size_t header_length, Parsed& parsed) {
  const auto* ip = view<Ipv4Header>(packet);
  const std::byte* data = packet + header_length;
  const size_t length = parsed.ip_length - header_length;
  parsed.fragment_offset = static_cast<uint16_t>((swap16(ip->fragment) & kFragmentOffset) * 8);
  parsed.more_fragments = (ip->fragment & kMoreFragments) != 0;
  parsed.fragment_id = ip->identification;
  parsed.has_ports = parsed.fragment_offset == 0 && has_transport_header(ip->protocol, data, length, parsed);
  const bool fits = header_length + parsed.fragment_offset + length <= kMaxDatagram;
  parsed.kind = fits ? Kind::fragment : Kind::bad_total_length;
  set_key4(packet, parsed.has_ports ? load<uint32_t>(data) : 0, ip->protocol, parsed);
}

/// What stands behind a header whose checksum is right.
inline void parse_behind_ipv4(std::span<const std::byte> packet, size_t header_length, Parsed& parsed) {
  const auto* ip = view<Ipv4Header>(packet.data());
  parsed.ip_length = swap16(ip->total_length);
  if (parsed.ip_length < header_length) {
    parsed.kind = Kind::bad_total_length;
    return;
  }
  if (parsed.ip_length > packet.size()) {
    parsed.kind = Kind::truncated;
    return;
  }
  const std::byte* transport = packet.data() + header_length;
  parsed.l4_offset = static_cast<uint16_t>(kIpOffset + header_length);
  if ((ip->fragment & kFragmentMask) != 0) [[unlikely]] {
    parse_ipv4_fragment(packet.data(), header_length, parsed);
    return;
  }
  parsed.kind = check_transport<lb::Protocol::icmp>(ip->protocol, transport, parsed.ip_length - header_length, parsed);
  set_key4(packet.data(), parsed.kind == Kind::transport ? load<uint32_t>(transport) : 0, ip->protocol, parsed);
}

/// With options, or not IPv4 at all.
[[gnu::noinline]] void parse_odd_ipv4(std::span<const std::byte> packet, Parsed& parsed) {
  const auto* ip = view<Ipv4Header>(packet.data());
  const size_t length = size_t{ip->version_and_length} % 16 * 4;
  if (ip->version_and_length >> 4 != 4) {
    parsed.kind = Kind::bad_version;
  } else if (length < kMinIpv4Header) {
    parsed.kind = Kind::bad_header_length;
  } else if (length > packet.size()) {
    parsed.kind = Kind::truncated;
  } else if (checksum_of(packet.first(length)) != 0) {
    parsed.kind = Kind::bad_checksum;
  } else {
    parse_behind_ipv4(packet, length, parsed);
  }
}

/// Precondition: 20 bytes at least. The plain header has a way of its own, without calls: its length is a constant.
inline void parse_ipv4(std::span<const std::byte> packet, Parsed& parsed) {
  const auto* ip = view<Ipv4Header>(packet.data());
  if (ip->version_and_length != kPlainIpv4) [[unlikely]] {
    parse_odd_ipv4(packet, parsed);
  } else if (!verify_plain_ipv4(ip)) [[unlikely]] {
    parsed.kind = Kind::bad_checksum;
  } else {
    parse_behind_ipv4(packet, kMinIpv4Header, parsed);
  }
}

/// As FlowKey6::from_wire(), but straight into its place: assigned, 40 bytes would take a detour over the stack.
void set_key6(const std::byte* ip, uint32_t ports, lb::Protocol protocol, Parsed& parsed) {
  constexpr size_t kAddresses = sizeof parsed.key6.source + sizeof parsed.key6.destination;
  const uint64_t ports_and_protocol = ports | static_cast<uint64_t>(protocol) << 32;
  static_assert(kAddresses + sizeof ports_and_protocol == sizeof parsed.key6);
  auto* key = reinterpret_cast<std::byte*>(&parsed.key6);
  std::memcpy(key, ip + offsetof(Ipv6Header, source), kAddresses);
  std::memcpy(key + kAddresses, &ports_and_protocol, sizeof ports_and_protocol);
}

/// What is neither TCP, UDP nor ICMPv6 at once: extension headers, or another protocol.
/// @param packet the IPv6 packet, exactly
[[gnu::noinline]] void parse_behind_extensions(std::span<const std::byte> packet, Parsed& parsed) {
  using End = ExtensionChain::End;
  const ExtensionChain chain = walk_extensions(packet);
  const bool fragment = chain.is_fragment && (chain.more_fragments || chain.fragment_offset > 0);
  parsed.l4_offset = static_cast<uint16_t>(kIpOffset + chain.offset);
  if (chain.end == End::bad || (chain.end == End::cut && !fragment)) {
    parsed.kind = chain.end == End::bad ? Kind::bad_extension : Kind::truncated;
    return;
  }
  const std::byte* transport = packet.data() + chain.offset;
  const size_t length = packet.size() - chain.offset;
  if (!fragment) {
    parsed.kind = check_transport<lb::Protocol::icmpv6>(chain.protocol, transport, length, parsed);
    set_key6(packet.data(), parsed.kind == Kind::transport ? load<uint32_t>(transport) : 0, chain.protocol, parsed);
    return;
  }
  parsed.fragment_offset = chain.fragment_offset;
  parsed.more_fragments = chain.more_fragments;
  parsed.fragment_id = chain.fragment_id;
  // A chain that the first fragment does not hold whole is forbidden (RFC 7112), and has no ports to go by.
  parsed.has_ports = chain.end == End::upper && has_transport_header(chain.protocol, transport, length, parsed);
  // RFC 8200, section 4.5: all but the last are a multiple of 8 bytes long, and their datagram's length is one.
  const size_t data = packet.size() - chain.fragmentable_from;
  const size_t before = chain.fragmentable_from - sizeof(Ipv6Header) - sizeof(Ipv6Fragment);
  const bool fits = (!chain.more_fragments || data % 8 == 0) && before + chain.fragment_offset + data <= kMaxDatagram;
  parsed.kind = fits ? Kind::fragment : Kind::bad_total_length;
  set_key6(packet.data(), parsed.has_ports ? load<uint32_t>(transport) : 0, chain.protocol, parsed);
}

[[gnu::noinline]] void parse_ipv6(std::span<const std::byte> packet, Parsed& parsed) {
  if (packet.size() < sizeof(Ipv6Header)) {
    parsed.kind = Kind::truncated;
    return;
  }
  const auto* ip = view<Ipv6Header>(packet.data());
  if ((ip->version_class_label & kIpv6VersionMask) != kIpv6Version) {
    parsed.kind = Kind::bad_version;
    return;
  }
  const size_t payload = swap16(ip->payload_length);
  const size_t length = sizeof(Ipv6Header) + payload;
  // A length of 0 before hop-by-hop options announces a jumbogram (RFC 2675, section 3); one that does not fit 16 bits
  // with its header is of no use on any link that weft knows.
  if (length > kMaxDatagram || (payload == 0 && ip->next_header == ip_protocol::hop_by_hop)) {
    parsed.kind = Kind::bad_total_length;
    return;
  }
  if (length > packet.size()) {
    parsed.kind = Kind::truncated;
    return;
  }
  parsed.ip_length = static_cast<uint16_t>(length);
  parsed.l4_offset = kIpOffset + sizeof(Ipv6Header);
  const std::byte* transport = packet.data() + sizeof(Ipv6Header);
  parsed.kind = check_transport<lb::Protocol::icmpv6>(ip->next_header, transport, payload, parsed);
  if (parsed.kind == Kind::other_protocol) [[unlikely]] {
    parse_behind_extensions(packet.first(length), parsed);
    return;
  }
  set_key6(packet.data(), parsed.kind == Kind::transport ? load<uint32_t>(transport) : 0, ip->next_header, parsed);
}

}  // namespace

void parse(std::span<const std::byte> frame, Parsed& parsed) {
  parsed.family = lb::Family::ipv4;
  parsed.tcp_flags = 0;
  if (frame.size() < kIpOffset) [[unlikely]] {
    parsed.kind = Kind::truncated;
    return;
  }
  const uint16_t type = view<EthernetHeader>(frame.data())->type;
  if (type == kEtherTypeIpv4) [[likely]] {
    if (frame.size() < kIpOffset + kMinIpv4Header) [[unlikely]] {
      parsed.kind = Kind::truncated;
      return;
    }
    parse_ipv4(frame.subspan(kIpOffset), parsed);
  } else if (type == kEtherTypeIpv6) {
    parsed.family = lb::Family::ipv6;
    parse_ipv6(frame.subspan(kIpOffset), parsed);
  } else {
    parsed.kind = Kind::not_ip;
  }
}

}  // namespace weft::packet
