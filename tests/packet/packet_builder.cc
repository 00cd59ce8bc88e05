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
constexpr uint8_t kIcmpv6 = 58;
constexpr uint8_t kHopByHop = 0;
constexpr uint8_t kRouting = 43;
constexpr uint8_t kFragment = 44;
constexpr uint8_t kDestinationOptions = 60;
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

void put_address(Bytes& bytes, const lb::Address& address) {
  if (address.is_ipv4()) {
    put32(bytes, to_host(address.ipv4()));
    return;
  }
  for (const uint8_t byte : address.ipv6().bytes) {
    put8(bytes, byte);
  }
}

size_t words(size_t length) {
  return (std::min<size_t>(length, 40) + 3) / 4;
}

/// Options of an extension header behind its next header: its length, and one padding option (RFC 8200, section 4.2).
Bytes options(size_t length) {
  Bytes header;
  put8(header, static_cast<uint32_t>(length / 8 - 1));
  put8(header, 1);
  put8(header, static_cast<uint32_t>(length - 4));
  header.resize(length - 1);
  return header;
}

}  // namespace

Socket::Socket(const char* text) {
  const std::string_view whole = text;
  const bool bracketed = whole.starts_with('[');
  const size_t host_end = bracketed                             ? whole.find(']')
                          : whole.find(':') == whole.rfind(':') ? whole.find(':')
                                                                : whole.npos;
  address = lb::parse_address(whole.substr(bracketed ? 1 : 0, host_end - (bracketed ? 1 : 0))).value();
  const size_t colon = bracketed ? host_end + 1 : host_end;
  port = static_cast<uint16_t>(colon >= whole.size() ? 0 : std::strtoul(text + colon + 1, nullptr, 10));
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

uint32_t reference_pseudo_header(const lb::Address& source, const lb::Address& destination, uint8_t protocol,
                                 size_t length) {
  Bytes words;
  put_address(words, source);
  put_address(words, destination);
  put16(words, protocol);
  put32(words, static_cast<uint32_t>(length));
  return static_cast<uint16_t>(~reference_checksum(words));
}

PacketBuilder::PacketBuilder(uint8_t protocol, const Socket& source, const Socket& destination)
    : protocol_(protocol), source_(source), destination_(destination), icmp_type_(protocol == kIcmpv6 ? 128 : 8) {}

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
PacketBuilder& PacketBuilder::traffic_class(uint8_t value) {
  traffic_class_ = value;
  return *this;
}
PacketBuilder& PacketBuilder::identification(uint16_t number) {
  identification_ = number;
  return *this;
}
PacketBuilder& PacketBuilder::flow_label(uint32_t label) {
  flow_label_ = label;
  return *this;
}
PacketBuilder& PacketBuilder::extension(uint8_t protocol, std::span<const std::byte> behind_next_header) {
  extensions_.push_back({protocol, Bytes(behind_next_header.begin(), behind_next_header.end())});
  return *this;
}
PacketBuilder& PacketBuilder::hop_by_hop(size_t length) {
  return extension(kHopByHop, options(length));
}
PacketBuilder& PacketBuilder::destination_options(size_t length) {
  return extension(kDestinationOptions, options(length));
}
PacketBuilder& PacketBuilder::routing(uint8_t type, uint8_t segments_left) {
  Bytes header;
  put8(header, 0);
  put8(header, type);
  put8(header, segments_left);
  put32(header, 0);
  return extension(kRouting, header);
}
PacketBuilder& PacketBuilder::fragment_header(uint16_t offset, bool more, uint32_t identification) {
  later_fragment6_ = later_fragment6_ || offset > 0;
  Bytes header;
  put8(header, 0);
  put16(header, uint32_t{offset} | (more ? 1 : 0));
  put32(header, identification);
  return extension(kFragment, header);
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
  tcp_options_.assign(words(length) * 4, kNoOperation);
  return *this;
}
PacketBuilder& PacketBuilder::tcp_options(std::span<const std::byte> options) {
  tcp_options_.assign(options.begin(), options.end());
  tcp_options_.resize(words(options.size()) * 4);
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
PacketBuilder& PacketBuilder::payload_length(uint16_t length) {
  payload_length_ = length;
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
    put8(bytes, uint32_t{data_offset_.value_or(static_cast<uint8_t>(5 + tcp_options_.size() / 4))} << 4);
    put8(bytes, flags_);
    put16(bytes, window_);
    checksum_at = bytes.size();
    put32(bytes, 0);  // checksum, urgent pointer
    bytes.insert(bytes.end(), tcp_options_.begin(), tcp_options_.end());
  } else if (protocol_ == kUdp) {
    put16(bytes, source_.port);
    put16(bytes, destination_.port);
    put16(bytes, udp_length_.value_or(static_cast<uint16_t>(8 + payload_.size())));
    checksum_at = bytes.size();
    put16(bytes, 0);
  } else if (protocol_ == kIcmp || protocol_ == kIcmpv6) {
    put8(bytes, icmp_type_);
    put8(bytes, icmp_code_);
    checksum_at = bytes.size();
    put16(bytes, 0);
    put32(bytes, icmp_rest_);
  }
  bytes.insert(bytes.end(), payload_.begin(), payload_.end());
  if (checksum_at == 0 || is_later_fragment()) {  // what a later fragment carries has no header
    return bytes;
  }
  const uint32_t pseudo =
      protocol_ == kIcmp ? 0 : reference_pseudo_header(source_.address, destination_.address, protocol_, bytes.size());
  const uint16_t right = reference_checksum(bytes, pseudo);
  set16(bytes, checksum_at, transport_checksum_.value_or(protocol_ == kUdp && right == 0 ? 0xffff : right));
  return bytes;
}

bool PacketBuilder::is_later_fragment() const {
  return source_.address.is_ipv4() ? (fragment_ & 0x1fff) != 0 : later_fragment6_;
}

Bytes PacketBuilder::ipv4(const Bytes& inner) const {
  const size_t header_length = 20 + ip_options_ * 4;
  Bytes header;
  put8(header, uint32_t{version_.value_or(4)} << 4 | header_words_.value_or(static_cast<uint8_t>(header_length / 4)));
  put8(header, traffic_class_);
  put16(header, total_length_.value_or(static_cast<uint16_t>(header_length + inner.size())));
  put16(header, identification_);
  put16(header, fragment_);
  put8(header, ttl_);
  put8(header, protocol_);
  put16(header, 0);
  put_address(header, source_.address);
  put_address(header, destination_.address);
  header.insert(header.end(), ip_options_ * 4, kNoOperation);
  // A receiver sums as many bytes as the header claims to have, if they are there.
  Bytes summed = header;
  summed.insert(summed.end(), inner.begin(), inner.end());
  const size_t claimed = size_t{header_words_.value_or(static_cast<uint8_t>(header_length / 4))} * 4;
  summed.resize(std::clamp<size_t>(claimed, 20, summed.size()));
  set16(header, 10, ip_checksum_.value_or(reference_checksum(summed)));
  header.insert(header.end(), inner.begin(), inner.end());
  return header;
}

Bytes PacketBuilder::ipv6(const Bytes& inner) const {
  Bytes chain;
  for (size_t i = 0; i < extensions_.size(); ++i) {
    put8(chain, i + 1 < extensions_.size() ? extensions_[i + 1].protocol : protocol_);
    chain.insert(chain.end(), extensions_[i].behind_next_header.begin(), extensions_[i].behind_next_header.end());
  }
  chain.insert(chain.end(), inner.begin(), inner.end());
  Bytes packet;
  put32(packet, uint32_t{version_.value_or(6)} << 28 | uint32_t{traffic_class_} << 20 | flow_label_);
  put16(packet, payload_length_.value_or(static_cast<uint16_t>(chain.size())));
  put8(packet, extensions_.empty() ? protocol_ : extensions_.front().protocol);
  put8(packet, ttl_);
  put_address(packet, source_.address);
  put_address(packet, destination_.address);
  packet.insert(packet.end(), chain.begin(), chain.end());
  return packet;
}

Bytes PacketBuilder::ip() const {
  return source_.address.is_ipv4() ? ipv4(transport()) : ipv6(transport());
}

Bytes PacketBuilder::bytes() const {
  Bytes frame;
  for (uint8_t byte : addresses_) {
    put8(frame, byte);
  }
  put16(frame, ethernet_type_.value_or(source_.address.is_ipv4() ? 0x0800 : 0x86dd));
  const Bytes packet = ip();
  frame.insert(frame.end(), packet.begin(), packet.end());
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
  return {source.address.is_ipv4() ? kIcmp : kIcmpv6, source, destination};
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
