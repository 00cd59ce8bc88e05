// SPDX-License-Identifier: Apache-2.0
#include "packet/encapsulate.h"

#include <cstring>

#include "packet/checksum.h"
#include "packet/headers.h"

namespace weft::packet {
namespace {

/// What of the inner header goes into the outer one.
struct Inner {
  uint8_t traffic_class;
  bool may_fragment;
  uint16_t identification;
};

Inner look_into(const std::byte* packet, lb::Family family) {
  if (family == lb::Family::ipv6) {
    const uint32_t word = swap32(view<Ipv6Header>(packet)->version_class_label);
    return {.traffic_class = static_cast<uint8_t>(word >> 20), .may_fragment = false, .identification = 0};
  }
  const auto* ip = view<Ipv4Header>(packet);
  return {.traffic_class = ip->type_of_service,
          .may_fragment = (ip->fragment & kDontFragment) == 0,
          .identification = ip->identification};
}

/// From the values, as the compiler holds them: a sum over bytes that were just written would wait for the stores.
uint16_t checksum_of_fields(const Ipv4Header& header) {
  const uint64_t first = header.version_and_length | uint32_t{header.type_of_service} << 8;
  const uint64_t hops = header.time_to_live | static_cast<uint32_t>(header.protocol) << 8;
  return static_cast<uint16_t>(~fold(first + header.total_length + header.identification + header.fragment + hops +
                                     static_cast<uint32_t>(header.source) + static_cast<uint32_t>(header.destination)));
}

void write_udp(std::byte* at, size_t inner_length, uint16_t entropy) {
  // Of the dynamic ports (RFC 6335, section 6), as GUE's draft asks for (section 3.2.1).
  const auto source = static_cast<uint16_t>(0xc000 | (entropy & 0x3fff));
  *view<UdpHeader>(at) = {.source_port = lb::port_from_host(source),
                          .destination_port = lb::port_from_host(kGuePort),
                          .length = swap16(static_cast<uint16_t>(sizeof(UdpHeader) + inner_length)),
                          .checksum = 0};
}

/// @param length of the whole outer packet
void write_ip(std::byte* at, size_t length, lb::Protocol protocol, const Inner& inner, TunnelEnds<lb::Ipv4Address> ends,
              uint16_t entropy) {
  // RFC 6864: with don't-fragment the identification means nothing. Without, a flow's own stay as distinct as they
  // were, and those of flows that meet in one tunnel are moved apart.
  const auto identification = static_cast<uint16_t>(inner.may_fragment ? inner.identification ^ entropy : 0);
  Ipv4Header header = {.version_and_length = kPlainIpv4,
                       .type_of_service = inner.traffic_class,
                       .total_length = swap16(static_cast<uint16_t>(length)),
                       .identification = identification,
                       .fragment = inner.may_fragment ? uint16_t{0} : kDontFragment,
                       .time_to_live = kTimeToLive,
                       .protocol = protocol,
                       .checksum = 0,
                       .source = ends.source,
                       .destination = ends.destination};
  header.checksum = checksum_of_fields(header);
  std::memcpy(at, &header, sizeof header);
}

void write_ip(std::byte* at, size_t length, lb::Protocol protocol, const Inner& inner,
              const TunnelEnds<lb::Ipv6Address>& ends, uint16_t entropy) {
  // A label of 0 says that there is none (RFC 6437, section 2): one bit is always set.
  const uint32_t label = 0x10000 | entropy;
  *view<Ipv6Header>(at) = {.version_class_label = kIpv6Version | swap32(uint32_t{inner.traffic_class} << 20 | label),
                           .payload_length = swap16(static_cast<uint16_t>(length - sizeof(Ipv6Header))),
                           .next_header = protocol,
                           .hop_limit = kTimeToLive,
                           .source = ends.source.bytes,
                           .destination = ends.destination.bytes};
}

}  // namespace

template <typename Address>
void encapsulate(std::byte* outer_ip, lb::Family inner, size_t inner_length, TunnelEnds<Address> ends,
                 lb::Encapsulation encapsulation, uint16_t entropy) {
  constexpr lb::Family kOuter = lb::family_of<Address>;
  const bool gue = encapsulation == lb::Encapsulation::gue;
  const size_t overhead = tunnel_overhead(kOuter, encapsulation);
  const lb::Protocol protocol = gue                         ? lb::Protocol::udp
                                : inner == lb::Family::ipv4 ? ip_protocol::ipv4
                                                            : ip_protocol::ipv6;
  write_ip(outer_ip, overhead + inner_length, protocol, look_into(outer_ip + overhead, inner), ends, entropy);
  if (gue) {
    write_udp(outer_ip + overhead - sizeof(UdpHeader), inner_length, entropy);
  }
}

template void encapsulate(std::byte*, lb::Family, size_t, TunnelEnds<lb::Ipv4Address>, lb::Encapsulation, uint16_t);
template void encapsulate(std::byte*, lb::Family, size_t, TunnelEnds<lb::Ipv6Address>, lb::Encapsulation, uint16_t);

}  // namespace weft::packet
