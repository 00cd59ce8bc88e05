// SPDX-License-Identifier: Apache-2.0
/// @file Which services is a client an endpoint of? Those whose EndpointSlices have its address: for policies of
/// access, which ask for namespaces and principals (lb/caller_table.h).
///
/// All of them count, of several namespaces too: who may write slices can so make another's client look like one of his
/// own, but never the other way round. (Routes are told apart more narrowly: client_ledger.h.)
///
/// An edit costs what changed. One thread: the builder's. Memory: about 150 bytes an address.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "lb/address_hash.h"
#include "lb/caller_table.h"
#include "registry-sync/resources.h"

namespace weft::registry {

class CallerLedger {
 public:
  using Slices = std::vector<std::shared_ptr<const EndpointSlice>>;

  /// A service, "namespace/name", had these slices, and has those.
  void replace(const std::string& service, const Slices& before, const Slices& after);
  /// What is not as it was at the last call.
  std::vector<lb::CallerTable::Edit> take_edits();

 private:
  void count(const lb::Address& address, const std::string& service, int sign);
  std::shared_ptr<const lb::Caller> caller_of(const std::map<std::string, uint32_t>& services);

  /// By service, in how many endpoints it is.
  std::unordered_map<lb::Address, std::map<std::string, uint32_t>, lb::HashOfAddress> uses_;
  std::set<lb::Address> changed_;
  /// Of one service alone, which most are: shared by its endpoints.
  std::unordered_map<std::string, std::weak_ptr<const lb::Caller>> callers_;
};

}  // namespace weft::registry
