// SPDX-License-Identifier: Apache-2.0
/// @file Who is behind an address? The namespaces and services of which it is an endpoint, as the registry says.
///
/// It is told by the address alone: whoever can send from another's address, or write it into an EndpointSlice, is
/// taken for that one. Certificates may say more some day.
///
/// A table is immutable, and the next one shares with it all but the paths to what changed: a tree of two levels over
/// the address's hash, of 4096 leaves. find() does not allocate; any number of threads may read.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lb/address.h"

namespace weft::lb {

/// All that an address is; of several services, all of them. Sorted, each once.
struct Caller {
  std::vector<std::string> namespaces;
  std::vector<std::string> principals;  ///< "cluster.local/ns/<namespace>/sa/<service>"

  bool operator==(const Caller&) const = default;
};

class CallerTable {
 public:
  /// Null: nobody is known there any more.
  struct Edit {
    Address address;
    std::shared_ptr<const Caller> caller;
  };

  /// Costs what the edits touch: 2 KiB and a leaf of each address.
  std::shared_ptr<const CallerTable> with(const std::vector<Edit>& edits) const;

  /// Null: nobody is known there.
  const Caller* find(const Address& address) const;
  /// Grows with every edit: what was found is right as long as it is the same. 0: nobody is known.
  uint64_t revision() const { return revision_; }

 private:
  static constexpr size_t kFanOut = 64;
  using Leaf = std::vector<std::pair<Address, std::shared_ptr<const Caller>>>;
  using Branch = std::array<std::shared_ptr<const Leaf>, kFanOut>;

  std::array<std::shared_ptr<const Branch>, kFanOut> root_;
  uint64_t revision_ = 0;
};

}  // namespace weft::lb
