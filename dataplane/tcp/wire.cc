// SPDX-License-Identifier: Apache-2.0
#include "tcp/wire.h"

#include <cstring>

#include "packet/checksum.h"
#include "packet/headers.h"
#include "packet/sum.h"

namespace weft::tcp {
namespace {

using packet::Ipv4Header;
using packet::Ipv6Header;
using packet::swap16;
using packet::swap32;
using packet::TcpHeader;

constexpr uint8_t kTimeToLive = 64;

uint64_t pseudo_sum(const lb::Address& source, const lb::Address& destination, size_t length) {
  const auto bytes = static_cast<uint16_t>(length);
  return source.is_ipv4() ? packet::pseudo_header_sum(source.ipv4(), destination.ipv4(), lb::Protocol::tcp, bytes)
                          : packet::pseudo_header_sum(source.ipv6(), destination.ipv6(), lb::Protocol::tcp, bytes);
}

/// Of slices one behind the other: those that begin at an odd place count with their bytes swapped (RFC 1071, section
/// 2).
uint64_t payload_sum(std::span<const buffer::Slice> payload) {
  uint64_t sum = 0;
  size_t at = 0;
  for (const buffer::Slice& slice : payload) {
    const uint16_t its = slice.is_summed() ? slice.sum() : packet::fold(packet::sum_of_payload(slice.bytes()));
    sum += at % 2 == 0 ? its : swap16(its);
    at += slice.size();
  }
  return sum;
}

/// All but TCP's checksum. @returns TCP's header
std::byte* write(const Transmission& transmission, size_t header_length, size_t length, std::byte* at) {
  const SocketPair& pair = transmission.pair;
  if (pair.local.is_ipv4()) {
    const Ipv4Header header = {.version_and_length = packet::kPlainIpv4,
                               .total_length = swap16(static_cast<uint16_t>(sizeof header + length)),
                               .fragment = packet::kDontFragment,
                               .time_to_live = kTimeToLive,
                               .protocol = lb::Protocol::tcp,
                               .source = pair.local.ipv4(),
                               .destination = pair.remote.ipv4()};
    std::memcpy(at, &header, sizeof header);
    packet::view<Ipv4Header>(at)->checksum = packet::checksum_of({at, sizeof header});
    at += sizeof header;
  } else {
    const Ipv6Header header = {.version_class_label = packet::kIpv6Version,
                               .payload_length = swap16(static_cast<uint16_t>(length)),
                               .next_header = lb::Protocol::tcp,
                               .hop_limit = kTimeToLive,
                               .source = pair.local.ipv6().bytes,
                               .destination = pair.remote.ipv6().bytes};
    std::memcpy(at, &header, sizeof header);
    at += sizeof header;
  }
  const TcpHeader header = {.source_port = pair.local_port,
                            .destination_port = pair.remote_port,
                            .sequence = swap32(transmission.sequence.value),
                            .acknowledgment = swap32(transmission.acknowledgment.value),
                            .data_offset = static_cast<uint8_t>(header_length << 2),
                            .flags = transmission.flags,
                            .window = swap16(transmission.window)};
  std::memcpy(at, &header, sizeof header);
  std::memcpy(at + sizeof header, transmission.options.data(), transmission.options_length);
  return at;
}

}  // namespace

bool read_segment(const buffer::Slice& frame, const packet::Parsed& parsed, Checksum checksum, Segment& segment) {
  if (parsed.family == lb::Family::ipv4) {
    const lb::FlowKey4& key = parsed.key4;
    segment.pair = {key.destination, key.source, key.destination_port, key.source_port};
  } else {
    const lb::FlowKey6& key = parsed.key6;
    segment.pair = {key.destination, key.source, key.destination_port, key.source_port};
    if (segment.pair.local.is_ipv4() || segment.pair.remote.is_ipv4()) {
      return false;  // it would be taken for a segment of an IPv4 connection
    }
  }
  const std::byte* const at = frame.data() + parsed.l4_offset;
  const auto* header = packet::view<TcpHeader>(at);
  const size_t header_length = size_t{header->data_offset} >> 4 << 2;
  const size_t length = packet::kIpOffset + size_t{parsed.ip_length} - parsed.l4_offset;  // the frame may be longer
  segment.sequence = Seq(swap32(header->sequence));
  segment.acknowledgment = Seq(swap32(header->acknowledgment));
  segment.window = swap16(header->window);
  segment.flags = header->flags;
  segment.options = at + sizeof(TcpHeader);
  segment.options_length = static_cast<uint8_t>(header_length - sizeof(TcpHeader));
  segment.payload = frame.part(static_cast<uint16_t>(parsed.l4_offset + header_length),
                               static_cast<uint16_t>(length - header_length));

  const uint64_t headers =
      packet::sum_of({at, header_length}, pseudo_sum(segment.pair.remote, segment.pair.local, length));
  if (checksum == Checksum::right) {  // all sums to 0xffff, so the rest follows
    segment.payload.set_sum(static_cast<uint16_t>(~packet::fold(headers)));
    return true;
  }
  const uint16_t payload = packet::fold(packet::sum_of_payload(segment.payload.bytes()));
  segment.payload.set_sum(payload);
  return packet::fold(headers + payload) == 0xffff;
}

size_t header_size(const Transmission& transmission) {
  return (transmission.pair.local.is_ipv4() ? sizeof(Ipv4Header) : sizeof(Ipv6Header)) + sizeof(TcpHeader) +
         transmission.options_length;
}

void write_headers(const Transmission& transmission, std::span<const buffer::Slice> payload, std::byte* at) {
  const size_t header_length = sizeof(TcpHeader) + transmission.options_length;
  const size_t length = header_length + transmission.payload_length;
  at = write(transmission, header_length, length, at);
  const SocketPair& pair = transmission.pair;
  const uint64_t sum = packet::sum_of({at, header_length}, pseudo_sum(pair.local, pair.remote, length));
  packet::view<TcpHeader>(at)->checksum = static_cast<uint16_t>(~packet::fold(sum + payload_sum(payload)));
}

void write_headers(const Transmission& transmission, std::byte* at) {
  const size_t header_length = sizeof(TcpHeader) + transmission.options_length;
  const size_t length = header_length + transmission.payload_length;
  at = write(transmission, header_length, length, at);
  const SocketPair& pair = transmission.pair;
  packet::view<TcpHeader>(at)->checksum = packet::fold(pseudo_sum(pair.local, pair.remote, length));
}

}  // namespace weft::tcp
