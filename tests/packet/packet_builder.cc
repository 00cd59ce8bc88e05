// SPDX-License-Identifier: Apache-2.0
#include "packet_builder.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace weft::test {
namespace {

constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;
constexpr uint8_t kIcmp = 1;
constexpr std::byte kNoOperation{1};  // an option of both IPv4 and TCP

void put8(Bytes& bytes, uint32_t value) {
  bytes.push_back(static_cast<std::byte>(value));
}
void put16(Bytes& bytes, uint32_t value) {
  put8(bytes, value >> 8);
  put8(bytes, value);
}
void put32(Bytes& bytes, uint32_t value) {
  put16(bytes, value >> 16);
  put16(bytes, value);
}
void set16(Bytes& bytes, size_t at, uint32_t value) {
  bytes[at] = static_cast<std::byte>(value >> 8);
  bytes[at + 1] = static_cast<std::byte>(value);
}

size_t words(size_t length) {
  return (std::min<size_t>(length, 40) + 3) / 4;
}

}  // namespace

Socket::Socket(const char* text) {
  const char* colon = std::strchr(text, ':');
  const std::string host = colon == nullptr ? text : std::string(text, colon);
  address = lb::parse_ipv4(host).value();
  port = static_cast<uint16_t>(colon == nullptr ? 0 : std::strtoul(colon + 1, nullptr, 10));
}

lb::FlowKey key_of(const Socket& source, const Socket& destination, lb::Protocol protocol) {
  return lb::FlowKey::make(source.address, lb::port_from_host(source.port), destination.address,
                           lb::port_from_host(destination.port), protocol);
}

uint16_t reference_checksum(std::span<const std::byte> bytes, uint32_t sum) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    sum += std::to_integer<uint32_t>(bytes[i]) << (i % 2 == 0 ? 8 : 0);
  }
  while (sum > 0xffff) {
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<uint16_t>(~sum);
}

PacketBuilder::PacketBuilder(uint8_t protocol, const Socket& source, const Socket& destination)
    : protocol_(protocol), source_(source), destination_(destination) {}

PacketBuilder& PacketBuilder::addresses(const std::array<uint8_t, 12>& both) {
  addresses_ = both;
  return *this;
}
PacketBuilder& PacketBuilder::ttl(uint8_t hops) {
  ttl_ = hops;
  return *this;
}
PacketBuilder& PacketBuilder::ip_options(size_t length) {
  ip_options_ = words(length);
  return *this;
}
PacketBuilder& PacketBuilder::fragment(uint16_t flags_and_offset) {
  fragment_ = flags_and_offset;
  return *this;
}
PacketBuilder& PacketBuilder::flags(uint8_t tcp_flags) {
  flags_ = tcp_flags;
  return *this;
}
PacketBuilder& PacketBuilder::sequence(uint32_t number) {
  sequence_ = number;
  return *this;
}
PacketBuilder& PacketBuilder::acknowledgment(uint32_t number) {
  acknowledgment_ = number;
  return *this;
}
PacketBuilder& PacketBuilder::tcp_options(size_t length) {
  tcp_options_ = words(length);
  return *this;
}
PacketBuilder& PacketBuilder::window(uint16_t size) {
  window_ = size;
  return *this;
}
PacketBuilder& PacketBuilder::icmp(uint8_t type, uint8_t code, uint32_t rest) {
  icmp_type_ = type;
  icmp_code_ = code;
  icmp_rest_ = rest;
  return *this;
}
PacketBuilder& PacketBuilder::payload(std::string_view text) {
  return payload(std::as_bytes(std::span(text)));
}
PacketBuilder& PacketBuilder::payload(std::span<const std::byte> data) {
  payload_.assign(data.begin(), data.end());
  return *this;
}
PacketBuilder& PacketBuilder::payload_of(size_t length) {
  payload_.resize(length);
  for (size_t i = 0; i < length; ++i) {
    payload_[i] = static_cast<std::byte>(i % 251 + 1);
  }
  return *this;
}
PacketBuilder& PacketBuilder::padding(size_t length) {
  padding_ = length;
  return *this;
}
PacketBuilder& PacketBuilder::ethernet_type(uint16_t type) {
  ethernet_type_ = type;
  return *this;
}
PacketBuilder& PacketBuilder::version(uint8_t version) {
  version_ = version;
  return *this;
}
PacketBuilder& PacketBuilder::header_words(uint8_t count) {
  header_words_ = count;
  return *this;
}
PacketBuilder& PacketBuilder::total_length(uint16_t length) {
  total_length_ = length;
  return *this;
}
PacketBuilder& PacketBuilder::ip_checksum(uint16_t checksum) {
  ip_checksum_ = checksum;
  return *this;
}
PacketBuilder& PacketBuilder::data_offset(uint8_t count) {
  data_offset_ = count;
  return *this;
}
PacketBuilder& PacketBuilder::udp_length(uint16_t length) {
  udp_length_ = length;
  return *this;
}
PacketBuilder& PacketBuilder::transport_checksum(uint16_t checksum) {
  transport_checksum_ = checksum;
  return *this;
}
PacketBuilder& PacketBuilder::cut_to(size_t frame_length) {
  cut_to_ = frame_length;
  return *this;
}

Bytes PacketBuilder::transport() const {
  Bytes bytes;
  size_t checksum_at = 0;
  if (protocol_ == kTcp) {
    put16(bytes, source_.port);
    put16(bytes, destination_.port);
    put32(bytes, sequence_);
    put32(bytes, acknowledgment_);
    put8(bytes, uint32_t{data_offset_.value_or(static_cast<uint8_t>(5 + tcp_options_))} << 4);
    put8(bytes, flags_);
    put16(bytes, window_);
    checksum_at = bytes.size();
    put32(bytes, 0);  // checksum, urgent pointer
    bytes.insert(bytes.end(), tcp_options_ * 4, kNoOperation);
  } else if (protocol_ == kUdp) {
    put16(bytes, source_.port);
    put16(bytes, destination_.port);
    put16(bytes, udp_length_.value_or(static_cast<uint16_t>(8 + payload_.size())));
    checksum_at = bytes.size();
    put16(bytes, 0);
  } else if (protocol_ == kIcmp) {
    put8(bytes, icmp_type_);
    put8(bytes, icmp_code_);
    checksum_at = bytes.size();
    put16(bytes, 0);
    put32(bytes, icmp_rest_);
  }
  bytes.insert(bytes.end(), payload_.begin(), payload_.end());
  if (checksum_at == 0 || (fragment_ & 0x1fff) != 0) {  // what a later fragment carries has no header
    return bytes;
  }
  const uint32_t from = to_host(source_.address);
  const uint32_t to = to_host(destination_.address);
  const uint32_t pseudo = protocol_ == kIcmp ? 0
                                             : (from >> 16) + (from & 0xffff) + (to >> 16) + (to & 0xffff) + protocol_ +
                                                   static_cast<uint32_t>(bytes.size());
  const uint16_t right = reference_checksum(bytes, pseudo);
  set16(bytes, checksum_at, transport_checksum_.value_or(protocol_ == kUdp && right == 0 ? 0xffff : right));
  return bytes;
}

Bytes PacketBuilder::bytes() const {
  const Bytes inner = transport();
  const size_t header_length = 20 + ip_options_ * 4;
  Bytes header;
  put8(header, uint32_t{version_.value_or(4)} << 4 | header_words_.value_or(static_cast<uint8_t>(header_length / 4)));
  put8(header, 0);
  put16(header, total_length_.value_or(static_cast<uint16_t>(header_length + inner.size())));
  put16(header, 0);
  put16(header, fragment_);
  put8(header, ttl_);
  put8(header, protocol_);
  put16(header, 0);
  put32(header, to_host(source_.address));
  put32(header, to_host(destination_.address));
  header.insert(header.end(), ip_options_ * 4, kNoOperation);
  // A receiver sums as many bytes as the header claims to have, if they are there.
  Bytes summed = header;
  summed.insert(summed.end(), inner.begin(), inner.end());
  const size_t claimed = size_t{header_words_.value_or(static_cast<uint8_t>(header_length / 4))} * 4;
  summed.resize(std::clamp<size_t>(claimed, 20, summed.size()));
  set16(header, 10, ip_checksum_.value_or(reference_checksum(summed)));

  Bytes frame;
  for (uint8_t byte : addresses_) {
    put8(frame, byte);
  }
  put16(frame, ethernet_type_);
  frame.insert(frame.end(), header.begin(), header.end());
  frame.insert(frame.end(), inner.begin(), inner.end());
  frame.insert(frame.end(), padding_, std::byte{0});
  frame.resize(std::min(frame.size(), cut_to_.value_or(frame.size())));
  return frame;
}

PacketBuilder tcp(const Socket& source, const Socket& destination) {
  return {kTcp, source, destination};
}
PacketBuilder udp(const Socket& source, const Socket& destination) {
  return {kUdp, source, destination};
}
PacketBuilder icmp(const Socket& source, const Socket& destination) {
  return {kIcmp, source, destination};
}

std::string hex(std::span<const std::byte> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto value = std::to_integer<size_t>(bytes[i]);
    text += i == 0 ? "" : i % 16 == 0 ? "\n" : " ";
    text += {kDigits[value / 16], kDigits[value % 16]};
  }
  return text;
}

}  // namespace weft::test
