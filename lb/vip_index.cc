// SPDX-License-Identifier: Apache-2.0
#include "lb/vip_index.h"

#include <bit>
#include <cassert>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "lb/snapshot.h"

namespace weft::lb {

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
  const uint64_t rest = static_cast<uint64_t>(port) << 8 | static_cast<uint64_t>(protocol);
  return XXH3_64bits_withSeed(&address, sizeof address, rest) & (entries_.size() - 1);
}

const VipIndex::Entry* VipIndex::look_up(const Address& address, Port port, Protocol protocol) const {
  for (size_t i = home_of(address, port, protocol); entries_[i].taken; i = (i + 1) & (entries_.size() - 1)) {
    if (entries_[i].address == address && entries_[i].port == port && entries_[i].protocol == protocol) {
      return &entries_[i];
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
