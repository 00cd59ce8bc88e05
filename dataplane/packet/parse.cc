// SPDX-License-Identifier: Apache-2.0
#include "packet/parse.h"

#include <cstring>

#include "packet/checksum.h"
#include "packet/headers.h"

namespace weft::packet {
namespace {

constexpr uint8_t kPlainIpv4 = 0x45;  // version 4, no options
constexpr size_t kMinIpHeader = sizeof(Ipv4Header);

/// What the transport header, whose length the IPv4 header has vouched for, says of the packet.
Kind check_transport(lb::Protocol protocol, const std::byte* transport, size_t length, Parsed& parsed) {
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
    case lb::Protocol::icmp:
      return length < sizeof(IcmpHeader) ? Kind::truncated : Kind::icmp;
  }
  return Kind::other_protocol;
}

template <typename Word>
Word load(const void* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

/// The header's length, or 0 with the reason in parsed.kind. Precondition: the first 20 bytes are there.
size_t check_ipv4_header(std::span<const std::byte> packet, Parsed& parsed) {
  const auto* ip = view<Ipv4Header>(packet.data());
  if (ip->version_and_length == kPlainIpv4) [[likely]] {
    parsed.kind = Kind::bad_checksum;
    return verify_plain_ipv4(ip) ? kMinIpHeader : 0;
  }
  const size_t length = size_t{ip->version_and_length} % 16 * 4;
  if (ip->version_and_length >> 4 != 4) {
    parsed.kind = Kind::bad_version;
  } else if (length < kMinIpHeader) {
    parsed.kind = Kind::bad_header_length;
  } else if (length > packet.size()) {
    parsed.kind = Kind::truncated;
  } else if (checksum_of(packet.first(length)) != 0) {
    parsed.kind = Kind::bad_checksum;
  } else {
    return length;
  }
  return 0;
}

}  // namespace

void parse(std::span<const std::byte> frame, Parsed& parsed) {
  parsed.tcp_flags = 0;
  if (frame.size() < kIpOffset + kMinIpHeader) {
    const bool other = frame.size() >= kIpOffset && view<EthernetHeader>(frame.data())->type != kEtherTypeIpv4;
    parsed.kind = other ? Kind::not_ipv4 : Kind::truncated;
    return;
  }
  if (view<EthernetHeader>(frame.data())->type != kEtherTypeIpv4) {
    parsed.kind = Kind::not_ipv4;
    return;
  }
  const std::span<const std::byte> packet = frame.subspan(kIpOffset);
  const size_t header_length = check_ipv4_header(packet, parsed);
  if (header_length == 0) {
    return;
  }
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
  parsed.l4_offset = static_cast<uint8_t>(kIpOffset + header_length);
  parsed.kind = (ip->fragment & kFragmentMask) != 0
                    ? Kind::fragment
                    : check_transport(ip->protocol, transport, parsed.ip_length - header_length, parsed);
  const uint32_t ports = parsed.kind == Kind::transport ? load<uint32_t>(transport) : 0;
  parsed.key =
      lb::FlowKey::from_wire(load<uint64_t>(packet.data() + offsetof(Ipv4Header, source)), ports, ip->protocol);
}

}  // namespace weft::packet
