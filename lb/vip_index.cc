// SPDX-License-Identifier: Apache-2.0
#include "lb/vip_index.h"

#include <array>
#include <bit>
#include <cassert>

#include "lb/snapshot.h"
#include "lb/split_mix.h"

namespace weft::lb {
namespace {

// A flood is looked up twice a packet: what hashes and compares bytes one by one would be a third of its cost.
std::array<uint64_t, 2> words_of(const Address& address) {
  return std::bit_cast<std::array<uint64_t, 2>>(address);
}

}  // namespace

VipIndex::VipIndex(const std::vector<std::shared_ptr<const Service>>& services) {
  entries_.resize(std::bit_ceil(services.size() * 4 + 2));
  for (uint32_t i = 0; i < services.size(); ++i) {
    const Service& service = *services[i];
    assert(look_up(service.address, service.port, service.protocol) == nullptr);
    insert(service.address, service.port, service.protocol, i);
    if (!is_vip(service.address)) {
      insert(service.address, Port{}, Protocol{}, kAddressOnly);
    }
  }
}

std::optional<uint32_t> VipIndex::find(const Address& address, Port port, Protocol protocol) const {
  const Entry* entry = look_up(address, port, protocol);
  return entry == nullptr || entry->service == kAddressOnly ? std::nullopt : std::optional(entry->service);
}

size_t VipIndex::home_of(const Address& address, Port port, Protocol protocol) const {
  const auto [high, low] = words_of(address);
  const uint64_t rest = static_cast<uint64_t>(port) << 8 | static_cast<uint64_t>(protocol);
  // The table holds what operators wrote, so nobody can fill it with collisions, and it needs no secret.
  return SplitMix64::mixed(low ^ SplitMix64::mixed(high ^ rest << 32)) & (entries_.size() - 1);
}

const VipIndex::Entry* VipIndex::look_up(const Address& address, Port port, Protocol protocol) const {
  for (size_t i = home_of(address, port, protocol); entries_[i].taken; i = (i + 1) & (entries_.size() - 1)) {
    const Entry& entry = entries_[i];
    if (words_of(entry.address) == words_of(address) && entry.port == port && entry.protocol == protocol) {
      return &entry;
    }
  }
  return nullptr;
}

void VipIndex::insert(const Address& address, Port port, Protocol protocol, uint32_t service) {
  size_t i = home_of(address, port, protocol);
  while (entries_[i].taken) {
    i = (i + 1) & (entries_.size() - 1);
  }
  entries_[i] = {.address = address, .port = port, .protocol = protocol, .taken = true, .service = service};
}

}  // namespace weft::lb
