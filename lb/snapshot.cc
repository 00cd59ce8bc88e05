// SPDX-License-Identifier: Apache-2.0
#include "lb/snapshot.h"

#include <bit>
#include <cassert>

namespace weft::lb {
namespace {

/// Never 0: a free entry has key 0, and a VIP's own entry has port and protocol 0 but the top bit set.
uint64_t key_of(Ipv4Address address, Port port, Protocol protocol) {
  return uint64_t{1} << 63 | static_cast<uint64_t>(address) << 24 | static_cast<uint64_t>(port) << 8 |
         static_cast<uint64_t>(protocol);
}
uint64_t key_of(Ipv4Address address) {
  return key_of(address, Port{}, Protocol{});
}

size_t spread(uint64_t key) {
  return static_cast<size_t>(XXH3_64bits(&key, sizeof key));
}

void mark(std::vector<bool>& slots, uint32_t slot) {
  if (slots.size() <= slot) {
    slots.resize(slot + 1);
  }
  slots[slot] = true;
}

}  // namespace

std::string_view to_string(EndpointState state) {
  switch (state) {
    case EndpointState::ready:
      return "ready";
    case EndpointState::draining:
      return "draining";
    case EndpointState::not_ready:
      return "not ready";
  }
  return "unknown";
}

size_t Service::memory_bytes() const {
  return sizeof *this + endpoints.capacity() * sizeof(Endpoint) + targets.capacity() * sizeof(Target) +
         table->memory_bytes();
}

Snapshot::Snapshot(uint64_t epoch, uint64_t seed, std::vector<Service> services)
    : epoch_(epoch), seed_(seed), services_(std::move(services)) {
  index_.resize(std::bit_ceil(services_.size() * 4 + 2));
  for (uint32_t i = 0; i < services_.size(); ++i) {
    const Service& service = services_[i];
    assert(service.table != nullptr && service.table->members().size() == service.targets.size());
    assert(find(service.address, service.port, service.protocol) == nullptr);
    insert(key_of(service.address, service.port, service.protocol), i);
    if (!is_vip(service.address)) {
      insert(key_of(service.address), kAddressOnly);
    }
    for (const Target& target : service.targets) {
      mark(open_slots_, target.slot);
    }
    for (const Endpoint& endpoint : service.endpoints) {
      mark(known_slots_, endpoint.slot);
    }
  }
}

const Service* Snapshot::find(Ipv4Address address, Port port, Protocol protocol) const {
  const Entry* entry = look_up(key_of(address, port, protocol));
  return entry == nullptr || entry->service == kAddressOnly ? nullptr : &services_[entry->service];
}

bool Snapshot::is_vip(Ipv4Address address) const {
  return look_up(key_of(address)) != nullptr;
}

const Snapshot::Entry* Snapshot::look_up(uint64_t key) const {
  const size_t mask = index_.size() - 1;
  for (size_t i = spread(key) & mask; index_[i].key != 0; i = (i + 1) & mask) {
    if (index_[i].key == key) {
      return &index_[i];
    }
  }
  return nullptr;
}

void Snapshot::insert(uint64_t key, uint32_t service) {
  const size_t mask = index_.size() - 1;
  size_t i = spread(key) & mask;
  while (index_[i].key != 0) {
    i = (i + 1) & mask;
  }
  index_[i] = {.key = key, .service = service};
}

}  // namespace weft::lb
