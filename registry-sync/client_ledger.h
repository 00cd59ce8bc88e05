// SPDX-License-Identifier: Apache-2.0
/// @file Which namespace is a client of? That whose EndpointSlices have its address. An address that two namespaces
/// have is nobody's: whoever may write slices could else claim another's clients.
///
/// An edit costs what changed. One thread: the builder's. Memory: about 100 bytes an address.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lb/address_hash.h"
#include "registry-sync/resources.h"

namespace weft::registry {

class ClientLedger {
 public:
  using Slices = std::vector<std::shared_ptr<const EndpointSlice>>;

  /// A service of the namespace had these slices, and has those.
  void replace(const std::string& name_space, const Slices& before, const Slices& after);

  /// Each address that one of these namespaces has, and no other namespace.
  std::vector<std::pair<lb::Address, std::string>> clients_of(const std::set<std::string>& namespaces) const;
  /// Namespaces that may have gained or lost a client since the last call.
  std::set<std::string> take_changed() { return std::exchange(changed_, {}); }

 private:
  void count(const lb::Address& address, const std::string& name_space, int sign);

  /// By namespace, in how many endpoints it is.
  std::unordered_map<lb::Address, std::map<std::string, uint32_t>, lb::HashOfAddress> uses_;
  std::set<std::string> changed_;
};

}  // namespace weft::registry
