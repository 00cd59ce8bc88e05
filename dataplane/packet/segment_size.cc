// SPDX-License-Identifier: Apache-2.0
#include "packet/segment_size.h"

#include <cstring>

#include "packet/checksum.h"
#include "packet/headers.h"

namespace weft::packet {
namespace {

constexpr size_t kLength = 4;  // kind, length, and two bytes of size

}  // namespace

bool clamp_segment_size(std::byte* tcp, size_t header_length, uint16_t max) {
  bool clamped = false;
  for (size_t at = sizeof(TcpHeader); at < header_length;) {
    const auto kind = std::to_integer<uint8_t>(tcp[at]);
    if (kind == tcp_option::no_operation) {
      ++at;
      continue;
    }
    if (kind == tcp_option::end || at + 1 >= header_length) {
      break;
    }
    const auto length = std::to_integer<size_t>(tcp[at + 1]);
    if (length < 2 || at + length > header_length) {
      break;
    }
    // Receivers differ in which of several options they take: all are lowered.
    if (kind == tcp_option::max_segment_size && length == kLength) {
      uint16_t before;
      std::memcpy(&before, tcp + at + 2, sizeof before);
      if (swap16(before) > max) {
        const uint16_t after = swap16(max);
        std::memcpy(tcp + at + 2, &after, sizeof after);
        // At an odd place, its bytes are in two words, each the other way round.
        const uint16_t change = delta(before, after);
        auto* header = view<TcpHeader>(tcp);
        header->checksum = update(header->checksum, at % 2 == 0 ? change : swap16(change));
        clamped = true;
      }
    }
    at += length;
  }
  return clamped;
}

}  // namespace weft::packet
