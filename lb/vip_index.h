// SPDX-License-Identifier: Apache-2.0
/// @file From virtual address, port and protocol to the number of a service.
///
/// Snapshots whose services have the same addresses share one by pointer. Immutable, so any number of threads may read
/// it. 24 bytes an entry, at most half of them taken.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "lb/address.h"

namespace weft::lb {

struct Service;

class VipIndex {
 public:
  /// @param services with unique (address, port, protocol); asserted
  explicit VipIndex(const std::vector<std::shared_ptr<const Service>>& services);

  /// The position among `services`.
  std::optional<uint32_t> find(const Address& address, Port port, Protocol protocol) const;
  /// Does any service have this address?
  bool is_vip(const Address& address) const { return look_up(address, Port{}, Protocol{}) != nullptr; }

 private:
  struct Entry {
    Address address;
    Port port{};
    Protocol protocol{};
    bool taken = false;
    uint32_t service = 0;
  };
  static constexpr uint32_t kAddressOnly = UINT32_MAX;

  const Entry* look_up(const Address& address, Port port, Protocol protocol) const;
  void insert(const Address& address, Port port, Protocol protocol, uint32_t service);
  size_t home_of(const Address& address, Port port, Protocol protocol) const;

  std::vector<Entry> entries_;  ///< open addressing, a power of two, at most half full
};

}  // namespace weft::lb
