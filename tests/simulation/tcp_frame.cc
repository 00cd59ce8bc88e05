// SPDX-License-Identifier: Apache-2.0
#include "tcp_frame.h"

#include <algorithm>
#include <cstring>

namespace weft::simulation {
namespace {

constexpr uint8_t kTcp = 6;
constexpr size_t kTcpHeader = 20;

size_t ip_header_length(lb::Family family) {
  return family == lb::Family::ipv4 ? 20 : 40;
}

void put(std::span<std::byte> frame, size_t at, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) {
    frame[at + i] = static_cast<std::byte>(value >> 8 * (bytes - 1 - i));
  }
}
uint32_t get(std::span<const std::byte> frame, size_t at, size_t bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < bytes; ++i) {
    value = value << 8 | std::to_integer<uint32_t>(frame[at + i]);
  }
  return value;
}

/// RFC 1071: the sum of words in network byte order, carries and all.
uint64_t sum_of(std::span<const std::byte> bytes) {
  uint64_t sum = 0;
  size_t at = 0;
  for (; at + 1 < bytes.size(); at += 2) {
    sum += std::to_integer<uint64_t>(bytes[at]) << 8 | std::to_integer<uint64_t>(bytes[at + 1]);
  }
  if (at < bytes.size()) {
    sum += std::to_integer<uint64_t>(bytes[at]) << 8;
  }
  return sum;
}
uint16_t checksum_of(uint64_t sum) {
  while (sum >> 16 != 0) {
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<uint16_t>(~sum);
}

/// Of a whole packet: with the pseudo header (RFC 9293, section 3.1; RFC 8200, section 8.1).
uint64_t transport_sum(std::span<const std::byte> frame, lb::Family family) {
  const size_t header = ip_header_length(family);
  const auto addresses = family == lb::Family::ipv4 ? frame.subspan(12, 8) : frame.subspan(8, 32);
  return sum_of(addresses) + kTcp + (frame.size() - header) + sum_of(frame.subspan(header));
}

void put_address(std::span<std::byte> frame, size_t at, const lb::Address& address) {
  if (address.is_ipv4()) {
    put(frame, at, lb::to_host(address.ipv4()), 4);
  } else {
    std::memcpy(&frame[at], address.ipv6().bytes.data(), 16);
  }
}
lb::Address address_at(std::span<const std::byte> frame, size_t at, lb::Family family) {
  if (family == lb::Family::ipv4) {
    return lb::address_from_host(get(frame, at, 4));
  }
  lb::Ipv6Address address;
  std::memcpy(address.bytes.data(), &frame[at], 16);
  return address;
}

}  // namespace

Frame encode_frame(const tcp::Transmission& transmission, std::span<const buffer::Slice> slices) {
  const lb::Family family = transmission.pair.local.family();
  const size_t ip = ip_header_length(family);
  const size_t header = ip + kTcpHeader + transmission.options_length;
  Frame frame(header + transmission.payload_length);
  if (family == lb::Family::ipv4) {
    put(frame, 0, 0x4500, 2);
    put(frame, 2, frame.size(), 2);
    put(frame, 6, 0x4000, 2);  // may not be fragmented
    put(frame, 8, 64 << 8 | kTcp, 2);
    put_address(frame, 12, transmission.pair.local);
    put_address(frame, 16, transmission.pair.remote);
    put(frame, 10, checksum_of(sum_of(std::span(frame).first(20))), 2);
  } else {
    put(frame, 0, 0x60000000, 4);
    put(frame, 4, frame.size() - ip, 2);
    put(frame, 6, kTcp << 8 | 64, 2);
    put_address(frame, 8, transmission.pair.local);
    put_address(frame, 24, transmission.pair.remote);
  }
  put(frame, ip, lb::to_host(transmission.pair.local_port), 2);
  put(frame, ip + 2, lb::to_host(transmission.pair.remote_port), 2);
  put(frame, ip + 4, transmission.sequence.value, 4);
  put(frame, ip + 8, transmission.acknowledgment.value, 4);
  put(frame, ip + 12, (kTcpHeader + transmission.options_length) / 4 << 4, 1);
  put(frame, ip + 13, transmission.flags, 1);
  put(frame, ip + 14, transmission.window, 2);
  std::copy_n(transmission.options.begin(), transmission.options_length,
              frame.begin() + static_cast<ptrdiff_t>(ip + kTcpHeader));
  auto at = frame.begin() + static_cast<ptrdiff_t>(header);
  for (const buffer::Slice& slice : slices.subspan(transmission.first_slice, transmission.slice_count)) {
    const size_t some = std::min<size_t>(slice.size(), static_cast<size_t>(frame.end() - at));
    at = std::copy_n(slice.data(), some, at);
  }
  put(frame, ip + 16, checksum_of(transport_sum(frame, family)), 2);
  return frame;
}

Packet decode_frame(std::span<const std::byte> frame) {
  Packet packet;
  if (frame.size() < 40) {
    return packet;
  }
  const uint32_t version = get(frame, 0, 1) >> 4;
  const lb::Family family = version == 4 ? lb::Family::ipv4 : lb::Family::ipv6;
  const size_t ip = ip_header_length(family);
  const bool is_ipv4 = family == lb::Family::ipv4;
  const size_t length = is_ipv4 ? get(frame, 2, 2) : get(frame, 4, 2) + ip;
  const uint32_t protocol = get(frame, is_ipv4 ? 9 : 6, 1);
  if ((version != 4 && version != 6) || length != frame.size() || frame.size() < ip + kTcpHeader || protocol != kTcp ||
      (is_ipv4 && get(frame, 0, 1) != 0x45)) {
    return packet;
  }
  if ((is_ipv4 && checksum_of(sum_of(frame.first(ip))) != 0) || checksum_of(transport_sum(frame, family)) != 0) {
    packet.verdict = Packet::Verdict::bad_checksum;
    return packet;
  }
  const size_t header = (get(frame, ip + 12, 1) >> 4) * 4;
  if (header < kTcpHeader || ip + header > frame.size()) {
    return packet;
  }
  packet.verdict = Packet::Verdict::good;
  packet.pair = {.local = address_at(frame, is_ipv4 ? 12 : 8, family),
                 .remote = address_at(frame, is_ipv4 ? 16 : 24, family),
                 .local_port = lb::port_from_host(static_cast<uint16_t>(get(frame, ip, 2))),
                 .remote_port = lb::port_from_host(static_cast<uint16_t>(get(frame, ip + 2, 2)))};
  packet.sequence = tcp::Seq(get(frame, ip + 4, 4));
  packet.acknowledgment = tcp::Seq(get(frame, ip + 8, 4));
  packet.flags = static_cast<uint8_t>(get(frame, ip + 13, 1));
  packet.window = static_cast<uint16_t>(get(frame, ip + 14, 2));
  packet.options = frame.subspan(ip + kTcpHeader, header - kTcpHeader);
  packet.decoded = tcp::decode_options(packet.options);
  packet.payload = frame.subspan(ip + header);
  return packet;
}

std::string to_string(const Packet& packet) {
  if (packet.verdict != Packet::Verdict::good) {
    return packet.verdict == Packet::Verdict::malformed ? "malformed" : "bad checksum";
  }
  std::string text = lb::to_string(packet.pair.local, packet.pair.local_port) + " > " +
                     lb::to_string(packet.pair.remote, packet.pair.remote_port) + " [";
  constexpr std::string_view kLetters = "FSRP.UEW";
  for (size_t i = 0; i < kLetters.size(); ++i) {
    if (packet.has(static_cast<uint8_t>(1U << i))) {
      text += kLetters[i];
    }
  }
  text += "] " + std::to_string(packet.sequence.value) + ":" + std::to_string(packet.end().value) + "(" +
          std::to_string(packet.payload.size()) + ")";
  if (packet.has(tcp::flag::ack)) {
    text += " ack " + std::to_string(packet.acknowledgment.value);
  }
  text += " win " + std::to_string(packet.window);
  const tcp::Options& options = packet.decoded;
  if (options.mss) {
    text += " mss " + std::to_string(*options.mss);
  }
  if (options.window_shift) {
    text += " scale " + std::to_string(*options.window_shift);
  }
  if (options.sack_permitted) {
    text += " sackOK";
  }
  if (options.timestamps) {
    text += " ts " + std::to_string(options.timestamps->value) + "/" + std::to_string(options.timestamps->echo);
  }
  for (uint8_t i = 0; i < options.block_count; ++i) {
    text += (i == 0 ? " sack " : ",") + std::to_string(options.blocks[i].begin.value) + "-" +
            std::to_string(options.blocks[i].end.value);
  }
  return text;
}

}  // namespace weft::simulation
