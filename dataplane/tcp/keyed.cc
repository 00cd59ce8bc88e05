// SPDX-License-Identifier: Apache-2.0
#include "tcp/keyed.h"

#include <sodium/crypto_shorthash_siphash24.h>

#include <cstring>

#include "lb/flow_key.h"

namespace weft::tcp {
namespace {

enum Purpose : uint32_t { for_place, for_sequence, for_timestamp, for_cookie };

struct Hashed {
  SocketPair pair;
  uint32_t purpose;
  uint32_t a;
  uint32_t b;
};
static_assert(sizeof(Hashed) == 48, "no padding: it is hashed as bytes");

}  // namespace

Keyed::Keyed(const Secret& secret) : secret_(secret), seed_(hash({}, for_place)) {}

uint64_t Keyed::hash(const SocketPair& pair, uint32_t purpose, uint32_t a, uint32_t b) const {
  static_assert(sizeof(Secret) == crypto_shorthash_siphash24_KEYBYTES);
  const Hashed hashed{pair, purpose, a, b};
  std::array<uint8_t, sizeof hashed> bytes;
  std::memcpy(bytes.data(), &hashed, sizeof hashed);
  std::array<uint8_t, crypto_shorthash_siphash24_BYTES> result;
  crypto_shorthash_siphash24(result.data(), bytes.data(), bytes.size(), secret_.key.data());
  return std::bit_cast<uint64_t>(result);
}

uint64_t Keyed::place_of(const SocketPair& pair) const {
  return XXH3_64bits_withSeed(&pair, sizeof pair, seed_);
}
uint32_t Keyed::sequence_of(const SocketPair& pair) const {
  return static_cast<uint32_t>(hash(pair, for_sequence));
}
uint32_t Keyed::timestamp_of(const SocketPair& pair) const {
  return static_cast<uint32_t>(hash(pair, for_timestamp));
}
uint32_t Keyed::cookie_of(const SocketPair& pair, Seq peer_first, uint32_t said) const {
  return static_cast<uint32_t>(hash(pair, for_cookie, peer_first.value, said)) & 0xff'ffff;
}

}  // namespace weft::tcp
