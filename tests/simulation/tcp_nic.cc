// SPDX-License-Identifier: Apache-2.0
#include "tcp_nic.h"

#include <algorithm>

#include "packet/headers.h"
#include "packet/parse.h"
#include "tcp/wire.h"
#include "tcp_wire_watch.h"

namespace weft::simulation {
namespace {

/// The frame in a buffer, behind an Ethernet header; empty: there is no buffer.
buffer::Slice frame_slice(Host& host, const Frame& frame) {
  buffer::Buffer* const taken = host.received.pool().take();
  if (taken == nullptr) {
    return {};
  }
  const size_t length = packet::kIpOffset + frame.size();
  const auto headroom = static_cast<uint16_t>(host.random.below(taken->capacity - length + 1));
  buffer::Slice slice(taken, headroom, static_cast<uint16_t>(length));
  const std::span<std::byte> bytes = slice.writable();
  std::fill_n(bytes.begin(), packet::kIpOffset, std::byte{});
  const bool is_ipv4 = std::to_integer<int>(frame[0]) >> 4 == 4;
  packet::view<packet::EthernetHeader>(bytes.data())->type = is_ipv4 ? packet::kEtherTypeIpv4 : packet::kEtherTypeIpv6;
  std::copy(frame.begin(), frame.end(), bytes.begin() + packet::kIpOffset);
  return slice;
}

bool reads(const buffer::Slice& frame, tcp::Checksum checksum, tcp::Segment& segment) {
  packet::Parsed parsed;
  packet::parse(frame.bytes(), parsed);
  return parsed.kind == packet::Kind::transport && tcp::read_segment(frame, parsed, checksum, segment);
}

}  // namespace

Reading read_frame(Host& host, const Frame& frame, const Packet& packet, Arrived& arrived) {
  tcp::Segment& segment = arrived.segment;
  if (host.config.real_bytes) {
    arrived.frame = frame_slice(host, frame);
    if (arrived.frame.empty()) {
      return Reading::no_buffer;
    }
    const tcp::Checksum known = host.random.chance(50) ? tcp::Checksum::right : tcp::Checksum::unknown;
    if (!reads(arrived.frame, known, segment) || segment.pair != mirrored(packet.pair) ||
        segment.payload.size() != packet.payload.size()) {
      throw Violation("the data plane does not read " + to_string(packet));
    }
    return Reading::taken;
  }
  segment.pair = mirrored(packet.pair);
  segment.sequence = packet.sequence;
  segment.acknowledgment = packet.acknowledgment;
  segment.window = packet.window;
  segment.flags = packet.flags;
  segment.options = packet.options.data();
  segment.options_length = static_cast<uint8_t>(packet.options.size());
  if (packet.payload.empty()) {
    return Reading::taken;
  }
  buffer::Buffer* const taken = host.received.pool().take();
  if (taken == nullptr) {
    return Reading::no_buffer;
  }
  const auto headroom = static_cast<uint16_t>(host.random.below(taken->capacity - packet.payload.size() + 1));
  segment.payload = {taken, headroom, static_cast<uint16_t>(packet.payload.size())};
  std::copy(packet.payload.begin(), packet.payload.end(), segment.payload.writable().begin());
  return Reading::taken;
}

void expect_refused(Host& host, const Frame& frame) {
  const buffer::Slice slice = host.config.real_bytes ? frame_slice(host, frame) : buffer::Slice{};
  tcp::Segment segment;
  if (!slice.empty() && reads(slice, tcp::Checksum::unknown, segment)) {
    throw Violation("the data plane takes a corrupt segment");
  }
}

Frame write_frame(const Host& host, const tcp::Transmission& out, std::span<const buffer::Slice> slices) {
  Frame frame = encode_frame(out, slices);
  if (host.config.real_bytes) {
    const size_t headers = tcp::header_size(out);
    Frame real(headers + out.payload_length);
    const auto payload = slices.subspan(out.first_slice, out.slice_count);
    tcp::write_headers(out, payload, real.data());
    auto at = real.begin() + static_cast<ptrdiff_t>(headers);
    for (const buffer::Slice& slice : payload) {
      at = std::copy_n(slice.data(), slice.size(), at);
    }
    if (real != frame) {
      throw Violation("the data plane writes other bytes for " + to_string(decode_frame(frame)));
    }
  }
  return frame;
}

}  // namespace weft::simulation
