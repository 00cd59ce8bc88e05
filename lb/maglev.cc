// SPDX-License-Identifier: Apache-2.0
#include "lb/maglev.h"

#include <algorithm>
#include <cassert>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace weft::lb {
namespace {

constexpr uint16_t kFree = UINT16_MAX;
static_assert(MaglevTable::kMaxMembers <= kFree);

MaglevWalk walk_of(const std::string& identity, uint32_t size, uint64_t seed) {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(identity.data(), identity.size(), seed);
  return {.offset = static_cast<uint32_t>(hash.low64 % size),
          .skip = static_cast<uint32_t>(hash.high64 % (size - 1)) + 1};
}

}  // namespace

std::vector<uint16_t> fill_maglev(std::span<const MaglevWalk> walks, std::span<const uint32_t> weights, uint32_t size) {
  assert(walks.size() == weights.size() && walks.size() <= MaglevTable::kMaxMembers);
  const uint32_t max_weight = weights.empty() ? 0 : *std::max_element(weights.begin(), weights.end());
  if (max_weight == 0) {
    return {};
  }
  // A cursor a member instead of the paper's matrix of permutations: N numbers, not N * M.
  struct Turn {
    uint32_t cursor;
    uint32_t skip;
    uint32_t weight;
    uint32_t gained;
    uint16_t member;
  };
  std::vector<Turn> turns;
  for (size_t i = 0; i < walks.size(); ++i) {
    if (weights[i] > 0) {
      turns.push_back({walks[i].offset, walks[i].skip, weights[i], 0, static_cast<uint16_t>(i)});
    }
  }
  std::vector<uint16_t> slots(size, kFree);
  for (uint32_t filled = 0;;) {
    for (Turn& turn : turns) {
      turn.gained += turn.weight;
      if (turn.gained < max_weight) {
        continue;
      }
      turn.gained -= max_weight;
      while (slots[turn.cursor] != kFree) {
        turn.cursor += turn.skip;
        turn.cursor -= turn.cursor >= size ? size : 0;
      }
      slots[turn.cursor] = turn.member;
      if (++filled == size) {
        return slots;
      }
    }
  }
}

bool MaglevTable::valid_size(uint32_t size) {
  return std::find(kSizes.begin(), kSizes.end(), size) != kSizes.end();
}

MaglevTable::MaglevTable(std::vector<MaglevMember> members, uint32_t size, uint64_t seed)
    : members_(std::move(members)) {
  assert(valid_size(size) && members_.size() <= kMaxMembers);
  std::sort(members_.begin(), members_.end(),
            [](const MaglevMember& a, const MaglevMember& b) { return a.identity < b.identity; });
  std::vector<MaglevWalk> walks;
  std::vector<uint32_t> weights;
  for (const MaglevMember& member : members_) {
    walks.push_back(walk_of(member.identity, size, seed));
    weights.push_back(member.weight);
  }
  slots_ = fill_maglev(walks, weights, size);
  order_ = WeightedOrder(weights);
}

std::vector<uint32_t> MaglevTable::shares() const {
  std::vector<uint32_t> shares(members_.size());
  for (uint16_t member : slots_) {
    ++shares[member];
  }
  return shares;
}

uint64_t MaglevTable::digest() const {
  return XXH3_64bits(slots_.data(), slots_.size() * sizeof(uint16_t));
}

}  // namespace weft::lb
