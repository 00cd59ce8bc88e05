// SPDX-License-Identifier: Apache-2.0
#include "dns/query.h"

#include <algorithm>

#include "dns/bytes.h"

namespace weft::dns {
namespace {

/// Records beside the question that are looked through: an OPT record, a signature, and few others are ever sent.
constexpr uint16_t kMostRecords = 8;
constexpr uint8_t kPointer = 0xc0;

constexpr uint8_t lower(uint8_t c) {
  return c >= 'A' && c <= 'Z' ? static_cast<uint8_t>(c | 0x20) : c;
}

/// Past a name whose labels are of no interest; a pointer ends it. @returns 0: it is none
size_t skip_name(std::span<const std::byte> message, size_t at) {
  for (size_t length = 0; at < message.size(); ++length) {
    const auto size = std::to_integer<uint8_t>(message[at]);
    if (size >= kPointer) {
      return at + 2 <= message.size() ? at + 2 : 0;
    }
    if (size > kMaxLabel || length > kMaxName) {
      return 0;
    }
    at += 1 + size_t{size};
    if (size == 0) {
      return at;
    }
    length += size;
  }
  return 0;
}

/// @param records as many as the header says. @returns format_error, unless they end where the message does
Reading read_records(std::span<const std::byte> message, size_t at, uint16_t records, Query& query) {
  bool wrong_version = false;
  for (; records > 0; --records) {
    const bool at_root = at < message.size() && message[at] == std::byte{0};
    at = skip_name(message, at);
    constexpr size_t kFixed = 10;  // type, class, time to live, length
    if (at == 0 || message.size() - at < kFixed) {
      return Reading::format_error;
    }
    const std::byte* const record = message.data() + at;
    const uint16_t data = get16(record + 8);
    at += kFixed;
    if (message.size() - at < data) {
      return Reading::format_error;
    }
    at += data;
    if (get16(record) != type::opt) {
      continue;
    }
    if (query.has_edns || !at_root) {  // RFC 6891, section 6.1.1
      return Reading::format_error;
    }
    query.has_edns = true;
    query.udp_size = std::max<uint16_t>(get16(record + 2), kPlainUdp);
    wrong_version = record[5] != std::byte{0};
    query.dnssec_ok = (get16(record + 6) & kDnssecOk) != 0;
  }
  if (at != message.size()) {
    return Reading::format_error;
  }
  return wrong_version ? Reading::bad_version : Reading::good;
}

}  // namespace

size_t read_name(std::span<const std::byte> message, size_t at, Query& query) {
  size_t length = 0;
  size_t labels = 0;
  while (at < message.size()) {
    const auto size = std::to_integer<uint8_t>(message[at]);
    if (size > kMaxLabel || length + 1 + size > kMaxName || message.size() - at <= size) {
      return 0;
    }
    query.starts[labels] = static_cast<uint8_t>(length);
    query.name[length++] = size;
    ++at;
    if (size == 0) {
      query.labels = static_cast<uint8_t>(labels);
      query.name_length = static_cast<uint8_t>(length);
      return at;
    }
    for (size_t i = 0; i < size; ++i) {
      query.name[length++] = lower(std::to_integer<uint8_t>(message[at++]));
    }
    ++labels;
  }
  return 0;
}

Reading read_query(std::span<const std::byte> message, Query& query) {
  query.question_end = 0;
  query.has_edns = false;
  query.dnssec_ok = false;
  query.udp_size = kPlainUdp;
  if (message.size() < kHeader) {
    return Reading::ignored;
  }
  query.id = get16(message.data());
  query.flags = get16(message.data() + 2);
  if ((query.flags & flag::response) != 0) {
    return Reading::ignored;
  }
  if ((query.flags & flag::opcode) != 0) {
    return Reading::not_implemented;
  }
  const auto count = [&](size_t i) { return get16(message.data() + 4 + 2 * i); };
  if (count(0) != 1 || count(1) != 0 || count(2) != 0 || count(3) > kMostRecords) {
    return Reading::format_error;
  }
  const size_t at = read_name(message, kHeader, query);
  if (at == 0 || message.size() - at < 4) {
    return Reading::format_error;
  }
  query.type = get16(message.data() + at);
  query.klass = get16(message.data() + at + 2);
  query.question_end = static_cast<uint16_t>(at + 4);
  return read_records(message, at + 4, count(3), query);
}

}  // namespace weft::dns
