// SPDX-License-Identifier: Apache-2.0
#include "packet/transport_checksum.h"

#include <cstring>

#include "packet/checksum.h"
#include "packet/headers.h"
#include "packet/parse.h"
#include "packet/sum.h"

namespace weft::packet {
namespace {

struct Transport {
  Parsed parsed;
  bool udp = false;
  std::span<const std::byte> bytes;  ///< header and payload; empty if the frame is no whole packet of TCP or UDP

  explicit Transport(std::span<const std::byte> frame) {
    parse(frame, parsed);
    if (parsed.kind != Kind::transport) {
      return;
    }
    udp = (parsed.family == lb::Family::ipv4 ? parsed.key4.protocol : parsed.key6.protocol) == lb::Protocol::udp;
    bytes = frame.subspan(parsed.l4_offset, kIpOffset + size_t{parsed.ip_length} - parsed.l4_offset);
    if (udp) {  // what is behind its length belongs to no datagram
      bytes = bytes.first(swap16(view<UdpHeader>(bytes.data())->length));
    }
  }
  /// Of all, pseudo header included: 0xffff, if the checksum is right.
  uint16_t sum() const {
    const auto with = [&](const auto& key) {
      return fold(sum_of_payload(
          bytes, pseudo_header_sum(key.source, key.destination, key.protocol, static_cast<uint16_t>(bytes.size()))));
    };
    return parsed.family == lb::Family::ipv4 ? with(parsed.key4) : with(parsed.key6);
  }
};

}  // namespace

bool transport_checksum_wrong(std::span<const std::byte> frame) {
  const Transport transport(frame);
  if (transport.bytes.empty()) {
    return false;
  }
  const bool has_none = transport.udp && transport.parsed.family == lb::Family::ipv4 &&
                        view<UdpHeader>(transport.bytes.data())->checksum == 0;
  return !has_none && transport.sum() != 0xffff;
}

void write_transport_checksum(std::span<std::byte> frame) {
  const Transport transport(frame);
  if (transport.bytes.empty()) {
    return;
  }
  std::byte* at = frame.data() + transport.parsed.l4_offset +
                  (transport.udp ? offsetof(UdpHeader, checksum) : offsetof(TcpHeader, checksum));
  const auto write = [at](uint16_t checksum) { std::memcpy(at, &checksum, sizeof checksum); };
  write(0);
  const auto checksum = static_cast<uint16_t>(~transport.sum());
  write(checksum == 0 && transport.udp ? 0xffff : checksum);  // of UDP, 0 says that there is none
}

}  // namespace weft::packet
