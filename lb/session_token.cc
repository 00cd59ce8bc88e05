// SPDX-License-Identifier: Apache-2.0
#include "lb/session_token.h"

#include <sodium/crypto_shorthash.h>

#include <algorithm>
#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace weft::lb {
namespace {

static_assert(sizeof(SessionKey) == crypto_shorthash_KEYBYTES);

constexpr size_t kSaid = 26;  ///< bytes: address, port, two times
constexpr size_t kTag = 8;
using Said = std::array<uint8_t, kSaid>;
using Sealed = std::array<uint8_t, kTag + kSaid>;
static_assert((sizeof(Sealed) * 8 + 5) / 6 == kSessionTokenLength);

uint64_t keyed(std::span<const uint8_t> bytes, const SessionKey& key) {
  uint64_t hash = 0;
  crypto_shorthash(reinterpret_cast<uint8_t*>(&hash), bytes.data(), bytes.size(), key.data());
  return hash;
}

/// Of a name's 128 bits, as names have any length. Two that have the same would share tokens, and no more.
uint64_t tag_of(const Said& said, std::string_view service, const SessionKey& key) {
  const XXH128_hash_t name = XXH3_128bits(service.data(), service.size());
  std::array<uint8_t, 1 + kSaid + sizeof name> input{'t'};
  std::copy(said.begin(), said.end(), input.begin() + 1);
  std::memcpy(input.data() + 1 + kSaid, &name, sizeof name);
  return keyed(input, key);
}

/// Hides or shows. The tag differs whenever what is said does, so no noise is used for two things.
void mask(Said& said, uint64_t tag, const SessionKey& key) {
  std::array<uint8_t, 2 + kTag> input{'m'};
  std::memcpy(input.data() + 2, &tag, kTag);
  for (size_t at = 0; at < kSaid; at += sizeof(uint64_t)) {
    input[1] = static_cast<uint8_t>(at);
    const uint64_t noise = keyed(input, key);
    for (size_t i = at; i < std::min(kSaid, at + sizeof noise); ++i) {
      said[i] ^= static_cast<uint8_t>(noise >> (8 * (i - at)));
    }
  }
}

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::array<int8_t, 256> kValues = [] {
  std::array<int8_t, 256> values{};
  values.fill(-1);
  for (size_t i = 0; i < kDigits.size(); ++i) {
    values[static_cast<uint8_t>(kDigits[i])] = static_cast<int8_t>(i);
  }
  return values;
}();

}  // namespace

std::string_view seal(const SessionToken& token, std::string_view service, const SessionKey& key,
                      std::span<char, kSessionTokenLength> out) {
  Said said{};
  std::memcpy(said.data(), &token.address, 16);
  std::memcpy(said.data() + 16, &token.port, 2);
  std::memcpy(said.data() + 18, &token.begun_s, 4);
  std::memcpy(said.data() + 22, &token.used_s, 4);
  const uint64_t tag = tag_of(said, service, key);
  mask(said, tag, key);
  Sealed sealed{};
  std::memcpy(sealed.data(), &tag, kTag);
  std::copy(said.begin(), said.end(), sealed.begin() + kTag);
  for (size_t i = 0; i < out.size(); ++i) {
    const size_t bit = i * 6;
    const auto high = static_cast<unsigned>(sealed[bit / 8]) << 8;
    const unsigned low = bit / 8 + 1 < sealed.size() ? sealed[bit / 8 + 1] : 0;
    out[i] = kDigits[(high | low) >> (10 - bit % 8) & 63];
  }
  return {out.data(), out.size()};
}

std::optional<SessionToken> open(std::string_view text, std::string_view service, const SessionKey& key) {
  if (text.size() != kSessionTokenLength) {
    return std::nullopt;
  }
  Sealed sealed{};
  unsigned bits = 0;
  size_t at = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const int value = kValues[static_cast<uint8_t>(text[i])];
    if (value < 0) {
      return std::nullopt;
    }
    bits = (bits << 6 | static_cast<unsigned>(value)) & 0xffff;
    const size_t have = (i + 1) * 6;
    if (have / 8 > at) {
      sealed[at++] = static_cast<uint8_t>(bits >> (have % 8));
    }
  }
  if ((bits & 15) != 0) {
    return std::nullopt;  // one spelling for each: the last character has four bits of nothing
  }
  uint64_t tag = 0;
  std::memcpy(&tag, sealed.data(), kTag);
  Said said{};
  std::copy(sealed.begin() + kTag, sealed.end(), said.begin());
  mask(said, tag, key);
  if (tag_of(said, service, key) != tag) {
    return std::nullopt;
  }
  SessionToken token;
  std::memcpy(&token.address, said.data(), 16);
  std::memcpy(&token.port, said.data() + 16, 2);
  std::memcpy(&token.begun_s, said.data() + 18, 4);
  std::memcpy(&token.used_s, said.data() + 22, 4);
  return token;
}

bool is_expired(const SessionToken& token, const SessionPersistence& session, uint32_t now_s) {
  const auto past = [now_s](uint32_t since_s, std::chrono::seconds timeout) {
    return timeout.count() > 0 && now_s > since_s && now_s - since_s >= timeout.count();
  };
  return past(token.begun_s, session.absolute_timeout) || past(token.used_s, session.idle_timeout);
}

}  // namespace weft::lb
