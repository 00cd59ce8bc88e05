// SPDX-License-Identifier: Apache-2.0
#include "dns/relayed.h"

#include <cstring>

#include "dns/bytes.h"

namespace weft::dns {
namespace {

size_t write_opt(std::byte* to, uint16_t size, bool dnssec_ok) {
  to[0] = std::byte{0};
  put16(to + 1, type::opt);
  put16(to + 3, size);
  put32(to + 5, dnssec_ok ? kDnssecOk : 0);
  put16(to + 9, 0);
  return kOptRecord;
}

}  // namespace

size_t write_forwarded(const Query& query, std::span<const std::byte> question, uint16_t id, uint16_t size,
                       std::span<std::byte> to) {
  constexpr uint16_t kKept = flag::recursion_desired | flag::authentic_data | flag::checking_disabled;
  std::memset(to.data(), 0, kHeader);
  put16(to.data(), id);
  put16(to.data() + 2, query.flags & kKept);
  put16(to.data() + 4, 1);
  put16(to.data() + 10, query.has_edns ? 1 : 0);
  std::memcpy(to.data() + kHeader, question.data(), question.size());
  const size_t end = kHeader + question.size();
  return query.has_edns ? end + write_opt(to.data() + end, size, query.dnssec_ok) : end;
}

bool answers(std::span<const std::byte> message, uint16_t id, std::span<const std::byte> question) {
  if (message.size() < kHeader + question.size() || get16(message.data()) != id || get16(message.data() + 4) != 1) {
    return false;
  }
  if ((get16(message.data() + 2) & (flag::response | flag::opcode)) != flag::response) {
    return false;
  }
  return std::memcmp(question.data(), message.data() + kHeader, question.size()) == 0;
}

Rcode rcode_of(std::span<const std::byte> message) {
  return static_cast<Rcode>(get16(message.data() + 2) & flag::rcode);
}

size_t adopt(std::span<std::byte> message, const Query& query, std::span<const std::byte> question, size_t most) {
  put16(message.data(), query.id);
  if (message.size() <= most) {
    return message.size();
  }
  put16(message.data() + 2, get16(message.data() + 2) | flag::truncated);
  std::memset(message.data() + 6, 0, 6);
  put16(message.data() + 10, query.has_edns ? 1 : 0);
  const size_t end = kHeader + question.size();
  return query.has_edns ? end + write_opt(message.data() + end, kMostUdp, query.dnssec_ok) : end;
}

}  // namespace weft::dns
