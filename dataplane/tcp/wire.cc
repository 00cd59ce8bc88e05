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

/// Puts a header together in registers, in the order of its bytes, and writes it in whole words. A struct that is
/// filled field by field and then summed or copied is read back before its fields have left the store buffer, and each
/// such wait costs more than the header.
class Words {
 public:
  explicit Words(std::byte* at) : at_(at) {}

  void put(uint64_t word) {
    std::memcpy(at_, &word, sizeof word);
    at_ += sizeof word;
  }
  void put_last(uint32_t word) { std::memcpy(at_, &word, sizeof word); }

 private:
  std::byte* at_;
};

/// Of the halves, which lie in memory in this order.
constexpr uint32_t word_of(uint16_t first, uint16_t second) {
  return first | uint32_t{second} << 16;
}
constexpr uint16_t word_of(uint8_t first, uint8_t second) {
  return static_cast<uint16_t>(first | second << 8);
}
constexpr uint64_t word_of(uint32_t first, uint32_t second) {
  return first | uint64_t{second} << 32;
}
/// As a summand: carries are folded later.
constexpr uint64_t halves_of(uint64_t word) {
  return (word & UINT32_MAX) + (word >> 32);
}

/// RFC 791, section 3.1.
void write_ipv4(const SocketPair& pair, size_t length, std::byte* at) {
  const uint64_t first = word_of(
      word_of(word_of(packet::kPlainIpv4, uint8_t{0}), swap16(static_cast<uint16_t>(sizeof(Ipv4Header) + length))),
      word_of(uint16_t{0}, packet::kDontFragment));
  const uint16_t life = word_of(kTimeToLive, static_cast<uint8_t>(lb::Protocol::tcp));
  const auto source = static_cast<uint32_t>(pair.local.ipv4());
  const auto destination = static_cast<uint32_t>(pair.remote.ipv4());
  const auto checksum = static_cast<uint16_t>(~packet::fold(halves_of(first) + life + source + destination));
  Words words(at);
  words.put(first);
  words.put(word_of(word_of(life, checksum), source));
  words.put_last(destination);
}

/// Most segments' options are timestamps alone, which are not worth a call.
void copy_options(const Transmission& transmission, std::byte* to) {
  constexpr uint8_t kTimestamps = 12;
  if (transmission.options_length == kTimestamps) [[likely]] {
    std::memcpy(to, transmission.options.data(), kTimestamps);
  } else {
    std::memcpy(to, transmission.options.data(), transmission.options_length);
  }
}

enum class Rest : uint8_t {
  none,    ///< the sum is of all else: the checksum is written
  device,  ///< which adds all but the pseudo header
};

/// Both headers. @param sum of TCP's pseudo header, and of the payload if no device sees to the rest
void write(const Transmission& transmission, size_t header_length, size_t length, uint64_t sum, Rest rest,
           std::byte* at) {
  const SocketPair& pair = transmission.pair;
  if (pair.local.is_ipv4()) {
    write_ipv4(pair, length, at);
    at += sizeof(Ipv4Header);
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
  // RFC 9293, section 3.1.
  const uint32_t ports = word_of(static_cast<uint16_t>(pair.local_port), static_cast<uint16_t>(pair.remote_port));
  const uint64_t first = word_of(ports, swap32(transmission.sequence.value));
  const uint64_t second = word_of(
      swap32(transmission.acknowledgment.value),
      word_of(word_of(static_cast<uint8_t>(header_length << 2), transmission.flags), swap16(transmission.window)));
  uint16_t checksum = packet::fold(sum);
  if (rest == Rest::none) {
    const std::span options(transmission.options.data(), transmission.options_length);
    checksum =
        static_cast<uint16_t>(~packet::fold(packet::sum_of(options, sum + halves_of(first) + halves_of(second))));
  }
  Words words(at);
  words.put(first);
  words.put(second);
  words.put_last(word_of(checksum, uint16_t{0}));
  copy_options(transmission, at + sizeof(TcpHeader));
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
  const SocketPair& pair = transmission.pair;
  write(transmission, header_length, length, pseudo_sum(pair.local, pair.remote, length) + payload_sum(payload),
        Rest::none, at);
}

void write_headers(const Transmission& transmission, std::byte* at) {
  const size_t header_length = sizeof(TcpHeader) + transmission.options_length;
  const size_t length = header_length + transmission.payload_length;
  const SocketPair& pair = transmission.pair;
  write(transmission, header_length, length, pseudo_sum(pair.local, pair.remote, length), Rest::device, at);
}

}  // namespace weft::tcp
