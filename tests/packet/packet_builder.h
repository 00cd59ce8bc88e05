// SPDX-License-Identifier: Apache-2.0
/// @file Frames for tests, said in a line: `tcp("10.0.0.1:1024", "10.96.0.1:80").flags(syn).payload("x").bytes()`. With
/// "[fd00::1]:1024" they are of IPv6.
///
/// Lengths and checksums are filled in, unless a test asks for wrong ones; then what covers them is still right, so
/// that a frame is wrong in that one way only. Nothing of packet/ is used to build: checksums are by the plain
/// definition (RFC 1071), so that an error in the code under test cannot hide in its own test.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "lb/flow_key.h"

namespace weft::test {

using Bytes = std::vector<std::byte>;

constexpr uint8_t kFin = 0x01;
constexpr uint8_t kSyn = 0x02;
constexpr uint8_t kRst = 0x04;
constexpr uint8_t kPsh = 0x08;
constexpr uint8_t kAck = 0x10;

/// As frames under test come in: destination, source.
constexpr std::array<uint8_t, 12> kArrivalAddresses = {2, 0, 0, 0, 0, 0xaa, 2, 0, 0, 0, 0, 0xbb};

/// An address and a port, as in "10.0.0.1:80" and "[fd00::1]:80"; without a port ("10.0.0.1", "fd00::1"), 0.
struct Socket {
  lb::Address address;
  uint16_t port = 0;  ///< host order

  Socket(const char* text);  // NOLINT: tests write addresses as text
  Socket(const lb::Address& its_address, uint16_t its_port) : address(its_address), port(its_port) {}
};

/// Precondition: both sockets are of Key's family.
template <typename Key = lb::FlowKey4>
Key key_of(const Socket& source, const Socket& destination, lb::Protocol protocol) {
  const lb::Port from = lb::port_from_host(source.port);
  const lb::Port to = lb::port_from_host(destination.port);
  if constexpr (std::is_same_v<Key, lb::FlowKey4>) {
    return Key::make(source.address.ipv4(), from, destination.address.ipv4(), to, protocol);
  } else {
    return Key::make(source.address.ipv6(), from, destination.address.ipv6(), to, protocol);
  }
}

/// RFC 1071 by its definition: big-endian 16-bit words, carries added at the end, complement. In host order.
uint16_t reference_checksum(std::span<const std::byte> bytes, uint32_t sum = 0);

/// The pseudo header's words, to begin a reference_checksum() with (RFC 9293, section 3.1; RFC 8200, section 8.1).
uint32_t reference_pseudo_header(const lb::Address& source, const lb::Address& destination, uint8_t protocol,
                                 size_t length);

class PacketBuilder {
 public:
  PacketBuilder(uint8_t protocol, const Socket& source, const Socket& destination);

  PacketBuilder& addresses(const std::array<uint8_t, 12>& both);  ///< Ethernet's: destination, source
  PacketBuilder& ttl(uint8_t hops);                               ///< IPv6's hop limit
  PacketBuilder& traffic_class(uint8_t value);
  PacketBuilder& ip_options(size_t length);            ///< rounded up to words of 4, at most 40; no-operations
  PacketBuilder& fragment(uint16_t flags_and_offset);  ///< of IPv4
  PacketBuilder& identification(uint16_t number);      ///< of IPv4

  // IPv6's, each behind those before.
  PacketBuilder& flow_label(uint32_t label);
  PacketBuilder& extension(uint8_t protocol, std::span<const std::byte> behind_next_header);
  PacketBuilder& hop_by_hop(size_t length = 8);           ///< a multiple of 8; padding options
  PacketBuilder& destination_options(size_t length = 8);  ///< as hop_by_hop()
  PacketBuilder& routing(uint8_t type, uint8_t segments_left);
  PacketBuilder& fragment_header(uint16_t offset, bool more, uint32_t identification);  ///< in bytes

  PacketBuilder& flags(uint8_t tcp_flags);
  PacketBuilder& sequence(uint32_t number);
  PacketBuilder& acknowledgment(uint32_t number);
  PacketBuilder& tcp_options(size_t length);                       ///< as ip_options()
  PacketBuilder& tcp_options(std::span<const std::byte> options);  ///< padded with zeros to words of 4; at most 40
  PacketBuilder& window(uint16_t size);
  PacketBuilder& icmp(uint8_t type, uint8_t code, uint32_t rest = 0);
  PacketBuilder& payload(std::string_view text);
  PacketBuilder& payload(std::span<const std::byte> data);
  PacketBuilder& payload_of(size_t length);  ///< some bytes, none of them zero
  PacketBuilder& padding(size_t length);     ///< behind the packet, as Ethernet pads short frames

  // Wrong on purpose.
  PacketBuilder& ethernet_type(uint16_t type);
  PacketBuilder& version(uint8_t version);
  PacketBuilder& header_words(uint8_t words);
  PacketBuilder& total_length(uint16_t length);    ///< of IPv4
  PacketBuilder& payload_length(uint16_t length);  ///< of IPv6
  PacketBuilder& ip_checksum(uint16_t checksum);
  PacketBuilder& data_offset(uint8_t words);
  PacketBuilder& udp_length(uint16_t length);
  PacketBuilder& transport_checksum(uint16_t checksum);
  PacketBuilder& cut_to(size_t frame_length);  ///< the frame ends early; its headers do not know

  Bytes bytes() const;
  Bytes ip() const;  ///< without Ethernet and padding, and whole

 private:
  Bytes transport() const;
  Bytes ipv4(const Bytes& inner) const;
  Bytes ipv6(const Bytes& inner) const;
  bool is_later_fragment() const;

  struct Extension {
    uint8_t protocol;
    Bytes behind_next_header;
  };

  std::array<uint8_t, 12> addresses_ = kArrivalAddresses;
  uint8_t protocol_;
  Socket source_;
  Socket destination_;
  uint8_t ttl_ = 64;
  uint8_t traffic_class_ = 0;
  uint16_t fragment_ = 0;
  uint16_t identification_ = 0;
  uint32_t flow_label_ = 0;
  std::vector<Extension> extensions_;
  bool later_fragment6_ = false;
  size_t ip_options_ = 0;
  Bytes tcp_options_;
  uint8_t flags_ = kAck;
  uint32_t sequence_ = 0x01020304;
  uint32_t acknowledgment_ = 0;
  uint16_t window_ = 0xfaf0;
  uint8_t icmp_type_;
  uint8_t icmp_code_ = 0;
  uint32_t icmp_rest_ = 0;
  Bytes payload_;
  size_t padding_ = 0;
  std::optional<uint16_t> ethernet_type_;
  std::optional<uint8_t> version_;
  std::optional<uint8_t> header_words_;
  std::optional<uint16_t> total_length_;
  std::optional<uint16_t> payload_length_;
  std::optional<uint16_t> ip_checksum_;
  std::optional<uint8_t> data_offset_;
  std::optional<uint16_t> udp_length_;
  std::optional<uint16_t> transport_checksum_;
  std::optional<size_t> cut_to_;
};

PacketBuilder tcp(const Socket& source, const Socket& destination);
PacketBuilder udp(const Socket& source, const Socket& destination);
PacketBuilder icmp(const Socket& source, const Socket& destination);  ///< the family's own; an echo request

/// "02 00 ..." in rows of sixteen, for messages.
std::string hex(std::span<const std::byte> bytes);

}  // namespace weft::test
